//! Values shared by whole responses and streams: stop reasons, tokens, service tiers.

use serde::{Deserialize, Serialize};

use crate::conversation::{Finish, Usage};
use crate::lenient;

/// Converts a stop reason; an unknown reason is a stop.
pub(super) fn finish_of(stop_reason: &str) -> Finish {
    match stop_reason {
        "max_tokens" | "model_context_window_exceeded" => Finish::Length,
        "tool_use" => Finish::ToolCalls,
        "content_filtered" | "guardrail_intervened" => Finish::ContentFilter,
        // `end_turn`, `stop_sequence`, `malformed_model_output`, `malformed_tool_use`
        _ => Finish::Stop,
    }
}

/// `usage`. Its `inputTokens` exclude cache reads and cache writes; ours includes both. Reasoning has no counter.
#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "camelCase", from = "TokensIn")]
pub(super) struct Tokens {
    input_tokens: u64,
    output_tokens: u64,
    cache_read_input_tokens: u64,
    cache_write_input_tokens: u64,
}

/// [`Tokens`] as received; a count may have any JSON type.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct TokensIn {
    input_tokens: lenient::Tokens,
    output_tokens: lenient::Tokens,
    cache_read_input_tokens: lenient::Tokens,
    cache_write_input_tokens: lenient::Tokens,
}

impl From<TokensIn> for Tokens {
    fn from(seen: TokensIn) -> Self {
        let count = |count: lenient::Tokens| count.0.unwrap_or_default();
        Self {
            input_tokens: count(seen.input_tokens),
            output_tokens: count(seen.output_tokens),
            cache_read_input_tokens: count(seen.cache_read_input_tokens),
            cache_write_input_tokens: count(seen.cache_write_input_tokens),
        }
    }
}

impl From<Tokens> for Usage {
    fn from(tokens: Tokens) -> Self {
        let (cached, cache_write) = (tokens.cache_read_input_tokens, tokens.cache_write_input_tokens);
        let input = tokens.input_tokens.saturating_add(cached).saturating_add(cache_write);
        Self { input, cached, cache_write, output: tokens.output_tokens, reasoning: 0 }
    }
}

/// An object with the single member `type`: a service tier.
#[derive(Debug, Deserialize, Serialize)]
pub(super) struct Typed<T> {
    pub(super) r#type: T,
}
