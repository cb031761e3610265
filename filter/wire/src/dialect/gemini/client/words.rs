//! Finish reasons and usage of the client side.

use serde::Serialize;

use crate::conversation::{Finish, Usage};

/// The inverse of [`FinishReason::read`](super::super::answer::FinishReason::read).
pub(super) fn word(finish: Finish) -> &'static str {
    match finish {
        Finish::Stop | Finish::ToolCalls => "STOP",
        Finish::Length => "MAX_TOKENS",
        Finish::ContentFilter => "SAFETY",
    }
}

/// `usageMetadata` for writing. Cache writes have no counter: they are part of the prompt.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Shown {
    prompt_token_count: u64,
    #[serde(skip_serializing_if = "is_zero")]
    cached_content_token_count: u64,
    candidates_token_count: u64,
    #[serde(skip_serializing_if = "is_zero")]
    thoughts_token_count: u64,
    total_token_count: u64,
}

fn is_zero(count: &u64) -> bool {
    *count == 0
}

impl From<Usage> for Shown {
    fn from(usage: Usage) -> Self {
        Self {
            prompt_token_count: usage.input,
            cached_content_token_count: usage.cached,
            candidates_token_count: usage.output.saturating_sub(usage.reasoning),
            thoughts_token_count: usage.reasoning,
            total_token_count: usage.input.saturating_add(usage.output),
        }
    }
}
