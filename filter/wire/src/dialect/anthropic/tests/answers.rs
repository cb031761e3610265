//! Non-streamed responses.

#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::*;
use crate::conversation::{Choice, Finish, Response};
use crate::error::ErrorKind;

/// A response of one part.
fn answer(part: Part) -> Response {
    Response { choices: vec![Choice { parts: vec![part], finish: Finish::Stop }], ..Response::default() }
}

fn read(body: &str) -> Result<Response, ApiError> {
    ANTHROPIC.read_response(body.as_bytes())
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
    let written = ANTHROPIC.write_response(&answer(call("t", "{\"a\":")), 0);
    assert!(String::from_utf8(written).unwrap().contains(r#""input":{"INVALID_JSON":"{\"a\":"}"#));
}

#[test]
fn an_answer_without_choices_is_still_an_answer() {
    let written = ANTHROPIC.write_response(&Response::default(), 0);
    assert_eq!(ANTHROPIC.read_response(&written).unwrap().choices[0].parts, []);
}

#[test]
fn a_refusal_in_the_models_own_words_is_one_by_its_reason_too() {
    let mut response = answer(Part::Refusal { text: "I would rather not.".to_owned() });
    let tree: serde_json::Value = serde_json::from_slice(&ANTHROPIC.write_response(&response, 0)).unwrap();
    assert_eq!(tree["content"][0]["text"], "I would rather not.");
    assert_eq!(tree["stop_reason"], "refusal");
    response.choices[0].finish = Finish::Length;
    let tree: serde_json::Value = serde_json::from_slice(&ANTHROPIC.write_response(&response, 0)).unwrap();
    assert_eq!(tree["stop_reason"], "max_tokens");
}
