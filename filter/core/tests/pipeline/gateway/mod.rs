//! Authorization, and responses without a provider.

use crate::envoy::{Envoy, SECRET, Seen, json};
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

mod anthropic;
mod batches;
mod cache;
mod errors;
mod guarded_streams;
mod guards;
mod hosted_tools;
mod judges;
mod listing;
mod metrics;
mod names;
mod outages;
mod pass_through;
mod policy;
mod pressure;
mod prompt_cache;
mod redis;
mod references;
mod report;
mod rewritten_calls;
mod routing;
mod spending;
mod succession;
mod surcharges;
mod timeouts;
mod tracing;
mod translated;
mod unpacking;

const BODY: &[u8] = br#"{"model":"gpt","messages":[{"role":"user","content":"a secret plan"}]}"#;
const ANSWER: &str =
    r#"{"choices":[{"index":0,"message":{"role":"assistant","content":"ok"},"finish_reason":"stop"}]}"#;
const CHAT: &str = "/v1/chat/completions";

fn error(seen: &Seen) -> (u16, String) {
    let body: serde_json::Value = serde_json::from_str(&seen.body).unwrap();
    let error = body["error"].as_object().unwrap();
    assert_eq!(error.keys().map(String::as_str).collect::<Vec<_>>(), ["code", "message", "param", "type"]);
    assert!(seen.received.is_empty());
    (seen.status, error["code"].as_str().unwrap_or_default().to_owned())
}

fn with_key(name: &str, value: &[u8]) -> Seen {
    Envoy::new().send("POST", CHAT, &[(name, value)], BODY, &[json(200, ANSWER)])
}

#[test]
fn a_key_is_taken_from_each_header_that_clients_use() {
    for (name, value) in [
        ("authorization", &b"Bearer sk-test"[..]),
        ("authorization", b"bearer   sk-test "),
        ("x-api-key", b"sk-test"),
        ("api-key", b"sk-test"),
    ] {
        assert_eq!(with_key(name, value).status, 200, "{name}");
    }
}

#[test]
fn a_key_that_is_not_valid_is_a_401_that_tells_the_caller_no_more() {
    for (name, value) in [
        ("authorization", &b"Bearer sk-wrong"[..]),
        ("authorization", b"Bearer "),
        ("authorization", b"Basic c2stdGVzdA=="),
        ("authorization", b"\xff\xfe"),
        ("x-other", b"sk-test"),
        ("authorization", b"Bearer sk-old"),
    ] {
        assert_eq!(error(&with_key(name, value)), (401, "invalid_api_key".to_owned()));
    }
    let expired = with_key("authorization", b"Bearer sk-old").log;
    assert_eq!((&expired["error"], &expired["key"]), (&"expired_api_key".into(), &"o".into()));
}

