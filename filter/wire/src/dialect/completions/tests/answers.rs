//! Non-streamed responses.

#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::text;
use crate::conversation::{Choice, Finish, Part, Response, Usage};
use crate::dialect::halves::COMPLETIONS;
use crate::error::ErrorKind;

const USAGE: Usage = Usage { input: 9, cached: 0, cache_write: 0, output: 1, reasoning: 0 };

fn answer(parts: Vec<Part>, finish: Finish) -> Response {
    let choices = vec![Choice { parts, finish }];
    Response {
        id: "c1".to_owned(),
        model: "m".to_owned(),
        created: Some(7),
        choices,
        usage: Some(USAGE),
        service_tier: None,
        guises: crate::conversation::Guises::none(),
    }
}

fn written(response: &Response) -> String {
    String::from_utf8(COMPLETIONS.write_response(response, 99)).unwrap()
}

#[test]
fn texts_are_one_and_an_answer_without_a_date_has_that_of_now() {
    assert!(written(&answer(vec![text("H"), text("i")], Finish::Stop)).contains(r#"[{"text":"Hi","index":0,"#));
    assert!(written(&Response { created: None, ..answer(vec![], Finish::Stop) }).contains(r#""created":99"#));
}

#[test]
fn what_is_no_text_has_no_place() {
    let parts = vec![
        Part::Thinking { text: "t".to_owned(), signature: None },
        Part::Refusal { text: "no".to_owned() },
        Part::ToolCall { id: "c".to_owned(), name: "f".to_owned(), arguments: String::new() },
    ];
    let choice = r#""choices":[{"text":"no","index":0,"logprobs":null,"finish_reason":"stop"}]"#;
    assert!(written(&answer(parts, Finish::ToolCalls)).contains(choice));
}

#[test]
fn what_is_not_an_answer_is_an_error() {
    for body in ["", "<html>", "[]", "{}", r#"{"choices":[]}"#, "null"] {
        let read = COMPLETIONS.read_response(body.as_bytes()).unwrap_err();
        let peeked = COMPLETIONS.peek_response(body.as_bytes()).unwrap_err();
        assert_eq!((read.status, peeked.status), (502, 502), "{body}");
    }
    let hidden = br#"{"error":{"message":"slow","type":"rate_limit_error"},"choices":[{}]}"#;
    assert_eq!(COMPLETIONS.read_response(hidden).unwrap_err().kind, ErrorKind::RateLimit);
    let failed =
        br#"{"choices":[{"text":"","finish_reason":"error"}],"usage":{"prompt_tokens":9,"completion_tokens":1}}"#;
    assert_eq!(COMPLETIONS.read_response(failed).unwrap_err().kind, ErrorKind::Server);
    assert_eq!(COMPLETIONS.usage_of(failed), Some(USAGE));
}
