//! Errors, by the statuses and texts of Cohere's reference.

#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::*;
use crate::error::ErrorKind::{self, *};

#[test]
fn statuses_and_words_say_what_went_wrong() {
    let long = "too many tokens: total number of tokens in the prompt cannot exceed 4081 - received 4292.";
    let cases: [(u16, &str, u16, ErrorKind, Option<&str>); 14] = [
        (400, "invalid request: query must not be empty", 400, InvalidRequest, None),
        (400, long, 400, ContextLength, Some("context_length_exceeded")),
        (
            400,
            "too many tokens: size limit exceeded by 11326 tokens.",
            400,
            ContextLength,
            Some("context_length_exceeded"),
        ),
        (400, "too many tokens: max tokens must be less than or equal to 4096", 400, InvalidRequest, None),
        (402, "Please add a payment method", 402, InsufficientQuota, Some("insufficient_quota")),
        (404, "model 'x' not found", 404, NotFound, Some("model_not_found")),
        (422, "missing field", 422, InvalidRequest, None),
        (429, "limited to 20 API calls / minute", 429, RateLimit, Some("rate_limit_exceeded")),
        (429, "limited to 1000 API calls / month", 429, InsufficientQuota, Some("insufficient_quota")),
        (498, "blocked output", 400, ContentPolicy, Some("content_policy_violation")),
        (499, "request cancelled", 503, Server, None),
        (500, "internal server error", 500, Server, None),
        (503, "overloaded", 503, Overloaded, None),
        (504, "timeout", 504, Timeout, None),
    ];
    for (status, message, shown, kind, code) in cases {
        let body = format!(r#"{{"message":{},"id":"x"}}"#, serde_json::json!(message));
        let error = COHERE.read_error(status, None, body.as_bytes());
        assert_eq!((error.status, error.kind, error.code.as_deref()), (shown, kind, code), "{status} {message}");
        assert_eq!(error.message, message);
    }
}

#[test]
fn what_may_quote_the_gateways_key_is_not_shown() {
    let error = COHERE.read_error(401, None, br#"{"message":"invalid api token: abc123"}"#);
    assert_eq!(error.kind, Authentication);
    assert!(!error.message.contains("abc123"));
}

#[test]
fn bodies_that_are_no_error_are_short_lines_or_nothing() {
    assert_eq!(COHERE.read_error(500, None, b"upstream reset").message, "upstream reset");
    for body in [&b"<html>"[..], b"", b"[1]", b"{\"detail\":1}", b"\xff", &[b'x'; 300]] {
        assert!(COHERE.read_error(500, None, body).message.contains("status 500"), "{body:?}");
    }
}

#[test]
fn a_written_error_says_its_code() {
    let error = ApiError::unsupported("n", "No.");
    assert_eq!(COHERE.write_error(&error), br#"{"message":"No.","code":"unsupported_parameter"}"#);
}
