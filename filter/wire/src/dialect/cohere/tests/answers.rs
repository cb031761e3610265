//! Non-streamed responses.

#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::*;
use crate::conversation::{Finish, Response, Usage};
use crate::error::ErrorKind;

/// A response with this message, reason and usage.
fn answer(message: &str, reason: &str, usage: &str) -> String {
    format!(r#"{{"id":"r1","finish_reason":"{reason}","message":{message},"usage":{usage}}}"#)
}

const TEXT: &str = r#"{"role":"assistant","content":[{"type":"text","text":"3"}],"tool_plan":null,"tool_calls":[]}"#;

fn read(body: &str) -> Response {
    COHERE.read_response(body.as_bytes()).unwrap()
}

#[test]
fn counts_may_be_floats() {
    let usage = r#"{"tokens":{"input_tokens":60.0,"output_tokens":4.0},"cached_tokens":8.0}"#;
    let expected = Usage { input: 60, cached: 8, output: 4, ..Usage::default() };
    assert_eq!(read(&answer(TEXT, "COMPLETE", usage)).usage, Some(expected));
}

#[test]
fn billed_units_stand_in_for_missing_tokens_and_nothing_is_nothing() {
    let of = |usage: &str| read(&answer(TEXT, "COMPLETE", usage)).usage;
    let billed = r#"{"billed_units":{"input_tokens":10,"output_tokens":2},"tokens":{}}"#;
    assert_eq!(of(billed), Some(Usage { input: 10, output: 2, ..Usage::default() }));
    for usage in ["null", "{}", r#"{"billed_units":{"search_units":1}}"#] {
        assert_eq!(of(usage), None, "{usage}");
    }
}

#[test]
fn every_finish_reason_has_its_meaning() {
    let finish = |word: &str| read(&answer(TEXT, word, "null")).choices[0].finish;
    for (word, expected) in [
        ("COMPLETE", Finish::Stop),
        ("STOP_SEQUENCE", Finish::Stop),
        ("MAX_TOKENS", Finish::Length),
        ("TOOL_CALL", Finish::ToolCalls),
        ("SOMETHING_NEW", Finish::Stop),
    ] {
        assert_eq!(finish(word), expected, "{word}");
    }
}

#[test]
fn an_answer_that_ended_in_an_error_or_a_timeout_is_one_and_its_usage_is_owed() {
    for (word, status, kind) in [("ERROR", 502, ErrorKind::Server), ("TIMEOUT", 504, ErrorKind::Timeout)] {
        let body = answer(TEXT, word, r#"{"tokens":{"input_tokens":5,"output_tokens":1}}"#);
        let error = COHERE.read_response(body.as_bytes()).unwrap_err();
        assert_eq!((error.status, error.kind), (status, kind));
        assert_eq!(COHERE.usage_of(body.as_bytes()).unwrap().input, 5);
    }
}

#[test]
fn thinking_content_is_reasoning_and_citations_are_not_content() {
    let message = r#"{"content":[{"type":"thinking","thinking":"Hm."},{"type":"text","text":"3"},{"type":"new"}],"citations":[{"text":"3"}]}"#;
    assert_eq!(read(&answer(message, "COMPLETE", "null")).choices[0].parts, [thought("Hm."), words("3")]);
}

#[test]
fn an_error_under_a_success_is_an_error() {
    for (body, status) in [(r#"{"id":"x","message":"internal server error"}"#, 502), ("{}", 502), ("<html>", 502)] {
        assert_eq!(COHERE.read_response(body.as_bytes()).unwrap_err().status, status);
    }
}
