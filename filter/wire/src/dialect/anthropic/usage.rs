//! Anthropic's `usage`, whose `input_tokens` exclude what was read from and written to a cache; ours includes both.

use serde::{Deserialize, Deserializer, Serialize};

use crate::conversation::Usage;
use crate::extras::{Extras, Tier, Tool};
use crate::lenient::{Text, Tokens, maybe, usage_in};

/// `usage` as it came: every field may be missing, and a missing one keeps what was known.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct UsageIn {
    input_tokens: Tokens,
    cache_creation_input_tokens: Tokens,
    cache_read_input_tokens: Tokens,
    output_tokens: Tokens,
    #[serde(deserialize_with = "maybe")]
    output_tokens_details: Option<Details>,
    #[serde(deserialize_with = "maybe")]
    cache_creation: Option<CacheCreation>,
    #[serde(deserialize_with = "maybe")]
    server_tool_use: Option<ServerToolUse>,
    /// The class of service that was given.
    #[serde(deserialize_with = "text")]
    pub(super) service_tier: Option<String>,
}

/// A text; anything else is none.
fn text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    let text = Text::deserialize(deserializer)?;
    Ok((!text.is_empty()).then(|| text.0.into_owned()))
}

/// What `output_tokens` are made of.
#[derive(Debug, Clone, Copy, Default, Deserialize)]
struct Details {
    #[serde(default)]
    thinking_tokens: Tokens,
}

/// For how long the cache keeps what was written to it.
#[derive(Debug, Clone, Copy, Default, Deserialize)]
struct CacheCreation {
    #[serde(default)]
    ephemeral_1h_input_tokens: Tokens,
}

/// How often tools were called that run at Anthropic.
#[derive(Debug, Clone, Copy, Default, Deserialize)]
struct ServerToolUse {
    #[serde(default)]
    web_search_requests: Tokens,
}

/// The same, as we write it.
#[derive(Debug, Serialize)]
struct DetailsOut {
    thinking_tokens: u64,
}

/// The usage in an answer of which nothing else is wanted.
pub(super) fn of(body: &[u8]) -> Option<Usage> {
    usage_in::<UsageIn>(body).map(|usage| usage.inclusive())
}

impl UsageIn {
    /// Counters are cumulative over a stream: those that `newer` has replace ours.
    pub(super) fn update(&mut self, newer: &Self) {
        self.input_tokens = newer.input_tokens.or(self.input_tokens);
        self.cache_creation_input_tokens = newer.cache_creation_input_tokens.or(self.cache_creation_input_tokens);
        self.cache_read_input_tokens = newer.cache_read_input_tokens.or(self.cache_read_input_tokens);
        self.output_tokens = newer.output_tokens.or(self.output_tokens);
        self.output_tokens_details = newer.output_tokens_details.or(self.output_tokens_details);
        self.cache_creation = newer.cache_creation.or(self.cache_creation);
        self.server_tool_use = newer.server_tool_use.or(self.server_tool_use);
        if newer.service_tier.is_some() {
            self.service_tier.clone_from(&newer.service_tier);
        }
    }

    /// What it cost besides.
    pub(super) fn extras(&self) -> Extras {
        let mut extras = Extras {
            tier: self.service_tier.as_deref().and_then(Tier::read),
            hour_writes: self.cache_creation.and_then(|written| written.ephemeral_1h_input_tokens.0),
            ..Extras::default()
        };
        let searches = self.server_tool_use.and_then(|used| used.web_search_requests.0);
        extras.calls.add(Tool::WebSearch, searches.unwrap_or_default());
        extras
    }

    /// In our inclusive terms.
    pub(super) fn inclusive(&self) -> Usage {
        let cached = self.cache_read_input_tokens.0.unwrap_or(0);
        let cache_write = self.cache_creation_input_tokens.0.unwrap_or(0);
        Usage {
            input: self.input_tokens.0.unwrap_or(0).saturating_add(cached).saturating_add(cache_write),
            cached,
            cache_write,
            output: self.output_tokens.0.unwrap_or(0),
            reasoning: self.output_tokens_details.and_then(|details| details.thinking_tokens.0).unwrap_or(0),
        }
    }
}

/// `usage` as we write it.
#[derive(Debug, Serialize)]
pub(super) struct UsageOut<'a> {
    input_tokens: u64,
    cache_creation_input_tokens: u64,
    cache_read_input_tokens: u64,
    output_tokens: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    output_tokens_details: Option<DetailsOut>,
    #[serde(skip_serializing_if = "Option::is_none")]
    service_tier: Option<&'a str>,
}

impl<'a> UsageOut<'a> {
    /// The cache's share is taken out of the input again.
    pub(super) fn of(usage: &Usage, service_tier: Option<&'a str>) -> Self {
        Self {
            input_tokens: usage.input.saturating_sub(usage.cached).saturating_sub(usage.cache_write),
            cache_creation_input_tokens: usage.cache_write,
            cache_read_input_tokens: usage.cached,
            output_tokens: usage.output,
            output_tokens_details: (usage.reasoning > 0).then_some(DetailsOut { thinking_tokens: usage.reasoning }),
            service_tier,
        }
    }
}
