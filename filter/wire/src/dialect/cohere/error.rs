//! Cohere's errors: `{"message", "id"}`; only the status tells the cause. Source: Cohere's error reference
//! (`docs.cohere.com/reference/errors`). The message distinguishes causes that share a status.
//!
//! Two statuses are Cohere's own: 498 means that a prompt or a response has forbidden content; 499 means that the request was cancelled.
//! The client did not cancel it, since it waits for the response, so a 499 is worth a retry.

use serde::Deserialize;

use crate::dialect::said::{cut, plain};
use crate::error::{ApiError, ErrorKind};
use crate::json;
use crate::lenient::Text;

#[derive(Deserialize)]
struct ErrorIn<'a> {
    #[serde(borrow, default)]
    message: Text<'a>,
}

/// Reads the body of a response that was not a success.
pub(super) fn read(status: u16, body: &[u8]) -> ApiError {
    if let Ok(seen) = json::from_slice::<ErrorIn<'_>>(body)
        && body.trim_ascii_start().starts_with(b"{")
    {
        return of(Some(status), &seen.message.0);
    }
    of(Some(status), plain(body))
}

/// Returns the error with `message`. `status` is `None` for an error inside a success, which becomes a 502.
pub(super) fn of(status: Option<u16>, message: &str) -> ApiError {
    let said = message.trim();
    let known = status.filter(|status| (400..600).contains(status));
    let kind = kind(known, said);
    let status = match known {
        None => 502,
        // Clients do not know these statuses; send the nearest standard one.
        Some(498) => 400,
        Some(499) => 503,
        Some(status) => status,
    };
    let message = match kind {
        // Cohere's message may repeat a part of the gateway's key.
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
        // `too many tokens: max tokens must be …` is about the response's length.
        Some(400 | 422) | None if tells("tokens in the prompt cannot exceed") || tells("size limit exceeded by") => {
            ContextLength
        }
        // A trial key has a monthly quota; waiting does not help.
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

/// The stable code by which clients of other formats know the cause.
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
