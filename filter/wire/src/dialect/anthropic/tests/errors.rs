//! Error responses.

#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::*;
use crate::error::ErrorKind;

fn read(status: u16, r#type: &str, message: &str) -> ApiError {
    let body = serde_json::json!({"type": "error", "error": {"type": r#type, "message": message}, "request_id": "r"});
    ANTHROPIC.read_error(status, None, body.to_string().as_bytes())
}

#[test]
fn every_type_has_its_kind() {
    let kinds = [
        (400, "invalid_request_error", ErrorKind::InvalidRequest),
        (401, "authentication_error", ErrorKind::Authentication),
        (402, "billing_error", ErrorKind::InsufficientQuota),
        (403, "permission_error", ErrorKind::Permission),
        (404, "not_found_error", ErrorKind::NotFound),
        (413, "request_too_large", ErrorKind::TooLarge),
        (429, "rate_limit_error", ErrorKind::RateLimit),
        (500, "api_error", ErrorKind::Server),
        (504, "timeout_error", ErrorKind::Timeout),
        (529, "overloaded_error", ErrorKind::Overloaded),
        (409, "conflict_error", ErrorKind::InvalidRequest),
    ];
    for (status, r#type, kind) in kinds {
        let error = read(status, r#type, "Because.");
        assert_eq!((error.status, error.kind, &*error.message), (status, kind, "Because."), "{type}");
    }
}

#[test]
fn causes_that_share_a_type_are_told_apart() {
    let causes = [
        ("prompt is too long: 210000 tokens > 200000 maximum", ErrorKind::ContextLength, "context_length_exceeded"),
        (
            "input length and `max_tokens` exceed context limit: 190000 + 20000 > 200000",
            ErrorKind::ContextLength,
            "context_length_exceeded",
        ),
        ("Output blocked by content filtering policy", ErrorKind::ContentPolicy, "content_policy_violation"),
        ("Your credit balance is too low to access the API.", ErrorKind::InsufficientQuota, "insufficient_quota"),
    ];
    for (message, kind, code) in causes {
        let error = read(400, "invalid_request_error", message);
        assert_eq!((error.kind, error.code.as_deref()), (kind, Some(code)));
    }
    let spent = read(429, "rate_limit_error", "This would exceed your workspace's spend limit.");
    assert_eq!((spent.status, spent.kind), (429, ErrorKind::InsufficientQuota));
    assert_eq!(read(404, "not_found_error", "model: claude-9").code.as_deref(), Some("model_not_found"));
}

#[test]
fn bodies_that_are_not_json_are_summarised() {
    let page = format!("<html>{}</html>", "x".repeat(5000));
    let long = "secret ".repeat(100);
    for body in ["", &page, &long, "{\"prompt\":\"x\"}", "[1]"] {
        let error = ANTHROPIC.read_error(502, None, body.as_bytes());
        assert_eq!(error.kind, ErrorKind::Server);
        assert_eq!(error.message, "The provider answered with status 502 and no explanation.");
    }
    assert_eq!(ANTHROPIC.read_error(503, None, b"upstream connect error\n").message, "upstream connect error");
    assert_eq!(ANTHROPIC.read_error(503, None, b"\xff\xfe").kind, ErrorKind::Overloaded);
    assert_eq!(ANTHROPIC.read_error(403, None, br#"{"message":"Forbidden"}"#).message, "Forbidden");
}

#[test]
fn long_messages_are_cut_between_characters() {
    let error = read(400, "invalid_request_error", &"é".repeat(2000));
    assert!(error.message.len() <= 1024 && error.message.chars().all(|letter| letter == 'é'));
}

#[test]
fn errors_are_written_in_anthropics_shape() {
    let write = |error: &ApiError| String::from_utf8(ANTHROPIC.write_error(error)).unwrap();
    assert_eq!(
        write(&ApiError::new(529, ErrorKind::Overloaded, "Later.")),
        r#"{"type":"error","error":{"type":"overloaded_error","message":"Later."}}"#
    );
    assert_eq!(
        write(&ApiError::unsupported("top_k", "'top_k' is too small.")),
        r#"{"type":"error","error":{"type":"invalid_request_error","message":"'top_k' is too small.","code":"unsupported_parameter"}}"#
    );
    assert_eq!(
        write(&ApiError::invalid("top_k", "Too small.")),
        r#"{"type":"error","error":{"type":"invalid_request_error","message":"top_k: Too small."}}"#
    );
}

#[test]
fn a_budget_that_is_used_up_goes_by_its_status() {
    let word = |status| {
        let written = ANTHROPIC.write_error(&ApiError::new(status, ErrorKind::InsufficientQuota, "Empty."));
        serde_json::from_slice::<serde_json::Value>(&written).unwrap()["error"]["type"].as_str().unwrap().to_owned()
    };
    assert_eq!((word(402), word(429)), ("billing_error".to_owned(), "rate_limit_error".to_owned()));
}

#[test]
fn a_provider_that_has_too_much_to_do_has_anthropics_status() {
    let error = |status, kind| ANTHROPIC.status(&ApiError::new(status, kind, "…"));
    assert_eq!(error(503, ErrorKind::Overloaded), 529);
    assert_eq!(error(503, ErrorKind::Server), 503);
}
