//! Provider errors: clients of the provider's dialect receive them in full, and other clients receive the gateway's own messages.

use std::rc::Rc;

use sluice_core::pipeline::worker::Worker;

use crate::envoy::{Envoy, SECRET, Script, Seen, json};

use super::spending::sha256;
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

fn ask(path: &str, model: &str, script: Script) -> Seen {
    let body = format!(r#"{{"model":"{model}","max_tokens":9,"messages":[{{"role":"user","content":"hi"}}]}}"#);
    let version = ("anthropic-version", &b"2023-06-01"[..]);
    let headers = [("api-key", SECRET.as_bytes()), version];
    Envoy::new().send(
        "POST",
        path,
        &headers[..if path.ends_with("messages") { 2 } else { 1 }],
        body.as_bytes(),
        &[script.clone(), script],
    )
}

fn chat(model: &str, status: u16, body: &str) -> Seen {
    ask("/v1/chat/completions", model, json(status, body))
}

#[test]
fn clients_of_a_providers_own_format_read_its_own_words() {
    for (model, status, body) in [
        (
            "groq",
            400,
            r#"{"error":{"message":"no call","type":"invalid_request_error","code":"tool_use_failed","failed_generation":"<tool>"}}"#,
        ),
        (
            "gpt",
            429,
            r#"{"error":{"code":429,"message":"Provider returned error","type":"t","metadata":{"provider_name":"Google","raw":"busy"}},"user_id":"u"}"#,
        ),
        ("gpt", 400, r#" {"error":{"message":"no","type":"t","param":null,"code":null,"x":1}}"#),
        ("gpt", 404, r#" {"error":{"message":"none","type":"NotFoundError","code":"404"}}"#),
    ] {
        let seen = chat(model, status, body);
        assert_eq!((seen.status, &*seen.body), (status, body));
        let other = ask("/v1/messages", model, json(status, body));
        assert!(other.body.starts_with(r#"{"type":"error","error":{"type":"#), "{}", other.body);
        assert!(!other.body.contains("failed_generation") && !other.body.contains("metadata"), "{}", other.body);
    }
}

#[test]
fn an_error_without_its_wrapping_gets_it() {
    let bare = r#"{"object":"error","message":"bad","type":"BadRequestError","param":null,"code":400}"#;
    assert_eq!(chat("gpt", 400, bare).body, format!(r#"{{"error":{bare}}}"#));
}

#[test]
fn a_code_that_the_provider_leaves_out_is_the_gateways() {
    for (status, said, code) in [(429, r#","code":null,"type":null"#, "rate_limit_exceeded"), (503, "", "overloaded")] {
        let seen = chat("gpt", status, &format!(r#"{{"error":{{"message":"no","metadata":{{"a":1}}{said}}}}}"#));
        let error = &serde_json::from_str::<serde_json::Value>(&seen.body).unwrap()["error"];
        assert_eq!(
            (&error["code"], &error["metadata"]["a"], &error["message"]),
            (&code.into(), &1.into(), &"no".into())
        );
        assert!(error["type"].is_string(), "{error}");
    }
}

#[test]
fn anthropics_clients_read_the_name_that_anthropic_gave_the_request() {
    let body = r#"{"type":"error","error":{"type":"invalid_request_error","message":"no"},"request_id":"req_1"}"#;
    let headers = vec![("content-type", "application/json"), ("request-id", "req_1")];
    let script = |status| Script::Answer(status, headers.clone(), vec![body.as_bytes().to_vec()]);
    let seen = ask("/v1/messages", "claude", script(400));
    assert_eq!((seen.status, &*seen.body, seen.headers.text("request-id")), (400, body, Some("req_1")));
    let other = ask("/v1/chat/completions", "claude", script(400));
    assert!(!other.body.contains("req_1") && other.headers.get("request-id").is_none(), "{}", other.body);
}

#[test]
fn what_is_no_error_of_its_format_or_is_about_our_own_credential_is_told_in_our_words() {
    let long = format!(r#"{{"error":{{"message":"{}"}}}}"#, "x".repeat(70_000));
    for (status, body) in [
        (401, r#"{"error":{"message":"Incorrect API key provided: sk-*1234","code":"invalid_api_key"}}"#),
        (400, r#"{"error":{"message":"Incorrect API key provided: sk-*1234","code":"invalid_api_key"}}"#),
        (400, r#"{"error":"text"}"#),
        (400, r#"{"detail":[{"loc":["body","n"],"msg":"too large"}]}"#),
        (400, r#"[{"error":{"message":"in a list"}}]"#),
        (400, r#"{"error":{"message":""}}"#),
        (400, "<html>"),
        (400, &long),
    ] {
        let seen = chat("gpt", status, body);
        assert_ne!(seen.body, body);
        assert!(!seen.body.contains("1234") && seen.body.contains(r#""type":"#), "{body:.100}: {:.200}", seen.body);
    }
}

#[test]
fn a_request_that_we_cannot_decompress_reads_which_encodings_we_can() {
    for (encoding, status) in [("deflate", 415), ("gzip, zstd", 415), ("Identity", 200)] {
        let headers = [("api-key", SECRET.as_bytes()), ("content-encoding", encoding.as_bytes())];
        let body = br#"{"model":"gpt","messages":[{"role":"user","content":"hi"}]}"#;
        let answer = json(200, r#"{"choices":[{"message":{"content":"hi"},"finish_reason":"stop"}]}"#);
        let seen = Envoy::new().send("POST", "/v1/chat/completions", &headers, body, &[answer]);
        assert_eq!(seen.status, status, "{encoding}: {}", seen.body);
        assert_eq!(seen.body.contains(encoding), status == 415, "{}", seen.body);
        assert_eq!(seen.headers.text("accept-encoding"), (status == 415).then_some("gzip, zstd, br"));
    }
}

#[test]
fn a_key_is_found_in_whichever_header_it_stands() {
    let hash = sha256(SECRET);
    let file = format!(
        r#"{{"providers":{{"oai":{{"kind":"openai"}}}},"models":{{"m":{{"targets":[{{"provider":"oai","model":"gpt"}}]}}}},
            "teams":{{"t":{{}}}},"keys":[{{"id":"k","team":"t","sha256":"{hash}"}}]}}"#
    );
    let config = Rc::new(sluice_config::from_json(file.as_bytes()).unwrap());
    let ours = SECRET.as_bytes();
    for headers in [
        [("authorization", &b"Bearer sk-ant-oat01-another"[..]), ("x-api-key", ours)],
        [("authorization", b"Basic eDp5"), ("api-key", ours)],
        [("x-api-key", b"another"), ("api-key", ours)],
    ] {
        let envoy = Envoy::with(Rc::new(Worker::new(config.clone(), [7; 16])), Rc::default());
        assert_eq!(envoy.send("GET", "/v1/models", &headers, b"", &[]).status, 200, "{headers:?}");
    }
    let envoy = Envoy::with(Rc::new(Worker::new(config.clone(), [7; 16])), Rc::default());
    let others = [("authorization", &b"Bearer other"[..]), ("x-api-key", b"another")];
    assert_eq!(envoy.send("GET", "/v1/models", &others, b"", &[]).status, 401);
}

#[test]
fn clients_are_told_not_to_ask_again_where_they_would_in_vain() {
    let quota = r#"{"error":{"message":"m","type":"insufficient_quota","code":"insufficient_quota"}}"#;
    let other = r#"{"error":{"message":"m","type":"server_error","code":null}}"#;
    for (answers, status, told) in [
        (vec![json(401, other)], 502, Some("false")),
        (vec![json(403, other)], 502, Some("false")),
        (vec![json(429, quota)], 429, Some("false")),
        (vec![json(429, other)], 429, None),
        (vec![json(503, other); 2], 503, None),
        (vec![json(400, other)], 400, None),
    ] {
        let seen = Envoy::new().chat(r#"{"model":"gpt","messages":[{"role":"user","content":"hi"}]}"#, &answers);
        assert_eq!((seen.status, seen.headers.text("x-should-retry")), (status, told), "{}", seen.body);
        assert!(seen.headers.iter().filter(|(name, _)| *name == b"x-should-retry").count() <= 1);
    }
}
