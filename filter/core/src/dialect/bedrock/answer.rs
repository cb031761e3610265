//! Words that whole answers and streams share: reasons to stop, tokens, classes of service.

use serde::{Deserialize, Serialize};

use crate::conversation::{Finish, Usage};

/// Why the answer ended. New reasons will come; they end it like any other.
pub(super) fn finish_of(stop_reason: &str) -> Finish {
    match stop_reason {
        "max_tokens" | "model_context_window_exceeded" => Finish::Length,
        "tool_use" => Finish::ToolCalls,
        "content_filtered" | "guardrail_intervened" => Finish::ContentFilter,
        // `end_turn`, `stop_sequence`, `malformed_model_output`, `malformed_tool_use`
        _ => Finish::Stop,
    }
}

/// The inverse of [`finish_of`].
pub(super) fn stop_reason_of(finish: Finish) -> &'static str {
    match finish {
        Finish::Stop => "end_turn",
        Finish::Length => "max_tokens",
        Finish::ToolCalls => "tool_use",
        Finish::ContentFilter => "content_filtered",
    }
}

/// `usage`, whose `inputTokens` exclude what was read from and written to a cache; ours includes both. Reasoning is not counted
/// for itself.
#[derive(Debug, Clone, Copy, Default, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Tokens {
    #[serde(default)]
    input_tokens: u64,
    #[serde(default)]
    output_tokens: u64,
    #[serde(default)]
    total_tokens: u64,
    #[serde(default)]
    cache_read_input_tokens: u64,
    #[serde(default)]
    cache_write_input_tokens: u64,
}

impl From<Tokens> for Usage {
    fn from(tokens: Tokens) -> Self {
        let (cached, cache_write) = (tokens.cache_read_input_tokens, tokens.cache_write_input_tokens);
        let input = tokens.input_tokens.saturating_add(cached).saturating_add(cache_write);
        Self { input, cached, cache_write, output: tokens.output_tokens, reasoning: 0 }
    }
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

/// An object that is one word: a class of service.
#[derive(Debug, Deserialize, Serialize)]
pub(super) struct Typed<T> {
    pub(super) r#type: T,
}
