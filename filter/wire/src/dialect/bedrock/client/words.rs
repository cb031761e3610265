//! Stop reasons, media types and usage of the client side.

use serde::Serialize;

use crate::conversation::{Finish, Usage};

use super::super::media::{DOCUMENTS, IMAGES};

/// The inverse of [`finish_of`](super::super::answer::finish_of).
pub(super) fn stop_reason_of(finish: Finish) -> &'static str {
    match finish {
        Finish::Stop => "end_turn",
        Finish::Length => "max_tokens",
        Finish::ToolCalls => "tool_use",
        Finish::ContentFilter => "content_filtered",
    }
}

/// The media type of an image.
pub(super) fn image_type(format: &str) -> Option<&'static str> {
    type_of(&IMAGES, format)
}

/// The media type of a document.
pub(super) fn document_type(format: &str) -> Option<&'static str> {
    type_of(&DOCUMENTS, format)
}

fn type_of(table: &[(&'static str, &str)], format: &str) -> Option<&'static str> {
    table.iter().find(|(_, word)| *word == format).map(|(media_type, _)| *media_type)
}

/// `usage`, whose `inputTokens` exclude cache reads and cache writes.
#[derive(Debug, Clone, Copy, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Tokens {
    input_tokens: u64,
    output_tokens: u64,
    total_tokens: u64,
    cache_read_input_tokens: u64,
    cache_write_input_tokens: u64,
}

impl From<Usage> for Tokens {
    fn from(usage: Usage) -> Self {
        Self {
            input_tokens: usage.input.saturating_sub(usage.cached).saturating_sub(usage.cache_write),
            output_tokens: usage.output,
            total_tokens: usage.input.saturating_add(usage.output),
            cache_read_input_tokens: usage.cached,
            cache_write_input_tokens: usage.cache_write,
        }
    }
}
