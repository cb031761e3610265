//! Anthropic's models at clouds.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::streams::{GOLDEN, golden};
use super::*;
use crate::conversation::{Source, StreamEvent};
use crate::dialect::halves::{ANTHROPIC_ON_BEDROCK, ANTHROPIC_ON_VERTEX, Both};
use crate::dialect::{Opening, policies};
use crate::error::ErrorKind;
use crate::framing::eventstream;

fn sent(dialect: Both, request: &Request) -> Value {
    serde_json::from_slice(&dialect.write_request(request, "claude-x").unwrap().body).unwrap()
}

#[test]
fn every_field_has_its_fate() {
    policies::every_row_is_true(ANTHROPIC_ON_BEDROCK, "anthropic.claude-x-v1:0");
    policies::every_row_is_true(ANTHROPIC_ON_VERTEX, "claude-x@20260101");
}

#[test]
fn the_path_names_the_model_and_the_stream() {
    let bedrock = |stream| ANTHROPIC_ON_BEDROCK.path("anthropic.claude-x-v1:0", stream);
    assert_eq!(bedrock(false), "/model/anthropic.claude-x-v1%3A0/invoke");
    assert_eq!(bedrock(true), "/model/anthropic.claude-x-v1%3A0/invoke-with-response-stream");
    let vertex = |stream| ANTHROPIC_ON_VERTEX.path("claude-x@20260101", stream);
    assert_eq!(vertex(false), "/models/claude-x@20260101:rawPredict");
    assert_eq!(vertex(true), "/models/claude-x@20260101:streamRawPredict");
}

#[test]
fn the_body_names_the_version_and_no_model() {
    let request = Request { stream: true, service_tier: Some("auto".to_owned()), ..hi() };
    let messages = json!([{"role": "user", "content": "Hi"}]);
    assert_eq!(
        sent(ANTHROPIC_ON_BEDROCK, &request),
        json!({"anthropic_version": "bedrock-2023-05-31", "max_tokens": 4096, "messages": messages})
    );
    assert_eq!(
        sent(ANTHROPIC_ON_VERTEX, &request),
        json!({"anthropic_version": "vertex-2023-10-16", "max_tokens": 4096, "messages": messages, "stream": true})
    );
}

#[test]
fn aws_is_sent_no_urls() {
    let image = |url: &str| Part::Image { source: Source::Url(url.to_owned()), detail: None, cache: None };
    let spoken = chat(vec![says(Role::User, "Hi"), message(Role::User, vec![words("?"), image("https://a/b.png")])]);
    let returned =
        chat(vec![message(Role::Assistant, vec![call("c", "")]), result("c", vec![image("https://a/b.png")])]);
    for (request, at) in [(&spoken, "messages[1].content[1]"), (&returned, "messages[1].content[0]")] {
        let error = ANTHROPIC_ON_BEDROCK.write_request(request, "m").unwrap_err();
        assert_eq!((error.status, error.param.as_deref()), (400, Some(at)));
        assert!(ANTHROPIC_ON_VERTEX.write_request(request, "m").is_ok());
    }
    let here = chat(vec![message(Role::User, vec![image("data:image/png;base64,AAAA")])]);
    assert!(ANTHROPIC_ON_BEDROCK.write_request(&here, "m").is_ok());
}

/// One event as Bedrock frames it.
fn chunk(event: &str, out: &mut Vec<u8>) {
    let payload = json!({"bytes": STANDARD.encode(event), "p": "abcdefgh"}).to_string();
    let headers = [(":event-type", "chunk"), (":content-type", "application/json"), (":message-type", "event")];
    eventstream::encode(&headers, payload.as_bytes(), out);
}

fn framed(events: &[&str]) -> Vec<u8> {
    let mut out = Vec::new();
    events.iter().for_each(|event| chunk(event, &mut out));
    out
}

fn read(portions: &[&[u8]]) -> Result<Vec<StreamEvent>, ApiError> {
    let (mut reader, mut events) = (ANTHROPIC_ON_BEDROCK.stream_reader(), Vec::new());
    portions.iter().try_for_each(|portion| reader.read(portion, &mut events))?;
    Ok(events)
}

fn written(events: &[StreamEvent]) -> Vec<u8> {
    let opening = Opening {
        model: String::new(),
        now: 0,
        include_usage: false,
        estimate: 0,
        guises: crate::conversation::Guises::none(),
    };
    let (mut writer, mut out) = (ANTHROPIC_ON_BEDROCK.stream_writer(opening), Vec::new());
    events.iter().for_each(|event| writer.write(event, &mut out));
    out
}

#[test]
fn framed_events_are_anthropics() {
    assert_eq!(read(&[&framed(&GOLDEN)]).unwrap(), golden());
}

#[test]
fn a_framed_stream_cut_at_every_byte_reads_the_same() {
    let bytes = framed(&[GOLDEN[0], GOLDEN[8], GOLDEN[9], GOLDEN[27], GOLDEN[28]]);
    let whole = read(&[&bytes]).unwrap();
    assert_eq!(whole.last(), Some(&StreamEvent::End));
    for cut in 0..=bytes.len() {
        assert_eq!(read(&[&bytes[..cut], &bytes[cut..]]).unwrap(), whole, "cut at {cut}");
    }
}

