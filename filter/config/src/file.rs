//! The gateway file's types, exactly as a person writes them in YAML; the filter receives the same as JSON.
//!
//! The JSON Schema that editors complete from is generated from these types.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use sluice_core::gateway::spec::{ForwardedHeader, Log, Reservation};

mod availability;
mod cache;
mod capabilities;
mod credentials;
mod entrance;
mod guards;
mod keys;
mod limits;
mod memory;
mod models;
mod prices;
mod providers;
mod redis;
mod routing;
mod timeouts;
mod tracing;

pub use availability::{Availability, Connections, HealthCheck, OutlierDetection};
pub use cache::{Cache, ModelCache};
pub use capabilities::Capabilities;
pub use credentials::{Aws, Entra, Google, TokenFile, WebIdentity};
pub use entrance::{Cors, Ready, ReadyRedis, Sds, Tls};
pub use guards::{Guard, GuardMatch};
pub use keys::{Admin, App, Key, Previous, Team};
pub use limits::{Budget, BudgetRule, LimitRule, Limits};
pub use memory::Memory;
pub use models::{Model, Target};
pub use prices::{PerCall, Price, Prices, ServiceTiers, TierPrice};
pub use providers::Provider;
pub use redis::Redis;
pub use routing::{Circuit, Day, Retry, Route, RouteMatch, TimeWindow};
pub use timeouts::{ModelTimeouts, Timeouts};
pub use tracing::Tracing;

/// The gateway file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct File {
    /// Where clients connect: `address:port`.
    #[serde(default = "default_listen")]
    pub listen: String,
    /// The certificate that the gateway presents to clients; plain HTTP when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<Tls>,
    /// The web pages that may call the gateway from a browser; none when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cors: Option<Cors>,
    /// When `/ready` says that this instance should be sent requests.
    #[serde(default, skip_serializing_if = "is_default")]
    pub ready: Ready,
    /// Who serves models, by a name of your choice.
    pub providers: BTreeMap<String, Provider>,
    /// The names clients ask for. `*` in a name stands for any text: `claude-*`; of several that fit, the one with more text before
    /// its star serves.
    pub models: BTreeMap<String, Model>,
    /// Other names for models: what clients ask for, and the name of a model that is meant. With a star in both, what it stands for
    /// in one stands in the other: `"claude-*[1m]": "claude-*"`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub aliases: BTreeMap<String, String>,
    /// Who answers for keys.
    pub teams: BTreeMap<String, Team>,
    /// The virtual keys that clients present.
    pub keys: Vec<Key>,
    /// Applications that keys may name, so that they can be limited and billed by themselves.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub apps: BTreeMap<String, App>,
    /// One of `providers`, which keeps files, batches and stored responses for clients: `/v1/files`, `/v1/batches`,
    /// `/v1/responses/{id}`. What it keeps is shared by all keys whose `endpoints` name such a path. Nobody when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stored: Option<String>,
    /// Limits on combinations; those of one team, key, app, model or provider can stand there.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub limits: Vec<LimitRule>,
    /// Budgets on combinations; those of one team, key, app or model can stand there.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub budgets: Vec<BudgetRule>,
    /// Guardrails for prompts and answers, by names of your choice.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub guards: BTreeMap<String, Guard>,
    /// Prices of tokens, and of models without a price of their own.
    #[serde(default, skip_serializing_if = "is_default")]
    pub prices: Prices,
    /// Capabilities of models, by provider and model, as in `openai/gpt-5-mini`; field by field over the table that comes with
    /// Sluice. A request never goes where what it needs is stated to be missing.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub capabilities: BTreeMap<String, Capabilities>,
    /// How much is reserved before the answer is known.
    #[serde(default, skip_serializing_if = "is_default")]
    pub reservation: Reservation,
    /// Where counters and keys are kept; in Envoy's memory when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub redis: Option<Redis>,
    /// The administration interface; none when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub admin: Option<Admin>,
    /// Where traces go; nowhere when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tracing: Option<Tracing>,
    /// How much the access log says of clients, and of providers' messages.
    #[serde(default, skip_serializing_if = "is_default")]
    pub log: Log,
    /// Headers of clients that providers see besides those that they need.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub forward_headers: Vec<ForwardedHeader>,
    /// How much memory of an Envoy the answers that are given again may take, of the models that have a `cache`.
    #[serde(default, skip_serializing_if = "is_default")]
    pub cache: Cache,
    /// How much memory each worker of Envoy uses for requests and answers.
    #[serde(default, skip_serializing_if = "is_default")]
    pub memory: Memory,
    /// When a target counts as broken.
    #[serde(default, skip_serializing_if = "is_default")]
    pub circuit: Circuit,
    /// How long to wait; `fast` gives up soon.
    #[serde(default, deserialize_with = "timeouts::read")]
    #[cfg_attr(feature = "schema", schemars(with = "timeouts::Written"))]
    pub timeouts: Timeouts,
}

impl File {
    /// The same with names in place of stars, where only one name can be meant: a target `*` of a model whose name has no star.
    pub fn with_names(&self) -> Cow<'_, Self> {
        let is_plain = |name: &str| !name.contains('*');
        let stars = |model: &Model| model.targets.iter().any(|target| target.model == "*");
        if !self.models.iter().any(|(name, model)| is_plain(name) && stars(model)) {
            return Cow::Borrowed(self);
        }
        let mut file = self.clone();
        for (name, model) in file.models.iter_mut().filter(|(name, _)| is_plain(name)) {
            for target in model.targets.iter_mut().filter(|target| target.model == "*") {
                target.model.clone_from(name);
            }
        }
        Cow::Owned(file)
    }
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

fn default_listen() -> String {
    "127.0.0.1:8080".to_owned()
}

/// Where a secret is read from: exactly one of the two.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Secret {
    /// An environment variable of the `sluice` command.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub env: Option<String>,
    /// A file that holds the secret and nothing else.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
}

fn is_false(value: &bool) -> bool {
    !*value
}
