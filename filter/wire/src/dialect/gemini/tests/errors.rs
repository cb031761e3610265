//! Reads and writes errors.

use std::time::Duration;

use serde_json::json;
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::*;
use crate::error::ErrorKind;

fn googles(status: u16, body: &serde_json::Value) -> ApiError {
    GEMINI.read_error(status, None, body.to_string().as_bytes())
}

fn told(code: u16, status: &str, message: &str) -> serde_json::Value {
    json!({"error": {"code": code, "message": message, "status": status}})
}

#[test]
fn words_decide_what_an_error_is() {
    use ErrorKind::*;
    let cases = [
        (400, "INVALID_ARGUMENT", "Invalid value", InvalidRequest, None),
        (
            400,
            "INVALID_ARGUMENT",
            "The input token count (1200000) exceeds the maximum number of tokens allowed (1048576).",
            ContextLength,
            Some("context_length_exceeded"),
        ),
        (
            400,
            "INVALID_ARGUMENT",
            "Unable to submit request because the input token count is 40000 but model only supports up to 32768.",
            ContextLength,
            Some("context_length_exceeded"),
        ),
        (400, "INVALID_ARGUMENT", "Request payload size exceeds the limit: 20971520 bytes.", TooLarge, None),
        (400, "FAILED_PRECONDITION", "User location is not supported for the API use.", Permission, None),
        (403, "PERMISSION_DENIED", "no", Permission, None),
        (404, "NOT_FOUND", "models/x is not found for API version v1beta", NotFound, Some("model_not_found")),
        (404, "NOT_FOUND", "Publisher Model `x` was not found.", NotFound, Some("model_not_found")),
        (404, "NOT_FOUND", "no such file", NotFound, None),
        (429, "RESOURCE_EXHAUSTED", "Resource exhausted", RateLimit, Some("rate_limit_exceeded")),
        (500, "INTERNAL", "internal", Server, None),
        (503, "UNAVAILABLE", "The model is overloaded.", Overloaded, None),
        (504, "DEADLINE_EXCEEDED", "late", Timeout, None),
        (418, "NEW_WORD", "new", InvalidRequest, None),
    ];
    for (status, word, message, kind, code) in cases {
        let body = told(status, word, message);
        let read = googles(status, &body);
        let found = (read.status, read.kind, read.code.as_deref(), read.message.as_str());
        assert_eq!(found, (status, kind, code, message));
        let wrapped = json!([body]);
        assert_eq!(GEMINI.read_error(status, None, wrapped.to_string().as_bytes()), read, "in an array");
    }
}

#[test]
fn a_refused_key_is_a_400_that_means_401_and_is_not_repeated() {
    let mut body = told(400, "INVALID_ARGUMENT", "API key not valid. Please pass a valid API key.");
    let by_message = googles(400, &body);
    body["error"]["message"] = json!("Bad key AIza123");
    body["error"]["details"] =
        json!([{"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "API_KEY_INVALID"}]);
    for error in [by_message, googles(400, &body), googles(401, &told(401, "UNAUTHENTICATED", "token abc"))] {
        assert_eq!((error.status, error.kind), (401, ErrorKind::Authentication));
        assert_eq!(error.message, "The provider rejected the gateway's credential.");
    }
}

/// A 429 of Gemini's own API; every one has the advice about plan and billing.
fn exhausted(quota: &str) -> serde_json::Value {
    json!({"error": {
        "code": 429,
        "message": "You exceeded your current quota, please check your plan and billing details.",
        "status": "RESOURCE_EXHAUSTED",
        "details": [
            {"@type": "type.googleapis.com/google.rpc.Help", "links": [{"url": "https://a"}]},
            {"@type": "type.googleapis.com/google.rpc.QuotaFailure", "violations": [{"quotaId": quota, "quotaValue": "15"}]},
            {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "26.5s"},
        ],
    }})
}

#[test]
fn the_time_to_wait_stands_in_the_body() {
    let error = googles(429, &exhausted("GenerateRequestsPerMinutePerProjectPerModel-FreeTier"));
    assert_eq!((error.kind, error.retry_after), (ErrorKind::RateLimit, Some(Duration::from_millis(26_500))));
    for wrong in ["s", "-1s", "1e400s", "nans", "26", "1m"] {
        let body = json!({"error": {"status": "UNAVAILABLE", "details": [{"retryDelay": wrong}]}});
        assert_eq!(googles(503, &body).retry_after, None, "{wrong}");
    }
}

#[test]
fn a_daily_quota_does_not_come_back_by_waiting() {
    let error = googles(429, &exhausted("GenerateRequestsPerDayPerProjectPerModel-FreeTier"));
    let found = (error.status, error.kind, error.code.as_deref(), error.retry_after);
    assert_eq!(found, (429, ErrorKind::InsufficientQuota, Some("insufficient_quota"), None));
}

#[test]
fn what_is_no_error_of_googles_is_told_by_its_status() {
    let cases = [(502, "<html>bad gateway</html>"), (503, ""), (400, "{}"), (500, "[]"), (500, "[1]"), (403, "\u{1}")];
    for (status, body) in cases {
        let error = GEMINI.read_error(status, None, body.as_bytes());
        assert_eq!(error.status, status);
        assert!(!error.message.is_empty() && !error.message.contains('<'), "{body}");
    }
    assert_eq!(GEMINI.read_error(503, None, b"upstream connect error").message, "upstream connect error");
    assert_eq!(googles(500, &json!({"error": "plain"})).message, "plain");
    let long = googles(400, &told(400, "INVALID_ARGUMENT", &"é".repeat(2000)));
    assert!(long.message.len() <= 1024);
}

#[test]
fn golden_written_error() {
    let mut error = ApiError::new(429, ErrorKind::RateLimit, "Slow down.").with_code("rate_limit_exceeded");
    error.retry_after = Some(Duration::from_secs(7));
    assert_eq!(
        String::from_utf8(GEMINI.write_error(&error)).unwrap(),
        concat!(
            r#"{"error":{"code":429,"message":"Slow down.","status":"RESOURCE_EXHAUSTED","details":["#,
            r#"{"@type":"type.googleapis.com/google.rpc.ErrorInfo","reason":"rate_limit_exceeded"},"#,
            r#"{"@type":"type.googleapis.com/google.rpc.RetryInfo","retryDelay":"7s"}]}}"#,
        )
    );
    assert_eq!(GEMINI.read_error(429, None, &GEMINI.write_error(&error)), error);
}
