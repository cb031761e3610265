//! Whole answers.

#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::*;
use crate::conversation::{Choice, Finish, Response, Usage};
use crate::error::ErrorKind;

const GOLDEN: &str = concat!(
    r#"{"id":"msg_1","type":"message","role":"assistant","model":"claude-x","#,
    r#""content":[{"type":"thinking","thinking":"…","signature":"EqQ…"},{"type":"text","text":"3 degrees"}],"#,
    r#""stop_reason":"end_turn","stop_sequence":null,"#,
    r#""usage":{"input_tokens":20,"cache_creation_input_tokens":5,"cache_read_input_tokens":100,"#,
    r#""cache_creation":{"ephemeral_5m_input_tokens":5,"ephemeral_1h_input_tokens":0},"output_tokens":30,"#,
    r#""output_tokens_details":{"thinking_tokens":12},"service_tier":"standard"}}"#,
);

fn usage() -> Usage {
    Usage { input: 125, cached: 100, cache_write: 5, output: 30, reasoning: 12 }
}

fn golden() -> Response {
    let thinking = Part::Thinking { text: "…".to_owned(), signature: Some("EqQ…".to_owned()) };
    Response {
        id: "msg_1".to_owned(),
        model: "claude-x".to_owned(),
        created: None,
        choices: vec![Choice { parts: vec![thinking, words("3 degrees")], finish: Finish::Stop }],
        usage: Some(usage()),
        service_tier: Some("default".to_owned()),
        guises: crate::conversation::Guises::none(),
    }
}

fn read(body: &str) -> Result<Response, ApiError> {
    ANTHROPIC.read_response(body.as_bytes())
}

#[test]
fn golden_answer_is_read_with_inclusive_usage() {
    assert_eq!(read(GOLDEN).unwrap(), golden());
    let glance = ANTHROPIC.peek_response(GOLDEN.as_bytes()).unwrap();
    assert_eq!((glance.model.as_deref(), glance.usage), (Some("claude-x"), Some(usage())));
}

#[test]
fn a_written_answer_is_read_back() {
    let written = ANTHROPIC.write_response(&golden(), 0);
    assert_eq!(ANTHROPIC.read_response(&written).unwrap(), golden());
    let tree: serde_json::Value = serde_json::from_slice(&written).unwrap();
    assert_eq!((&tree["type"], &tree["role"]), (&"message".into(), &"assistant".into()));
    assert_eq!(tree["usage"]["input_tokens"], 20, "the cache's share is not counted twice");
    assert!(tree["stop_sequence"].is_null());
}

#[test]
fn all_stop_reasons_and_unknown_ones() {
    let reasons = [
        ("end_turn", Finish::Stop),
        ("stop_sequence", Finish::Stop),
        ("max_tokens", Finish::Length),
        ("tool_use", Finish::ToolCalls),
        ("pause_turn", Finish::Stop),
        ("refusal", Finish::ContentFilter),
        ("model_context_window_exceeded", Finish::Length),
        ("tomorrow", Finish::Stop),
    ];
    for (reason, finish) in reasons {
        let body = format!(r#"{{"content":[],"stop_reason":"{reason}"}}"#);
        assert_eq!(read(&body).unwrap().choices[0].finish, finish, "{reason}");
    }
}

#[test]
fn tool_arguments_are_the_bytes_that_were_sent() {
    let body = r#"{"content":[{"type":"tool_use","id":"t","name":"get_weather","input":{"b": 1.0, "a":[1e2]}}]}"#;
    assert_eq!(read(body).unwrap().choices[0].parts, [call("t", r#"{"b": 1.0, "a":[1e2]}"#)]);
}

#[test]
fn blocks_of_unknown_kinds_are_tolerated() {
    let body = r#"{"content":[{"type":"server_tool_use","id":7,"input":{}},{"type":"web_search_tool_result","text":[]},
        {"kind":"?"},{"type":"text","text":"Hi","citations":[{}]}]}"#;
    assert_eq!(read(body).unwrap().choices[0].parts, [words("Hi")]);
}

#[test]
fn an_error_in_a_200_is_an_error() {
    let body = r#"{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"},"request_id":"r"}"#;
    let error = read(body).unwrap_err();
    assert_eq!((error.status, error.kind), (529, ErrorKind::Overloaded));
    assert_eq!(ANTHROPIC.peek_response(body.as_bytes()).unwrap_err(), error);
}

#[test]
fn what_is_not_an_answer_is_a_502() {
    for body in ["", "<html>", "{}", "[]", r#"{"content":5}"#, r#"{"content":[{"type":"text","text":5}]}"#] {
        assert_eq!(read(body).unwrap_err().status, 502, "{body}");
    }
}

#[test]
fn arguments_that_are_not_an_object_are_wrapped_and_not_lost() {
    let mut response = golden();
    response.choices[0].parts = vec![call("t", "{\"a\":")];
    let written = ANTHROPIC.write_response(&response, 0);
    assert!(String::from_utf8(written).unwrap().contains(r#""input":{"INVALID_JSON":"{\"a\":"}"#));
}

#[test]
fn an_answer_without_choices_is_still_an_answer() {
    let written = ANTHROPIC.write_response(&Response::default(), 0);
    assert_eq!(ANTHROPIC.read_response(&written).unwrap().choices[0].parts, []);
}

#[test]
fn a_refusal_in_the_models_own_words_is_one_by_its_reason_too() {
    let mut response = golden();
    response.choices[0].parts = vec![Part::Refusal { text: "I would rather not.".to_owned() }];
    let tree: serde_json::Value = serde_json::from_slice(&ANTHROPIC.write_response(&response, 0)).unwrap();
    assert_eq!(tree["content"][0]["text"], "I would rather not.");
    assert_eq!(tree["stop_reason"], "refusal");
    response.choices[0].finish = Finish::Length;
    let tree: serde_json::Value = serde_json::from_slice(&ANTHROPIC.write_response(&response, 0)).unwrap();
    assert_eq!(tree["stop_reason"], "max_tokens");
}
