//! The names that clients ask for, and the targets that serve them.

use serde::{Deserialize, Serialize};
use sluice_core::routing::spec::{Delivery, Sticky, Strategy};

use super::{Budget, Limits, ModelCache, ModelTimeouts, Retry, Route, is_default};

/// A name that clients ask for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Model {
    /// Where it is served.
    pub targets: Vec<Target>,
    /// In which order targets are asked.
    #[serde(default, skip_serializing_if = "is_default")]
    pub strategy: Strategy,
    /// For `weighted`: what keeps requests together.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sticky: Option<Sticky>,
    /// Other ways for some requests: the first that matches.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub routes: Vec<Route>,
    /// Whether a request may fall to a target of a lower tier.
    #[serde(default, skip_serializing_if = "is_default")]
    pub allow_lower_tier: bool,
    /// How much of a streamed answer must be there before the client sees any of it.
    #[serde(default, skip_serializing_if = "is_default")]
    pub delivery: Delivery,
    /// Whether an answer that was asked for by a JSON schema, or as a JSON object, is checked before anybody sees it. One that is
    /// none is asked for elsewhere (`retry.on: invalid_structured_output`). It is held back until all of it is there.
    #[serde(default, skip_serializing_if = "is_default")]
    pub check_structured_output: bool,
    /// When a request is tried again.
    #[serde(default, skip_serializing_if = "is_default")]
    pub retry: Retry,
    /// How long to wait, where that differs from the gateway's `timeouts`.
    #[serde(default, skip_serializing_if = "is_default")]
    pub timeouts: ModelTimeouts,
    /// Answers that are given again to the same request; none when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache: Option<ModelCache>,
    /// What no request for this name may ask for: fields of the top level of a body (`service_tier`, `background`), or tools by
    /// their types (`tools.web_search`). Nothing when left out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub forbid: Vec<String>,
    /// For all who ask for this name together.
    #[serde(default, skip_serializing_if = "is_default")]
    pub limits: Limits,
    /// For all who ask for this name together.
    #[serde(default, skip_serializing_if = "is_default")]
    pub budget: Budget,
}

/// One provider's model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Target {
    /// One of `providers`.
    pub provider: String,
    /// The provider's own name for the model. `*` is the name that was asked for; of a model whose name has a star, text around
    /// it keeps what that stands for: `anthropic.claude-*`.
    pub model: String,
    /// For `weighted`: how often it is first, in proportion to the others; 0 is never, unless the others fail.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub weight: u32,
    /// How good it is: 1 is the best. A request falls to a lower tier, which has a higher number, only with `allow_lower_tier`.
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
    /// Its name among the prices: `openai/gpt-5-mini`. A provider's name has no slash, a model's may.
    pub fn price_name(&self) -> String {
        format!("{}/{}", self.provider, self.model)
    }
}
