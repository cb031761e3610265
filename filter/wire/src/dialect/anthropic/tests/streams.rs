//! Streamed responses.

#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use std::sync::LazyLock;

use super::*;
use crate::conversation::{Finish, StreamEvent, Usage};
use crate::dialect::{EventClass, Opening, ResponseSummary};
use crate::error::ErrorKind;
use crate::framing::sse;

/// Thinking, text, a call with arguments in pieces, one without any, a tool that the provider runs, and an unknown event: the data of a
/// golden's events.
pub(super) static GOLDEN: LazyLock<Vec<&str>> = LazyLock::new(|| {
    let stream = include_str!("../../../../tests/goldens/calls.anthropic.stream.txt");
    stream.lines().filter_map(|line| line.strip_prefix("data: ")).collect()
});

/// The events read from it.
pub(super) fn golden() -> Vec<StreamEvent> {
    read(&GOLDEN).unwrap()
}

/// The data of events, as a stream.
fn stream(events: &[&str]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for data in events {
        let tree: serde_json::Value = serde_json::from_str(data).unwrap_or_default();
        let name = tree["type"].as_str().unwrap_or("?");
        bytes.extend_from_slice(format!("event: {name}\ndata: {data}\n\n").as_bytes());
    }
    bytes
}

fn read_all(portions: &[&[u8]]) -> Result<Vec<StreamEvent>, ApiError> {
    let mut reader = ANTHROPIC.stream_reader();
    let mut events = Vec::new();
    portions.iter().try_for_each(|portion| reader.read(portion, &mut events))?;
    Ok(events)
}

fn read(events: &[&str]) -> Result<Vec<StreamEvent>, ApiError> {
    read_all(&[&stream(events)])
}

fn writer() -> Box<dyn crate::dialect::StreamWriter> {
    ANTHROPIC.stream_writer(Opening {
        model: "alias".to_owned(),
        now: 0,
        include_usage: false,
        estimate: 0,
        guises: crate::conversation::Guises::none(),
    })
}

fn written(events: &[StreamEvent]) -> String {
    let (mut writer, mut out) = (writer(), Vec::new());
    events.iter().for_each(|event| writer.write(event, &mut out));
    String::from_utf8(out).unwrap()
}

fn text(text: &str) -> StreamEvent {
    StreamEvent::Text { choice: 0, text: text.to_owned() }
}

fn arguments(call: u32, json: &str) -> StreamEvent {
    StreamEvent::Arguments { choice: 0, call, json: json.to_owned() }
}

fn tool_call(call: u32, id: &str, name: &str) -> StreamEvent {
    StreamEvent::ToolCall { choice: 0, call, id: id.to_owned(), name: name.to_owned() }
}

fn usage(output: u64) -> StreamEvent {
    StreamEvent::Usage(Usage { input: 400, cached: 20, cache_write: 3, output, reasoning: 0 })
}

#[test]
fn thinking_after_a_signature_is_another_block() {
    let thinking = |text: &str| StreamEvent::Thinking { choice: 0, text: text.to_owned() };
    let signature = |signature: &str| StreamEvent::Signature { choice: 0, signature: signature.to_owned() };
    let out =
        written(&[thinking("a"), signature("1"), signature("2"), thinking("b"), signature("3"), StreamEvent::End]);
    assert_eq!(out.matches("event: content_block_start").count(), 2);
    assert_eq!(out.matches("event: content_block_stop").count(), 2);
}

