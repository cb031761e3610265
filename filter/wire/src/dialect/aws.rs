//! The common parts of AWS Bedrock's formats: paths, errors, and failures inside streams.
//!
//! An error's type is in the header `x-amzn-errortype`, in a stream in `:exception-type`; the body has a message. The case of a type's
//! first letter varies, and a namespace or a URL may surround the type. Source: the errors of `Converse`, `InvokeModel` and their streams
//! in AWS's description of the Bedrock runtime, and AWS's common errors.

use serde::Deserialize;

use crate::error::{ApiError, ErrorKind};
use crate::framing::eventstream::Frame;
use crate::json;
use crate::percent::{RESERVED, encoded_once};

use super::provider::Headers;
use super::said::{cut, tells};

/// The media type of streams.
pub const STREAM_TYPE: &str = "application/vnd.amazon.eventstream";

/// The header with an error's type.
pub const ERROR_HEADER: &str = "x-amzn-errortype";

/// AWS's error types, our kinds, and the status of each. The first type of a kind is used for writing.
const WORDS: [(&str, ErrorKind, u16); 18] = [
    ("ValidationException", ErrorKind::InvalidRequest, 400),
    ("AccessDeniedException", ErrorKind::Permission, 403),
    ("ResourceNotFoundException", ErrorKind::NotFound, 404),
    ("ThrottlingException", ErrorKind::RateLimit, 429),
    // AWS sends 400, with advice to retry later.
    ("ServiceQuotaExceededException", ErrorKind::RateLimit, 429),
    ("InternalServerException", ErrorKind::Server, 500),
    ("ModelErrorException", ErrorKind::Server, 424),
    ("ModelStreamErrorException", ErrorKind::Server, 424),
    ("ServiceUnavailableException", ErrorKind::Overloaded, 503),
    // AWS sends 429, though the caller has not exceeded a limit.
    ("ModelNotReadyException", ErrorKind::Overloaded, 503),
    ("ModelTimeoutException", ErrorKind::Timeout, 408),
    ("UnrecognizedClientException", ErrorKind::Authentication, 403),
    ("InvalidSignatureException", ErrorKind::Authentication, 403),
    ("IncompleteSignatureException", ErrorKind::Authentication, 403),
    ("MissingAuthenticationTokenException", ErrorKind::Authentication, 403),
    ("ExpiredTokenException", ErrorKind::Authentication, 403),
    ("ConflictException", ErrorKind::InvalidRequest, 400),
    ("RequestEntityTooLargeException", ErrorKind::TooLarge, 413),
];

/// Texts in the message of a `ValidationException`, in lower case, that name the actual cause.
const CAUSES: [(&str, ErrorKind); 8] = [
    ("too long", ErrorKind::ContextLength),
    ("context length", ErrorKind::ContextLength),
    ("context limit", ErrorKind::ContextLength),
    ("context window", ErrorKind::ContextLength),
    ("too many input tokens", ErrorKind::ContextLength),
    ("content filter", ErrorKind::ContentPolicy),
    ("model identifier is invalid", ErrorKind::NotFound),
    ("your credit balance is too low", ErrorKind::InsufficientQuota),
];

/// `/model/{model}/{action}`. An ARN's slashes and colons are encoded, since the model is one segment.
pub fn path(model: &str, action: &str) -> String {
    format!("/model/{}/{action}", encoded_once(model, &RESERVED))
}

/// The headers of AWS's formats.
pub static HEADERS: Headers = Headers { error: Some(ERROR_HEADER), ..Headers::OPENAI };

#[derive(Default, Deserialize)]
struct Body {
    #[serde(default, alias = "Message")]
    message: Option<String>,
    /// The type, for responses without the header.
    #[serde(default, rename = "__type")]
    kind: Option<String>,
}

/// Reads an error; `hint` is the value of [`ERROR_HEADER`].
pub fn read_error(status: u16, hint: Option<&str>, body: &[u8]) -> ApiError {
    let body: Body = json::from_slice(body).unwrap_or_default();
    failure(Some(status), hint.or(body.kind.as_deref()).unwrap_or_default(), body.message.as_deref())
}

/// The failure in a frame, if it is one.
pub fn failure_in(frame: &Frame<'_>) -> Option<ApiError> {
    match frame.header(":message-type") {
        Some("exception") => {
            let body: Body = json::from_slice(frame.payload).unwrap_or_default();
            Some(failure(None, frame.header(":exception-type").unwrap_or_default(), body.message.as_deref()))
        }
        Some("error") => {
            Some(failure(None, frame.header(":error-code").unwrap_or_default(), frame.header(":error-message")))
        }
        _ => None,
    }
}

/// Builds the error for AWS's type `word`; the status of a known type wins over `status`, which a stream does not have.
fn failure(status: Option<u16>, word: &str, message: Option<&str>) -> ApiError {
    let word = word.split(':').next().unwrap_or(word);
    let word = word.rsplit('#').next().unwrap_or(word);
    let known = WORDS.iter().find(|(known, _, _)| known.eq_ignore_ascii_case(word));
    let status = known.map(|(_, _, status)| *status).or(status).unwrap_or(500);
    let said = message.unwrap_or_default().trim();
    let mut kind = known.map_or(kind_of(status), |(_, kind, _)| *kind);
    if kind == ErrorKind::InvalidRequest {
        let lower = said.to_ascii_lowercase();
        kind = CAUSES.iter().find_map(|(cause, kind)| tells(&lower, cause, *kind).then_some(*kind)).unwrap_or(kind);
    }
    let message = if said.is_empty() {
        format!("The provider answered with status {status} and no explanation.")
    } else {
        cut(said).to_owned()
    };
    let error = ApiError::new(status, kind, message);
    match code(kind) {
        Some(code) => error.with_code(code),
        None => error,
    }
}

fn kind_of(status: u16) -> ErrorKind {
    match status {
        401 => ErrorKind::Authentication,
        403 => ErrorKind::Permission,
        404 => ErrorKind::NotFound,
        408 | 504 => ErrorKind::Timeout,
        413 => ErrorKind::TooLarge,
        429 => ErrorKind::RateLimit,
        503 => ErrorKind::Overloaded,
        400..=499 => ErrorKind::InvalidRequest,
        _ => ErrorKind::Server,
    }
}

/// The stable code by which clients of other formats know the cause.
fn code(kind: ErrorKind) -> Option<&'static str> {
    match kind {
        ErrorKind::ContextLength => Some("context_length_exceeded"),
        ErrorKind::ContentPolicy => Some("content_policy_violation"),
        ErrorKind::InsufficientQuota => Some("insufficient_quota"),
        ErrorKind::RateLimit => Some("rate_limit_exceeded"),
        // Only a model can be not found.
        ErrorKind::NotFound => Some("model_not_found"),
        _ => None,
    }
}

#[cfg(test)]
pub(super) mod client;
#[cfg(test)]
mod tests;
