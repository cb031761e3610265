//! A worker under memory pressure: the requests it rejects, their order, and the memory it holds.

use std::net::IpAddr;
use std::ops::Range;
use std::rc::Rc;

use sluice_core::pipeline::gateway::{Outcome, RequestPipeline};
use sluice_core::pipeline::worker::Worker;
use sluice_core::pipeline::{Event, Flow, Unreadable, View, metric};
use sluice_wire::headers::HeaderMap;
use sluice_wire::time::Time;

use crate::envoy::{Envoy, SECRET, Script, Seen, json, sse};
use crate::shared::Shared;

use super::CHAT;
use super::spending::{answer, ask, sha256, worker};
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

const MIB: usize = 1 << 20;
const NOW: Time = Time(1_800_000_000_000_000_000);

fn send(worker: &Rc<Worker>, shared: &Rc<Shared>, body: &str) -> Seen {
    Envoy::with(worker.clone(), shared.clone()).chat(body, &[answer(10, 5)])
}

/// A worker with one model, `claude`, that only Anthropic serves.
fn claude(key: &str, more: &str) -> Rc<Worker> {
    let file = format!(
        r#"{{"providers":{{"ant":{{"kind":"anthropic"}}}},
            "models":{{"claude":{{"targets":[{{"provider":"ant","model":"c"}}]}}}},
            "prices":{{"models":{{"ant/c":{{"input":1,"output":1}}}}}},
            "teams":{{"t":{{}}}},"keys":[{{"id":"k","team":"t","sha256":"{}"{key}}}]{more}}}"#,
        sha256(SECRET)
    );
    Rc::new(Worker::new(Rc::new(sluice_config::from_json(file.as_bytes()).unwrap()), [7; 16]))
}

/// A response of Claude with this content.
fn says(content: &str) -> String {
    format!(
        r#"{{"id":"m","type":"message","role":"assistant","model":"c","stop_reason":"end_turn",
            "usage":{{"input_tokens":10,"output_tokens":5}},"content":[{content}]}}"#
    )
}

fn code(seen: &Seen) -> (u16, String) {
    let body: serde_json::Value = serde_json::from_str(&seen.body).unwrap();
    (seen.status, body["error"]["code"].as_str().unwrap_or_default().to_owned())
}

/// A request with complete headers and an incomplete body.
struct Arriving {
    pipeline: RequestPipeline,
    message: Headers,
}

