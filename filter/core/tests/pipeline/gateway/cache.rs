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

const CACHE: &str = r#","cache":{"ttl":"1m","ttl_jitter":0}"#;
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

/// Sends a body to a path of the gateway.
fn post(gateway: &TestGateway, path: &str, headers: &[(&str, &str)], body: &str, scripts: &[Script]) -> Seen {
    let mut all: Vec<(&str, &[u8])> = vec![("api-key", SECRET.as_bytes())];
    all.extend(headers.iter().map(|(name, value)| (*name, value.as_bytes())));
    gateway.envoy().send("POST", path, &all, body.as_bytes(), scripts)
}

#[test]
fn another_format_or_value_or_a_header_that_changes_answers_is_another_request() {
    let gateway = cached();
    let body = r#"{"model":"chat","max_tokens":9,"messages":[{"role":"user","content":"hi"}]}"#;
    for (path, beta, body, expected) in [
        (CHAT, "", body, "miss"),
        (MESSAGES, "a", body, "miss"),
        (MESSAGES, "b", body, "miss"),
        (MESSAGES, "b", &body.replace("hi", "ho"), "miss"),
        (MESSAGES, "b", &format!("{body} "), "hit"),
        (MESSAGES, "a", body, "hit"),
        (CHAT, "", body, "hit"),
    ] {
        let headers = [("anthropic-beta", beta)];
        let headers = if path == MESSAGES { &headers[..] } else { &[] };
        let seen = post(&gateway, path, headers, body, &[good()]);
        assert_eq!(word(&seen), Some(expected), "{path} {beta} {body}: {}", seen.body);
    }
}

const MESSAGES: &str = "/v1/messages";

#[test]
fn a_request_that_is_spelled_in_another_way_is_the_same_request() {
    let gateway = cached();
    let bodies = [
        r#"{"model":"chat","temperature":1,"messages":[{"role":"user","content":"A"}]}"#,
        r#"{ "messages": [ {"content":"\u0041", "role":"user"} ], "temperature":1.0, "model":"chat" }"#,
        r#"{"user":"somebody","metadata":{"a":"b"},"model":"chat","temperature":1e0,"messages":[{"role":"user","content":"A"}]}"#,
    ];
    let first = post(&gateway, CHAT, &[], bodies[0], &[good()]);
    is_kept(&first, true);
    for body in bodies {
        let seen = post(&gateway, CHAT, &[], body, &[]);
        is_hit(&seen);
        assert_eq!(seen.body, first.body, "{body}");
    }
}

