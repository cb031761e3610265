//! Cache hits and fills, from the request to its settlement.

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

const CACHE: &str = r#","cache":{"ttl":"1m"}"#;
const STREAM: [&str; 3] = [
    "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"one\"}}]}\n\n",
    "data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n",
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

#[test]
fn what_did_not_come_to_its_end_or_is_no_answer_is_not_kept() {
    let open = &STREAM[..1];
    for (stream, script) in [
        (true, sse(open)),
        (true, Script::Lost(open.to_vec())),
        (true, sse(&["data: {\"error\":{\"message\":\"no\"}}\n\n"])),
        (false, json(400, r#"{"error":{"message":"no"}}"#)),
        (false, json(200, r#"{"error":{"message":"no"}}"#)),
    ] {
        let seen = send(TestGateway::with(ONCE, "", "").envoy(), "chat", stream, &[], std::slice::from_ref(&script));
        is_kept(&seen, false);
        assert!(seen.counted.contains(&metric::CACHE_MISS), "{script:?}");
    }
}

/// A model without retries.
const ONCE: &str = r#""targets":[{"provider":"one","model":"x"}],"retry":{"on":[]},"cache":{"ttl":"1m"}"#;

#[test]
fn an_answer_that_a_content_filter_ended_is_not_kept_and_one_that_speaks_of_it_is() {
    let answer = |text: &str, reason: &str| {
        let text = serde_json::to_string(text).unwrap();
        json(
            200,
            &format!(
                r#"{{"choices":[{{"index":0,"message":{{"role":"assistant","content":{text}}},"finish_reason": "{reason}"}}]}}"#
            ),
        )
    };
    is_kept(&cached().ask(&[], &[answer("I", "content_filter")]), false);
    is_kept(&cached().ask(&[], &[answer("\"content_filter\"", "stop")]), true);
}

#[test]
fn an_answer_of_a_lower_tier_is_not_kept_and_one_of_a_fallback_is() {
    let tiers = r#""targets":[{"provider":"one","model":"x"},{"provider":"two","model":"x","tier":2}],
        "allow_lower_tier":true,"cache":{"ttl":"1m"}"#;
    let seen = TestGateway::with(tiers, "", "").ask(&[], &[json(503, ""), good()]);
    assert_eq!((seen.status, &seen.log["lower_tier"]), (200, &2.into()));
    is_kept(&seen, false);
    let gateway = cached();
    is_kept(&gateway.ask(&[], &[json(503, ""), good()]), true);
    let hit = gateway.ask(&[], &[]);
    assert_eq!(hit.headers.text("x-sluice-provider"), Some("two"));
}

#[test]
fn a_client_may_refuse_what_is_kept_or_that_anything_is() {
    let gateway = cached();
    let ask = |value: &str, scripts: &[Script]| gateway.ask(&[("cache-control", value)], scripts);
    let refused = ask("no-store", &[good()]);
    assert_eq!(word(&refused), Some("bypass"));
    is_kept(&refused, false);
    let fresh = ask("no-cache", &[good()]);
    assert_eq!((word(&fresh), fresh.received.len()), (Some("bypass"), 1));
    is_kept(&fresh, true);
    is_hit(&gateway.ask(&[], &[]));
    assert_eq!(word(&ask("no-store", &[good()])), Some("bypass"), "though there is one");
}

#[test]
fn who_directs_a_requests_way_neither_reads_nor_fills() {
    let gateway = TestGateway::new(CACHE, r#","control":["route","fallback","targets"]"#, "");
    gateway.ask(&[], &[good()]);
    for header in [("x-sluice-route", "one"), ("x-sluice-route", "cheapest"), ("x-sluice-fallback", "off")] {
        let seen = gateway.ask(&[header], &[good()]);
        assert_eq!(word(&seen), Some("bypass"), "{header:?}");
        is_kept(&seen, false);
    }
    let named = send(gateway.envoy(), "one/x", false, &[], &[good()]);
    assert_eq!((word(&named), named.received.len()), (None, 1));
}

#[test]
fn what_a_provider_goes_on_with_is_asked_every_time() {
    let gateway = TestGateway::new(CACHE, r#","endpoints":["*"]"#, "");
    for field in [r#""background":true"#, r#""conversation":"conv_1""#, r#""conversation":{"id":"conv_1"}"#] {
        let body = format!(r#"{{"model":"chat","input":"hi",{field}}}"#);
        let answer = json(200, r#"{"object":"response","id":"resp_1","status":"completed","model":"x","output":[]}"#);
        let seen = gateway.envoy().send(
            "POST",
            "/v1/responses",
            &[("api-key", SECRET.as_bytes())],
            body.as_bytes(),
            &[answer],
        );
        assert_eq!(word(&seen), Some("bypass"), "{field}: {}", seen.body);
        is_kept(&seen, false);
    }
}

#[test]
fn one_byte_or_another_format_or_a_header_that_changes_answers_is_another_request() {
    let gateway = cached();
    let message = |version: &str, body: &str| {
        let headers: [(&str, &[u8]); 2] = [("api-key", SECRET.as_bytes()), ("anthropic-beta", version.as_bytes())];
        gateway.envoy().send("POST", "/v1/messages", &headers, body.as_bytes(), &[good()])
    };
    let body = r#"{"model":"chat","max_tokens":9,"messages":[{"role":"user","content":"hi"}]}"#;
    for (path, beta, body, expected) in [
        (CHAT, "", body, "miss"),
        ("/v1/messages", "a", body, "miss"),
        ("/v1/messages", "b", body, "miss"),
        ("/v1/messages", "b", &body.replace("hi", "ho"), "miss"),
        ("/v1/messages", "b", &format!("{body} "), "miss"),
        ("/v1/messages", "a", body, "hit"),
        (CHAT, "", body, "hit"),
    ] {
        let key: [(&str, &[u8]); 1] = [("api-key", SECRET.as_bytes())];
        let seen = match path {
            CHAT => gateway.envoy().send("POST", CHAT, &key, body.as_bytes(), &[good()]),
            _ => message(beta, body),
        };
        assert_eq!(word(&seen), Some(expected), "{path} {beta} {body}: {}", seen.body);
    }
}

#[test]
fn a_route_to_other_targets_has_answers_of_its_own() {
    let routes = r#","routes":[{"match":{"headers":{"x-env":"eu"}},"targets":["two"]}],"cache":{"ttl":"1m"}"#;
    let gateway = TestGateway::new(routes, "", "");
    gateway.ask(&[], &[good()]);
    let eu = gateway.ask(&[("x-env", "eu")], &[good()]);
    assert_eq!((word(&eu), eu.headers.text("x-sluice-provider")), (Some("miss"), Some("two")));
    let eu = gateway.ask(&[("x-env", "eu")], &[]);
    assert_eq!((word(&eu), eu.headers.text("x-sluice-provider")), (Some("hit"), Some("two")));
}

/// A worker of a gateway with two teams, an app, and one model with this cache scope.
fn shared_by(scope: &str, target: &str) -> Rc<Worker> {
    let key = |id: &str, more: &str| format!(r#"{{"id":"{id}","sha256":"{}"{more}}}"#, sha256(id));
    let keys = [
        key("a", r#","team":"red""#),
        key("b", r#","team":"red""#),
        key("c", r#","team":"blue""#),
        key("d", r#","team":"red","app":"bot""#),
        key("e", r#","team":"blue","app":"bot""#),
    ];
    let text = format!(
        r#"{{"providers":{{"one":{{"kind":"openai"}}}},"models":{{"chat":{{"targets":[{{"provider":"one","model":"{target}"}}],
            "cache":{{"ttl":"1m","scope":"{scope}"}}}}}},"teams":{{"red":{{}},"blue":{{}}}},"apps":{{"bot":{{}}}},"keys":[{}]}}"#,
        keys.join(",")
    );
    Rc::new(Worker::new(Rc::new(sluice_config::from_json(text.as_bytes()).unwrap()), [7; 16]))
}

fn as_key(worker: &Rc<Worker>, shared: &Rc<Shared>, key: &str) -> Seen {
    let body = r#"{"model":"chat","messages":[{"role":"user","content":"hi"}]}"#;
    let headers: [(&str, &[u8]); 1] = [("api-key", key.as_bytes())];
    Envoy::with(worker.clone(), shared.clone()).send("POST", CHAT, &headers, body.as_bytes(), &[good()])
}

#[test]
fn answers_are_shared_within_their_scope_and_no_further() {
    for (scope, hits) in [
        ("key", [false; 4]),
        ("team", [true, false, true, true]),
        ("app", [false, false, false, true]),
        ("all", [true; 4]),
    ] {
        let (worker, shared) = (shared_by(scope, "x"), Rc::default());
        as_key(&worker, &shared, "a");
        let found = ["b", "c", "d", "e"].map(|key| word(&as_key(&worker, &shared, key)) == Some("hit"));
        assert_eq!(found, hits, "{scope}");
    }
}

#[test]
fn a_gateway_whose_model_has_another_target_gives_no_answer_of_the_one_before() {
    let shared = Rc::default();
    as_key(&shared_by("all", "x"), &shared, "a");
    assert_eq!(word(&as_key(&shared_by("all", "y"), &shared, "a")), Some("miss"));
    assert_eq!(word(&as_key(&shared_by("all", "x"), &shared, "a")), Some("hit"));
}

#[test]
fn a_shorter_time_holds_for_what_is_kept_already_and_a_longer_one_for_what_comes() {
    let shared: Rc<Shared> = Rc::default();
    let model = |ttl: &str| format!(r#","cache":{{"ttl":"{ttl}"}}"#);
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

#[test]
fn a_model_that_serves_instead_gives_its_own_answers() {
    let models = r#""targets":[{"provider":"one","model":"x"}],"cache":{"ttl":"1m"}},
        "cheap":{"targets":[{"provider":"two","model":"x"}],"cache":{"ttl":"1m"}"#;
    let budget = r#","budget":{"total":0.0001,"then_model":"cheap"}"#;
    let gateway = TestGateway::with(models, budget, r#","prices":{"unpriced":{"input":1,"output":1}}"#);
    for (scripts, expected) in [(&[good()][..], "miss"), (&[], "hit")] {
        let seen = gateway.ask(&[], scripts);
        assert_eq!((seen.status, word(&seen)), (200, Some(expected)));
        let told = ["x-sluice-provider", "x-sluice-instead-of"].map(|name| seen.headers.text(name));
        assert_eq!((told, &seen.log["instead"]), ([Some("two"), Some("chat")], &"cheap".into()), "{expected}");
    }
}
