//! Cache hits and fills, from the request to its settlement.

mod controls;
mod equal;
mod forms;
mod semantic;
mod shared;
mod stored;

use std::rc::Rc;
use std::time::Duration;

use sluice_core::pipeline::metric;
use sluice_core::pipeline::worker::Worker;

use crate::envoy::{Envoy, SECRET, Script, Seen, json, sse};
use crate::shared::Shared;

use super::CHAT;
use super::routing::{TestGateway, good, send};
use super::spending::sha256;
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

const CACHE: &str = r#","cache":{"ttl":"1m","ttl_jitter":0}"#;
const STREAM: [&str; 3] = [
    "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"one\"}}]}\n\n",
    "data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n",
    "data: [DONE]\n\n",
];

const MESSAGES: &str = "/v1/messages";

/// A whole answer of OpenAI's, as a stream with usage, and as a stream without.
const WHOLE: &str = r#"{"id":"c1","object":"chat.completion","created":7,"model":"x","choices":[{"index":0,"message":
    {"role":"assistant","content":"one two","refusal":null,"annotations":[]},"logprobs":null,"finish_reason":"stop"}],
    "usage":{"prompt_tokens":9,"completion_tokens":2,"total_tokens":11},"system_fingerprint":"fp"}"#;
const CHUNKS: [&str; 5] = [
    "data: {\"id\":\"c1\",\"object\":\"chat.completion.chunk\",\"created\":7,\"model\":\"x\",\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"one \"}}]}\n\n",
    "data: {\"id\":\"c1\",\"object\":\"chat.completion.chunk\",\"created\":7,\"model\":\"x\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"two\"}}]}\n\n",
    "data: {\"id\":\"c1\",\"object\":\"chat.completion.chunk\",\"created\":7,\"model\":\"x\",\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n",
    "data: {\"id\":\"c1\",\"object\":\"chat.completion.chunk\",\"created\":7,\"model\":\"x\",\"choices\":[],\"usage\":{\"prompt_tokens\":9,\"completion_tokens\":2,\"total_tokens\":11}}\n\n",
    "data: [DONE]\n\n",
];

fn cached() -> TestGateway {
    TestGateway::new(CACHE, "", "")
}

fn word(seen: &Seen) -> Option<&str> {
    let word = seen.headers.text("x-sluice-cache");
    assert_eq!(seen.log["cache"].as_str(), word);
    word
}

#[track_caller]
fn is_hit(seen: &Seen) {
    assert_eq!((seen.status, word(seen), seen.received.len()), (200, Some("hit"), 0));
    assert_eq!(seen.counted, [metric::CACHE_HIT]);
}

#[track_caller]
fn is_kept(seen: &Seen, kept: bool) {
    assert_eq!(seen.counted.contains(&metric::CACHE_STORED), kept, "{:?}", seen.counted);
}

#[test]
fn the_same_request_is_answered_with_the_same_bytes_and_no_provider() {
    let gateway = cached();
    let first = gateway.ask(&[], &[good()]);
    assert_eq!((word(&first), &first.counted), (Some("miss"), &vec![metric::CACHE_MISS, metric::CACHE_STORED]));
    let second = send(gateway.envoy().after(Duration::from_secs(30)), "chat", false, &[], &[]);
    is_hit(&second);
    assert_eq!((&second.body, second.headers.text("content-type")), (&first.body, Some("application/json")));
    let told =
        ["x-sluice-provider", "x-sluice-model", "age", "x-sluice-attempts"].map(|name| second.headers.text(name));
    assert_eq!(told, [Some("one"), Some("x"), Some("29"), None]);
    let log = &second.log;
    assert_eq!(
        (&log["served_provider"], &log["served_model"], &log["attempts"]),
        (&"one".into(), &"x".into(), &0.into())
    );
    assert_eq!(
        (&log["input_tokens"], &log["output_tokens"], &log["cost_usd"]),
        (&0.into(), &0.into(), &"0.000000".into())
    );
    assert_eq!((&log["usage"], &log["estimated"], &log["error"]), (&().into(), &().into(), &().into()));
}

#[test]
fn a_stream_is_given_again_as_one() {
    let gateway = cached();
    let ask = |scripts: &[Script]| send(gateway.envoy(), "chat", true, &[], scripts);
    let first = ask(&[sse(&STREAM)]);
    is_kept(&first, true);
    let second = ask(&[]);
    is_hit(&second);
    assert_eq!((&second.body, second.headers.text("content-type")), (&first.body, Some("text/event-stream")));
    assert_eq!(second.body, STREAM.concat());
}

#[test]
fn after_its_time_an_answer_is_asked_for_again() {
    let gateway = cached();
    gateway.ask(&[], &[good()]);
    let later = |seconds| gateway.envoy().after(Duration::from_secs(seconds));
    is_hit(&send(later(59), "chat", false, &[], &[]));
    assert_eq!(word(&send(later(61), "chat", false, &[], &[good()])), Some("miss"));
}

#[test]
fn a_model_without_a_cache_says_nothing_of_one() {
    let gateway = TestGateway::new("", "", "");
    for _ in 0..2 {
        let seen = gateway.ask(&[], &[good()]);
        assert_eq!((word(&seen), seen.counted.len()), (None, 0));
    }
}

/// Sends a body to a path of the gateway.
fn post(gateway: &TestGateway, path: &str, headers: &[(&str, &str)], body: &str, scripts: &[Script]) -> Seen {
    let mut all: Vec<(&str, &[u8])> = vec![("api-key", SECRET.as_bytes())];
    all.extend(headers.iter().map(|(name, value)| (*name, value.as_bytes())));
    gateway.envoy().send("POST", path, &all, body.as_bytes(), scripts)
}

#[test]
fn a_shorter_time_holds_for_what_is_kept_already_and_a_longer_one_for_what_comes() {
    let shared: Rc<Shared> = Rc::default();
    let model = |ttl: &str| format!(r#","cache":{{"ttl":"{ttl}","ttl_jitter":0}}"#);
    let at = |ttl: &str, seconds: u64, scripts: &[Script]| {
        let worker = TestGateway::new(&model(ttl), "", "").worker;
        let envoy = Envoy::with(worker, shared.clone()).after(Duration::from_secs(seconds));
        word(&send(envoy, "chat", false, &[], scripts)).map(str::to_owned)
    };
    assert_eq!(at("1m", 0, &[good()]).as_deref(), Some("miss"));
    assert_eq!(at("1m", 20, &[]).as_deref(), Some("hit"));
    assert_eq!(at("1h", 20, &[]).as_deref(), Some("hit"));
    assert_eq!(at("10s", 20, &[good()]).as_deref(), Some("miss"), "it is older than that");
}

#[test]
fn a_hit_counts_as_a_request_and_uses_nothing() {
    let more = r#","prices":{"unpriced":{"input":1,"output":1}}"#;
    let limits = r#","limits":{"requests_per_minute":3,"tokens_per_minute":5000},"budget":{"total":1}"#;
    let gateway = TestGateway::new(CACHE, limits, more);
    gateway.ask(&[], &[good()]);
    let left = |seen: &Seen| {
        ["requests", "tokens"]
            .map(|what| seen.headers.text(&format!("x-ratelimit-remaining-{what}")).map(str::to_owned))
    };
    let (second, third) = (gateway.ask(&[], &[]), gateway.ask(&[], &[]));
    is_hit(&third);
    assert_eq!([left(&second)[0].as_deref(), left(&third)[0].as_deref()], [Some("1"), Some("0")]);
    let refused = gateway.ask(&[], &[]);
    assert_eq!((refused.status, word(&refused)), (429, None), "limits come before the cache");
}
