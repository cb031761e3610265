//! Google's errors: `{"error":{"code","message","status","details"}}`, on some endpoints in an array. Source:
//! `google/rpc/status.proto`, and `RetryInfo` in `google/rpc/error_details.proto` for when to try again.

use std::time::Duration;

use serde_json::{Value, json};

use crate::error::{ApiError, ErrorKind};

/// What a client reads of a provider's words at most.
const LONGEST_MESSAGE: usize = 1024;

/// Reads an error; its own code stands in for a status that is none.
pub(super) fn read(status: u16, body: &[u8]) -> ApiError {
    let value: Value = serde_json::from_slice(body).unwrap_or_default();
    let outer = value.as_array().and_then(|list| list.first()).unwrap_or(&value);
    let error = outer.get("error").unwrap_or(&Value::Null);
    let text = |name: &str| error.get(name).and_then(Value::as_str).unwrap_or_default();
    let failing = |status: &u16| (400..600).contains(status);
    let own = error.get("code").and_then(Value::as_u64).and_then(|code| u16::try_from(code).ok());
    let status = Some(status).filter(failing).or(own.filter(failing)).unwrap_or(502);
    let (kind, code) = kind(status, text("status"), text("message"));
    let said = text("message").trim();
    let message = match kind {
        ErrorKind::Authentication => "The provider refused the gateway's credential.".to_owned(),
        _ if said.is_empty() => format!("The provider answered with status {status} and no explanation."),
        _ => said.get(..said.floor_char_boundary(LONGEST_MESSAGE)).unwrap_or(said).to_owned(),
    };
    let details = error.get("details").and_then(Value::as_array).into_iter().flatten();
    let delay = |detail: &Value| detail.get("retryDelay")?.as_str()?.strip_suffix('s')?.parse().ok();
    let retry_after = details.filter_map(delay).find_map(|seconds| Duration::try_from_secs_f64(seconds).ok());
    ApiError { retry_after, code: code.map(Into::into), ..ApiError::new(status, kind, message) }
}

/// Writes `error` in Google's shape.
pub(super) fn write(error: &ApiError) -> Vec<u8> {
    json!({"error": {"code": error.status, "message": error.message}}).to_string().into_bytes()
}

fn kind(status: u16, word: &str, message: &str) -> (ErrorKind, Option<&'static str>) {
    use ErrorKind::*;
    match (status, word) {
        // Google answers 400 to a key that is not valid.
        (400, _) if message.contains("API key") => (Authentication, None),
        (400, _) if message.contains("token count") => (ContextLength, Some("context_length_exceeded")),
        (401, _) | (_, "UNAUTHENTICATED") => (Authentication, None),
        (403, _) => (Permission, None),
        (404, _) => (NotFound, message.starts_with("models/").then_some("model_not_found")),
        (408 | 504, _) => (Timeout, None),
        (413, _) => (TooLarge, None),
        (429, _) if message.contains("per day") || message.contains("PerDay") => {
            (InsufficientQuota, Some("insufficient_quota"))
        }
        (429, _) => (RateLimit, Some("rate_limit_exceeded")),
        (503, _) => (Overloaded, None),
        (400..500, _) => (InvalidRequest, None),
        _ => (Server, None),
    }
}
