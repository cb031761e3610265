//! Usage in OpenAI's format, whose counts are inclusive like ours, and variations of compatible servers.

use serde::{Deserialize, Serialize};

use crate::conversation::Usage;
use crate::json::scan::Scan;
use crate::lenient::{Tokens, maybe, usage_in};

/// `usage` as servers send it.
#[derive(Debug, Default, Deserialize)]
pub(in crate::dialect) struct UsageIn {
    #[serde(default)]
    prompt_tokens: Tokens,
    #[serde(default)]
    completion_tokens: Tokens,
    #[serde(default)]
    total_tokens: Tokens,
    #[serde(default, deserialize_with = "maybe")]
    prompt_tokens_details: Option<PromptDetailsIn>,
    #[serde(default, deserialize_with = "maybe")]
    completion_tokens_details: Option<CompletionDetailsIn>,
    /// DeepSeek's name.
    #[serde(default)]
    prompt_cache_hit_tokens: Tokens,
}

#[derive(Debug, Default, Deserialize)]
struct PromptDetailsIn {
    #[serde(default)]
    cached_tokens: Tokens,
    #[serde(default)]
    cache_write_tokens: Tokens,
}

#[derive(Debug, Default, Deserialize)]
struct CompletionDetailsIn {
    #[serde(default)]
    reasoning_tokens: Tokens,
}

impl PromptDetailsIn {
    fn scan(scan: &mut Scan<'_>) -> Option<Self> {
        let mut seen = Self::default();
        scan.object(&["cached_tokens", "cache_write_tokens"], &mut |scan, name| {
            match name {
                "cached_tokens" => seen.cached_tokens = Tokens::scan(scan)?,
                _ => seen.cache_write_tokens = Tokens::scan(scan)?,
            }
            Some(())
        })?;
        Some(seen)
    }
}

impl CompletionDetailsIn {
    fn scan(scan: &mut Scan<'_>) -> Option<Self> {
        let mut seen = Self::default();
        scan.object(&["reasoning_tokens"], &mut |scan, _| {
            seen.reasoning_tokens = Tokens::scan(scan)?;
            Some(())
        })?;
        Some(seen)
    }
}

/// Reads only the usage of a response.
pub(in crate::dialect) fn of(body: &[u8]) -> Option<Usage> {
    usage_in::<UsageIn>(body)?.read()
}

impl UsageIn {
    /// Reads it with a [`Scan`].
    pub fn scan(scan: &mut Scan<'_>) -> Option<Option<Self>> {
        const FIELDS: [&str; 6] = [
            "prompt_tokens",
            "completion_tokens",
            "total_tokens",
            "prompt_tokens_details",
            "completion_tokens_details",
            "prompt_cache_hit_tokens",
        ];
        scan.maybe(|scan| {
            let mut seen = Self::default();
            scan.object(&FIELDS, &mut |scan, name| {
                match name {
                    "prompt_tokens" => seen.prompt_tokens = Tokens::scan(scan)?,
                    "completion_tokens" => seen.completion_tokens = Tokens::scan(scan)?,
                    "total_tokens" => seen.total_tokens = Tokens::scan(scan)?,
                    "prompt_tokens_details" => seen.prompt_tokens_details = scan.maybe(PromptDetailsIn::scan)?,
                    "completion_tokens_details" => {
                        seen.completion_tokens_details = scan.maybe(CompletionDetailsIn::scan)?
                    }
                    _ => seen.prompt_cache_hit_tokens = Tokens::scan(scan)?,
                }
                Some(())
            })?;
            Some(seen)
        })
    }

    /// The counts; `None` if the object has none.
    pub fn read(&self) -> Option<Usage> {
        let (input, output) = match (self.prompt_tokens.0, self.completion_tokens.0, self.total_tokens.0) {
            (None, None, None) => return None,
            (Some(input), None, Some(total)) => (input, total.saturating_sub(input)),
            (None, Some(output), Some(total)) => (total.saturating_sub(output), output),
            (input, output, _) => (input.unwrap_or_default(), output.unwrap_or_default()),
        };
        let prompt = self.prompt_tokens_details.as_ref();
        let cached = prompt.and_then(|details| details.cached_tokens.0).or(self.prompt_cache_hit_tokens.0);
        let cache_write = prompt.and_then(|details| details.cache_write_tokens.0).unwrap_or_default();
        let details = self.completion_tokens_details.as_ref();
        let reasoning = details.and_then(|details| details.reasoning_tokens.0).unwrap_or_default();
        // xAI excludes reasoning from `completion_tokens` but includes it in the total.
        let apart = input.saturating_add(output).saturating_add(reasoning);
        let output =
            if reasoning > 0 && self.total_tokens.0 == Some(apart) { output.saturating_add(reasoning) } else { output };
        Some(Usage { input, cached: cached.unwrap_or_default(), cache_write, output, reasoning })
    }
}

/// `usage` in the form for clients.
#[derive(Debug, Serialize)]
pub(in crate::dialect) struct Shown {
    prompt_tokens: u64,
    completion_tokens: u64,
    total_tokens: u64,
    prompt_tokens_details: PromptShown,
    completion_tokens_details: CompletionShown,
}

#[derive(Debug, Serialize)]
struct PromptShown {
    cached_tokens: u64,
    #[serde(skip_serializing_if = "is_zero")]
    cache_write_tokens: u64,
}

#[derive(Debug, Serialize)]
struct CompletionShown {
    reasoning_tokens: u64,
}

fn is_zero(count: &u64) -> bool {
    *count == 0
}

impl From<Usage> for Shown {
    fn from(usage: Usage) -> Self {
        Self {
            prompt_tokens: usage.input,
            completion_tokens: usage.output,
            total_tokens: usage.input.saturating_add(usage.output),
            prompt_tokens_details: PromptShown { cached_tokens: usage.cached, cache_write_tokens: usage.cache_write },
            completion_tokens_details: CompletionShown { reasoning_tokens: usage.reasoning },
        }
    }
}