#[test]
fn a_key_reaches_its_own_models_only() {
    let narrow = |model: &str| {
        let body = format!(r#"{{"model":"{model}","messages":[1]}}"#);
        Envoy::new().send("POST", CHAT, &[("api-key", b"sk-narrow")], body.as_bytes(), &[json(200, ANSWER)])
    };
    assert_eq!(narrow("narrow").status, 200);
    assert_eq!(error(&narrow("gpt")), (403, "model_not_allowed".to_owned()));
    assert_eq!(error(&narrow("nowhere")), (404, "model_not_found".to_owned()));
    let list = Envoy::new().send("GET", "/v1/models?limit=1", &[("api-key", b"sk-narrow")], b"", &[]);
    let list: serde_json::Value = serde_json::from_str(&list.body).unwrap();
    assert_eq!(list["data"].as_array().unwrap().len(), 1);
    assert_eq!(list["data"][0]["id"], "narrow");
}

#[test]
fn a_query_string_does_not_break_routing_and_what_is_not_served_says_so() {
    let key: [(&str, &[u8]); 1] = [("api-key", SECRET.as_bytes())];
    let seen = Envoy::new().send("POST", "/v1/chat/completions?api-version=1", &key, BODY, &[json(200, ANSWER)]);
    assert_eq!(seen.status, 200);
    for (method, path) in [("POST", "/v1/chat"), ("GET", "*")] {
        assert_eq!(error(&Envoy::new().send(method, path, &key, BODY, &[])), (404, "unknown_url".to_owned()));
    }
    for (method, path, allowed) in [("GET", CHAT, "POST"), ("PUT", "/", "GET, HEAD"), ("POST", "/ready", "GET, HEAD")] {
        let seen = Envoy::new().send(method, path, &key, BODY, &[]);
        assert_eq!(error(&seen), (405, "method_not_allowed".to_owned()), "{method} {path}");
        assert_eq!(seen.headers.text("allow"), Some(allowed), "{method} {path}");
    }
}

#[test]
fn a_path_is_served_however_people_write_it() {
    let key: [(&str, &[u8]); 1] = [("api-key", SECRET.as_bytes())];
    for path in ["/v1/chat/completions/", "/v1/v1/chat/completions", "/chat/completions", "//v1//chat/completions?x=1"]
    {
        assert_eq!(Envoy::new().send("POST", path, &key, BODY, &[json(200, ANSWER)]).status, 200, "{path}");
    }
    // Permissions apply to the canonical path, however the client spells it.
    for path in ["/v1/embeddings/", "/embeddings", "/v1/v1/embeddings", "//v1/embeddings"] {
        let body = br#"{"model":"narrow","input":"x"}"#;
        let seen = Envoy::new().send("POST", path, &[("api-key", b"sk-chat")], body, &[]);
        assert_eq!(error(&seen), (403, "endpoint_not_allowed".to_owned()), "{path}");
    }
}

#[test]
fn anybody_may_ask_what_this_is_and_how_it_is() {
    for (path, part) in
        [("/", "\"base_url\":\"http://gateway.test/v1\""), ("/v1/", "Sluice"), ("/health/", "\"status\":\"ok\"")]
    {
        let seen = Envoy::new().send("GET", path, &[], b"", &[]);
        assert_eq!(seen.status, 200, "{path}");
        assert!(seen.body.contains(part), "{path}: {}", seen.body);
    }
}

#[test]
fn bodies_that_are_no_requests_are_400() {
    for body in ["", " ", "{", "[]", r#"{"model":"gpt","messages":[]}"#, r#"{"messages":[1]}"#] {
        assert_eq!(error(&Envoy::new().chat(body, &[])).0, 400, "{body}");
    }
}

#[test]
fn a_body_that_is_declared_or_grows_too_large_is_a_413() {
    let headers: [(&str, &[u8]); 2] = [("api-key", b"sk-test"), ("content-length", b"33554433")];
    let seen = Envoy::new().send("POST", CHAT, &headers, BODY, &[]);
    assert_eq!(error(&seen), (413, "request_too_large".to_owned()));
}

#[test]
fn headers_that_only_the_gateway_may_set_are_removed() {
    let headers: [(&str, &[u8]); 4] = [
        ("api-key", b"sk-test"),
        ("x-sluice-target", b"ant"),
        ("x-envoy-max-retries", b"9"),
        ("x-envoy-upstream-rq-timeout-ms", b"1"),
    ];
    let seen = Envoy::new().send("POST", CHAT, &headers, BODY, &[json(200, ANSWER)]);
    assert_eq!(seen.headers.text("x-sluice-provider"), Some("oai"));
    assert!(seen.received[0].headers.iter().all(|(name, _)| !name.starts_with(b"x-")));
}

#[test]
fn the_log_says_who_and_what_and_no_prompt() {
    let trace: (&str, &[u8]) = ("traceparent", b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01");
    let headers: [(&str, &[u8]); 3] = [("api-key", b"sk-test"), ("x-request-id", b"r-1"), trace];
    let log = Envoy::new().send("POST", CHAT, &headers, BODY, &[json(200, ANSWER)]).log;
    assert_eq!((&log["key"], &log["team"], &log["model"]), (&"k".into(), &"t".into(), &"gpt".into()));
    assert_eq!((&log["request_id"], &log["attempts"]), (&"r-1".into(), &1.into()));
    assert_eq!(log["trace_id"], "4bf92f3577b34da6a3ce929d0e0e4736");
    let text = log.to_string();
    assert!(!text.contains("secret plan") && !text.contains("sk-test"), "{text}");
}
