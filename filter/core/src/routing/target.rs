//! A name that clients ask for, and where it is served.

use std::rc::Rc;

use sluice_wire::dialect::Client;

use crate::cache::Rule as CacheRule;
use crate::keys::Forbidden;
use crate::provider::Provider;
use crate::usage::price::Price;

use super::capabilities::Capabilities;
use super::pattern::Pattern;
use super::policy::RoutingPolicy;
use super::target_health::Cells;
use super::target_health::keys::Keys;

/// A name that clients ask for.
#[derive(Debug, Clone)]
pub struct Model {
    /// The name, or the pattern of names: everything is counted by it.
    pub name: String,
    /// Where the name is a pattern.
    pub pattern: Option<Pattern>,
    /// What no request for it may ask for.
    pub forbid: Forbidden,
    /// Where it is served, as listed. Never empty.
    pub targets: Vec<Rc<Target>>,
    /// How a request finds its target among them.
    pub way: Rc<RoutingPolicy>,
    /// How its answers are kept; `None` is not at all.
    pub cache: Option<CacheRule>,
}

/// One provider's model.
#[derive(Debug, Clone)]
pub struct Target {
    /// `provider/model`.
    pub name: String,
    /// Where all workers keep what they know of it.
    pub cells: Cells,
    /// Its provider's keys, where there are several.
    pub keys: Keys,
    /// Who serves.
    pub provider: Rc<Provider>,
    /// The provider's own name for the model.
    pub model: String,
    /// Of a pattern's target whose own name has a star: what it asks for. No request goes there before it is filled.
    pub shape: Option<Pattern>,
    /// What it costs, by its own price or by the one for all that have none. Without either a request that a budget counts
    /// must not go there.
    pub price: Option<Price>,
    /// What it can do, as far as anybody said.
    pub capabilities: Capabilities,
    /// For `weighted`: how often it is first, in proportion to the others.
    pub weight: u32,
    /// How good it is: 1 is the best.
    pub tier: u32,
}

impl Target {
    /// Whether the tools that run at providers of the client's format run here: it is asked in that format.
    pub fn has_hosted_tools(&self, client: &Client) -> bool {
        self.provider.format_for(client, &self.model).is_some_and(|format| format.bodies() == client.id())
    }
}
