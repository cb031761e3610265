//! Non-streamed responses.

use serde_json::json;
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::*;
use crate::conversation::{Finish, Response, Usage};
use crate::error::ErrorKind;

fn read(answer: &Value) -> Result<Response, ApiError> {
    BEDROCK.read_response(answer.to_string().as_bytes())
}

const GOLDEN: &[u8] = include_bytes!("../../../../tests/goldens/calls.bedrock.answer.json");

const USAGE: Usage = Usage { input: 120, cached: 70, cache_write: 30, output: 5, reasoning: 0 };

#[test]
fn input_tokens_exclude_the_cache_and_ours_include_it() {
    assert_eq!(BEDROCK.usage_of(GOLDEN), Some(USAGE));
    let silent = json!({"output": {"message": {"content": []}}, "stopReason": "end_turn"});
    assert_eq!(read(&silent).unwrap().usage, None);
}

#[test]
fn an_answer_without_output_is_no_answer() {
    for answer in [
        json!({"stopReason": "end_turn", "usage": {"inputTokens": 1, "outputTokens": 0}}),
        json!({"output": null}),
        json!({"output": {}}),
        json!([]),
        json!({"output": {"message": {"content": [{"text": 5}]}}}),
    ] {
        let error = read(&answer).unwrap_err();
        assert_eq!((error.status, error.code.as_deref()), (502, Some("invalid_provider_response")), "{answer}");
    }
}

#[test]
fn every_reason_to_stop() {
    let reasons = [
        ("end_turn", Finish::Stop),
        ("stop_sequence", Finish::Stop),
        ("max_tokens", Finish::Length),
        ("tool_use", Finish::ToolCalls),
        ("content_filtered", Finish::ContentFilter),
        ("guardrail_intervened", Finish::ContentFilter),
        ("model_context_window_exceeded", Finish::Length),
        ("invented", Finish::Stop),
    ];
    for (reason, finish) in reasons {
        let answer = json!({"output": {"message": {"content": [{"text": "a"}]}}, "stopReason": reason});
        assert_eq!(read(&answer).unwrap().choices[0].finish, finish, "{reason}");
    }
}

#[test]
fn errors_are_awss() {
    assert_eq!(BEDROCK.provider.headers.error, Some("x-amzn-errortype"));
    let hint = Some("ValidationException:http://internal.amazon.com/coral/");
    let error = BEDROCK.read_error(400, hint, br#"{"message":"Input is too long for requested model."}"#);
    assert_eq!((error.kind, error.code.as_deref()), (ErrorKind::ContextLength, Some("context_length_exceeded")));
    let written = BEDROCK.write_error(&ApiError::new(429, ErrorKind::RateLimit, "Slow down."));
    assert_eq!(written, br#"{"__type":"ThrottlingException","message":"Slow down."}"#);
}
