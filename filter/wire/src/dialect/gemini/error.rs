//! Google's errors, read and written: `{"error":{"code","message","status","details"}}`, on streams sometimes in an array.
//!
//! There is no `retry-after` header: `details` holds the retry delay, the quotas that were exceeded, and the reason for a rejected key.

use std::borrow::Cow;
use std::time::Duration;

use serde_json::Value;
use serde_json::value::RawValue;

use crate::dialect::said::{cut, plain, tells};
use crate::error::{ApiError, ErrorKind};
use crate::json;

/// Google's statuses, our kinds, and the HTTP status of each. Source: `google/rpc/code.proto`.
pub(super) const WORDS: [(&str, ErrorKind, u16); 15] = [
    ("INVALID_ARGUMENT", ErrorKind::InvalidRequest, 400),
    ("FAILED_PRECONDITION", ErrorKind::InvalidRequest, 400),
    ("OUT_OF_RANGE", ErrorKind::InvalidRequest, 400),
    ("UNAUTHENTICATED", ErrorKind::Authentication, 401),
    ("PERMISSION_DENIED", ErrorKind::Permission, 403),
    ("NOT_FOUND", ErrorKind::NotFound, 404),
    ("RESOURCE_EXHAUSTED", ErrorKind::RateLimit, 429),
    ("INTERNAL", ErrorKind::Server, 500),
    ("UNKNOWN", ErrorKind::Server, 500),
    ("DATA_LOSS", ErrorKind::Server, 500),
    ("UNIMPLEMENTED", ErrorKind::Server, 501),
    ("UNAVAILABLE", ErrorKind::Overloaded, 503),
    ("DEADLINE_EXCEEDED", ErrorKind::Timeout, 504),
    ("ABORTED", ErrorKind::Server, 409),
    ("CANCELLED", ErrorKind::Server, 499),
];

/// Texts in a message, in lower case, that name a more specific cause than the status.
const CAUSES: [(&str, ErrorKind); 8] = [
    ("exceeds the maximum number of tokens", ErrorKind::ContextLength),
    ("model only supports up to", ErrorKind::ContextLength),
    ("exceeds the maximum context", ErrorKind::ContextLength),
    ("payload size exceeds the limit", ErrorKind::TooLarge),
    ("api key not valid", ErrorKind::Authentication),
    ("api key expired", ErrorKind::Authentication),
    ("responsible ai practices", ErrorKind::ContentPolicy),
    ("user location is not supported", ErrorKind::Permission),
];

/// The longest error inside a response: it is parsed as a tree, which takes several times the memory of its text.
const LONGEST: usize = 64 << 10;

/// Reads the body of a response that was not a 200.
pub(in crate::dialect) fn read(status: u16, body: &[u8]) -> ApiError {
    if let Ok(value) = json::from_slice::<Value>(body)
        && let Some(error) = find(&value)
    {
        return from_value(Some(status), error);
    }
    let kind = by_status(status);
    finish(failing(status).unwrap_or(502), kind, plain(body))
}

/// Reads the value of an `error` field in a 200.
pub(super) fn inside(error: &RawValue) -> ApiError {
    from_value(None, &tree(error.get().as_bytes()).unwrap_or_default())
}

/// Reads an array in place of a response: the error in it, or an error about the array.
pub(super) fn in_array(body: &[u8]) -> Option<ApiError> {
    let value = tree(body).filter(Value::is_array)?;
    Some(find(&value).map_or_else(
        || ApiError::bad_answer("The provider answered with a JSON array instead of one answer."),
        |error| from_value(None, error),
    ))
}

fn tree(json: &[u8]) -> Option<Value> {
    if json.len() > LONGEST { None } else { json::from_slice(json).ok() }
}

fn find(value: &Value) -> Option<&Value> {
    let object = value.as_array().map_or(Some(value), |list| list.first())?;
    object.get("error").filter(|error| !error.is_null())
}

