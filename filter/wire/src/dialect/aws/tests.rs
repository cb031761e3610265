//! The common parts of AWS's formats.

use super::client::write_error;
use super::*;
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

#[test]
fn a_model_is_one_segment_of_the_path() {
    let arn = "arn:aws:bedrock:eu-west-1:123456789012:inference-profile/eu.anthropic.claude-x-v1:0";
    let cases = [
        ("anthropic.claude-x-v1:0", "/model/anthropic.claude-x-v1%3A0/converse"),
        (
            arn,
            "/model/arn%3Aaws%3Abedrock%3Aeu-west-1%3A123456789012%3Ainference-profile%2Feu.anthropic.claude-x-v1%3A0/converse",
        ),
        ("amazon.nova-2-lite-v1%3A0", "/model/amazon.nova-2-lite-v1%3A0/converse"),
        ("100%", "/model/100%25/converse"),
        ("é ?", "/model/%C3%A9%20%3F/converse"),
    ];
    for (model, expected) in cases {
        assert_eq!(path(model, "converse"), expected);
    }
}

#[test]
fn every_word_has_its_kind_and_status() {
    let cases = [
        ("ThrottlingException", 429, (429, ErrorKind::RateLimit, Some("rate_limit_exceeded"))),
        ("ServiceQuotaExceededException", 400, (429, ErrorKind::RateLimit, Some("rate_limit_exceeded"))),
        ("ValidationException", 400, (400, ErrorKind::InvalidRequest, None)),
        ("AccessDeniedException", 403, (403, ErrorKind::Permission, None)),
        ("ResourceNotFoundException", 404, (404, ErrorKind::NotFound, Some("model_not_found"))),
        ("InternalServerException", 500, (500, ErrorKind::Server, None)),
        ("ServiceUnavailableException", 503, (503, ErrorKind::Overloaded, None)),
        ("ModelNotReadyException", 429, (503, ErrorKind::Overloaded, None)),
        ("ModelTimeoutException", 408, (408, ErrorKind::Timeout, None)),
        ("ModelStreamErrorException", 424, (424, ErrorKind::Server, None)),
        ("UnrecognizedClientException", 403, (403, ErrorKind::Authentication, None)),
        ("InventedException", 418, (418, ErrorKind::InvalidRequest, None)),
    ];
    for (word, status, expected) in cases {
        let error = read_error(status, Some(word), br#"{"message":"No."}"#);
        assert_eq!((error.status, error.kind, error.code.as_deref()), expected, "{word}");
        assert_eq!(error.message, "No.");
    }
}

#[test]
fn the_word_in_the_header_is_read_without_namespace_and_url() {
    for hint in [
        "ThrottlingException:http://internal.amazon.com/coral/com.amazon.coral.service/",
        "com.amazonaws.bedrock#ThrottlingException",
        "throttlingException",
    ] {
        assert_eq!(read_error(400, Some(hint), b"{}").kind, ErrorKind::RateLimit, "{hint}");
    }
    let typed = br#"{"__type":"com.amazon#ThrottlingException","Message":"Slow down."}"#;
    let error = read_error(400, None, typed);
    assert_eq!((error.kind, &*error.message), (ErrorKind::RateLimit, "Slow down."));
}

#[test]
fn a_prompt_that_is_too_long_is_told_from_other_bad_requests() {
    let cases = [
        ("Input is too long for requested model.", ErrorKind::ContextLength),
        ("input length and `max_tokens` exceed context limit: 190000 + 20000 > 200000", ErrorKind::ContextLength),
        ("The provided model identifier is invalid.", ErrorKind::NotFound),
        ("Output blocked by content filtering policy", ErrorKind::ContentPolicy),
        ("Malformed input request", ErrorKind::InvalidRequest),
    ];
    for (message, kind) in cases {
        let body = serde_json::to_vec(&serde_json::json!({ "message": message })).unwrap();
        assert_eq!(read_error(400, Some("ValidationException"), &body).kind, kind, "{message}");
    }
}

#[test]
fn bodies_that_are_no_json_are_not_passed_on() {
    for body in [&b""[..], b"<html>", b"\xff", b"[]", b"null", br#"{"message":5}"#] {
        let error = read_error(503, None, body);
        assert_eq!(error.kind, ErrorKind::Overloaded);
        assert_eq!(error.message, "The provider answered with status 503 and no explanation.");
    }
    let long = serde_json::to_vec(&serde_json::json!({ "message": "é".repeat(2000) })).unwrap();
    let error = read_error(500, None, &long);
    assert!(error.message.len() <= 1024 && error.message.chars().all(|letter| letter == 'é'));
}

#[test]
fn a_written_error_is_read_back() {
    for (word, kind, status) in WORDS {
        let error = failure(None, word, Some("Because."));
        assert_eq!((error.kind, error.status), (kind, status));
        let again = read_error(status, None, &write_error(&error));
        assert_eq!((again.kind, again.message), (error.kind, error.message));
    }
}
