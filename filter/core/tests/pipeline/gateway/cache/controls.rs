//! Decisions of clients, keys and administrators: cache-control, namespaces, purges, single flight.

use super::*;
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

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