#[test]
fn pieces_of_several_calls_reach_their_own_blocks() {
    let out = written(&[tool_call(0, "a", "f"), tool_call(1, "b", "f"), arguments(0, "{}"), arguments(1, "[]")]);
    assert!(out.contains(r#""index":0,"delta":{"type":"input_json_delta","partial_json":"{}"}"#));
    assert!(out.contains(r#""index":1,"delta":{"type":"input_json_delta","partial_json":"[]"}"#));
}

#[test]
fn an_error_event_has_the_status_of_its_type_and_ends_the_stream() {
    let statuses = [
        ("overloaded_error", 529, ErrorKind::Overloaded),
        ("rate_limit_error", 429, ErrorKind::RateLimit),
        ("api_error", 500, ErrorKind::Server),
        ("invented_error", 500, ErrorKind::Server),
    ];
    for (word, status, kind) in statuses {
        let event = format!(r#"{{"type":"error","error":{{"type":"{word}","message":"No."}}}}"#);
        let events = read(&[GOLDEN[0], &event, GOLDEN[9]]).unwrap();
        assert_eq!(events.len(), 3);
        let Some(StreamEvent::Error(error)) = events.last() else { panic!("{events:?}") };
        assert_eq!((error.status, error.kind, &*error.message), (status, kind, "No."), "{word}");
    }
}

#[test]
fn a_written_error_ends_the_stream_without_a_terminator() {
    let error = ApiError::new(529, ErrorKind::Overloaded, "Later.");
    let out = written(&[text("Hi"), StreamEvent::Error(error.clone()), text("more"), StreamEvent::End]);
    assert!(out.ends_with(concat!(
        "event: error\ndata: ",
        r#"{"type":"error","error":{"type":"overloaded_error","message":"Later."}}"#,
        "\n\n"
    )));
    assert!(!out.contains("message_stop") && !out.contains("more"));
    assert_eq!(read_all(&[out.as_bytes()]).unwrap().last(), Some(&StreamEvent::Error(error)));
}

#[test]
fn malformed_json_fails_the_stream() {
    for bad in ["{", "nonsense", r#"{"type":"content_block_delta","delta":{"type":"text_delta","text":5}}"#] {
        let bytes = format!("data: {bad}\n\n");
        assert_eq!(read_all(&[bytes.as_bytes()]).unwrap_err().status, 502, "{bad}");
    }
}

#[test]
fn nothing_follows_the_end() {
    let mut bytes = stream(&GOLDEN);
    bytes.extend_from_slice(b"data: [DONE]\n\n");
    assert_eq!(read_all(&[&bytes]).unwrap(), golden());
}

#[test]
fn arguments_that_come_with_the_block_are_not_lost() {
    let start = r#"{"type":"content_block_start","index":0,"content_block":{"type":"tool_use","id":"t","name":"f","input":{"a": 1}}}"#;
    let stop = r#"{"type":"content_block_stop","index":0}"#;
    assert_eq!(read(&[start, stop]).unwrap(), [tool_call(0, "t", "f"), arguments(0, r#"{"a": 1}"#)]);
    let end = r#"{"type":"message_stop"}"#;
    assert_eq!(read(&[start, end]).unwrap(), [tool_call(0, "t", "f"), arguments(0, r#"{"a": 1}"#), StreamEvent::End]);
}

fn peek(events: &[&str]) -> (Vec<EventClass>, ResponseSummary) {
    let mut peeker = ANTHROPIC.stream_peeker();
    let mut seen = Vec::new();
    let mut decoder = sse::Decoder::default();
    let bytes = stream(events);
    decoder
        .feed(&bytes, |event| {
            seen.push(peeker.peek(&event));
            Ok::<(), sse::TooLong>(())
        })
        .unwrap();
    (seen, peeker.summary().clone())
}

#[test]
fn the_peeker_sees_content_and_collects_model_and_usage() {
    let (seen, summary) = peek(&GOLDEN);
    let content: Vec<usize> =
        seen.iter().enumerate().filter(|(_, seen)| **seen == EventClass::Content).map(|(index, _)| index).collect();
    assert_eq!(content, [3, 6, 9, 11, 13, 14, 16, 18, 19, 22, 24, 27]);
    assert_eq!(seen.last(), Some(&EventClass::End));
    assert_eq!(summary.model.as_deref(), Some("claude-x"));
    assert_eq!(summary.usage.map(StreamEvent::Usage), Some(usage(65)));
}

#[test]
fn the_peeker_sees_failures() {
    let (seen, _) = peek(&[r#"{"type":"error","error":{"type":"overloaded_error","message":"No."}}"#]);
    assert!(matches!(&seen[..], [EventClass::Failed(ApiError { status: 529, .. })]));
    let (seen, _) = peek(&["{"]);
    assert!(matches!(&seen[..], [EventClass::Failed(ApiError { status: 502, .. })]));
}

#[test]
fn a_comment_is_nothing() {
    assert_eq!(read_all(&[b": keep-alive\n\n"]).unwrap(), []);
    let event = sse::Event { name: b"", data: (&[][..]).into(), raw: b": c\n\n" };
    assert_eq!(ANTHROPIC.stream_peeker().peek(&event), EventClass::Other);
}

#[test]
fn a_streamed_refusal_is_one_by_its_reason_too() {
    let refusal = StreamEvent::Refusal { choice: 0, text: "I would rather not.".to_owned() };
    let finish = StreamEvent::Finish { choice: 0, finish: Finish::Stop };
    let stream = written(&[refusal, finish, StreamEvent::End]);
    assert!(stream.contains(r#""delta":{"stop_reason":"refusal","#), "{stream}");
}

#[test]
fn openais_terminator_is_no_event_and_behind_the_end_nothing_is_read() {
    let done = b"data: [DONE]\n\n";
    let mut whole = stream(&GOLDEN);
    whole.extend_from_slice(done);
    assert_eq!(read_all(&[&whole]).unwrap(), golden());
    let error = read_all(&[&stream(&GOLDEN[..2]), done]).unwrap_err();
    assert_eq!(error.code.as_deref(), Some("invalid_provider_response"));
}
