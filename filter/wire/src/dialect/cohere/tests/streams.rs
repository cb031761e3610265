//! Streamed responses.

#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::*;
use crate::conversation::StreamEvent;
use crate::dialect::Opening;

const START: &str = r#"{"type":"message-start","id":"r1","delta":{"message":{"role":"assistant","content":[],"tool_plan":"","tool_calls":[],"citations":[]}}}"#;
const END: &str = r#"{"type":"message-end","delta":{"finish_reason":"COMPLETE","usage":{"billed_units":{"input_tokens":3.0,"output_tokens":1.0},"tokens":{"input_tokens":60.0,"output_tokens":4.0},"cached_tokens":8}}}"#;

/// A stream of these events.
fn stream(datas: &[&str]) -> String {
    datas.iter().map(|data| format!("data: {data}\n\n")).collect()
}

fn read(text: &str) -> Result<Vec<StreamEvent>, ApiError> {
    let mut events = Vec::new();
    COHERE.stream_reader().read(text.as_bytes(), &mut events).map(|()| events)
}

fn begun() -> StreamEvent {
    StreamEvent::Start { id: "r1".to_owned(), model: String::new() }
}

fn text(text: &str) -> StreamEvent {
    StreamEvent::Text { choice: 0, text: text.to_owned() }
}

#[test]
fn done_ends_nothing_and_may_be_missing() {
    let with = read(&stream(&[START, END, "[DONE]"])).unwrap();
    assert_eq!(with, read(&stream(&[START, END])).unwrap());
    assert_eq!(with.last(), Some(&StreamEvent::End));
    assert_eq!(read(&stream(&[START, "[DONE]"])).unwrap(), [begun()]);
}

#[test]
fn a_stream_that_ends_in_an_error_is_one_and_its_usage_is_owed() {
    let usage = r#""usage":{"tokens":{"input_tokens":5,"output_tokens":0}}"#;
    let failing = format!(r#"{{"type":"message-end","delta":{{"finish_reason":"ERROR","error":"broken",{usage}}}}}"#);
    let events = read(&stream(&[START, &failing, END])).unwrap();
    let [_, StreamEvent::Usage(usage), StreamEvent::Error(error)] = events.as_slice() else { panic!("{events:?}") };
    assert_eq!((usage.input, error.status, error.message.as_str()), (5, 502, "broken"));
    for odd in [
        r#"{"type":"message-end","delta":{"finish_reason":"TIMEOUT"}}"#,
        r#"{"type":"message-end","delta":{"error":"broken"}}"#,
        r#"{"id":"x","message":"too many things"}"#,
    ] {
        let events = read(&stream(&[START, odd])).unwrap();
        assert!(matches!(events.last(), Some(StreamEvent::Error(_))), "{odd}");
    }
}

#[test]
fn calls_without_a_name_and_arguments_without_a_call_are_no_answer() {
    for odd in [
        r#"{"type":"tool-call-start","index":0,"delta":{"message":{"tool_calls":[]}}}"#,
        r#"{"type":"tool-call-delta","index":0,"delta":{"message":{"tool_calls":{"function":{"arguments":"{}"}}}}}"#,
        "{",
    ] {
        assert_eq!(read(&stream(&[START, odd])).unwrap_err().code.as_deref(), Some("invalid_provider_response"));
    }
}

#[test]
fn a_failure_is_written_as_the_end_of_a_message() {
    let mut writer = COHERE.stream_writer(Opening {
        model: String::new(),
        now: 0,
        include_usage: true,
        estimate: 0,
        guises: crate::conversation::Guises::none(),
    });
    let mut out = Vec::new();
    let error = ApiError::bad_answer("It broke.");
    for event in [begun(), text("Hi"), StreamEvent::Error(error), StreamEvent::End] {
        writer.write(&event, &mut out);
    }
    let out = String::from_utf8(out).unwrap();
    assert!(out.ends_with(
        "event: message-end\ndata: {\"type\":\"message-end\",\"delta\":{\"finish_reason\":\"ERROR\",\"error\":\"It broke.\"}}\n\n"
    ));
    assert_eq!(out.matches("message-end").count(), 2);
}
