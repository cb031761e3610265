//! Streamed responses.

use std::sync::LazyLock;

use serde_json::json;
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::*;
use crate::conversation::{Finish, StreamEvent, Usage};
use crate::dialect::Opening;
use crate::error::ErrorKind;
use crate::framing::eventstream;

/// Reasoning, text, a call with arguments in pieces, one without any, an unknown event, and the tokens at the end: the names and payloads
/// of a golden's events.
static GOLDEN: LazyLock<Vec<(&str, &str)>> = LazyLock::new(|| {
    let stream = include_str!("../../../../tests/goldens/calls.bedrock.stream.txt");
    stream.lines().filter_map(|line| line.split_once(' ')).collect()
});

fn text(text: &str) -> StreamEvent {
    StreamEvent::Text { choice: 0, text: text.to_owned() }
}

fn tool_call(call: u32, id: &str, name: &str) -> StreamEvent {
    StreamEvent::ToolCall { choice: 0, call, id: id.to_owned(), name: name.to_owned() }
}

fn arguments(call: u32, json: &str) -> StreamEvent {
    StreamEvent::Arguments { choice: 0, call, json: json.to_owned() }
}

fn framed(events: &[(&str, &str)]) -> Vec<u8> {
    let mut out = Vec::new();
    for (name, payload) in events {
        eventstream::encode(&[(":event-type", name), (":message-type", "event")], payload.as_bytes(), &mut out);
    }
    out
}

fn read_all(portions: &[&[u8]]) -> Result<Vec<StreamEvent>, ApiError> {
    let (mut reader, mut events) = (BEDROCK.stream_reader(), Vec::new());
    portions.iter().try_for_each(|portion| reader.read(portion, &mut events))?;
    Ok(events)
}

fn read(events: &[(&str, &str)]) -> Result<Vec<StreamEvent>, ApiError> {
    read_all(&[&framed(events)])
}

fn written(events: &[StreamEvent]) -> Vec<u8> {
    let opening = Opening {
        model: "alias".to_owned(),
        now: 0,
        include_usage: false,
        estimate: 0,
        guises: crate::conversation::Guises::none(),
    };
    let (mut writer, mut out) = (BEDROCK.stream_writer(opening), Vec::new());
    events.iter().for_each(|event| writer.write(event, &mut out));
    out
}

/// The names and payloads of frames.
fn frames(bytes: &[u8]) -> Vec<(String, Value)> {
    let mut frames = Vec::new();
    eventstream::Decoder::default()
        .feed(bytes, |frame| {
            let name = frame.header(":event-type").or(frame.header(":exception-type")).unwrap_or_default();
            frames.push((name.to_owned(), serde_json::from_slice(frame.payload).unwrap()));
            Ok::<(), eventstream::Broken>(())
        })
        .unwrap();
    frames
}

#[test]
fn the_end_waits_for_the_tokens_that_come_after_the_stop() {
    let start = GOLDEN.len() - 2;
    let before = read(&GOLDEN[..=start]).unwrap();
    assert_eq!(before.last(), Some(&StreamEvent::Finish { choice: 0, finish: Finish::ToolCalls }));
    let counted_first = read(&[GOLDEN[19], GOLDEN[18], GOLDEN[7]]).unwrap();
    assert!(matches!(&counted_first[..], [StreamEvent::Usage(_), StreamEvent::Finish { .. }, StreamEvent::End]));
}

