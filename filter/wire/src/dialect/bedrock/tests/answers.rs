//! Whole answers.

use serde_json::json;
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::*;
use crate::conversation::{Choice, Finish, Response, Usage};
use crate::error::ErrorKind;

fn read(answer: &Value) -> Result<Response, ApiError> {
    BEDROCK.read_response(answer.to_string().as_bytes())
}

fn golden() -> Value {
    json!({
        "metrics": {"latencyMs": 300},
        "output": {"message": {"role": "assistant", "content": [
            {"reasoningContent": {"reasoningText": {"text": "Hm", "signature": "EqQ"}}},
            {"reasoningContent": {"redactedContent": "eHl6"}},
            {"text": "één"},
            {"tomorrow": {"text": 5}},
            {"toolUse": {"toolUseId": "tooluse_1", "name": "get_weather", "input": {"city": "Oslo"}}}
        ]}},
        "stopReason": "tool_use",
        "serviceTier": {"type": "priority"},
        "usage": {"inputTokens": 20, "outputTokens": 5, "totalTokens": 125, "cacheReadInputTokens": 70,
            "cacheWriteInputTokens": 30, "cacheDetails": []}
    })
}

const USAGE: Usage = Usage { input: 120, cached: 70, cache_write: 30, output: 5, reasoning: 0 };

#[test]
fn golden_answer() {
    let parts = vec![
        Part::Thinking { text: "Hm".to_owned(), signature: Some("EqQ".to_owned()) },
        Part::RedactedThinking { data: "eHl6".to_owned() },
        words("één"),
        Part::ToolCall {
            id: "tooluse_1".to_owned(),
            name: "get_weather".to_owned(),
            arguments: r#"{"city":"Oslo"}"#.to_owned(),
        },
    ];
    let expected = Response {
        choices: vec![Choice { parts, finish: Finish::ToolCalls }],
        usage: Some(USAGE),
        service_tier: Some("priority".to_owned()),
        ..Response::default()
    };
    assert_eq!(read(&golden()).unwrap(), expected);
}

#[test]
fn input_tokens_exclude_the_cache_and_ours_include_it() {
    let body = golden().to_string();
    assert_eq!(BEDROCK.usage_of(body.as_bytes()), Some(USAGE));
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
