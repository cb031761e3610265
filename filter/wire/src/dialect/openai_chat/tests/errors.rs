//! Error responses.

#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use crate::dialect::halves::OPENAI_CHAT;
use crate::error::{ApiError, ErrorKind};

#[test]
fn errors_are_written_in_openais_words() {
    use ErrorKind::*;
    let cases = [
        (InvalidRequest, "invalid_request_error", "null"),
        (ContextLength, "invalid_request_error", "\"context_length_exceeded\""),
        (ContentPolicy, "invalid_request_error", "\"content_policy_violation\""),
        (Authentication, "invalid_request_error", "\"invalid_api_key\""),
        (Permission, "invalid_request_error", "null"),
        (NotFound, "invalid_request_error", "null"),
        (TooLarge, "invalid_request_error", "null"),
        (RateLimit, "rate_limit_exceeded", "\"rate_limit_exceeded\""),
        (InsufficientQuota, "insufficient_quota", "\"insufficient_quota\""),
        (Overloaded, "server_error", "\"overloaded\""),
        (Timeout, "timeout", "\"timeout\""),
        (Server, "server_error", "null"),
    ];
    for (kind, word, code) in cases {
        let expected = format!(r#"{{"error":{{"message":"m \"q\"","type":"{word}","param":null,"code":{code}}}}}"#);
        assert_eq!(OPENAI_CHAT.write_error(&ApiError::new(400, kind, "m \"q\"")), expected.as_bytes());
    }
    let error = ApiError::unsupported("a.b", "m");
    let expected =
        br#"{"error":{"message":"m","type":"invalid_request_error","param":"a.b","code":"unsupported_parameter"}}"#;
    assert_eq!(OPENAI_CHAT.write_error(&error), expected);
    assert_eq!(OPENAI_CHAT.read_error(400, None, expected), error);
}

#[test]
fn errors_are_read_from_any_shape() {
    use ErrorKind::*;
    let cases: &[(u16, &str, ErrorKind, &str)] = &[
        (400, r#"{"error":{"message":"m","type":"invalid_request_error","param":"x"}}"#, InvalidRequest, "m"),
        (400, r#"{"error":{"message":"m","code":"context_length_exceeded"}}"#, ContextLength, "m"),
        (400, r#"{"error":{"message":"This model's maximum context length is 8"}}"#, ContextLength, ""),
        (
            400,
            r#"{"code":"Client specified an invalid argument","error":"This model's maximum prompt length is 8 but the request contains 9 tokens."}"#,
            ContextLength,
            "",
        ),
        (400, r#"{"object":"error","message":"reduce the length of the messages","code":400}"#, ContextLength, ""),
        (400, r#"{"error":{"message":"m","code":"content_filter","innererror":{}}}"#, ContentPolicy, "m"),
        (
            429,
            r#"{"error":{"message":"m","type":"insufficient_quota","code":"insufficient_quota"}}"#,
            InsufficientQuota,
            "m",
        ),
        (429, r#"{"error":{"message":"You exceeded your current quota"}}"#, InsufficientQuota, ""),
        (429, r#"{"error":{"message":"m","type":"tokens","code":"rate_limit_exceeded"}}"#, RateLimit, "m"),
        (429, r#"{"error":"slow down"}"#, RateLimit, "slow down"),
        (402, r#"{"error":{"message":"Insufficient Balance"}}"#, InsufficientQuota, ""),
        (404, r#"{"message":"no such model"}"#, NotFound, "no such model"),
        (422, r#"{"detail":"bad"}"#, InvalidRequest, "bad"),
        (
            422,
            r#"{"detail":[{"loc":["body","n",0],"msg":"too big","type":"x"},{"msg":"and more"}]}"#,
            InvalidRequest,
            "body.n.0: too big; and more",
        ),
        (422, r#"{"message":{"detail":[{"loc":["a"],"msg":"b"}]}}"#, InvalidRequest, "a: b"),
        (500, r#"[{"error":{"code":500,"message":"m","status":"INTERNAL"}}]"#, Server, "m"),
        (503, "upstream connect error", Overloaded, "The provider answered with status 503: upstream connect error"),
        (502, "<html>secret</html>", Server, "The provider answered with status 502 and an unreadable error."),
        (504, "", Timeout, "The provider answered with status 504 and an unreadable error."),
        (529, "{}", Overloaded, "The provider answered with status 529 and an unreadable error."),
        (413, "null", TooLarge, ""),
    ];
    for (status, body, kind, message) in cases {
        let error = OPENAI_CHAT.read_error(*status, None, body.as_bytes());
        assert_eq!((error.status, error.kind), (*status, *kind), "{body}");
        assert!(message.is_empty() || error.message == *message, "{body}: {}", error.message);
        assert!(!error.message.is_empty());
    }
}

#[test]
fn a_provider_key_and_long_bodies_are_never_repeated() {
    let key = br#"{"error":{"message":"Incorrect API key provided: sk-abc***xyz","code":"invalid_api_key"}}"#;
    let error = OPENAI_CHAT.read_error(401, None, key);
    assert_eq!((error.kind, error.message.contains("sk-")), (ErrorKind::Authentication, false));
    // xAI's answer to a rejected key.
    let key = br#"{"code":"Client specified an invalid argument","error":"Incorrect API key provided: xa***9Z."}"#;
    let error = OPENAI_CHAT.read_error(400, None, key);
    assert_eq!((error.kind, error.message.contains("xa***")), (ErrorKind::Authentication, false));
    let repeated = br#"{"error":"Invalid text: Incorrect API key provided"}"#;
    assert_eq!(OPENAI_CHAT.read_error(400, None, repeated).kind, ErrorKind::InvalidRequest);
    assert!(!OPENAI_CHAT.read_error(401, None, b"bad key sk-1").message.contains("sk-"));
    let page = "page ".repeat(1000);
    assert!(OPENAI_CHAT.read_error(500, None, page.as_bytes()).message.len() < 100);
    let long = format!(r#"{{"error":"{}"}}"#, "é".repeat(5000));
    assert!(OPENAI_CHAT.read_error(500, None, long.as_bytes()).message.len() < 2010);
    let deep = "[".repeat(100_000);
    assert_eq!(OPENAI_CHAT.read_error(500, None, deep.as_bytes()).kind, ErrorKind::Server);
}
