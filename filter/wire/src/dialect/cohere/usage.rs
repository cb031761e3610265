//! Usage. `tokens` counts what the model read and wrote; `billed_units` excludes Cohere's own prompt. Limits and context use `tokens`;
//! `billed_units` replaces it if it is missing. Counts come as floats. `cached_tokens` are part of the input.

use serde::Deserialize;

use crate::conversation::Usage;
use crate::lenient::{Tokens, maybe, usage_in};

/// `usage` as received.
#[derive(Debug, Default, Deserialize)]
pub(super) struct UsageIn {
    #[serde(default, deserialize_with = "maybe")]
    tokens: Option<Units>,
    #[serde(default, deserialize_with = "maybe")]
    billed_units: Option<Units>,
    #[serde(default)]
    cached_tokens: Tokens,
}

/// Input and output of `tokens` or of `billed_units`.
#[derive(Debug, Default, Clone, Copy, Deserialize)]
pub(super) struct Units {
    #[serde(default)]
    input_tokens: Tokens,
    #[serde(default)]
    output_tokens: Tokens,
}

impl Units {
    /// The counts; `None` if the object has none.
    pub fn read(self) -> Option<Usage> {
        let (input, output) = (self.input_tokens.0, self.output_tokens.0);
        input.or(output)?;
        Some(Usage { input: input.unwrap_or_default(), output: output.unwrap_or_default(), ..Usage::default() })
    }
}

impl UsageIn {
    /// The counts; `None` if the object has none.
    pub fn read(&self) -> Option<Usage> {
        let usage = self.tokens.and_then(Units::read).or_else(|| self.billed_units?.read())?;
        Some(Usage { cached: self.cached_tokens.0.unwrap_or_default().min(usage.input), ..usage })
    }
}

/// Reads only the usage of a response.
pub(super) fn of(body: &[u8]) -> Option<Usage> {
    usage_in::<UsageIn>(body)?.read()
}
