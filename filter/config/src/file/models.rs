//! The model names that clients request, and the targets that serve them.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use sluice_core::routing::spec::{Delivery, PromptCache, Sticky, Strategy};

use super::{Budget, Limits, ModelCache, ModelTimeouts, Retry, Route, is_default};

/// A model name that clients request.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Model {
    /// The targets that serve the model.
    pub targets: Vec<Target>,
    /// How the targets are ordered. Default: `fallback`.
    #[serde(default, skip_serializing_if = "is_default")]
    pub strategy: Strategy,
    /// Keeps related requests on the same target. Default: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sticky: Option<Sticky>,
    /// Whether the gateway makes use of the provider's prompt cache, where the client does not do so itself. Default: `off`.
    #[serde(default, skip_serializing_if = "is_default")]
    pub prompt_cache: PromptCache,
    /// Routing rules for some requests. The first one that matches applies.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub routes: Vec<Route>,
    /// Whether a request may fall back to a target of a lower tier. Default: `false`.
    #[serde(default, skip_serializing_if = "is_default")]
    pub allow_lower_tier: bool,
    /// How much of a streamed response must arrive before the client receives any of it. Default: `stream`.
    #[serde(default, skip_serializing_if = "is_default")]
    pub delivery: Delivery,
    /// Whether to validate responses to requests for JSON, by a schema or as an object, before the client receives them. An invalid
    /// response is retried at another target (`retry.on: invalid_structured_output`). The response is held back until it is complete.
    /// Default: `false`.
    #[serde(default, skip_serializing_if = "is_default")]
    pub check_structured_output: bool,
    /// Requirements for every response. Default: none.
    #[serde(default, skip_serializing_if = "is_default")]
    pub answers: Answers,
    /// When a request is retried.
    #[serde(default, skip_serializing_if = "is_default")]
    pub retry: Retry,
    /// Timeouts that override the gateway's `timeouts`.
    #[serde(default, skip_serializing_if = "is_default")]
    pub timeouts: ModelTimeouts,
    /// Caches responses for repeated requests. Default: no cache.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache: Option<ModelCache>,
    /// Features that requests for this model may not use: top-level body fields (`service_tier`, `background`), or tools by type
    /// (`tools.web_search`). Default: none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub forbid: Vec<String>,
    /// Rate limits for all requests for this model together.
    #[serde(default, skip_serializing_if = "is_default")]
    pub limits: Limits,
    /// The budget of all requests for this model together.
    #[serde(default, skip_serializing_if = "is_default")]
    pub budget: Budget,
}

/// Requirements for every response of a model.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct Answers {
    /// A JSON Schema (draft 2020-12 or 7) for the text of every response, checked as by `check_structured_output`, whatever the client
    /// asks for. Responses that call tools, are refused or are cut off are not checked.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<serde_json::Value>"))]
    pub schema: Option<SchemaText>,
}

/// A JSON Schema as it is written.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SchemaText(Box<RawValue>);

impl SchemaText {
    /// Its JSON.
    pub fn as_str(&self) -> &str {
        self.0.get()
    }
}

impl PartialEq for SchemaText {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}

/// A model at one provider.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Target {
    /// The provider, one of `providers`.
    pub provider: String,
    /// The provider's own name for the model. `*` is the requested name. If the model's name has a star, `*` within other text is the part
    /// that the star matched: `anthropic.claude-*`.
    pub model: String,
    /// For `weighted`: the share of requests that try this target first, relative to the other weights. 0 means only as a fallback. From 0
    /// to 1000000, default 1.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub weight: u32,
    /// The quality tier; 1 is the best. A request falls back to a lower tier, which has a higher number, only with `allow_lower_tier`. From
    /// 1 to 100, default 1.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub tier: u32,
}

fn one() -> u32 {
    1
}

fn is_one(value: &u32) -> bool {
    *value == 1
}

impl Target {
    /// The target's name in the price table: `openai/gpt-5-mini`. A provider's name has no slash, a model's may.
    pub fn price_name(&self) -> String {
        format!("{}/{}", self.provider, self.model)
    }
}
