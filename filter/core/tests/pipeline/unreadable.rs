//! Envoy refuses to return a message: the gateway must not treat it as empty.

use crate::envoy::{Envoy, Part, Place, Seen, json, sse};
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

const CHAT: &str = r#"{"model":"chat","messages":[{"role":"user","content":"x"}]}"#;

const STREAM: &str = r#"{"stream":true,"model":"chat","messages":[{"role":"user","content":"x"}]}"#;

const MESSAGE: &str = r#"{"id":"m","type":"message","role":"assistant","content":[{"type":"text","text":"from anthropic"}],
    "stop_reason":"end_turn","usage":{"input_tokens":5,"output_tokens":2}}"#;

const ANSWER: &str = r#"{"id":"c","object":"chat.completion","created":1,"model":"gpt","choices":[{"index":0,
    "message":{"role":"assistant","content":"from openai"},"finish_reason":"stop"}],
    "usage":{"prompt_tokens":5,"completion_tokens":2,"total_tokens":7}}"#;

fn chunk(delta: &str, finish: &str) -> String {
    let choice = format!(r#"{{"index":0,"delta":{delta},"finish_reason":{finish}}}"#);
    format!(
        "data: {{\"id\":\"c\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"gpt\",\"choices\":[{choice}]}}\n\n"
    )
}

fn portions() -> [String; 2] {
    [chunk(r#"{"content":"from openai"}"#, "null"), chunk("{}", "\"stop\"") + "data: [DONE]\n\n"]
}

fn code(seen: &Seen) -> (u16, String) {
    let body: serde_json::Value = serde_json::from_str(&seen.body).unwrap();
    (seen.status, body["error"]["code"].as_str().unwrap_or_default().to_owned())
}

#[test]
fn a_request_is_refused_as_the_gateways_failure_and_no_provider_sees_it() {
    for part in [Part::Headers, Part::Body] {
        let seen = Envoy::new().without(Place::Request, part).chat(CHAT, &[]);
        assert_eq!(code(&seen), (500, "gateway_failed".to_owned()), "{part:?}");
        assert!(seen.received.is_empty());
        assert_eq!(seen.log["error"], "gateway_failed");
    }
}

#[test]
fn an_answer_that_cannot_be_read_gives_way_to_the_next_target() {
    let [first, last] = portions();
    for (callback, part) in [(0, Part::Headers), (1, Part::Body)] {
        let envoy = || Envoy::new().without(Place::FirstAnswer(callback), part);
        let whole = envoy().chat(CHAT, &[json(200, ANSWER), json(200, MESSAGE)]);
        let streamed = envoy().chat(STREAM, &[sse(&[&first, &last]), json(200, MESSAGE)]);
        for seen in [whole, streamed] {
            let context = format!("{callback} {part:?}: {}", seen.body);
            assert_eq!((seen.status, seen.received.len()), (200, 2), "{context}");
            assert!(seen.body.contains("from anthropic"), "{context}");
            assert_eq!(seen.log["tried"][0]["failure"], "not_carried_out", "{context}");
        }
    }
}

#[test]
fn a_stream_that_cannot_be_read_any_more_breaks_off_and_says_so() {
    let [first, last] = portions();
    let seen = Envoy::new().without(Place::FirstAnswer(2), Part::Body).chat(STREAM, &[sse(&[&first, &last])]);
    assert_eq!(seen.status, 200);
    assert!(seen.body.contains("from openai") && seen.body.contains("gateway_failed"), "{}", seen.body);
    assert!(!seen.body.contains("[DONE]"), "{}", seen.body);
    assert_eq!(
        (&seen.log["error"], &seen.log["tried"][0]["failure"]),
        (&"gateway_failed".into(), &"not_carried_out".into())
    );
}

#[test]
fn a_request_that_cannot_be_read_when_it_is_written_anew_ends_there() {
    // The second target's body is too long to store, so it is written when the attempt begins.
    let long = CHAT.replace("\"x\"", &format!("\"{}\"", "x".repeat(300 << 10)));
    let envoy = Envoy::new().without(Place::SecondAttempt, Part::Body);
    let seen = envoy.chat(&long, &[json(503, "{}"), json(200, MESSAGE)]);
    assert!(seen.received.iter().all(|received| !received.body.contains("claude")), "its provider sees nothing");
    assert_ne!(seen.status, 200);
    assert_eq!(seen.log["tried"][1]["failure"], "not_carried_out");
}

#[test]
fn an_answer_whose_headers_cannot_be_read_on_its_way_back_does_not_pass() {
    let envoy = Envoy::new().without(Place::WayBack, Part::Headers);
    let headers: [(&str, &[u8]); 2] = [("x-api-key", b"sk-test"), ("x-request-id", b"r-1")];
    let body = br#"{"model":"claude","max_tokens":9,"messages":[{"role":"user","content":"x"}]}"#;
    let seen = envoy.send("POST", "/v1/messages", &headers, body, &[json(200, MESSAGE)]);
    assert_eq!(seen.status, 500, "{}", seen.body);
    assert!(!seen.body.contains("from anthropic"));
}
