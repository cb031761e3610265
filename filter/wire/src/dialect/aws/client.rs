//! The client side of AWS's formats, used by tests only: writes errors and events.

use serde::Serialize;

use crate::error::{ApiError, ErrorKind};
use crate::framing::eventstream;

use super::WORDS;

/// AWS's error type for `error`.
fn word_of(error: &ApiError) -> &'static str {
    let kind = match error.kind {
        ErrorKind::ContextLength | ErrorKind::ContentPolicy => ErrorKind::InvalidRequest,
        ErrorKind::InsufficientQuota => ErrorKind::RateLimit,
        kind => kind,
    };
    WORDS.iter().find_map(|(word, known, _)| (*known == kind).then_some(*word)).unwrap_or("InternalServerException")
}

#[derive(Serialize)]
struct Written<'a> {
    #[serde(rename = "__type", skip_serializing_if = "Option::is_none")]
    kind: Option<&'static str>,
    message: &'a str,
}

/// Writes an error as a body that includes the type, which AWS sends in a header.
pub fn write_error(error: &ApiError) -> Vec<u8> {
    json(&Written { kind: Some(word_of(error)), message: &error.message })
}

/// Appends an error as a frame of a stream.
pub fn write_failure(error: &ApiError, out: &mut Vec<u8>) {
    let word = word_of(error);
    let mut name = String::with_capacity(word.len());
    for (index, letter) in word.char_indices() {
        name.push(if index == 0 { letter.to_ascii_lowercase() } else { letter });
    }
    let headers = [(":message-type", "exception"), (":exception-type", &*name), (":content-type", "application/json")];
    eventstream::encode(&headers, &json(&Written { kind: None, message: &error.message }), out);
}

/// Appends an event as a frame of a stream.
pub fn write_event(name: &str, payload: &impl Serialize, out: &mut Vec<u8>) {
    let headers = [(":message-type", "event"), (":event-type", name), (":content-type", "application/json")];
    eventstream::encode(&headers, &json(payload), out);
}

/// Serialises strings, numbers and checked JSON, which cannot fail.
fn json(value: &impl Serialize) -> Vec<u8> {
    crate::json::written(value)
}
