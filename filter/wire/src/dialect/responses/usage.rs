//! Usage in this format's names. OpenAI's counts are inclusive like ours.

use serde::{Deserialize, Serialize};

use crate::conversation::Usage;
use crate::lenient::{Tokens, maybe, usage_in};

/// `usage` as servers send it.
#[derive(Debug, Default, Deserialize)]
pub(super) struct UsageIn {
    #[serde(default)]
    input_tokens: Tokens,
    #[serde(default)]
    output_tokens: Tokens,
    #[serde(default, deserialize_with = "maybe")]
    input_tokens_details: Option<InputDetailsIn>,
    #[serde(default, deserialize_with = "maybe")]
    output_tokens_details: Option<OutputDetailsIn>,
}

#[derive(Debug, Default, Deserialize)]
struct InputDetailsIn {
    #[serde(default)]
    cached_tokens: Tokens,
    #[serde(default)]
    cache_write_tokens: Tokens,
}

#[derive(Debug, Default, Deserialize)]
struct OutputDetailsIn {
    #[serde(default)]
    reasoning_tokens: Tokens,
}

/// Reads only the usage of a response.
pub(super) fn of(body: &[u8]) -> Option<Usage> {
    usage_in::<UsageIn>(body)?.read()
}

impl UsageIn {
    /// The counts; `None` if the object has none.
    pub fn read(&self) -> Option<Usage> {
        if self.input_tokens.0.is_none() && self.output_tokens.0.is_none() {
            return None;
        }
        let count = |count: Option<Tokens>| count.and_then(|count| count.0).unwrap_or_default();
        let input = self.input_tokens_details.as_ref();
        Some(Usage {
            input: count(Some(self.input_tokens)),
            cached: count(input.map(|details| details.cached_tokens)),
            cache_write: count(input.map(|details| details.cache_write_tokens)),
            output: count(Some(self.output_tokens)),
            reasoning: count(self.output_tokens_details.as_ref().map(|details| details.reasoning_tokens)),
        })
    }
}

/// `usage` in the form for clients.
#[derive(Debug, Serialize)]
pub(super) struct Shown {
    input_tokens: u64,
    input_tokens_details: InputShown,
    output_tokens: u64,
    output_tokens_details: OutputShown,
    total_tokens: u64,
}

#[derive(Debug, Serialize)]
struct InputShown {
    cached_tokens: u64,
    cache_write_tokens: u64,
}

#[derive(Debug, Serialize)]
struct OutputShown {
    reasoning_tokens: u64,
}

impl From<Usage> for Shown {
    fn from(usage: Usage) -> Self {
        Self {
            input_tokens: usage.input,
            input_tokens_details: InputShown { cached_tokens: usage.cached, cache_write_tokens: usage.cache_write },
            output_tokens: usage.output,
            output_tokens_details: OutputShown { reasoning_tokens: usage.reasoning },
            total_tokens: usage.input.saturating_add(usage.output),
        }
    }
}
