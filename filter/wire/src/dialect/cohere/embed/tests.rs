//! Tests of the dialect, one for each pitfall of the format.

#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use crate::dialect::FieldPolicy;
use crate::dialect::halves::{COHERE, COHERE_EMBED};
use crate::embedding::{Encoding, Input, Request};

fn one() -> Request<'static> {
    Request { model: "m".into(), inputs: vec![Input::Text("a".into())], ..Request::default() }
}

fn body(request: &Request<'_>) -> serde_json::Value {
    serde_json::from_slice(&COHERE_EMBED.write_request(request, "m").unwrap().body).unwrap()
}

#[test]
fn an_input_type_is_required_and_texts_to_be_found_are_usual() {
    assert_eq!(body(&one())["input_type"], "search_document");
    let asking = Request { input_type: Some("search_query".into()), ..one() };
    assert_eq!(body(&asking)["input_type"], "search_query");
    let odd = Request { input_type: Some("passage".into()), ..one() };
    let error = COHERE_EMBED.write_request(&odd, "m").unwrap_err();
    assert_eq!((error.status, error.param.as_deref()), (400, Some("input_type")));
}

#[test]
fn every_parameter_meets_its_fate() {
    let plain = COHERE_EMBED.write_request(&one(), "m").unwrap();
    for (path, policy, _) in COHERE_EMBED.fields() {
        let request = match *path {
            "model" | "input" => continue,
            "dimensions" => Request { dimensions: Some(256), ..one() },
            "encoding_format" => Request { encoding: Encoding::Base64, ..one() },
            "user" => Request { user: Some("u".into()), ..one() },
            "input_type" => Request { input_type: Some("clustering".into()), ..one() },
            other => panic!("no sample for the parameter {other}"),
        };
        let written = COHERE_EMBED.write_request(&request, "m").unwrap();
        match policy {
            FieldPolicy::Mapped => assert!(written.body != plain.body && written.dropped.is_empty(), "{path}"),
            FieldPolicy::Dropped => {
                assert_eq!((written.body, written.dropped), (plain.body.clone(), vec![(*path).to_owned()]))
            }
            FieldPolicy::Refused => panic!("{path}"),
        }
    }
    assert_eq!(COHERE_EMBED.path("m", false), "/embed");
}

#[test]
fn usage_is_what_was_billed_and_may_be_a_float_or_missing() {
    let usage = |meta: &str| {
        let body = format!(r#"{{"embeddings":{{"float":[[1]],"int8":null}},"meta":{meta}}}"#);
        let read = COHERE_EMBED.read_response(body.as_bytes()).unwrap().usage;
        assert_eq!(COHERE_EMBED.usage_of(body.as_bytes()), read);
        read.map(|usage| usage.input)
    };
    assert_eq!(usage(r#"{"billed_units":{"input_tokens":8.0}}"#), Some(8));
    assert_eq!(usage(r#"{"billed_units":{"images":1}}"#), None);
    assert_eq!(usage("null"), None);
}

#[test]
fn what_is_no_answer_is_an_error() {
    for (body, message) in [
        (r#"{"message":"broken"}"#, "broken"),
        (r#"{"embeddings":{"int8":[[1]]}}"#, "no embeddings"),
        (r#"{"embeddings":{"float":[]}}"#, "no embeddings"),
        ("[", "not in the expected format"),
    ] {
        let error = COHERE_EMBED.read_response(body.as_bytes()).unwrap_err();
        assert!(error.message.contains(message), "{body}: {error:?}");
    }
}

#[test]
fn errors_are_those_of_coheres_chat() {
    let body = br#"{"message":"limited to 20 API calls / minute"}"#;
    assert_eq!(COHERE_EMBED.read_error(429, None, body), COHERE.read_error(429, None, body));
}
