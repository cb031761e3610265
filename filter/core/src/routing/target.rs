//! Models and their targets.

use std::rc::Rc;

use sluice_wire::dialect::Client;

use crate::cache::Rule as CacheRule;
use crate::cache::semantic::Rule as SemanticRule;
use crate::keys::Forbidden;
use crate::provider::Provider;
use crate::usage::price::Price;

use super::capabilities::Capabilities;
use super::pattern::Pattern;
use super::policy::RoutingPolicy;
use super::target_health::TargetHealth;
use super::target_health::keys::Keys;

/// A model name that clients use.
#[derive(Debug, Clone)]
pub struct Model {
    /// The name, or the pattern of names. Limits and metrics count by it.
    pub name: String,
    /// The compiled pattern, if the name is one.
    pub pattern: Option<Pattern>,
    /// Fields and tools that requests for this model must not contain.
    pub forbid: Forbidden,
    /// The targets in the listed order. Never empty.
    pub targets: Vec<Rc<Target>>,
    /// The routing policy.
    pub policy: Rc<RoutingPolicy>,
    /// The cache rule; `None` if responses are not cached.
    pub cache: Option<CacheRule>,
    /// The rule of its semantic cache, if it has one.
    pub semantic: Option<SemanticRule>,
}

/// A model at a provider.
#[derive(Debug, Clone)]
pub struct Target {
    /// `provider/model`.
    pub name: String,
    /// The location of its shared health state.
    pub health: TargetHealth,
    /// Its provider's keys, if there are several.
    pub keys: Keys,
    /// The provider.
    pub provider: Rc<Provider>,
    /// The provider's name for the model.
    pub model: String,
    /// The pattern of the provider's model names, if `model` contains a wildcard. The wildcard must be filled before a request is sent.
    pub shape: Option<Pattern>,
    /// The pattern that `model` was filled into, for a target that was made from one.
    pub general: Option<Rc<str>>,
    /// The target's own price, or the default one. Without a price, no request with a budget may use this target.
    pub price: Option<Price>,
    /// The stated capabilities.
    pub capabilities: Capabilities,
    /// With `weighted`: how often it comes first, relative to the other targets.
    pub weight: u32,
    /// The quality tier; 1 is the best.
    pub tier: u32,
}

impl Target {
    /// The model's name in metrics: the pattern, if the client chose the name.
    pub fn metric_model(&self) -> &str {
        self.general.as_deref().unwrap_or(&self.model)
    }

    /// Whether the provider runs the hosted tools of the client's dialect: it speaks that dialect.
    pub fn has_hosted_tools(&self, client: &Client) -> bool {
        self.provider.format_for(client, &self.model).is_some_and(|format| format.bodies() == client.id())
    }
}
