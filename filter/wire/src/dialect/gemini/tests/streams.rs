//! Streams: read from providers, written for clients, and inspected while they pass.

use serde_json::{Value, json};
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::*;
use crate::content_filter::{FilterAction, FilterCategory, FilterResults, FilterSide};
use crate::conversation::{Finish, StreamEvent as E, Usage};
use crate::dialect::Opening;
use crate::error::ErrorKind;

/// A thought, a text in two pieces, a signed call, and an end with usage.
const STREAM: &str = include_str!("../../../../tests/goldens/calls.gemini.stream.txt");

fn text(text: &str) -> E {
    E::Text { choice: 0, text: text.to_owned() }
}

/// The events read from it.
fn expected() -> Vec<E> {
    read_in_portions(&[STREAM.as_bytes()]).unwrap()
}

fn read_in_portions(portions: &[&[u8]]) -> Result<Vec<E>, ApiError> {
    let mut reader = GEMINI.stream_reader();
    let mut events = Vec::new();
    for portion in portions {
        reader.read(portion, &mut events)?;
    }
    Ok(events)
}

fn read(data: &[Value]) -> Result<Vec<E>, ApiError> {
    let stream: String = data.iter().map(|data| format!("data: {data}\n\n")).collect();
    read_in_portions(&[stream.as_bytes()])
}

#[test]
fn a_body_that_ends_without_a_reason_never_says_it_finished() {
    let cut = STREAM.find("data: {\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"\"}]}").unwrap();
    let events = read_in_portions(&[&STREAM.as_bytes()[..cut]]).unwrap();
    assert!(!events.iter().any(|event| matches!(event, E::Finish { .. } | E::End)));
}

#[test]
fn usage_that_a_late_event_leaves_out_stays_as_it_was() {
    let some = json!({"candidates": [{"finishReason": "STOP"}], "usageMetadata": {"promptTokenCount": 3}});
    let events = read(&[some, json!({"candidates": []}), json!({"usageMetadata": {}})]).unwrap();
    let counted: Vec<&E> = events.iter().filter(|event| matches!(event, E::Usage(_))).collect();
    assert_eq!(counted, [&E::Usage(Usage { input: 3, ..Usage::default() })]);
}

#[test]
fn a_signature_on_an_empty_text_is_told() {
    let part = json!({"text": "", "thoughtSignature": "RU5E"});
    let events = read(&[json!({"candidates": [{"content": {"parts": [part]}, "finishReason": "STOP"}]})]).unwrap();
    assert_eq!(events[1], E::Signature { choice: 0, signature: google("text:RU5E") });
}

#[test]
fn calls_are_numbered_through_the_stream_and_by_answer() {
    let call =
        |index| json!({"candidates": [{"index": index, "content": {"parts": [{"functionCall": {"name": "f"}}]}}]});
    let events = read(&[call(0), call(1), call(0)]).unwrap();
    let calls: Vec<(u32, u32, String)> = events
        .into_iter()
        .filter_map(|event| match event {
            E::ToolCall { choice, call, id, .. } => Some((choice, call, id)),
            _ => None,
        })
        .collect();
    let expected = [(0, 0, "call__0_0"), (1, 0, "call__1_0"), (0, 1, "call__0_1")];
    assert_eq!(calls, expected.map(|(choice, call, id)| (choice, call, id.to_owned())));
}

#[test]
fn a_reason_said_twice_is_told_once() {
    let stop = json!({"candidates": [{"content": {"parts": [{"text": "a"}]}, "finishReason": "STOP"}]});
    let events = read(&[stop.clone(), stop]).unwrap();
    assert_eq!(events.iter().filter(|event| matches!(event, E::Finish { .. })).count(), 1);
}

#[test]
fn a_blocked_prompt_finishes_filtered() {
    let events = read(&[json!({"promptFeedback": {"blockReason": "SAFETY"}, "responseId": "r"})]).unwrap();
    let result = FilterResults::of(FilterSide::Prompt, FilterCategory::Other, FilterAction::Blocked);
    let start = E::Start { id: "r".to_owned(), model: String::new() };
    assert_eq!(events, [E::Filtered(result), start, E::Finish { choice: 0, finish: Finish::ContentFilter }]);
}

