//! The attempt timeout that Envoy receives: it depends on the kind of wait, and on whether another target is left.

use crate::envoy::{SECRET, sse};

use super::CHAT;
use super::routing::{TestGateway, good};
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

const REASONS: &str = r#","capabilities":{"two/x":{"reasoning":true}}"#;
const ALONE: &str = r#""targets":[{"provider":"one","model":"x"}]"#;

/// The limit of an attempt in milliseconds, if it differs from the route's.
fn limit(gateway: &TestGateway, stream: bool, fields: &str) -> Option<String> {
    let body = format!(r#"{{"model":"chat","stream":{stream}{fields},"messages":[{{"role":"user","content":"hi"}}]}}"#);
    let streamed = sse(&[
        "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"ok\"},\"finish_reason\":\"stop\"}]}\n\n",
        "data: [DONE]\n\n",
    ]);
    let answer = if stream { streamed } else { good() };
    let seen = gateway.envoy().send("POST", CHAT, &[("api-key", SECRET.as_bytes())], body.as_bytes(), &[answer]);
    assert_eq!(seen.status, 200, "{}", seen.body);
    seen.departed.text("x-envoy-upstream-rq-per-try-timeout-ms").map(str::to_owned)
}

#[test]
fn a_model_that_reasons_is_given_longer_unless_it_need_not() {
    let gateway = TestGateway::new("", "", REASONS);
    assert_eq!(limit(&gateway, true, "").as_deref(), Some("120000"), "the longest that any of them is worth");
    assert_eq!(limit(&gateway, false, ""), None, "an answer of one piece has its own time");
    for quick in
        [r#","reasoning_effort":"none""#, r#","reasoning_effort":"minimal""#, r#","thinking":{"type":"disabled"}"#]
    {
        assert_eq!(limit(&gateway, true, quick), None, "{quick}");
    }
    assert_eq!(limit(&gateway, true, r#","reasoning_effort":"low""#).as_deref(), Some("120000"));
    assert_eq!(limit(&TestGateway::new("", "", ""), true, ""), None);
    let stated = TestGateway::new("", "", &format!(r#"{REASONS},"timeouts":{{"first_token":"20s"}}"#));
    assert_eq!(limit(&stated, true, ""), None, "what the file says holds");
}

#[test]
fn a_stream_that_is_held_whole_has_a_time_of_its_own() {
    let whole = r#","delivery":"whole""#;
    assert_eq!(limit(&TestGateway::new(whole, "", ""), true, "").as_deref(), Some("90000"));
    assert_eq!(limit(&TestGateway::new(whole, "", REASONS), true, "").as_deref(), Some("300000"));
    assert_eq!(
        limit(&TestGateway::new(whole, "", r#","timeouts":{"whole":"40s"}"#), true, "").as_deref(),
        Some("40000")
    );
    assert_eq!(limit(&TestGateway::new(whole, "", ""), false, ""), None);
}

#[test]
fn an_only_target_has_all_of_the_time_unless_the_file_says_less() {
    let alone = |file: &str| TestGateway::with(ALONE, "", file);
    for stream in [false, true] {
        assert_eq!(limit(&alone(""), stream, "").as_deref(), Some("600000"), "{stream}");
        let short = alone(r#","timeouts":{"total":"20s"}"#);
        assert_eq!(limit(&short, stream, "").as_deref(), Some("20000"), "{stream}");
        let stated = alone(r#","timeouts":{"first_token":"3s","answer":"3s"}"#);
        assert_eq!(limit(&stated, stream, ""), None, "{stream}");
        assert_eq!(limit(&alone(r#","timeouts":"fast""#), stream, ""), None, "{stream}");
    }
}
