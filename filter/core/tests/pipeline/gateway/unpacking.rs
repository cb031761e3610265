//! Encoded bodies: the gateway decodes and replaces them before it reads them.

use std::rc::Rc;

use sluice_core::pipeline::worker::Worker;

use crate::envoy::{Envoy, SECRET, Seen, json};

use super::spending::sha256;
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

const BODY: &[u8] = br#"{"model":"gpt","messages":[{"role":"user","content":"hi"}]}"#;

const GZIPPED: &[u8] = include_bytes!("../../../../wire/src/coding/hi.json.gz");

fn send(encoding: &str, body: &[u8]) -> Seen {
    let headers = [("api-key", SECRET.as_bytes()), ("content-encoding", encoding.as_bytes())];
    let answer = json(200, r#"{"choices":[{"message":{"content":"hi"},"finish_reason":"stop"}]}"#);
    Envoy::new().send("POST", "/v1/chat/completions", &headers, body, &[answer])
}

#[test]
fn a_provider_receives_what_the_client_has_compressed() {
    let plain = send("identity", BODY);
    for (encoding, body) in [
        ("gzip", GZIPPED),
        ("GZIP", GZIPPED),
        ("x-gzip", GZIPPED),
        ("identity, gzip", GZIPPED),
        ("zstd", include_bytes!("../../../../wire/src/coding/hi.json.zst")),
        ("br", include_bytes!("../../../../wire/src/coding/hi.json.br")),
    ] {
        let seen = send(encoding, body);
        assert_eq!(seen.status, 200, "{encoding}: {}", seen.body);
        let received = seen.received.first().unwrap();
        assert_eq!(received.body, plain.received.first().unwrap().body);
        assert_eq!(received.headers.get("content-encoding"), None);
        assert_eq!(received.headers.text("content-length"), Some(&*received.body.len().to_string()));
    }
}

#[test]
fn a_body_that_is_not_what_its_encoding_says_is_the_clients_error() {
    for (encoding, body) in [("gzip", BODY), ("gzip", &GZIPPED[..30]), ("zstd", GZIPPED), ("br", BODY)] {
        let seen = send(encoding, body);
        assert_eq!(seen.status, 400, "{encoding}");
        assert!(seen.body.contains("invalid_content_encoding") && seen.body.contains(encoding), "{}", seen.body);
        assert!(seen.received.is_empty());
    }
}

#[test]
fn a_byte_order_mark_is_left_out() {
    let seen = send("identity", &[b"\xef\xbb\xbf", BODY].concat());
    assert_eq!(seen.status, 200, "{}", seen.body);
    assert_eq!(seen.received.first().unwrap().body, send("identity", BODY).received.first().unwrap().body);
}

/// The gateway must not rescan the rest of the body for each removal.
#[test]
fn many_byte_order_marks_are_left_out_at_once() {
    let marks = b"\xef\xbb\xbf".repeat(1000);
    let seen = send("identity", &[&marks, BODY].concat());
    assert_eq!(seen.status, 200, "{}", seen.body);
    assert_eq!(seen.received.first().unwrap().body, send("identity", BODY).received.first().unwrap().body);
    assert_eq!(send("identity", &marks).status, 400);
    assert_eq!(send("identity", b"\xef\xbb").status, 400);
}

/// Envoy cannot replace a missing body.
#[test]
fn an_encoding_of_no_body_means_nothing() {
    for encoding in ["gzip", "zstd", "br"] {
        let headers = [("api-key", SECRET.as_bytes()), ("content-encoding", encoding.as_bytes())];
        let seen = envoy_with(r#"{"m":{"targets":[{"provider":"oai","model":"m"}]}}"#).send(
            "DELETE",
            "/v1/files/file-1",
            &headers,
            b"",
            &[json(200, "{}")],
        );
        assert_eq!(seen.status, 200, "{encoding}: {}", seen.body);
        let received = seen.received.first().unwrap();
        assert_eq!((received.headers.get("content-encoding"), &*received.body), (None, ""));
    }
}

#[test]
fn a_moderation_that_names_no_model_is_for_openais_default() {
    let moderate = |body: &str| {
        let answer = json(200, r#"{"results":[{"flagged":false}]}"#);
        let models = r#"{"omni-moderation-latest":{"targets":[{"provider":"oai","model":"omni-moderation-2024-09-26"}]},
            "own":{"targets":[{"provider":"oai","model":"own"}]}}"#;
        envoy_with(models).send(
            "POST",
            "/v1/moderations",
            &[("api-key", SECRET.as_bytes())],
            body.as_bytes(),
            &[answer],
        )
    };
    for (body, sent) in [
        (r#"{"input":"a"}"#, r#"{"model":"omni-moderation-2024-09-26","input":"a"}"#),
        (r#" { "input":["a"]}"#, r#" {"model":"omni-moderation-2024-09-26", "input":["a"]}"#),
        (r#"{"input":"a","model":"own"}"#, r#"{"input":"a","model":"own"}"#),
        (r#"{"model" : null,"input":"a"}"#, r#"{"model" : "omni-moderation-2024-09-26","input":"a"}"#),
        (r#"{"input":"a","model":null}"#, r#"{"input":"a","model":"omni-moderation-2024-09-26"}"#),
    ] {
        let seen = moderate(body);
        assert_eq!((seen.status, &*seen.received.first().unwrap().body), (200, sent), "{}", seen.body);
    }
    for body in [r#"{"input":"#, "[]", r#"{"model":null,"model":"own","input":"a"}"#, r#"{"input":"a","input":"b"}"#] {
        assert_eq!(moderate(body).status, 400, "{body}");
    }
    for body in ["{}", " { } ", r#"{"input":null}"#, r#"{"model":null}"#] {
        let seen = moderate(body);
        assert!(seen.status == 400 && seen.body.contains("'input'"), "{body}: {}", seen.body);
    }
    let unknown =
        Envoy::new().send("POST", "/v1/moderations", &[("api-key", SECRET.as_bytes())], br#"{"input":"a"}"#, &[]);
    assert_eq!(unknown.status, 404);
    assert!(unknown.body.contains("omni-moderation-latest"), "{}", unknown.body);
}

fn envoy_with(models: &str) -> Envoy {
    let file = format!(
        r#"{{"providers":{{"oai":{{"kind":"openai"}}}},"stored":"oai","models":{models},"teams":{{"t":{{}}}},
            "keys":[{{"id":"k","team":"t","sha256":"{}","endpoints":["/v1/*"]}}]}}"#,
        sha256(SECRET)
    );
    let config = sluice_config::from_json(file.as_bytes()).unwrap();
    Envoy::with(Rc::new(Worker::new(Rc::new(config), [7; 16])), Rc::default())
}
