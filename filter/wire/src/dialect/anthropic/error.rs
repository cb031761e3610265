//! Anthropic's errors, read and written: `{"type":"error","error":{"type","message"}}`.
//!
//! Some causes that clients must distinguish share a type; the message distinguishes them.

use serde::{Deserialize, Serialize};

use crate::dialect::said::{cut, plain, tells};
use crate::error::{ApiError, ErrorKind};
use crate::json;

/// Anthropic's error types, our kinds, and the status of each.
const WORDS: [(&str, ErrorKind, u16); 10] = [
    ("invalid_request_error", ErrorKind::InvalidRequest, 400),
    ("authentication_error", ErrorKind::Authentication, 401),
    ("billing_error", ErrorKind::InsufficientQuota, 402),
    ("permission_error", ErrorKind::Permission, 403),
    ("not_found_error", ErrorKind::NotFound, 404),
    ("request_too_large", ErrorKind::TooLarge, 413),
    ("rate_limit_error", ErrorKind::RateLimit, 429),
    ("api_error", ErrorKind::Server, 500),
    ("timeout_error", ErrorKind::Timeout, 504),
    ("overloaded_error", ErrorKind::Overloaded, 529),
];

/// Texts in a message that name the actual cause under `invalid_request_error`, `rate_limit_error` or an unknown type.
const CAUSES: [(&str, ErrorKind); 6] = [
    ("prompt is too long", ErrorKind::ContextLength),
    ("exceed context limit", ErrorKind::ContextLength),
    ("exceeds the context window", ErrorKind::ContextLength),
    ("content filtering policy", ErrorKind::ContentPolicy),
    ("Your credit balance is too low", ErrorKind::InsufficientQuota),
    ("You have reached your specified API usage limits", ErrorKind::InsufficientQuota),
];

/// `error` as received; some servers with Anthropic's format omit the type.
#[derive(Debug, Clone, Default, Deserialize)]
pub(super) struct Body {
    #[serde(default)]
    r#type: Option<String>,
    #[serde(default)]
    message: Option<String>,
}

impl Body {
    /// The error with the status of its type, for errors after a 200.
    pub(super) fn without_status(&self) -> ApiError {
        self.with_status(self.word().map_or(500, |(_, _, status)| *status))
    }

    fn with_status(&self, status: u16) -> ApiError {
        let said = self.message.as_deref().unwrap_or_default().trim();
        let kind = match self.word() {
            Some((_, ErrorKind::RateLimit, _)) if said.contains("spend limit") => ErrorKind::InsufficientQuota,
            Some((_, kind, _)) if !matches!(kind, ErrorKind::InvalidRequest | ErrorKind::RateLimit) => *kind,
            word => CAUSES
                .iter()
                .find_map(|(cause, kind)| tells(said, cause, *kind).then_some(*kind))
                .unwrap_or(word.map_or(kind_of(status), |(_, kind, _)| *kind)),
        };
        let message = if said.is_empty() { silent(status) } else { cut(said).to_owned() };
        ApiError { code: code(kind, said), ..ApiError::new(status, kind, message) }
    }

    fn word(&self) -> Option<&'static (&'static str, ErrorKind, u16)> {
        let word = self.r#type.as_deref()?;
        WORDS.iter().find(|(known, _, _)| *known == word)
    }
}

/// Reads the body of a response that was not a 200.
pub(in crate::dialect) fn read(status: u16, body: &[u8]) -> ApiError {
    #[derive(Deserialize)]
    struct Whole {
        error: Body,
    }
    if let Ok(Whole { error }) = json::from_slice(body) {
        return error.with_status(status);
    }
    // Proxies in between send `{"message": …}`, a line of text, or an HTML page.
    if let Ok(error) = json::from_slice::<Body>(body)
        && error.message.is_some()
    {
        return error.with_status(status);
    }
    Body { r#type: None, message: Some(plain(body).to_owned()) }.with_status(status)
}

/// Reads an error in place of an event or of a whole response.
pub(super) fn instead(json: &[u8]) -> ApiError {
    #[derive(Default, Deserialize)]
    struct Whole {
        #[serde(default)]
        error: Option<Body>,
        #[serde(default)]
        message: Option<String>,
    }
    let Whole { error, message } = json::from_slice(json).unwrap_or_default();
    error.unwrap_or(Body { r#type: None, message }).without_status()
}

/// Returns an error as a whole body.
pub(super) fn body(error: &ApiError) -> Vec<u8> {
    let mut out = Vec::with_capacity(256);
    write(error, &mut out);
    out
}

/// Writes `error` for a client. Anthropic's format has no field for the parameter at fault, so the message begins with it.
pub(super) fn write(error: &ApiError, out: &mut Vec<u8>) {
    #[derive(Serialize)]
    #[serde(tag = "type", rename = "error")]
    struct Whole<'a> {
        error: Inner<'a>,
    }
    #[derive(Serialize)]
    struct Inner<'a> {
        r#type: &'static str,
        message: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        code: Option<&'a str>,
    }
    let blamed = match error.param.as_deref() {
        Some(param) if !param.is_empty() && !error.message.contains(param) => {
            Some(format!("{param}: {}", error.message))
        }
        _ => None,
    };
    let message = blamed.as_deref().unwrap_or(&error.message);
    let inner = Inner { r#type: word_of(error), message, code: error.code.as_deref() };
    // Serialising strings into a `Vec` cannot fail.
    let _ = crate::json::write(&Whole { error: inner }, out);
}

/// Anthropic's type for `error`. Anthropic sends 402 for an exhausted budget; one sent as a 429 gets the type of that status, or clients
/// would not recognise it.
fn word_of(error: &ApiError) -> &'static str {
    let kind = match error.kind {
        ErrorKind::ContextLength | ErrorKind::ContentPolicy => ErrorKind::InvalidRequest,
        ErrorKind::InsufficientQuota if error.status == 429 => ErrorKind::RateLimit,
        kind => kind,
    };
    WORDS.iter().find_map(|(word, known, _)| (*known == kind).then_some(*word)).unwrap_or("api_error")
}

fn kind_of(status: u16) -> ErrorKind {
    match status {
        401 => ErrorKind::Authentication,
        402 => ErrorKind::InsufficientQuota,
        403 => ErrorKind::Permission,
        404 => ErrorKind::NotFound,
        408 | 504 => ErrorKind::Timeout,
        413 => ErrorKind::TooLarge,
        429 => ErrorKind::RateLimit,
        503 | 529 => ErrorKind::Overloaded,
        400..=499 => ErrorKind::InvalidRequest,
        _ => ErrorKind::Server,
    }
}

/// The stable code by which clients of other formats know the cause.
fn code(kind: ErrorKind, message: &str) -> Option<std::borrow::Cow<'static, str>> {
    let code = match kind {
        ErrorKind::ContextLength => "context_length_exceeded",
        ErrorKind::ContentPolicy => "content_policy_violation",
        ErrorKind::InsufficientQuota => "insufficient_quota",
        ErrorKind::RateLimit => "rate_limit_exceeded",
        ErrorKind::NotFound if message.starts_with("model:") => "model_not_found",
        _ => return None,
    };
    Some(code.into())
}

fn silent(status: u16) -> String {
    format!("The provider answered with status {status} and no explanation.")
}
