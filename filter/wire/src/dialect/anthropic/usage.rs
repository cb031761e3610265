//! Anthropic's `usage`. Its `input_tokens` exclude cache reads and cache writes; ours includes both.

use serde::{Deserialize, Deserializer, Serialize};

use crate::conversation::Usage;
use crate::dialect::few::Few;
use crate::extras::{Extras, Tier, Tool};
use crate::lenient::{Text, Tokens, maybe, usage_in};

/// `usage` as received. Every field may be missing; a missing field leaves the known count unchanged.
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
    /// The service tier that served the request.
    #[serde(deserialize_with = "text")]
    pub(super) service_tier: Option<String>,
    /// The model calls that served the request. The counters above include only those of the types `message` and `fallback_message`.
    /// Source: platform.claude.com, "Compaction" and "Advisor tool".
    iterations: Option<Few<Iteration, MOST_ITERATIONS>>,
}

/// The most model calls of one request that are read.
const MOST_ITERATIONS: usize = 1024;

/// A model call. It has a type of its own: usage within usage would take memory without a bound.
#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(default)]
struct Iteration {
    /// Whether the counters of the request leave it out.
    #[serde(rename = "type", deserialize_with = "is_left_out")]
    is_left_out: bool,
    input_tokens: Tokens,
    cache_creation_input_tokens: Tokens,
    cache_read_input_tokens: Tokens,
    output_tokens: Tokens,
    #[serde(deserialize_with = "maybe")]
    cache_creation: Option<CacheCreation>,
}

fn is_left_out<'de, D: Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    Text::deserialize(deserializer).map(|kind| matches!(&*kind.0, "compaction" | "advisor_message"))
}

/// Reads a string; any other value is `None`.
fn text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    let text = Text::deserialize(deserializer)?;
    Ok((!text.is_empty()).then(|| text.0.into_owned()))
}

/// The breakdown of `output_tokens`.
#[derive(Debug, Clone, Copy, Default, Deserialize)]
struct Details {
    #[serde(default)]
    thinking_tokens: Tokens,
}

/// Cache writes by lifetime.
#[derive(Debug, Clone, Copy, Default, Deserialize)]
struct CacheCreation {
    #[serde(default)]
    ephemeral_1h_input_tokens: Tokens,
}

/// How often Anthropic's server tools were called.
#[derive(Debug, Clone, Copy, Default, Deserialize)]
struct ServerToolUse {
    #[serde(default)]
    web_search_requests: Tokens,
}

/// [`Details`] for writing.
#[derive(Debug, Serialize)]
struct DetailsOut {
    thinking_tokens: u64,
}

/// Reads only the usage of a response.
pub(super) fn of(body: &[u8]) -> Option<Usage> {
    usage_in::<UsageIn>(body).map(|usage| usage.inclusive())
}

impl UsageIn {
    /// Counters are cumulative over a stream: those present in `newer` replace ours.
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
        if newer.iterations.is_some() {
            self.iterations.clone_from(&newer.iterations);
        }
    }

    /// The counters of the request, and those of the model calls that they leave out.
    fn all(&self) -> impl Iterator<Item = Iteration> {
        let Self { input_tokens, cache_creation_input_tokens, cache_read_input_tokens, output_tokens, .. } = *self;
        let counted = Iteration {
            is_left_out: false,
            input_tokens,
            cache_creation_input_tokens,
            cache_read_input_tokens,
            output_tokens,
            cache_creation: self.cache_creation,
        };
        let iterations = self.iterations.iter().flat_map(|all| all.iter().copied());
        std::iter::once(counted).chain(iterations.filter(|one| one.is_left_out))
    }

    /// The billed extras besides tokens.
    pub(super) fn extras(&self) -> Extras {
        let hours = self.all().filter_map(|one| one.cache_creation?.ephemeral_1h_input_tokens.0);
        let mut extras = Extras {
            tier: self.service_tier.as_deref().and_then(Tier::read),
            hour_writes: hours.reduce(u64::saturating_add),
            ..Extras::default()
        };
        let searches = self.server_tool_use.and_then(|used| used.web_search_requests.0);
        extras.calls.add(Tool::WebSearch, searches.unwrap_or_default());
        extras
    }

    /// Converts to our inclusive counts.
    pub(super) fn inclusive(&self) -> Usage {
        let thought = self.output_tokens_details.and_then(|details| details.thinking_tokens.0);
        let mut sum = Usage { reasoning: thought.unwrap_or(0), ..Usage::default() };
        for one in self.all() {
            let add = |sum: &mut u64, count: Tokens| *sum = sum.saturating_add(count.0.unwrap_or(0));
            let inputs = [one.input_tokens, one.cache_read_input_tokens, one.cache_creation_input_tokens];
            inputs.into_iter().for_each(|count| add(&mut sum.input, count));
            add(&mut sum.cached, one.cache_read_input_tokens);
            add(&mut sum.cache_write, one.cache_creation_input_tokens);
            add(&mut sum.output, one.output_tokens);
        }
        sum
    }
}

/// `usage` for writing.
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
    /// Subtracts cache reads and writes from the input again.
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
