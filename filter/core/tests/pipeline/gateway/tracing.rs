//! The span attributes of a request, and the trace headers that providers receive.

use sluice_core::pipeline::property;

use crate::envoy::{Script, Seen, json, sse};

use super::routing::{TestGateway, good, send};
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

const PARENT: (&str, &str) = ("traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01");
const TAGS: [&str; 5] = [property::KEY, property::TEAM, property::MODEL, property::STRATEGY, property::ERROR];

fn traced() -> TestGateway {
    TestGateway::new("", "", r#","tracing":{"url":"http://collector:4318"}"#)
}

/// The span attributes in order.
fn told(seen: &Seen) -> Vec<(&str, &str)> {
    let properties = seen.properties.iter().map(|(name, value)| (*name, value.as_str()));
    properties.filter(|(name, _)| TAGS.contains(name)).collect()
}

/// The failure reasons among them.
fn reasons(seen: &Seen) -> Vec<&str> {
    told(seen).into_iter().filter(|(name, _)| *name == property::ERROR).map(|(_, value)| value).collect()
}

#[test]
fn without_tracing_nothing_is_set_and_the_clients_parent_passes() {
    let seen = TestGateway::new("", "", "").ask(&[PARENT], &[json(503, "{}"), good()]);
    assert_eq!(told(&seen), []);
    assert!(seen.received.iter().all(|received| received.headers.text(PARENT.0) == Some(PARENT.1)));
    assert_eq!(seen.log["trace_id"], "4bf92f3577b34da6a3ce929d0e0e4736");
}

#[test]
fn spans_say_who_asked_for_what_and_why_each_attempt_failed() {
    let seen = traced().ask(&[], &[json(503, "{}"), good()]);
    let expected = [
        (property::KEY, "k"),
        (property::TEAM, "t"),
        (property::MODEL, "chat"),
        (property::STRATEGY, "fallback"),
        (property::ERROR, "status_503"),
        (property::ERROR, ""),
    ];
    assert_eq!(told(&seen), expected);
    assert_eq!(seen.headers.text("x-sluice-failures"), Some("one/x: status_503"));
}

#[test]
fn each_provider_is_given_the_span_of_its_own_attempt_and_envoy_says_which_trace_it_is() {
    let seen = traced().ask(&[PARENT, ("tracestate", "a=b")], &[json(503, "{}"), good()]);
    for (index, received) in seen.received.iter().enumerate() {
        let parents = received.headers.iter().filter(|(name, _)| *name == b"traceparent");
        let parents: Vec<_> = parents.map(|(_, value)| String::from_utf8_lossy(value).into_owned()).collect();
        assert_eq!(parents, [format!("span of attempt {}", index + 1)]);
    }
    assert!(seen.log.get("trace_id").is_none(), "{}", seen.log);
}

#[test]
fn the_span_of_a_request_that_nobody_answered_says_why() {
    let down = [json(503, "{}"), json(529, "{}"), json(502, "{}")];
    assert_eq!(reasons(&traced().ask(&[], &down)), ["status_503", "", "status_529", "", "status_502"]);
    let silent = [Script::Nothing, Script::Nothing, Script::Nothing, Script::Nothing];
    assert_eq!(reasons(&traced().ask(&[], &silent)).last(), Some(&"no_answer"));
}

#[test]
fn the_span_of_a_stream_that_broke_off_says_so() {
    let begun = r#"data: {"choices":[{"index":0,"delta":{"content":"ok"}}]}"#.to_owned() + "\n\n";
    let seen = send(traced().envoy(), "chat", true, &[], &[sse(&[&begun])]);
    assert_eq!((seen.status, reasons(&seen)), (200, vec!["stream_truncated"]));
}

#[test]
fn the_span_of_a_refusal_says_whose_it_was_and_why() {
    let unknown = send(traced().envoy(), "a secret plan", false, &[], &[]);
    let expected = [(property::KEY, "k"), (property::TEAM, "t"), (property::ERROR, "model_not_found")];
    assert_eq!(told(&unknown), expected);
    let stranger = traced().envoy().send("POST", super::CHAT, &[("api-key", b"sk-wrong")], super::BODY, &[]);
    assert_eq!(told(&stranger), [(property::ERROR, "unknown_api_key")]);
}

#[test]
fn what_a_trace_says_besides_its_id_stays_here_unless_it_is_configured() {
    let headers = [PARENT, ("tracestate", "a=b"), ("baggage", "user=alice")];
    for (file, state, baggage) in [
        ("", None, None),
        (r#","forward_headers":["tracestate"]"#, Some("a=b"), None),
        (r#","forward_headers":["baggage","tracestate"]"#, Some("a=b"), Some("user=alice")),
    ] {
        let seen = TestGateway::new("", "", file).ask(&headers, &[good()]);
        let received = &seen.received[0].headers;
        assert_eq!((received.text("tracestate"), received.text("baggage")), (state, baggage), "{file}");
        assert_eq!(received.text(PARENT.0), Some(PARENT.1));
    }
}
