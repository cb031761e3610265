//! Tests of the dialect, one for each pitfall of the format.

use std::time::Duration;

#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use crate::dialect::FieldPolicy;
use crate::dialect::halves::GEMINI_EMBED;
use crate::embedding::{Input, Request};
use crate::error::ErrorKind;

fn one() -> Request<'static> {
    Request { model: "m".into(), inputs: vec![Input::Text("a".into())], ..Request::default() }
}

#[test]
fn the_model_is_in_the_path_and_in_every_request_with_its_collection_once() {
    for model in ["gemini-embedding-001", "models/gemini-embedding-001"] {
        assert_eq!(GEMINI_EMBED.path(model, false), "/models/gemini-embedding-001:batchEmbedContents");
        let body = String::from_utf8(GEMINI_EMBED.write_request(&one(), model).unwrap().body).unwrap();
        assert!(body.contains(r#""model":"models/gemini-embedding-001""#), "{body}");
    }
}

#[test]
fn every_parameter_meets_its_fate() {
    let plain = GEMINI_EMBED.write_request(&one(), "m").unwrap();
    for (path, policy, _) in GEMINI_EMBED.fields() {
        let request = match *path {
            // Fields that change the response, or are in every request.
            "model" | "input" | "encoding_format" => continue,
            "dimensions" => Request { dimensions: Some(256), ..one() },
            "user" => Request { user: Some("u".into()), ..one() },
            "input_type" => Request { input_type: Some("clustering".into()), ..one() },
            other => panic!("no sample for the parameter {other}"),
        };
        let written = GEMINI_EMBED.write_request(&request, "m").unwrap();
        match policy {
            FieldPolicy::Mapped => assert!(written.body != plain.body && written.dropped.is_empty(), "{path}"),
            FieldPolicy::Dropped => {
                assert_eq!((written.body, written.dropped), (plain.body.clone(), vec![(*path).to_owned()]))
            }
            FieldPolicy::Refused => panic!("{path}"),
        }
    }
    let odd = Request { input_type: Some("passage".into()), ..one() };
    assert_eq!(GEMINI_EMBED.write_request(&odd, "m").unwrap_err().param.as_deref(), Some("input_type"));
}

#[test]
fn nobody_says_how_many_tokens_were_used() {
    let body = br#"{"embeddings":[{"values":[1,2]}]}"#;
    assert_eq!(GEMINI_EMBED.read_response(body).unwrap().usage, None);
}

#[test]
fn what_is_no_answer_is_an_error() {
    for body in [r#"{"error":{"code":503,"message":"busy"}}"#, r#"{"embeddings":[]}"#, "{}", "["] {
        assert!(GEMINI_EMBED.read_response(body.as_bytes()).unwrap_err().status >= 500, "{body}");
    }
}

#[test]
fn requests_that_ask_for_different_things_are_refused_when_read() {
    let request = |more: &str| format!(r#"{{"model":"models/m","content":{{"parts":[{{"text":"a"}}]}}{more}}}"#);
    let body = format!(r#"{{"requests":[{},{}]}}"#, request(""), request(r#","taskType":"CLUSTERING""#));
    assert_eq!(GEMINI_EMBED.read_request(body.as_bytes()).unwrap_err().param.as_deref(), Some("requests"));
}

#[test]
fn errors_tell_when_to_try_again() {
    let body = br#"[{"error":{"code":429,"message":"Slow down.","status":"RESOURCE_EXHAUSTED","details":[{"@type":"type.googleapis.com/google.rpc.RetryInfo","retryDelay":"26.5s"}]}}]"#;
    let error = GEMINI_EMBED.read_error(429, None, body);
    assert_eq!((error.status, error.kind), (429, ErrorKind::RateLimit));
    assert_eq!(error.retry_after, Some(Duration::from_millis(26_500)));
    let key = br#"{"error":{"code":400,"message":"API key not valid: abc"}}"#;
    let error = GEMINI_EMBED.read_error(400, None, key);
    assert_eq!(error.kind, ErrorKind::Authentication);
    assert!(!error.message.contains("abc"));
}
