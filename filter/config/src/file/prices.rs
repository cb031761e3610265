//! Model prices.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::is_default;

/// Prices of a model, in US dollars per million tokens unless stated otherwise.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Price {
    /// Input tokens.
    pub input: f64,
    /// Output tokens.
    pub output: f64,
    /// Input tokens read from the provider's cache. Default: `input`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cached_input: Option<f64>,
    /// Input tokens written to the provider's cache. Default: `input`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache_write: Option<f64>,
    /// Input tokens written to a cache that lasts an hour. Default: `cache_write`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache_write_1h: Option<f64>,
    /// Reasoning tokens. Default: `output`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reasoning: Option<f64>,
    /// Token prices in other service tiers than the standard one.
    #[serde(default, skip_serializing_if = "is_default")]
    pub service_tiers: ServiceTiers,
    /// US dollars per call of a tool that the provider runs.
    #[serde(default, skip_serializing_if = "is_default")]
    pub per_call: PerCall,
    /// US dollars per image: in a request, in addition to its tokens, or generated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub per_image: Option<f64>,
    /// US dollars per request, in addition to its tokens.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub per_request: Option<f64>,
    /// The maximum number of output tokens of the model. A reservation is never larger.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_output: Option<u64>,
}

/// Service tiers with their own prices. A tier that is omitted has the standard prices.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct ServiceTiers {
    /// `service_tier: priority`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub priority: Option<TierPrice>,
    /// `service_tier: flex`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub flex: Option<TierPrice>,
    /// Requests that are processed later, in batches.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub batch: Option<TierPrice>,
}

/// US dollars per million tokens in one service tier. A price that is omitted is the standard one; if that is omitted too, a price of the
/// cache is the tier's price of input.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct TierPrice {
    /// Input tokens.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub input: Option<f64>,
    /// Output tokens; also reasoning tokens, unless they have their own price.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub output: Option<f64>,
    /// Input tokens read from the provider's cache.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cached_input: Option<f64>,
    /// Input tokens written to the provider's cache.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cache_write: Option<f64>,
}

/// US dollars per call of each tool that the provider runs. A tool that is omitted is free.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct PerCall {
    /// A web search.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub web_search: Option<f64>,
    /// A search of stored files.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file_search: Option<f64>,
    /// A code interpreter session, which runs code that the model wrote. Billed once per response.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code_interpreter: Option<f64>,
    /// An image that the model generated as a tool call in its response.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image_generation: Option<f64>,
}

/// The prices of models.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct Prices {
    /// A price table that overrides the one that ships with Sluice: a path relative to the gateway file's directory. Either tab-separated
    /// like Sluice's own table, or LiteLLM's `model_prices_and_context_window.json`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// The price of models that have none here or in the table that ships with Sluice. Without it, such models are rejected where a budget
    /// applies.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unpriced: Option<Price>,
    /// Prices by provider and model, such as `openai/gpt-5-mini`. They override the table.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub models: BTreeMap<String, Price>,
}
