//! Anthropic clients with clouds that host Anthropic's models: requests and responses pass unchanged.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::*;
use crate::envoy::SECRET;
use sluice_core::compiled::CompiledConfig;
use sluice_wire::framing::eventstream;

fn config() -> Rc<CompiledConfig> {
    let hash: String = Sha256::digest(SECRET).iter().map(|byte| format!("{byte:02x}")).collect();
    let file = serde_json::json!({
        "providers": {
            "aws": {"kind": "bedrock-anthropic", "url": "https://bedrock-runtime.us-east-1.amazonaws.com"},
            "google": {"kind": "vertex-anthropic",
                "url": "https://us-aiplatform.googleapis.com/v1/projects/p/locations/us/publishers/anthropic"},
            "oai": {"kind": "openai"}
        },
        "models": {
            "aws": {"targets": [{"provider": "aws", "model": "anthropic.claude-opus-4-8"}, {"provider": "oai", "model": "gpt"}]},
            "google": {"targets": [{"provider": "google", "model": "claude-opus-4-8"}]},
            "oai": {"targets": [{"provider": "oai", "model": "gpt"}]}
        },
        "teams": {"t": {}},
        "keys": [{"id": "k", "sha256": hash, "team": "t"}]
    });
    Rc::new(sluice_config::from_json(file.to_string().as_bytes()).unwrap())
}