#[test]
fn an_exception_has_its_status_and_ends_the_stream() {
    let cases = [
        ("throttlingException", 429, ErrorKind::RateLimit),
        ("serviceUnavailableException", 503, ErrorKind::Overloaded),
        ("internalServerException", 500, ErrorKind::Server),
        ("modelStreamErrorException", 424, ErrorKind::Server),
        ("validationException", 400, ErrorKind::InvalidRequest),
        ("modelTimeoutException", 408, ErrorKind::Timeout),
        ("inventedException", 500, ErrorKind::Server),
    ];
    for (word, status, kind) in cases {
        let mut bytes = framed(&GOLDEN[..1]);
        let headers = [(":exception-type", word), (":message-type", "exception")];
        eventstream::encode(&headers, br#"{"message":"No."}"#, &mut bytes);
        bytes.extend(framed(&GOLDEN[7..8]));
        let events = read_all(&[&bytes]).unwrap();
        assert_eq!(events.len(), 2, "{word}");
        let Some(StreamEvent::Error(error)) = events.last() else { panic!("{events:?}") };
        assert_eq!((error.status, error.kind, &*error.message), (status, kind, "No."), "{word}");
    }
}

#[test]
fn an_error_without_a_model_is_in_the_headers() {
    let mut bytes = Vec::new();
    let headers = [(":message-type", "error"), (":error-code", "InternalFailure"), (":error-message", "Sorry.")];
    eventstream::encode(&headers, b"", &mut bytes);
    let events = read_all(&[&bytes]).unwrap();
    assert!(matches!(&events[..], [StreamEvent::Error(ApiError { status: 500, message, .. })] if message == "Sorry."));
}

#[test]
fn damage_and_malformed_json_fail_the_stream() {
    let mut damaged = framed(&GOLDEN[..1]);
    let last = damaged.len() - 1;
    damaged[last] ^= 1;
    let malformed = framed(&[("contentBlockDelta", r#"{"delta":{"text":5}}"#)]);
    for bytes in [damaged, malformed, framed(&[("metadata", "")])] {
        let error = read_all(&[&bytes]).unwrap_err();
        assert_eq!((error.status, error.code.as_deref()), (502, Some("invalid_provider_response")));
    }
}

#[test]
fn golden_written_stream() {
    let events = [
        StreamEvent::Start { id: "m".to_owned(), model: "x".to_owned() },
        text("Hi"),
        StreamEvent::Ping,
        tool_call(0, "t_", "f"),
        arguments(0, "{}"),
        StreamEvent::Finish { choice: 0, finish: Finish::ToolCalls },
        StreamEvent::Usage(Usage { input: 27, cached: 7, cache_write: 0, output: 5, reasoning: 2 }),
        StreamEvent::End,
        text("more"),
    ];
    let usage = json!({"inputTokens": 20, "outputTokens": 5, "totalTokens": 32, "cacheReadInputTokens": 7,
        "cacheWriteInputTokens": 0});
    let expected = [
        ("messageStart", json!({"role": "assistant"})),
        ("contentBlockDelta", json!({"contentBlockIndex": 0, "delta": {"text": "Hi"}})),
        ("contentBlockStop", json!({"contentBlockIndex": 0})),
        ("contentBlockStart", json!({"contentBlockIndex": 1, "start": {"toolUse": {"toolUseId": "t_", "name": "f"}}})),
        ("contentBlockDelta", json!({"contentBlockIndex": 1, "delta": {"toolUse": {"input": "{}"}}})),
        ("contentBlockStop", json!({"contentBlockIndex": 1})),
        ("messageStop", json!({"stopReason": "tool_use"})),
        ("metadata", json!({"usage": usage})),
    ]
    .map(|(name, payload)| (name.to_owned(), payload));
    assert_eq!(frames(&written(&events)), expected);
}

#[test]
fn thinking_after_a_signature_is_another_block() {
    let thinking = |text: &str| StreamEvent::Thinking { choice: 0, text: text.to_owned() };
    let signature = |signature: &str| StreamEvent::Signature { choice: 0, signature: signature.to_owned() };
    let frames = frames(&written(&[
        thinking("a"),
        signature("1"),
        signature("2"),
        thinking("b"),
        signature("3"),
        StreamEvent::End,
    ]));
    assert_eq!(frames.iter().filter(|(name, _)| name == "contentBlockStop").count(), 2);
}

#[test]
fn a_written_error_ends_the_stream_without_a_terminator() {
    let error = ApiError::new(503, ErrorKind::Overloaded, "Later.");
    let bytes = written(&[text("Hi"), StreamEvent::Error(error.clone()), text("more"), StreamEvent::End]);
    let names: Vec<String> = frames(&bytes).into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["messageStart", "contentBlockDelta", "serviceUnavailableException"]);
    assert_eq!(read_all(&[&bytes]).unwrap().last(), Some(&StreamEvent::Error(error)));
}