#[test]
fn an_exception_in_the_stream_is_its_last_event() {
    let mut bytes = framed(&GOLDEN[..1]);
    let headers = [(":message-type", "exception"), (":exception-type", "throttlingException")];
    eventstream::encode(&headers, br#"{"message":"Slow down."}"#, &mut bytes);
    chunk(GOLDEN[9], &mut bytes);
    let events = read(&[&bytes]).unwrap();
    let Some(StreamEvent::Error(error)) = events.last() else { panic!("{events:?}") };
    assert_eq!((error.status, error.kind, &*error.message), (429, ErrorKind::RateLimit, "Slow down."));
}

#[test]
fn what_cannot_be_read_fails_the_stream() {
    let mut damaged = framed(&GOLDEN[..1]);
    damaged[20] ^= 1;
    let mut no_base64 = Vec::new();
    eventstream::encode(&[(":event-type", "chunk")], br#"{"bytes":"!!!"}"#, &mut no_base64);
    let mut no_json = Vec::new();
    eventstream::encode(&[(":event-type", "chunk")], b"{", &mut no_json);
    for bytes in [damaged, no_base64, no_json, framed(&["{"])] {
        assert_eq!(read(&[&bytes]).unwrap_err().code.as_deref(), Some("invalid_provider_response"));
    }
}

#[test]
fn what_is_not_known_is_passed_over() {
    let mut bytes = Vec::new();
    eventstream::encode(&[(":event-type", "tomorrow")], b"?", &mut bytes);
    bytes.extend(framed(&GOLDEN));
    assert_eq!(read(&[&bytes]).unwrap(), golden());
}

#[test]
fn a_written_error_ends_the_framed_stream() {
    let error = ApiError::new(503, ErrorKind::Overloaded, "Later.");
    let start = StreamEvent::Text { choice: 0, text: "Hi".to_owned() };
    let out = written(&[start.clone(), StreamEvent::Error(error.clone()), start.clone(), StreamEvent::End]);
    let events = read(&[&out]).unwrap();
    assert_eq!(events.last(), Some(&StreamEvent::Error(error.clone())));
    let ended = written(&[start.clone(), StreamEvent::End]);
    assert_eq!(written(&[start, StreamEvent::End, StreamEvent::Error(error)]), ended);
}

#[test]
fn errors_are_the_clouds() {
    let aws = ANTHROPIC_ON_BEDROCK.read_error(400, Some("ThrottlingException:http://x"), br#"{"message":"No."}"#);
    assert_eq!((aws.status, aws.kind), (429, ErrorKind::RateLimit));
    for body in [
        r#"{"error":{"code":429,"message":"Quota exceeded.","status":"RESOURCE_EXHAUSTED"}}"#,
        r#" [{"error":{"code":429,"message":"Quota exceeded.","status":"RESOURCE_EXHAUSTED"}}] "#,
        r#"{"type":"error","error":{"type":"rate_limit_error","message":"Quota exceeded."}}"#,
    ] {
        let error = ANTHROPIC_ON_VERTEX.read_error(429, None, body.as_bytes());
        assert_eq!((error.kind, &*error.message), (ErrorKind::RateLimit, "Quota exceeded."), "{body}");
    }
}

#[test]
fn googles_time_to_wait_is_read_where_google_refuses() {
    let details = r#"[{"@type":"type.googleapis.com/google.rpc.RetryInfo","retryDelay":"26s"}]"#;
    let body =
        format!(r#"{{"error":{{"code":429,"message":"No.","status":"RESOURCE_EXHAUSTED","details":{details}}}}}"#);
    for body in [body.clone(), format!("[{body}]")] {
        let error = ANTHROPIC_ON_VERTEX.read_error(429, None, body.as_bytes());
        assert_eq!((error.kind, error.retry_after), (ErrorKind::RateLimit, Some(Duration::from_secs(26))), "{body}");
    }
}

#[cfg(not(target_arch = "wasm32"))]
mod properties {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::super::properties::CAN;
    use super::*;
    use crate::conversation::StreamEvent;
    use crate::dialect::laws::{request, stream};

    /// A ping may overtake an event that waits for a call's end.
    fn without_pings(events: Vec<StreamEvent>) -> Vec<StreamEvent> {
        events.into_iter().filter(|event| *event != StreamEvent::Ping).collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn a_written_request_is_read_back(request in request(&CAN)) {
            let request = Request { model: String::new(), service_tier: None, ..request };
            let written = ANTHROPIC_ON_VERTEX.write_request(&request, "m").unwrap();
            prop_assert_eq!(ANTHROPIC_ON_VERTEX.read_request(&written.body).unwrap(), request.clone());
            // Bedrock rejects conversations with URLs.
            if let Ok(written) = ANTHROPIC_ON_BEDROCK.write_request(&request, "m") {
                let request = Request { stream: false, ..request };
                prop_assert_eq!(ANTHROPIC_ON_BEDROCK.read_request(&written.body).unwrap(), request);
            }
        }

        #[test]
        fn a_written_framed_stream_is_read_back_however_it_is_cut(events in stream(&CAN), portion in 1..200usize) {
            let bytes = written(&events);
            let portions: Vec<&[u8]> = bytes.chunks(portion).collect();
            prop_assert_eq!(without_pings(read(&portions).unwrap()), without_pings(events));
        }

        #[test]
        fn no_frames_make_the_reader_panic(payloads in vec(vec(any::<u8>(), 0..60), 0..4), events in vec(".{0,40}", 0..4)) {
            let mut bytes = Vec::new();
            events.iter().for_each(|event| chunk(event, &mut bytes));
            for payload in &payloads {
                eventstream::encode(&[(":event-type", "chunk")], payload, &mut bytes);
                eventstream::encode(&[(":message-type", "exception")], payload, &mut bytes);
            }
            let _ = read(&[&bytes]);
            let _ = read(&payloads.iter().map(Vec::as_slice).collect::<Vec<_>>());
        }
    }
}