#[test]
fn failures_inside_a_stream_are_told_and_end_it() {
    let error = json!({"error": {"code": 429, "message": "m", "status": "RESOURCE_EXHAUSTED"}});
    let malformed = json!({"candidates": [{"finishReason": "MALFORMED_FUNCTION_CALL"}]});
    for (data, kind) in [(error, ErrorKind::RateLimit), (malformed, ErrorKind::Server)] {
        let events = read(&[data, json!({"candidates": [{"content": {"parts": [{"text": "a"}]}}]})]).unwrap();
        assert!(matches!(events.last(), Some(E::Error(error)) if error.kind == kind), "{events:?}");
    }
}

#[test]
fn a_stream_that_is_no_events_is_told_so() {
    for stream in
        ["[{\"candidates\":[]}\n,\n", " \n[", "{\"error\":{}}", "data: {\n\n", "data: 7\n\n", "data: [DONE]\n\n"]
    {
        let error = read_in_portions(&[stream.as_bytes()]).unwrap_err();
        assert_eq!(error.code.as_deref(), Some("invalid_provider_response"), "{stream}");
        let bytes: Vec<&[u8]> = stream.as_bytes().chunks(1).collect();
        assert_eq!(read_in_portions(&bytes), Err(error));
    }
}

#[test]
fn more_answers_than_google_gives_are_refused() {
    let answers: Vec<Value> = (0..100).map(|index| json!({"index": index})).collect();
    assert!(read(&[json!({"candidates": answers})]).is_err());
}

fn written(events: &[E]) -> String {
    let opening = Opening {
        model: "asked".to_owned(),
        now: 1,
        include_usage: false,
        estimate: 0,
        guises: crate::conversation::Guises::none(),
    };
    let mut writer = GEMINI.stream_writer(opening);
    let mut out = Vec::new();
    events.iter().for_each(|event| writer.write(event, &mut out));
    String::from_utf8(out).unwrap()
}

#[test]
fn golden_written_stream() {
    let mut events = expected();
    events.push(E::End);
    events.push(text("after the end"));
    let tail = r#""modelVersion":"gemini-x","responseId":"r1"}"#;
    let part = |part: &str| {
        format!(
            "data: {{\"candidates\":[{{\"content\":{{\"role\":\"model\",\"parts\":[{part}]}},\"index\":0}}],{tail}\n\n"
        )
    };
    let expected = [
        part(r#"{"text":"Hm é.","thought":true}"#),
        format!(
            "data: {{\"usageMetadata\":{{\"promptTokenCount\":20,\"candidatesTokenCount\":0,\"totalTokenCount\":20}},{tail}\n\n"
        ),
        part(r#"{"text":"3 "}"#),
        ": ping\n\n".to_owned(),
        part(r#"{"text":"degrees"}"#),
        part(r#"{"functionCall":{"id":"call_r1_0_0","name":"f","args":{"a":[1]}},"thoughtSignature":"U0lH"}"#),
        format!(
            "data: {{\"candidates\":[{{\"content\":{{\"role\":\"model\"}},\"finishReason\":\"STOP\",\"index\":0}}],{tail}\n\n"
        ),
        format!(
            "data: {{\"usageMetadata\":{{\"promptTokenCount\":20,\"candidatesTokenCount\":5,\"thoughtsTokenCount\":2,\"totalTokenCount\":27}},{tail}\n\n"
        ),
    ];
    assert_eq!(written(&events), expected.concat());
}

#[test]
fn pieces_of_several_calls_come_out_whole() {
    let call = |call: u32| E::ToolCall { choice: 0, call, id: format!("c{call}"), name: "f".to_owned() };
    let piece = |call: u32, json: &str| E::Arguments { choice: 0, call, json: json.to_owned() };
    let events = [call(0), call(1), piece(1, "{\"b\""), piece(0, "{}"), piece(1, ":2}"), E::End];
    let stream = written(&events);
    let (first, second) = stream.split_once("\n\n").unwrap();
    assert!(first.contains(r#"{"functionCall":{"id":"c0","name":"f","args":{}}}"#), "{first}");
    assert!(second.contains(r#"{"functionCall":{"id":"c1","name":"f","args":{"b":2}}}"#), "{second}");
}

#[test]
fn a_failure_is_the_last_that_a_client_reads() {
    let stream = written(&[E::Error(ApiError::new(503, ErrorKind::Overloaded, "m")), text("a"), E::End]);
    assert_eq!(stream, "data: {\"error\":{\"code\":503,\"message\":\"m\",\"status\":\"UNAVAILABLE\"}}\n\n");
}
