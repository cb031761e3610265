//! Non-streamed responses.

#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::{call, text};
use crate::conversation::{Choice, Finish, Part, Response, Usage};
use crate::dialect::ResponseSummary;
use crate::dialect::halves::RESPONSES;
use crate::error::ErrorKind;

const USAGE: Usage = Usage { input: 9, cached: 4, cache_write: 1, output: 6, reasoning: 2 };

fn answer(parts: Vec<Part>, finish: Finish) -> Response {
    Response {
        id: "chatcmpl-1".to_owned(),
        model: "m".to_owned(),
        created: Some(7),
        choices: vec![Choice { parts, finish }],
        usage: Some(USAGE),
        service_tier: None,
        guises: crate::conversation::Guises::none(),
    }
}

fn written(response: &Response) -> String {
    String::from_utf8(RESPONSES.write_response(response, 99)).unwrap()
}

#[test]
fn what_cut_an_answer_short_is_said() {
    for (finish, reason) in [(Finish::Length, "max_output_tokens"), (Finish::ContentFilter, "content_filter")] {
        let written = written(&answer(vec![text("Hi")], finish));
        assert!(written.contains(&format!(r#""incomplete_details":{{"reason":"{reason}"}}"#)), "{written}");
        assert_eq!(written.matches(r#""status":"incomplete""#).count(), 2, "of the answer and its last item");
        assert_eq!(RESPONSES.read_response(written.as_bytes()).unwrap().choices[0].finish, finish);
    }
}

#[test]
fn names_are_made_where_the_provider_has_none_and_are_never_too_long() {
    let nameless = Response { id: String::new(), created: None, usage: None, ..answer(vec![], Finish::Stop) };
    let written_nameless = written(&nameless);
    assert!(written_nameless.starts_with(r#"{"id":"resp_99""#) && written_nameless.contains(r#""usage":null"#));
    let long = Response { id: "é".repeat(100), ..answer(vec![text("Hi")], Finish::Stop) };
    assert!(written(&long).contains(&format!(r#""id":"msg_{}_0""#, "é".repeat(40))));
}

fn read(output: &str, more: &str) -> Choice {
    let body = format!(r#"{{"id":"resp_1","output":[{output}],"usage":null,"made_up":{{}}{more}}}"#);
    RESPONSES.read_response(body.as_bytes()).unwrap().choices.remove(0)
}

#[test]
fn a_call_without_a_name_of_its_own_gets_one() {
    let nameless = read(r#"{"type":"function_call","name":"f"}"#, "");
    assert_eq!(nameless.parts, [call("call_resp1_0_0", "f", "")]);
}

#[test]
fn an_answer_incomplete_for_any_reason_is_cut_short() {
    let finish = |details: &str| read("", &format!(r#","status":"incomplete","incomplete_details":{details}"#)).finish;
    assert_eq!(finish(r#"{"reason":"max_output_tokens"}"#), Finish::Length);
    assert_eq!(finish(r#"{"reason":"content_filter"}"#), Finish::ContentFilter);
    for details in [r#"{"reason":"made_up"}"#, "null", "3", "{}"] {
        assert_eq!(finish(details), Finish::Length);
    }
    assert_eq!(read("", r#","status":"made_up""#).finish, Finish::Stop);
}

#[test]
fn a_failure_hidden_in_a_200_is_an_error() {
    let cases = [
        (
            r#"{"status":"failed","error":{"code":"rate_limit_exceeded","message":"m"},"output":[]}"#,
            ErrorKind::RateLimit,
        ),
        (
            r#"{"status":"failed","error":{"code":"invalid_prompt","message":"m"},"output":[]}"#,
            ErrorKind::InvalidRequest,
        ),
        (r#"{"status":"failed","error":null,"output":[]}"#, ErrorKind::Server),
        (r#"{"status":"cancelled","output":[]}"#, ErrorKind::Server),
        (r#"{"error":{"message":"m","code":"insufficient_quota"}}"#, ErrorKind::InsufficientQuota),
    ];
    for (body, kind) in cases {
        assert_eq!(RESPONSES.read_response(body.as_bytes()).unwrap_err().kind, kind, "{body}");
        assert_eq!(RESPONSES.peek_response(body.as_bytes()).unwrap_err().kind, kind, "{body}");
    }
    for body in ["", "<html>", "[]", "{}", r#"{"output":null}"#, "null"] {
        let read = RESPONSES.read_response(body.as_bytes()).unwrap_err();
        let peeked = RESPONSES.peek_response(body.as_bytes()).unwrap_err();
        for error in [read, peeked] {
            assert_eq!((error.status, error.code.as_deref()), (502, Some("invalid_provider_response")), "{body}");
        }
    }
}

#[test]
fn an_answer_in_the_background_passes_and_is_none_to_translate() {
    let body = br#"{"id":"resp_1","status":"queued","model":"m","output":[],"usage":null,"error":null}"#;
    assert_eq!(
        RESPONSES.peek_response(body).unwrap(),
        ResponseSummary { model: Some("m".to_owned()), id: Some("resp_1".to_owned()), ..ResponseSummary::default() }
    );
    assert_eq!(RESPONSES.read_response(body).unwrap_err().status, 502);
}

#[test]
fn usage_is_inclusive_and_owed_by_an_answer_that_is_no_good() {
    let failed = br#"{"status":"failed","usage":{"input_tokens":9.0,"output_tokens":"6","input_tokens_details":{"cached_tokens":4},"output_tokens_details":null}}"#;
    assert_eq!(RESPONSES.usage_of(failed), Some(Usage { input: 9, cached: 4, output: 6, ..Usage::default() }));
    assert_eq!(RESPONSES.usage_of(br#"{"usage":{}}"#), None);
    assert_eq!(RESPONSES.usage_of(b"<html>"), None);
}
