//! Streams of providers: read, and inspected while they pass.

#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::streams::{USAGE, arguments, call, finish, say, start, think};
use crate::conversation::{Finish, StreamEvent as E};
use crate::dialect::halves::RESPONSES;
use crate::dialect::{EventClass, ResponseSummary};
use crate::error::ErrorKind;
use crate::framing::sse;

fn stream(events: &[&str]) -> String {
    let named = |data: &&str| {
        let name = data.strip_prefix(r#"{"type":""#).and_then(|rest| rest.split_once('"')).map_or("", |(name, _)| name);
        format!("event: {name}\ndata: {data}\n\n")
    };
    events.iter().map(named).collect()
}

fn read(data: &[&str]) -> Vec<E> {
    let mut events = Vec::new();
    RESPONSES.stream_reader().read(stream(data).as_bytes(), &mut events).unwrap();
    events
}

const CREATED: &str =
    r#"{"type":"response.created","response":{"id":"c1","model":"m","status":"in_progress","output":[]}}"#;
const COMPLETED: &str = r#"{"type":"response.completed","response":{"id":"c1","model":"m","status":"completed","output":[],"usage":{"input_tokens":9,"output_tokens":1}}}"#;

#[test]
fn what_a_server_does_not_send_in_pieces_is_read_from_the_ends() {
    let items = [
        r#"{"type":"reasoning","id":"rs_1","summary":[],"encrypted_content":"gA"}"#,
        r#"{"type":"reasoning","id":"rs_2","summary":[],"content":[{"type":"reasoning_text","text":"t"}]}"#,
        r#"{"type":"message","content":[{"type":"output_text","text":"Hi"},{"type":"refusal","refusal":"no"}]}"#,
        r#"{"type":"function_call","call_id":"c","name":"f","arguments":"{}"}"#,
    ];
    let expected = [
        start(),
        E::RedactedThinking { choice: 0, data: "openai#rs_1.gA".to_owned() },
        think("t"),
        say("Hi"),
        E::Refusal { choice: 0, text: "no".to_owned() },
        call(0, "c", "f"),
        arguments(0, "{}"),
        finish(Finish::ToolCalls),
        E::End,
    ];
    let done = |(place, item): (usize, &&str)| {
        format!(r#"{{"type":"response.output_item.done","output_index":{place},"item":{item}}}"#)
    };
    let done: Vec<String> = items.iter().enumerate().map(done).collect();
    let end = r#"{"type":"response.completed","response":{"id":"c1","model":"m","output":[]}}"#;
    let mut by_items = vec![CREATED];
    by_items.extend(done.iter().map(String::as_str));
    by_items.push(end);
    assert_eq!(read(&by_items), expected);
    let whole = end.replace("[]", &format!("[{}]", items.join(",")));
    assert_eq!(read(&[&whole]), expected);
}

#[test]
fn the_end_says_why() {
    let end = |data: &str| read(&[CREATED, data]).into_iter().rev().take(2).collect::<Vec<_>>();
    let cut = r#"{"type":"response.incomplete","response":{"status":"incomplete","incomplete_details":{"reason":"content_filter"}}}"#;
    assert_eq!(end(cut), [E::End, finish(Finish::ContentFilter)]);
    // The event's name gives the status if the object does not.
    assert_eq!(end(r#"{"type":"response.incomplete","response":{}}"#), [E::End, finish(Finish::Length)]);
    let (mut reader, mut events) = (RESPONSES.stream_reader(), Vec::new());
    let error = reader.read(stream(&[r#"{"type":"response.completed"}"#]).as_bytes(), &mut events).unwrap_err();
    assert_eq!(error.status, 502);
}

#[test]
fn failures_of_every_shape_end_the_stream() {
    let cases = [
        (
            r#"{"type":"error","code":"rate_limit_exceeded","message":"slow","param":null,"sequence_number":1}"#,
            ErrorKind::RateLimit,
        ),
        (
            r#"{"type":"error","error":{"type":"invalid_request_error","code":"context_length_exceeded","message":"long"}}"#,
            ErrorKind::ContextLength,
        ),
        (
            r#"{"type":"response.failed","response":{"status":"failed","error":{"code":"server_error","message":"m"}}}"#,
            ErrorKind::Server,
        ),
        (
            r#"{"type":"response.failed","response":{"status":"failed","error":{"code":"bio_policy","message":"m"}}}"#,
            ErrorKind::ContentPolicy,
        ),
        (
            r#"{"type":"response.failed","response":{"error":{"code":"image_content_policy_violation","message":"m"}}}"#,
            ErrorKind::ContentPolicy,
        ),
        (
            r#"{"type":"response.failed","response":{"error":{"code":"failed_to_download_image","message":"m"}}}"#,
            ErrorKind::InvalidRequest,
        ),
        (
            r#"{"type":"response.failed","response":{"error":{"code":"image_too_large","message":"m"}}}"#,
            ErrorKind::InvalidRequest,
        ),
        (r#"{"type":"response.failed"}"#, ErrorKind::Server),
        (r#"{"error":{"message":"m","code":"insufficient_quota"}}"#, ErrorKind::InsufficientQuota),
    ];
    for (data, kind) in cases {
        let events = read(&[CREATED, data, COMPLETED]);
        assert!(matches!(events.last(), Some(E::Error(error)) if error.kind == kind), "{data}: {events:?}");
        let bytes = stream(&[data]);
        let event = sse::Event { name: b"", data: data.as_bytes().into(), raw: bytes.as_bytes() };
        let seen = RESPONSES.stream_peeker().peek(&event);
        assert!(matches!(seen, EventClass::Failed(error) if error.kind == kind), "{data}");
    }
}

#[test]
fn a_provider_that_names_more_items_than_any_answer_has_is_stopped() {
    let (mut reader, mut events) = (RESPONSES.stream_reader(), Vec::new());
    let result = (0..5000).try_for_each(|place| {
        let delta = format!(r#"{{"type":"response.output_text.delta","output_index":{place},"delta":"a"}}"#);
        reader.read(stream(&[&delta]).as_bytes(), &mut events)
    });
    assert_eq!(result.unwrap_err().status, 502);
}

#[test]
fn of_a_stream_that_passes_is_seen_what_counts() {
    let mut peeker = RESPONSES.stream_peeker();
    let cases = [
        (CREATED, EventClass::Other),
        (r#"{"type":"response.output_item.added","item":{"type":"reasoning"}}"#, EventClass::Other),
        (r#"{"type":"response.output_text.delta","delta":""}"#, EventClass::Other),
        (r#"{"type":"response.output_text.delta","delta":"Hi"}"#, EventClass::Content),
        (r#"{"type":"response.code_interpreter_call_code.delta","delta":"x"}"#, EventClass::Content),
        (r#"{"type":"response.output_item.added","item":{"type":"function_call"}}"#, EventClass::Content),
        (
            r#"{"type":"response.output_item.done","item":{"type":"reasoning","encrypted_content":"g"}}"#,
            EventClass::Content,
        ),
        (r#"{"type":"response.made_up"}"#, EventClass::Other),
        (COMPLETED, EventClass::End),
    ];
    for (data, expected) in cases {
        let event = sse::Event { name: b"", data: data.as_bytes().into(), raw: b"" };
        assert_eq!(peeker.peek(&event), expected, "{data}");
    }
    let ResponseSummary { model, id, usage, finished, said, .. } = peeker.summary().clone();
    assert_eq!((model.as_deref(), usage, finished), (Some("m"), Some(USAGE), true));
    assert!(id.is_some());
    assert_eq!((said.pieces, said.bytes), (3, 4));
}
