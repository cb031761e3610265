//! What models cost.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::is_default;

/// US dollars for a million tokens, unless said otherwise.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Price {
    /// Of prompts.
    pub input: f64,
    /// Of answers.
    pub output: f64,
    /// Of prompts, read from the provider's cache; as `input` when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cached_input: Option<f64>,
    /// Of prompts, written to the provider's cache; as `input` when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache_write: Option<f64>,
    /// Of prompts, written to a cache that keeps them for an hour; as `cache_write` when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache_write_1h: Option<f64>,
    /// Of reasoning; as `output` when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reasoning: Option<f64>,
    /// What tokens cost in other classes of service than the plain one.
    #[serde(default, skip_serializing_if = "is_default")]
    pub service_tiers: ServiceTiers,
    /// US dollars for one call of a tool that runs at the provider.
    #[serde(default, skip_serializing_if = "is_default")]
    pub per_call: PerCall,
    /// US dollars for one image: in a request, besides its tokens, or one that it asks to be made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub per_image: Option<f64>,
    /// US dollars for one request, besides its tokens.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub per_request: Option<f64>,
    /// The most tokens the model answers with: no more is ever reserved.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_output: Option<u64>,
}

/// The classes of service that have prices of their own; one that is left out has the plain ones.
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
    /// What is answered much later.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub batch: Option<TierPrice>,
}

/// US dollars for a million tokens in one class of service; what is left out is as in the plain one.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct TierPrice {
    /// Of prompts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub input: Option<f64>,
    /// Of answers; of reasoning too, where that has no price of its own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub output: Option<f64>,
    /// Of prompts, read from the provider's cache.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cached_input: Option<f64>,
    /// Of prompts, written to the provider's cache.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cache_write: Option<f64>,
}

/// US dollars for one call of each tool that runs at the provider; nothing when left out.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct PerCall {
    /// A search of the web.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub web_search: Option<f64>,
    /// A search of stored files.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file_search: Option<f64>,
    /// A session of a machine that runs what the model has written: one for an answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code_interpreter: Option<f64>,
    /// An image that the model has made while it answered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image_generation: Option<f64>,
}

/// What tokens cost.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct Prices {
    /// A table of prices over the one that comes with Sluice: a path, relative to this file's directory. Columns separated by
    /// tabs, as Sluice's own, or litellm's `model_prices_and_context_window.json`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// For models that have no price here or in the table that comes with Sluice; without it they are refused where a budget applies.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unpriced: Option<Price>,
    /// By provider and model, as in `openai/gpt-5-mini`: over the table's.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub models: BTreeMap<String, Price>,
}
