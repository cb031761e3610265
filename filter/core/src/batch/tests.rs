//! Responses about batches, and the records kept of them.

use crate::store::fake::Shared;

use super::results::Results;
use super::*;
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

fn usage(input: u64, output: u64) -> Usage {
    Usage { input, output, ..Usage::default() }
}

#[test]
fn a_batch_that_is_over_tells_what_it_has_used_or_where_that_stands() {
    let counted = r#""usage":{"input_tokens":7,"output_tokens":3,"input_tokens_details":{"cached_tokens":2}}"#;
    let cached = Usage { cached: 2, ..usage(7, 3) };
    let zero = r#""usage":{"input_tokens":0,"output_tokens":0}"#;
    let results = || Some(BatchFact::Results("file-2".to_owned()));
    let used = |usage| Some(BatchFact::Used(usage, None));
    for (status, rest, expected) in [
        ("in_progress", counted, None),
        ("finalizing", counted, None),
        ("cancelling", counted, None),
        ("completed", counted, used(cached)),
        ("expired", counted, used(cached)),
        ("cancelled", counted, used(cached)),
        (
            "completed",
            &format!(r#""output_file_id":"file-2",{counted}"#),
            Some(BatchFact::Used(cached, Some("file-2".to_owned()))),
        ),
        ("completed", r#""output_file_id":"file-2""#, results()),
        ("completed", r#""output_file_id":"file-2","usage":null"#, results()),
        ("completed", r#""output_file_id":"file-2","usage":{"input_tokens":-1,"output_tokens":2}"#, results()),
        ("completed", &format!(r#""output_file_id":"file-2",{zero}"#), results()),
        ("completed", &format!(r#"{zero},"request_counts":{{"completed":0}}"#), used(usage(0, 0))),
        ("completed", r#""request_counts":{"total":2,"completed":0,"failed":2}"#, used(usage(0, 0))),
        ("failed", r#""errors":{}"#, used(usage(0, 0))),
        ("completed", r#""request_counts":{"completed":2}"#, None),
        ("completed", r#""output_file_id":"../x""#, None),
    ] {
        let body = format!(r#"{{"id":"batch_1","object":"batch","status":"{status}",{rest}}}"#);
        assert_eq!(object::used(body.as_bytes()), expected, "{body}");
    }
    assert_eq!(object::made(br#"{"id":"file-1","object":"file"}"#), Some(BatchFact::Made("file-1".to_owned())));
    for odd in ["", "[]", r#"{"id":7}"#, r#"{"id":"a b"}"#, r#"{"error":{}}"#] {
        assert_eq!((object::made(odd.as_bytes()), object::used(odd.as_bytes())), (None, None), "{odd}");
    }
}

#[test]
fn results_are_read_in_any_portions_and_one_that_cannot_be_read_leaves_the_use_unknown() {
    let chat = r#"{"custom_id":"1","response":{"status_code":200,"body":{"object":"chat.completion","choices":[{"index":0,"message":{"content":"hi"},"finish_reason":"stop"}],"usage":{"prompt_tokens":7,"completion_tokens":3,"total_tokens":10}}},"error":null}"#;
    let list = r#"{"response":{"status_code":200,"body":{"object":"list","data":[],"usage":{"prompt_tokens":5,"total_tokens":5}}}}"#;
    let refused = r#"{"response":{"status_code":400,"body":{"error":{"message":"no"}}},"error":null}"#;
    let lost = r#"{"response":null,"error":{"code":"batch_expired"}}"#;
    let read = |text: &str, size: usize| {
        let mut results = Results::default();
        text.as_bytes().chunks(size).for_each(|portion| results.read(portion));
        results.end()
    };
    let all = [chat, "", list, refused, lost, chat].join("\n");
    for text in [all.clone(), format!("{all}\n"), all.replace('\n', "\r\n")] {
        for size in [1, 7, 64, text.len()] {
            assert_eq!(read(&text, size), Some(usage(19, 6)), "{size}");
        }
    }
    assert_eq!(read("", 1), Some(usage(0, 0)));
    for odd in ["{}", "no json", r#"{"response":{"status_code":200,"body":{"object":"song"}}}"#, &chat[..100]] {
        assert_eq!(read(&format!("{chat}\n{odd}\n{chat}"), 9), None, "{odd}");
    }
}

#[test]
fn a_line_without_an_end_is_held_no_further_than_its_bound() {
    let mut results = Results::default();
    let portion = vec![b'x'; 1 << 20];
    for _ in 0..40 {
        results.read(&portion);
        assert!(results.held() <= 16 << 20);
    }
    assert_eq!((results.held(), results.end()), (0, None));
}

#[test]
fn the_last_pages_are_known_and_a_batch_is_settled_once() {
    let shared = Shared::default();
    let name = |number: usize| records::batch(&number.to_string());
    let settle = || records::keep(&shared, &name(0), &BatchRecord::Settled);
    assert!(settle() && !settle());
    for number in 1..5_000 {
        records::keep(&shared, &name(number), &BatchRecord::Settled);
    }
    assert_eq!(
        (records::cache_state(&shared, &name(0)), records::cache_state(&shared, &name(4_999))),
        (None, Some(BatchRecord::Settled))
    );
    let known = (0..5_000).filter(|number| records::cache_state(&shared, &name(*number)).is_some()).count();
    assert_eq!(known, 64 * 16, "there is room for the last ones");
    for odd in ["", "a b", "../x", &"x".repeat(129)] {
        assert!(!records::is_id(odd), "{odd}");
    }
}
