//! Cohere's errors: `{"message", "id"}`, with the status as the only word for the cause. Source: Cohere's
//! error reference (`docs.cohere.com/reference/errors`). Causes that share a status are told apart by the message.
//!
//! Two statuses are Cohere's own: 498, a prompt or an answer held what it forbids; 499, the request was cancelled, which the
//! client that waits for the answer did not do: it is worth another try.

use serde::Deserialize;

use crate::dialect::said::{cut, plain};
use crate::error::{ApiError, ErrorKind};
use crate::json;
use crate::lenient::Text;

#[derive(Deserialize)]
struct Seen<'a> {
    #[serde(borrow, default)]
    message: Text<'a>,
}

/// Reads the body of an answer that was not a success.
pub(super) fn read(status: u16, body: &[u8]) -> ApiError {
    if let Ok(seen) = json::from_slice::<Seen<'_>>(body)
        && body.trim_ascii_start().starts_with(b"{")
    {
        return of(Some(status), &seen.message.0);
    }
    of(Some(status), plain(body))
}

/// The error that says `message`; its status follows from that when it came under a success.
pub(super) fn of(status: Option<u16>, message: &str) -> ApiError {
    let said = message.trim();
    let known = status.filter(|status| (400..600).contains(status));
    let kind = kind(known, said);
    let status = match known {
        None => 502,
        // What no client knows: the cause by a status that says it.
        Some(498) => 400,
        Some(499) => 503,
        Some(status) => status,
    };
    let message = match kind {
        // It may repeat a part of the key: the gateway's own, which is no client's business.
        ErrorKind::Authentication => "The provider rejected the gateway's credential.".to_owned(),
        _ if said.is_empty() => format!("The provider answered with status {status} and no explanation."),
        _ => cut(said).to_owned(),
    };
    let error = ApiError::new(status, kind, message);
    match code(kind, said) {
        Some(code) => error.with_code(code),
        None => error,
    }
}

fn kind(status: Option<u16>, message: &str) -> ErrorKind {
    use ErrorKind::*;
    let tells = |words: &str| message.contains(words);
    match status {
        // `too many tokens: max tokens must be …` is about the answer's length instead.
        Some(400 | 422) | None if tells("tokens in the prompt cannot exceed") || tells("size limit exceeded by") => {
            ContextLength
        }
        // A trial key has a quota for the month, which no waiting of a client's renews.
        Some(429) if tells("/ month") || tells("per month") => InsufficientQuota,
        Some(401) => Authentication,
        Some(402) => InsufficientQuota,
        Some(403) => Permission,
        Some(404) => NotFound,
        Some(408 | 504) => Timeout,
        Some(413) => TooLarge,
        Some(429) => RateLimit,
        Some(498) => ContentPolicy,
        Some(503) => Overloaded,
        Some(499 | 500..) | None => Server,
        Some(_) => InvalidRequest,
    }
}

/// The stable name that clients of other dialects know the cause by.
fn code(kind: ErrorKind, message: &str) -> Option<&'static str> {
    Some(match kind {
        ErrorKind::ContextLength => "context_length_exceeded",
        ErrorKind::ContentPolicy => "content_policy_violation",
        ErrorKind::InsufficientQuota => "insufficient_quota",
        ErrorKind::RateLimit => "rate_limit_exceeded",
        ErrorKind::NotFound if message.starts_with("model") => "model_not_found",
        _ => return None,
    })
}