struct Headers(Vec<(&'static str, String)>);

impl View for Headers {
    fn now(&self) -> Time {
        NOW
    }
    fn headers(&self) -> Result<HeaderMap, Unreadable> {
        Ok(self.0.iter().map(|(name, value)| (*name, value.as_str())).collect())
    }
    fn header(&self, name: &str) -> Result<Option<Vec<u8>>, Unreadable> {
        Ok(self.headers()?.get(name).map(<[u8]>::to_vec))
    }
    fn body(&self, _: Range<usize>) -> Result<Vec<u8>, Unreadable> {
        panic!("the body is not complete")
    }
    fn source(&self) -> Option<IpAddr> {
        None
    }
    fn provider_left(&self) -> bool {
        false
    }
}

/// Sends headers. Returns the status if the gateway responds at once.
fn asks(worker: &Rc<Worker>, method: &str, path: &str, more: &[(&'static str, &str)]) -> (Arriving, Option<u16>) {
    let fixed = [(":method", method), (":path", path), ("api-key", SECRET)];
    let headers = fixed.iter().chain(more).map(|(name, value)| (*name, (*value).to_owned())).collect();
    let mut arriving = Arriving { pipeline: RequestPipeline::new(worker.clone()), message: Headers(headers) };
    let status = arriving.step(Event::RequestHeaders { end: false });
    (arriving, status)
}

fn arrive(worker: &Rc<Worker>, more: &[(&'static str, &str)]) -> (Arriving, Option<u16>) {
    asks(worker, "POST", CHAT, more)
}

impl Arriving {
    /// The status of the gateway's response to this event, if any.
    fn step(&mut self, event: Event) -> Option<u16> {
        let mut effects = Vec::new();
        let outcome = self.pipeline.request(event, &self.message, &Shared::default(), &mut effects);
        match outcome {
            Outcome::Step(Flow::Pause) => None,
            Outcome::Step(Flow::Reply(reply)) => Some(reply.status),
            other => panic!("it neither waits nor is answered: {other:?}"),
        }
    }
}

#[test]
fn bodies_of_one_key_wait_for_their_turn_before_they_are_read() {
    let worker = worker("", "");
    let declared = (31 * MIB).to_string();
    let send = || arrive(&worker, &[("content-length", &declared)]);
    let under_way = [send(), send()];
    assert!(under_way.iter().all(|(_, refused)| refused.is_none()));
    assert_eq!(worker.memory_limiter.held(), 62 * MIB);
    for _ in 0..40 {
        assert_eq!(send().1, Some(503));
    }
    assert_eq!(worker.memory_limiter.held(), 62 * MIB, "what is refused holds nothing");
    drop(under_way);
    assert_eq!((worker.memory_limiter.held(), send().1), (0, None));
}

#[test]
fn a_body_of_unknown_length_takes_its_share_as_it_comes() {
    let worker = worker("", "");
    let mut under_way: Vec<Arriving> = (0..3).map(|_| arrive(&worker, &[]).0).collect();
    let mut refused = 0;
    for mib in 1..=31 {
        for arriving in &mut under_way {
            refused += usize::from(arriving.step(Event::RequestBody { size: mib * MIB, end: false }) == Some(503));
        }
        assert!(worker.memory_limiter.held() <= 64 * MIB);
    }
    assert_eq!((refused, worker.memory_limiter.held()), (1, 62 * MIB), "the two others go on");
    drop(under_way);
    assert_eq!(worker.memory_limiter.held(), 0);
}

#[test]
fn what_is_refused_for_memory_says_when_to_try_again_and_is_counted() {
    let worker = worker("", r#","memory":{"rewritten_body":"32MiB","key":"32MiB"}"#);
    let (_one, refused) = arrive(&worker, &[("content-length", "33554432")]);
    assert_eq!(refused, None);
    let seen = send(&worker, &Rc::default(), &ask(false));
    assert_eq!(code(&seen), (503, "gateway_overloaded".to_owned()));
    assert_eq!((seen.headers.text("retry-after"), seen.counted), (Some("1"), vec![metric::OVERLOADED]));
    assert_eq!((&seen.log["error"], &seen.log["key"]), (&"gateway_overloaded".into(), &"k".into()));
}

#[test]
fn an_answer_is_given_once_however_long_the_body_is_that_was_declared_with_it() {
    let worker = worker("", "");
    for (method, path) in [("GET", "/v1/models"), ("GET", "/v1/models/chat"), ("POST", CHAT)] {
        for length in ["40000000", "4294967296", "18446744073709551615"] {
            assert_eq!(asks(&worker, method, path, &[("content-length", length)]).1, Some(413), "{path} {length}");
        }
    }
}

#[test]
fn a_request_beyond_its_limits_is_refused_before_anything_looks_at_its_prompt() {
    let guard = r#","guards":{"pii":{"detect":["email"],"on":["prompts"]}}"#;
    let (worker, shared) = (worker(r#","limits":{"requests_per_minute":1}"#, guard), Rc::default());
    assert_eq!(send(&worker, &shared, &ask(false)).status, 200);
    // A guardrail would block this, and no target could express it.
    let odd = r#"{"model":"chat","n":3,"stop":[1],"messages":[{"role":"user","content":"a@b.io"}]}"#;
    let seen = send(&worker, &shared, odd);
    assert_eq!(code(&seen), (429, "rate_limit_exceeded".to_owned()));
    assert!(seen.log["guards"].is_null(), "nothing was looked for");
}

#[test]
fn a_request_that_is_refused_after_its_reservation_counts_as_one_and_costs_nothing() {
    let guard = r#","guards":{"pii":{"detect":["email"],"on":["prompts"]}}"#;
    let key = r#","limits":{"requests_per_minute":3,"concurrent_requests":1},"budget":{"total":0.000100}"#;
    let good = r#"{"model":"claude","max_tokens":50,"messages":[{"role":"user","content":"hello"}]}"#;
    for (bad, refusal) in [
        (r#"{"model":"claude","max_tokens":50,"messages":[{"role":"user","content":"a@b.io"}]}"#, "guardrail_blocked"),
        (
            r#"{"model":"claude","messages":[{"role":"user","content":"x"}],"max_tokens":20,"n":3}"#,
            "unsupported_parameter",
        ),
    ] {
        let (worker, shared) = (claude(key, guard), Rc::default());
        assert_eq!(code(&send(&worker, &shared, bad)), (400, refusal.to_owned()));
        let seen = Envoy::with(worker.clone(), shared.clone()).chat(good, &[json(200, &says(TEXT))]);
        assert_eq!((seen.status, seen.headers.text("x-ratelimit-remaining-requests")), (200, Some("1")), "{refusal}");
        assert_eq!(seen.headers.text("x-sluice-budget"), None, "{refusal}: nothing was spent before");
    }
}

const TEXT: &str = r#"{"type":"text","text":"x"}"#;

#[test]
fn an_answer_or_a_request_that_grows_too_large_in_translation_is_not_given_to_envoy() {
    let small = r#","memory":{"rewritten_body":"1MiB"}"#;
    let body = r#"{"model":"claude","input":"x"}"#;
    let respond = |worker: &Rc<Worker>, answer: String| {
        let key: [(&str, &[u8]); 1] = [("api-key", SECRET.as_bytes())];
        let envoy = Envoy::with(worker.clone(), Rc::default());
        envoy.send("POST", "/v1/responses", &key, body.as_bytes(), &[json(200, &answer)])
    };
    let many = |count: usize| says(&vec![TEXT; count].join(","));
    assert_eq!(respond(&claude("", small), many(100)).status, 200);
    let long = says(&format!(r#"{{"type":"text","text":"{}"}}"#, "x".repeat(MIB)));
    let seen = respond(&claude("", small), long);
    assert_eq!((seen.status, &seen.log["error"]), (502, &"provider_answer_too_large".into()), "{}", seen.body);
    // A body with this many values is not parsed.
    let seen = respond(&claude("", ""), many(1_000_000));
    assert_eq!((seen.status, &seen.log["error"]), (502, &"provider_answer_too_large".into()), "{}", seen.body);

    let text = "x".repeat(MIB);
    let long = format!(r#"{{"model":"claude","messages":[{{"role":"user","content":"{text}"}}]}}"#);
    let seen = send(&claude("", small), &Rc::default(), &long);
    assert_eq!(code(&seen), (413, "request_too_large".to_owned()));
    assert!(seen.body.contains("memory.rewritten_body"), "{}", seen.body);
    let turns = vec![r#"{"role":"user","content":""}"#; 800_000].join(",");
    let seen = send(&claude("", ""), &Rc::default(), &format!(r#"{{"model":"claude","messages":[{turns}]}}"#));
    assert_eq!(code(&seen), (413, "request_too_large".to_owned()));
}

#[test]
fn a_masked_prompt_that_grows_too_large_is_a_413_and_costs_nothing() {
    let guard = r#","memory":{"rewritten_body":"1MiB"},"guards":{"pii":{"detect":["ip_address"],"on":["prompts"],"action":"mask"}}"#;
    let worker = claude("", guard);
    let text = "::1 ".repeat(100_000);
    let body = format!(r#"{{"model":"claude","messages":[{{"role":"user","content":"{text}"}}]}}"#);
    let seen = send(&worker, &Rc::default(), &body);
    assert_eq!(code(&seen), (413, "request_too_large".to_owned()));
    assert_eq!(worker.memory_limiter.held(), 0);
}

/// A streamed response of Claude, in chunks of 64 KiB.
fn streamed(kib: usize) -> Script {
    let text = "x".repeat(1 << 16);
    let delta = format!(
        "data: {{\"type\":\"content_block_delta\",\"index\":0,\"delta\":{{\"type\":\"text_delta\",\"text\":\"{text}\"}}}}\n\n"
    );
    let begin = [
        "data: {\"type\":\"message_start\",\"message\":{\"id\":\"m\",\"model\":\"c\",\"usage\":{\"input_tokens\":10,\"output_tokens\":1}}}\n\n",
        "data: {\"type\":\"content_block_start\",\"index\":0,\"content_block\":{\"type\":\"text\",\"text\":\"\"}}\n\n",
    ];
    let end = [
        "data: {\"type\":\"content_block_stop\",\"index\":0}\n\n",
        "data: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\"},\"usage\":{\"output_tokens\":5}}\n\n",
        "data: {\"type\":\"message_stop\"}\n\n",
    ];
    let deltas = std::iter::repeat_n(delta.as_str(), kib / 64);
    sse(&begin.into_iter().chain(deltas).chain(end).collect::<Vec<_>>())
}

#[test]
fn where_a_worker_is_full_a_stream_flows_if_it_may_and_fails_if_it_must_be_looked_at() {
    let body = r#"{"model":"claude","stream":true,"max_tokens":50,"messages":[{"role":"user","content":"hello"}]}"#;
    let small = r#","memory":{"rewritten_body":"32MiB","key":"32MiB"}"#;
    let guard = r#","guards":{"pii":{"detect":["email"],"on":["answers"]}}"#;
    for (more, free, status) in
        [(small.to_owned(), 8, 200), (format!("{small}{guard}"), 8, 200), (format!("{small}{guard}"), 1, 503)]
    {
        let worker = claude("", &more);
        let mut others = worker.memory_limiter.permit("k".into());
        others.grow((32 - free) * MIB).unwrap();
        let seen = Envoy::with(worker.clone(), Rc::default()).chat(body, &[streamed(2048)]);
        assert_eq!(seen.status, status, "{more} {free}");
        assert_eq!(seen.counted.contains(&metric::OVERLOADED), status == 503);
        drop(others);
        assert_eq!(worker.memory_limiter.held(), 0, "nothing is left behind");
    }
}

#[test]
fn a_whole_answer_for_which_there_is_no_room_is_a_503_and_is_charged() {
    let worker = claude(r#","budget":{"total":1}"#, r#","memory":{"rewritten_body":"32MiB","key":"32MiB"}"#);
    let mut others = worker.memory_limiter.permit("k".into());
    others.grow(31 * MIB).unwrap();
    let body = r#"{"model":"claude","max_tokens":50,"messages":[{"role":"user","content":"hello"}]}"#;
    let answer = says(&format!(r#"{{"type":"text","text":"{}"}}"#, "x".repeat(2 * MIB)));
    let seen = Envoy::with(worker.clone(), Rc::default()).chat(body, &[json(200, &answer)]);
    assert_eq!((code(&seen), seen.headers.text("retry-after")), ((503, "gateway_overloaded".to_owned()), Some("1")));
    assert!(seen.log["cost_usd"].as_str().is_some_and(|cost| cost > "0.000010"), "{}", seen.log);
}
