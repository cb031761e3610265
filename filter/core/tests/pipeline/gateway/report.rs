//! The response headers with cost and times, for keys with `control: [report]`.

use std::rc::Rc;

use crate::envoy::{Envoy, Script, Seen, json, sse};

use super::spending::{answer, ask, worker};
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

const REPORT: &str = r#","control":["report"]"#;
const NAMES: [&str; 3] = ["x-sluice-cost", "x-sluice-overhead-ms", "x-sluice-ttft-ms"];
const STREAM: [&str; 3] = [
    "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"one\"}}]}\n\n",
    "data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n",
    "data: [DONE]\n\n",
];

fn told(seen: &Seen) -> [Option<&str>; 3] {
    NAMES.map(|name| seen.headers.text(name))
}

fn send(key: &str, stream: bool, scripts: &[Script]) -> Seen {
    Envoy::with(worker(key, ""), Rc::default()).chat(&ask(stream), scripts)
}

/// Whether it is a number with three decimals.
fn is_milliseconds(text: &str) -> bool {
    text.split_once('.').is_some_and(|(whole, rest)| rest.len() == 3 && whole.parse::<u64>().is_ok())
}

#[test]
fn an_answer_says_what_it_cost_and_how_long_the_gateway_took_if_the_key_may_know() {
    let seen = send(REPORT, false, &[answer(10, 5)]);
    let [cost, overhead, first] = told(&seen);
    assert_eq!((cost, first), (Some("0.000015"), None));
    assert_eq!(seen.log["cost_usd"], "0.000015");
    assert!(overhead.is_some_and(is_milliseconds), "{overhead:?}");
    for key in ["", r#","control":["route","fallback","timeout","targets"]"#] {
        for (stream, script) in [(false, answer(10, 5)), (false, json(503, "{}")), (true, sse(&STREAM))] {
            assert_eq!(told(&send(key, stream, &[script.clone(), script])), [None; 3]);
        }
    }
}

#[test]
fn failed_attempts_are_a_part_of_the_cost_and_so_is_an_error() {
    let bad = json(200, r#"{"choices":[],"usage":{"prompt_tokens":10,"completion_tokens":5}}"#);
    let good = json(
        200,
        r#"{"type":"message","role":"assistant","model":"claude","id":"m","content":[{"type":"text","text":"ok"}],
            "stop_reason":"end_turn","usage":{"input_tokens":10,"output_tokens":5}}"#,
    );
    let seen = send(REPORT, false, &[bad.clone(), good]);
    assert_eq!((seen.status, told(&seen)[0]), (200, Some("0.000060")));
    assert_eq!((&seen.log["cost_usd"], &seen.log["input_tokens"]), (&"0.000060".into(), &20.into()));
    let attempt = |index: usize, name: &str| seen.log["tried"][index][name].clone();
    assert_eq!([attempt(0, "cost_usd"), attempt(1, "cost_usd")], ["0.000015", "0.000045"]);
    assert_eq!([attempt(0, "output_tokens"), attempt(1, "output_tokens")], [5, 5]);
    let refused = send(REPORT, false, &[bad, json(503, "{}")]);
    let [cost, overhead, first] = told(&refused);
    assert_eq!((refused.status, cost, first), (503, Some("0.000015"), None));
    assert!(overhead.is_some());
    assert_eq!(refused.log["cost_usd"], "0.000015");
}

#[test]
fn a_stream_says_when_its_first_token_came_but_not_what_it_will_cost() {
    let [cost, overhead, first] = told(&send(REPORT, true, &[sse(&STREAM)])).map(|value| value.map(str::to_owned));
    assert_eq!(cost, None);
    assert!(overhead.is_some_and(|overhead| is_milliseconds(&overhead)));
    assert!(first.is_some_and(|first| first.parse::<u64>().is_ok()));
}

#[test]
fn a_hit_of_the_cache_costs_nothing() {
    let gateway = super::routing::TestGateway::new(r#","cache":{"ttl":"1m"}"#, REPORT, "");
    let miss = gateway.ask(&[], &[super::routing::good()]);
    assert_eq!(told(&miss)[0], None, "there is no price");
    let hit = gateway.ask(&[], &[]);
    assert_eq!((hit.status, hit.headers.text("x-sluice-cache")), (200, Some("hit")));
    let [cost, overhead, first] = told(&hit);
    assert_eq!((cost, first), (Some("0.000000"), None));
    assert!(overhead.is_some_and(is_milliseconds), "{overhead:?}");
}

#[test]
fn an_error_without_an_attempt_says_nothing() {
    let seen = Envoy::with(worker(REPORT, ""), Rc::default()).chat(r#"{"model":"nothing","messages":[1]}"#, &[]);
    assert_eq!((seen.status, told(&seen)), (404, [None; 3]));
}