fn from_value(status: Option<u16>, error: &Value) -> ApiError {
    let text = |name: &str| error.get(name).and_then(Value::as_str).unwrap_or_default();
    let said = error.as_str().unwrap_or_else(|| text("message")).trim();
    let word = WORDS.iter().find(|(word, ..)| *word == text("status"));
    let code = error.get("code").and_then(Value::as_u64).and_then(|code| u16::try_from(code).ok());
    let status =
        status.and_then(failing).or(code.and_then(failing)).or(word.map(|(_, _, status)| *status)).unwrap_or(502);
    let broad = word.map_or_else(|| by_status(status), |(_, kind, _)| *kind);
    let details = error.get("details").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    let kind = narrow(broad, said, details);
    let mut read = finish(if kind == ErrorKind::Authentication { 401 } else { status }, kind, said);
    if kind != ErrorKind::InsufficientQuota {
        read.retry_after = details.iter().find_map(|detail| delay(detail.get("retryDelay")?.as_str()?));
    }
    read
}

/// Narrows the kind. Gemini's own API tells the client to check its plan and billing for every quota; only the quota's name says that
/// waiting a minute will not help.
fn narrow(broad: ErrorKind, said: &str, details: &[Value]) -> ErrorKind {
    let list = |name: &'static str| details.iter().filter_map(move |detail| detail.get(name)?.as_array()).flatten();
    let daily = |violation: &Value| {
        violation.get("quotaId").and_then(Value::as_str).is_some_and(|quota| quota.contains("PerDay"))
    };
    let reason = |word: &str| details.iter().any(|detail| detail.get("reason").and_then(Value::as_str) == Some(word));
    match broad {
        ErrorKind::RateLimit if list("violations").any(daily) || said.contains("credits are depleted") => {
            return ErrorKind::InsufficientQuota;
        }
        ErrorKind::InvalidRequest if reason("API_KEY_INVALID") => return ErrorKind::Authentication,
        ErrorKind::InvalidRequest | ErrorKind::RateLimit | ErrorKind::TooLarge => {}
        _ => return broad,
    }
    let said = said.to_ascii_lowercase();
    CAUSES.iter().find(|(cause, kind)| tells(&said, cause, *kind)).map_or(broad, |(_, kind)| *kind)
}

/// Parses `26s` or `1.5s`.
fn delay(text: &str) -> Option<Duration> {
    Duration::try_from_secs_f64(json::number(text.strip_suffix('s')?)?).ok()
}

/// Builds the error. Google's message on a rejected key names the gateway's own project, so it is replaced.
fn finish(status: u16, kind: ErrorKind, said: &str) -> ApiError {
    let message = match cut(said) {
        _ if kind == ErrorKind::Authentication => "The provider rejected the gateway's credential.".to_owned(),
        "" => format!("The provider answered with status {status} and no explanation."),
        said => said.to_owned(),
    };
    ApiError { code: code(kind, said), ..ApiError::new(status, kind, message) }
}

/// The stable code by which clients of other formats know the cause.
fn code(kind: ErrorKind, said: &str) -> Option<Cow<'static, str>> {
    let of_model = said.starts_with("models/") || said.starts_with("Publisher Model");
    let code = match kind {
        ErrorKind::ContextLength => "context_length_exceeded",
        ErrorKind::ContentPolicy => "content_policy_violation",
        ErrorKind::InsufficientQuota => "insufficient_quota",
        ErrorKind::RateLimit => "rate_limit_exceeded",
        ErrorKind::NotFound if of_model => "model_not_found",
        _ => return None,
    };
    Some(code.into())
}

fn failing(status: u16) -> Option<u16> {
    (400..600).contains(&status).then_some(status)
}

fn by_status(status: u16) -> ErrorKind {
    match status {
        408 => ErrorKind::Timeout,
        413 => ErrorKind::TooLarge,
        status => WORDS.iter().find(|(_, _, known)| *known == status).map_or_else(
            || if (400..500).contains(&status) { ErrorKind::InvalidRequest } else { ErrorKind::Server },
            |(_, kind, _)| *kind,
        ),
    }
}
