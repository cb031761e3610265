//! Writes whole responses.

use serde::Serialize;

use crate::conversation::Response;

use super::super::body::MessageOut;
use super::super::message_out;
use super::words;

#[derive(Serialize)]
struct Shown<'a> {
    id: &'a str,
    finish_reason: &'static str,
    message: MessageOut<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    usage: Option<words::Shown>,
}

/// Writes a response. Cohere has room for one choice: the first.
pub(super) fn write(response: &Response) -> Vec<u8> {
    let (parts, finish) =
        response.choices.first().map(|choice| (choice.parts.as_slice(), choice.finish)).unwrap_or_default();
    let shown = Shown {
        id: &response.id,
        finish_reason: words::finish_reason(finish),
        message: message_out::assistant(parts),
        usage: response.usage.map(words::Shown::from),
    };
    crate::json::written(&shown)
}