#[cfg(debug_assertions)]
#[test]
fn the_same_bytes_are_found_without_their_canonical_form() {
    use sluice_core::cache::canonical::counted;
    let gateway = cached();
    let spelled = |space: &str| format!(r#"{{"model":{space}"chat","messages":[{{"role":"user","content":"hi"}}]}}"#);
    counted::taken();
    for (space, scripts, forms) in [("", &[good()][..], 1), ("", &[], 0), (" ", &[], 1), (" ", &[], 0), ("", &[], 0)] {
        let seen = post(&gateway, CHAT, &[], &spelled(space), scripts);
        assert_eq!(seen.status, 200);
        assert_eq!(counted::taken(), forms, "{space:?}");
    }
}

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

/// The forms that a client of chat completions can ask for.
const FORMS: [&str; 3] = ["", r#","stream":true"#, r#","stream":true,"stream_options":{"include_usage":true}"#];

#[test]
fn a_whole_answer_serves_a_stream_and_the_reverse_with_and_without_usage() {
    for (first, script) in [(0, json(200, WHOLE)), (1, sse(&CHUNKS)), (2, sse(&CHUNKS))] {
        let gateway = cached();
        let ask = |form: usize, scripts: &[Script]| {
            let body = format!(r#"{{"model":"chat","messages":[{{"role":"user","content":"hi"}}]{}}}"#, FORMS[form]);
            post(&gateway, CHAT, &[], &body, scripts)
        };
        let made = ask(first, &[script]);
        is_kept(&made, true);
        for form in [0, 1, 2, first] {
            let seen = ask(form, &[]);
            is_hit(&seen);
            let kind = if form == 0 { "application/json" } else { "text/event-stream" };
            assert_eq!(seen.headers.text("content-type"), Some(kind), "{first} {form}");
            if form == first {
                assert_eq!(seen.body, made.body);
            }
            let (has_usage, is_done) =
                (seen.body.contains("\"total_tokens\":11"), seen.body.ends_with("data: [DONE]\n\n"));
            assert_eq!((has_usage, is_done), (form != 1, form > 0), "{first} {form}: {}", seen.body);
            assert!(
                seen.body.contains("\"created\":7") && seen.body.contains("\"c1\""),
                "{first} {form}: {}",
                seen.body
            );
            let text = if form == 0 || first == 0 { "\"one two\"" } else { "two" };
            assert!(seen.body.contains(text), "{first} {form}: {}", seen.body);
        }
    }
}

#[test]
fn an_answer_that_would_lose_something_serves_its_own_form_and_each_form_has_one() {
    let whole = [
        WHOLE.replace(r#""logprobs":null"#, r#""logprobs":{"content":[{"token":"one","logprob":-0.5}]}"#),
        WHOLE.replace(r#""annotations":[]"#, r#""annotations":[{"type":"url_citation"}]"#),
        WHOLE.replace(r#""finish_reason":"stop""#, r#""finish_reason":"eos""#),
        WHOLE.replace(r#""refusal":null"#, r#""audio":{"id":"a"}"#),
        WHOLE.replace(r#""usage""#, r#""x_own":{"a":1},"usage""#),
    ];
    for whole in whole {
        let gateway = cached();
        let ask = |stream: bool, scripts: &[Script]| send(gateway.envoy(), "chat", stream, &[], scripts);
        is_kept(&ask(false, &[json(200, &whole)]), true);
        let streamed = ask(true, &[sse(&CHUNKS)]);
        assert_eq!(word(&streamed), Some("miss"), "{whole}");
        is_kept(&streamed, true);
        for _ in 0..2 {
            assert_eq!(ask(false, &[]).body, whole);
            assert_eq!(ask(true, &[]).body, streamed.body);
        }
    }
}

#[test]
fn a_client_says_how_old_an_answer_may_be_and_that_only_the_cache_may_give_one() {
    let gateway = cached();
    let ask = |value: &str, seconds: u64, scripts: &[Script]| {
        let envoy = gateway.envoy().after(Duration::from_secs(seconds));
        send(envoy, "chat", false, &[("cache-control", value)], scripts)
    };
    let none = ask("only-if-cached", 0, &[]);
    assert_eq!((none.status, none.received.len(), word(&none)), (504, 0, Some("miss")));
    assert!(none.body.contains("not_cached"), "{}", none.body);
    assert_eq!(none.counted, [metric::CACHE_MISS]);
    assert_eq!((&none.log["error"], &none.log["cost_usd"]), (&"not_cached".into(), &().into()));
    is_kept(&ask("", 0, &[good()]), true);
    is_hit(&ask("only-if-cached", 10, &[]));
    is_hit(&ask("max-age=11", 10, &[]));
    assert_eq!(ask("only-if-cached, max-age=9", 10, &[]).status, 504);
    assert_eq!(ask("only-if-cached, no-cache", 10, &[]).status, 504);
    assert_eq!(ask("only-if-cached, no-store", 10, &[]).status, 504);
    // A response that is too old for one client is replaced.
    let renewed = ask("max-age=9", 10, &[good()]);
    assert_eq!(word(&renewed), Some("miss"));
    is_kept(&renewed, true);
    is_hit(&ask("max-age=9", 15, &[]));
    // A model without a cache has nothing either.
    let bare = TestGateway::new("", "", "");
    assert_eq!(bare.ask(&[("cache-control", "only-if-cached")], &[]).status, 504);
    let anthropics = post(
        &gateway,
        MESSAGES,
        &[("cache-control", "only-if-cached")],
        r#"{"model":"chat","max_tokens":9,"messages":[{"role":"user","content":"new"}]}"#,
        &[],
    );
    assert_eq!(anthropics.status, 504);
    assert!(anthropics.body.contains(r#""type":"error""#), "{}", anthropics.body);
}

#[test]
fn a_namespace_has_answers_of_its_own_if_the_key_may_name_one() {
    let named = |name: &'static str| [("x-sluice-cache-namespace", name)];
    let refused = cached().ask(&named("a"), &[]);
    assert_eq!((refused.status, &refused.log["error"]), (403, &"control_not_allowed".into()));
    let gateway = TestGateway::new(CACHE, r#","control":["cache"]"#, "");
    is_kept(&gateway.ask(&[], &[good()]), true);
    for name in ["a", "b"] {
        let seen = gateway.ask(&named(name), &[good()]);
        assert_eq!(word(&seen), Some("miss"), "{name}");
        assert!(seen.received[0].headers.text("x-sluice-cache-namespace").is_none());
        is_hit(&gateway.ask(&named(name), &[]));
    }
    is_hit(&gateway.ask(&[], &[]));
    assert_eq!(gateway.ask(&named("a b"), &[]).status, 400);
}

#[test]
fn a_model_may_cache_only_low_temperatures_and_no_tools_or_images() {
    let model = |more: &str| TestGateway::new(&format!(r#","cache":{{"ttl":"1m"{more}}}"#), "", "");
    let words = |gateway: &TestGateway, more: &str| {
        let body = format!(r#"{{"model":"chat","messages":[{{"role":"user","content":"hi"}}]{more}}}"#);
        [(); 2].map(|()| word(&post(gateway, CHAT, &[], &body, &[good()])).unwrap_or_default().to_owned())
    };
    let (cached, not) = (["miss", "hit"], ["bypass", "bypass"]);
    let cool = model(r#","max_temperature":0.5"#);
    for (more, expected) in [
        (r#","temperature":0"#, cached),
        (r#","temperature":0.5"#, cached),
        (r#","temperature":50e-2,"n":1"#, cached),
        (r#","temperature":0.6"#, not),
        (r#","temperature":null"#, not),
        ("", not),
    ] {
        assert_eq!(words(&cool, more), expected, "{more}");
    }
    assert_eq!(words(&model(r#","max_temperature":1"#), ""), cached);
    let tools = r#","tools":[{"type":"function","function":{"name":"f"}}]"#;
    let image = r#","messages":[{"role":"user","content":[{"type":"image_url","image_url":{"url":"https://x"}}]}]"#;
    let ask_image = |gateway: &TestGateway| {
        let body = format!(r#"{{"model":"chat"{image}}}"#);
        [(); 2].map(|()| word(&post(gateway, CHAT, &[], &body, &[good()])).unwrap_or_default().to_owned())
    };
    assert_eq!(
        (words(&model(""), tools), ask_image(&model(""))),
        (cached.map(str::to_owned), cached.map(str::to_owned))
    );
    assert_eq!(
        (words(&model(r#","tools":false"#), tools), words(&model(r#","tools":false"#), "")),
        (not.map(str::to_owned), cached.map(str::to_owned))
    );
    assert_eq!(ask_image(&model(r#","images":false"#)), not);
    // What a gateway file allowed before is not served once it allows less.
    let shared: Rc<Shared> = Rc::default();
    let at = |more: &str| {
        let worker = model(more).worker;
        word(&send(Envoy::with(worker, shared.clone()), "chat", false, &[], &[good()])).map(str::to_owned)
    };
    assert_eq!([at(""), at(""), at(r#","max_temperature":0.5"#)].map(Option::unwrap), ["miss", "hit", "bypass"]);
}

#[test]
fn a_purge_is_heard_at_once() {
    use sluice_core::cache::{slots, whose::Names};
    let gateway = cached();
    gateway.ask(&[], &[good()]);
    let purge = |team: &str| {
        let (_, now) = gateway.envoy().departs("chat");
        slots::purge(&*gateway.shared, Names { team: Some(team), ..Names::default() }.selection(), now)
    };
    assert_eq!(purge("other"), 0);
    is_hit(&gateway.ask(&[], &[]));
    assert_eq!(purge("t"), 1);
    assert_eq!(word(&gateway.ask(&[], &[good()])), Some("miss"));
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

/// An answer with this text.
fn says(text: &str) -> Script {
    json(200, &WHOLE.replace("one two", text))
}

#[test]
fn requests_that_differ_in_what_their_provider_reads_share_nothing() {
    let gateway = cached();
    let with = |messages: &str, more: &str| format!(r#"{{"model":"chat","messages":[{messages}]{more}}}"#);
    let hi = r#"{"role":"user","content":"hi"}"#;
    let tool = |parameters: &str| {
        format!(r#","tools":[{{"type":"function","function":{{"name":"f","parameters":{parameters}}}}}]"#)
    };
    let schema = |schema: &str| {
        format!(r#","response_format":{{"type":"json_schema","json_schema":{{"name":"n","schema":{schema}}}}}"#)
    };
    let bodies = [
        with(hi, ""),
        with(&format!(r#"{{"role":"system","content":"Be brief."}},{hi}"#), ""),
        with(&format!(r#"{{"role":"system","content":"Be long."}},{hi}"#), ""),
        with(&format!(r#"{hi},{{"role":"system","content":"Be brief."}}"#), ""),
        with(&format!(r#"{{"role":"developer","content":"Be brief."}},{hi}"#), ""),
        with(r#"{"role":"user","content":[{"type":"text","text":"hi"}]}"#, ""),
        with(r#"{"role":"user","content":"hi","name":"ann"}"#, ""),
        with(hi, &tool(r#"{"a":1,"b":2}"#)),
        with(hi, &tool(r#"{"b":2,"a":1}"#)),
        with(hi, &(tool(r#"{"a":1,"b":2}"#) + r#","tool_choice":"required""#)),
        with(hi, &schema(r#"{"a":1,"b":2}"#)),
        with(hi, &schema(r#"{"b":2,"a":1}"#)),
        with(hi, r#","temperature":0"#),
        with(hi, r#","temperature":0.1"#),
        with(hi, r#","seed":1"#),
        with(hi, r#","n":2"#),
        with(hi, r#","logit_bias":{"50256":-100}"#),
        with(hi, r#","store":true"#),
        with(hi, r#","service_tier":"flex""#),
        with(hi, r#","of_the_providers_own":{"user":"u"}"#),
    ];
    let answers: Vec<String> = (0..bodies.len()).map(|number| format!("answer {number}.")).collect();
    for (body, answer) in bodies.iter().zip(&answers) {
        let seen = post(&gateway, CHAT, &[], body, &[says(answer)]);
        assert_eq!((seen.status, word(&seen)), (200, Some("miss")), "{body}: {}", seen.body);
        is_kept(&seen, true);
    }
    for (body, answer) in bodies.iter().zip(&answers) {
        let seen = post(&gateway, CHAT, &[], body, &[]);
        is_hit(&seen);
        assert!(seen.body.contains(answer), "{body}: {}", seen.body);
    }
}

#[test]
fn two_users_with_the_same_masked_prompt_share_an_answer_and_see_nothing_of_each_other() {
    let guard = r#","guards":{"pii":{"detect":["email"],"on":["prompts"],"action":"mask"}}"#;
    let gateway = TestGateway::new(CACHE, "", guard);
    let body = |text: &str| format!(r#"{{"model":"chat","messages":[{{"role":"user","content":"Mail {text}"}}]}}"#);
    let ann = post(&gateway, CHAT, &[], &body("ann@example.com"), &[says("done")]);
    is_kept(&ann, true);
    assert!(!ann.received[0].body.contains("ann@"), "{}", ann.received[0].body);
    let bob = post(&gateway, CHAT, &[], &body("bob@example.com"), &[]);
    assert_eq!((word(&bob), bob.received.len()), (Some("hit"), 0));
    assert_eq!(bob.headers.text("x-sluice-masked"), Some("email"));
    assert!(!bob.body.contains("ann@"), "{}", bob.body);
    // Nothing in the shared memory has a value that was masked.
    for name in gateway.shared.names() {
        let (value, _) = sluice_core::store::SharedData::read(&*gateway.shared, &name).unwrap();
        assert!(!value.windows(4).any(|bytes| bytes == b"ann@"), "{name}");
    }
}

#[test]
fn another_guardrail_for_answers_has_answers_of_its_own() {
    let shared: Rc<Shared> = Rc::default();
    let under = |guards: &str| {
        let worker = TestGateway::new(CACHE, "", guards).worker;
        word(&send(Envoy::with(worker, shared.clone()), "chat", false, &[], &[good()])).map(str::to_owned)
    };
    let words = |word: &str| format!(r#","guards":{{"w":{{"words":["{word}"],"on":["answers"]}}}}"#);
    for guards in [String::new(), words("sea"), words("land")] {
        assert_eq!([under(&guards), under(&guards)].map(Option::unwrap), ["miss", "hit"], "{guards}");
    }
}

#[test]
fn a_request_whose_twin_never_ends_waits_no_longer_than_an_attempt_may_take() {
    let gateway = TestGateway::new(r#","cache":{"ttl":"1m"},"timeouts":{"answer":"8s"}"#, "", "");
    let body = r#"{"model":"chat","stream":false,"messages":[{"role":"user","content":"hi"}]}"#;
    let _ = gateway.envoy().departs_with(body);
    let seen = gateway.ask(&[], &[good()]);
    assert_eq!((seen.status, word(&seen), seen.received.len()), (200, Some("miss"), 1));
    assert_eq!(seen.log["cache_wait_ms"], 8_000);
    is_kept(&seen, true);
    let hit = send(gateway.envoy().after(Duration::from_secs(9)), "chat", false, &[], &[]);
    is_hit(&hit);
    assert_eq!(hit.log["cache_wait_ms"], serde_json::Value::Null);
}

#[test]
fn a_request_does_not_wait_where_the_model_or_the_client_does_not_want_it() {
    for (option, headers) in [
        (r#","single_flight":false"#, vec![]),
        ("", vec![("cache-control", "no-cache")]),
        ("", vec![("cache-control", "no-store")]),
    ] {
        let gateway = TestGateway::new(&format!(r#","cache":{{"ttl":"1m"{option}}}"#), "", "");
        let body = r#"{"model":"chat","stream":false,"messages":[{"role":"user","content":"hi"}]}"#;
        let _ = gateway.envoy().departs_with(body);
        let seen = gateway.ask(&headers, &[good()]);
        assert_eq!((seen.status, seen.received.len(), &seen.log["cache_wait_ms"]), (200, 1, &serde_json::Value::Null));
    }
}

#[test]
fn a_response_that_repeats_who_asked_for_it_is_not_stored() {
    let gateway = cached();
    let body =
        |user: &str| format!(r#"{{"model":"chat","user":"{user}","messages":[{{"role":"user","content":"hi"}}]}}"#);
    let answer =
        |more: &str, text: &str| json(200, &WHOLE.replacen('{', &format!("{{{more}"), 1).replace("one two", text));
    let ann = post(&gateway, CHAT, &[], &body("ann"), &[answer(r#""user" : "ann","#, "hi")]);
    assert_eq!((ann.status, word(&ann)), (200, Some("miss")));
    is_kept(&ann, false);
    let bob = post(&gateway, CHAT, &[], &body("bob"), &[answer("", r#"A \"user\": bob"#)]);
    is_kept(&bob, true);
    is_hit(&post(&gateway, CHAT, &[], &body("eve"), &[]));
}