/// A messages request with the headers of coding agents.
fn messages(model: &str, more: &str, providers: &[Script]) -> Seen {
    let envoy = Envoy::with(Rc::new(Worker::new(config(), [7; 16])), Rc::<Shared>::default());
    let body =
        format!(r#"{{"model":"{model}","max_tokens":32000,{more}"messages":[{{"role":"user","content":"hi"}}]}}"#);
    let headers: [(&str, &[u8]); 3] = [
        ("x-api-key", SECRET.as_bytes()),
        ("anthropic-version", b"2023-06-01"),
        ("anthropic-beta", b"claude-code-20250219,context-1m-2025-08-07"),
    ];
    envoy.send("POST", "/v1/messages", &headers, body.as_bytes(), providers)
}

/// The thinking options of coding agents.
const ADAPTIVE: &str = r#""thinking":{"type":"adaptive"},"output_config":{"effort":"high"},"x_new":1.50,"#;

/// A response with unknown fields.
const ANSWER: &str = r#"{"id":"msg_1","type":"message","role":"assistant","model":"claude","x_new":{"y":1.50},"content":[{"type":"text","text":"hi","x":1}],"stop_reason":"end_turn","usage":{"input_tokens":5,"output_tokens":2,"x":1}}"#;

const EVENTS: [&str; 6] = [
    r#"{"type":"message_start","message":{"id":"msg_1","model":"claude","x_new":1.50,"usage":{"input_tokens":9,"output_tokens":1}}}"#,
    r#"{"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}"#,
    r#"{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"hello","x_new":[1e3]}}"#,
    r#"{"type":"content_block_stop","index":0}"#,
    r#"{"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{"output_tokens":7}}"#,
    r#"{"type":"message_stop","amazon-bedrock-invocationMetrics":{"inputTokenCount":9}}"#,
];

fn framed(event: &str) -> Vec<u8> {
    let payload = serde_json::json!({"bytes": STANDARD.encode(event), "p": "abc"}).to_string();
    let mut out = Vec::new();
    eventstream::encode(&[(":event-type", "chunk"), (":message-type", "event")], payload.as_bytes(), &mut out);
    out
}

fn as_sse(event: &str) -> String {
    let kind = event.split('"').nth(3).unwrap();
    format!("event: {kind}\ndata: {event}\n\n")
}

fn frames(portions: Vec<Vec<u8>>) -> Script {
    Script::Answer(200, vec![("content-type", "application/vnd.amazon.eventstream")], portions)
}

#[test]
fn a_request_goes_in_the_clouds_envelope_and_the_answer_comes_as_it_is() {
    let seen = messages("aws", ADAPTIVE, &[json(200, ANSWER)]);
    assert_eq!((seen.status, &*seen.body), (200, ANSWER));
    let received = &seen.received[0];
    let expected = format!(
        r#"{{"anthropic_version":"bedrock-2023-05-31","anthropic_beta":["context-1m-2025-08-07"],"max_tokens":32000,{ADAPTIVE}"messages":[{{"role":"user","content":"hi"}}]}}"#
    );
    assert_eq!(received.body, expected);
    assert_eq!(received.headers.text(":path"), Some("/model/anthropic.claude-opus-4-8/invoke"));
    assert_eq!(received.headers.text("content-length"), Some(&*expected.len().to_string()));
    assert!(["anthropic-beta", "anthropic-version"].iter().all(|name| received.headers.get(name).is_none()));
    assert_eq!(seen.headers.text("x-sluice-dropped"), Some("anthropic-beta"));
    assert_eq!((seen.log["input_tokens"].as_u64(), seen.log["output_tokens"].as_u64()), (Some(5), Some(2)));

    let seen = messages("google", ADAPTIVE, &[json(200, ANSWER)]);
    assert_eq!((seen.status, &*seen.body), (200, ANSWER));
    let received = &seen.received[0];
    assert!(received.body.starts_with(r#"{"anthropic_version":"vertex-2023-10-16","max_tokens":32000,"thinking""#));
    assert_eq!(received.headers.text("anthropic-beta"), Some("context-1m-2025-08-07"));
    assert!(received.headers.get("anthropic-version").is_none());
}

#[test]
fn a_stream_of_googles_passes_as_it_comes() {
    let events = EVENTS.map(as_sse);
    let events: Vec<&str> = events.iter().map(String::as_str).collect();
    let seen = messages("google", r#""stream":true,"#, &[sse(&events)]);
    assert_eq!(seen.body, events.concat());
    assert_eq!((seen.log["input_tokens"].as_u64(), seen.log["output_tokens"].as_u64()), (Some(9), Some(7)));
    assert!(seen.received[0].body.contains(r#""stream":true"#));
}

#[test]
fn a_stream_of_awss_is_taken_out_of_its_frames_however_it_is_cut() {
    let expected = EVENTS.map(as_sse).concat();
    let bytes: Vec<u8> = EVENTS.iter().flat_map(|event| framed(event)).collect();
    for portion in [7, 64, 1000, bytes.len()] {
        let seen = messages("aws", r#""stream":true,"#, &[frames(bytes.chunks(portion).map(<[u8]>::to_vec).collect())]);
        assert_eq!((seen.status, &seen.body), (200, &expected), "{portion}");
        assert_eq!(seen.headers.text("content-type"), Some("text/event-stream"));
        assert_eq!((seen.log["input_tokens"].as_u64(), seen.log["output_tokens"].as_u64()), (Some(9), Some(7)));
        let received = &seen.received[0];
        assert_eq!(
            received.headers.text(":path"),
            Some("/model/anthropic.claude-opus-4-8/invoke-with-response-stream")
        );
        assert!(!received.body.contains("stream"));
    }
}

#[test]
fn a_stream_of_awss_that_fails_is_tried_elsewhere_or_ends_as_an_error() {
    let mut exception = Vec::new();
    let headers = [(":message-type", "exception"), (":exception-type", "throttlingException")];
    eventstream::encode(&headers, br#"{"message":"Slow down."}"#, &mut exception);
    let early = frames(vec![framed(EVENTS[0]), exception.clone()]);
    let seen = messages("aws", r#""stream":true,"#, &[early, sse(&OPENAI_STREAM)]);
    assert_eq!(seen.headers.text("x-sluice-provider"), Some("oai"));
    assert!(seen.body.contains("openai") && seen.body.contains("message_stop"), "{}", seen.body);

    let mut late: Vec<Vec<u8>> = EVENTS[..3].iter().map(|event| framed(event)).collect();
    late.push(exception);
    let seen = messages("aws", r#""stream":true,"#, &[frames(late)]);
    assert!(seen.body.contains("hello") && seen.body.contains("event: error"), "{}", seen.body);
    assert!(!seen.body.contains("message_stop"));
    assert_eq!(seen.log["error"], "rate_limit_exceeded");

    let cut = frames(EVENTS[..3].iter().map(|event| framed(event)).collect());
    let seen = messages("aws", r#""stream":true,"#, &[cut]);
    assert!(!seen.body.contains("message_stop"));
    assert_eq!(seen.log["error"], "stream_truncated");
}

#[test]
fn errors_of_the_clouds_are_in_the_clients_words() {
    let refusal = Script::Answer(
        400,
        vec![("content-type", "application/json"), ("x-amzn-errortype", "ValidationException")],
        vec![br#"{"message":"tools.0: Extra inputs are not permitted"}"#.to_vec()],
    );
    let seen = messages("aws", "", &[refusal]);
    let body: serde_json::Value = serde_json::from_str(&seen.body).unwrap();
    assert_eq!((seen.status, &body["error"]["type"]), (400, &"invalid_request_error".into()));
}

#[test]
fn a_cloud_that_has_nothing_of_what_is_asked_is_passed_over() {
    let seen = messages("aws", r#""tools":[{"type":"web_search_20250305","name":"web_search"}],"#, &[]);
    assert_eq!(seen.status, 400);
    assert!(seen.body.contains("tools[0].type"), "{}", seen.body);
}

#[test]
fn what_a_prompt_has_is_told_before_the_provider_counts_it() {
    let seen = messages("oai", r#""stream":true,"#, &[sse(&OPENAI_STREAM)]);
    let tokens = |event: &str| {
        let data = seen.body.split("\n\n").find(|text| text.starts_with(&format!("event: {event}"))).unwrap();
        let json: serde_json::Value = serde_json::from_str(data.split_once("data: ").unwrap().1).unwrap();
        json.pointer("/message/usage/input_tokens").or(json.pointer("/usage/input_tokens")).unwrap().as_u64().unwrap()
    };
    assert!(tokens("message_start") > 0, "{}", seen.body);
    assert_eq!(tokens("message_delta"), 9);
}
