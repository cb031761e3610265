//! The gateway file's types, exactly as written in YAML. The filter receives the same structure as JSON.
//!
//! A field that the filter never receives does not exist under wasm32, where it and its checks would only make the module larger.
//!
//! The JSON Schema for editors is generated from these types.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use sluice_core::compiled::spec::{ForwardedHeader, Reservation};

mod availability;
mod cache;
mod capabilities;
mod credentials;
mod downstream;
mod guards;
mod judges;
mod keys;
mod limits;
mod log;
mod memory;
mod metrics;
mod models;
mod prices;
mod providers;
mod redis;
mod routing;
mod timeouts;
mod tracing;

pub use availability::{Availability, Connections, HealthCheck, OutlierDetection};
pub use cache::{Cache, ModelCache, Semantic};
pub use capabilities::Capabilities;
pub use credentials::{Aws, Credentials, Entra, Google, TokenFile, WebIdentity};
pub use downstream::{Cors, Ready, ReadyRedis, Sds, Tls};
pub use guards::{Guard, GuardMatch};
pub use judges::{GuardJudge, Judge, Judges};
pub use keys::{Admin, App, Key, Previous, Team};
pub use limits::{Budget, BudgetRule, LimitRule, Limits};
pub use log::{Log, Otlp};
pub use memory::Memory;
pub use metrics::{Alerts, Background, Metrics, MetricsExport};
pub use models::{Answers, Model, SchemaText, Target};
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
    /// The address that accepts client connections, as `address:port`.
    #[serde(default = "default_listen")]
    pub listen: String,
    /// The TLS certificate that the gateway presents to clients. Default: none, plain HTTP.
    #[cfg(not(target_arch = "wasm32"))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<Tls>,
    /// CORS: the web pages that may call the gateway from a browser. Default: none.
    #[cfg(not(target_arch = "wasm32"))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cors: Option<Cors>,
    /// When `/ready` reports that this instance can receive requests.
    #[serde(default, skip_serializing_if = "is_default")]
    pub ready: Ready,
    /// The providers that serve models, each under a name of your choice.
    pub providers: BTreeMap<String, Provider>,
    /// The model names that clients request. `*` in a name matches any text: `claude-*`. If several names match, the one with the longest
    /// text before its star is used.
    pub models: BTreeMap<String, Model>,
    /// Aliases: the name that clients request, and the model it maps to. If both have a star, it carries over the matched text:
    /// `"claude-*[1m]": "claude-*"`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub aliases: BTreeMap<String, String>,
    /// The teams that own keys.
    pub teams: BTreeMap<String, Team>,
    /// The virtual keys that clients present.
    pub keys: Vec<Key>,
    /// Applications that keys can reference, to limit and bill each one separately.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub apps: BTreeMap<String, App>,
    /// The provider, one of `providers`, that stores files, batches and responses for clients: `/v1/files`, `/v1/batches`,
    /// `/v1/responses/{id}`. All keys whose `endpoints` name such a path share the stored objects. Default: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stored: Option<String>,
    /// Rate limits on combinations. Limits of a single team, key, app, model or provider belong in its own entry.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub limits: Vec<LimitRule>,
    /// Budgets on combinations. Budgets of a single team, key, app or model belong in its own entry.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub budgets: Vec<BudgetRule>,
    /// Guardrails for prompts and responses, each under a name of your choice.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub guards: BTreeMap<String, Guard>,
    /// Services that judge texts for guardrails, each under a name of your choice.
    #[serde(default, skip_serializing_if = "Judges::is_empty")]
    pub judges: Judges,
    /// Token prices, and the price of models that have none.
    #[serde(default, skip_serializing_if = "is_default")]
    pub prices: Prices,
    /// Model capabilities by provider and model, such as `openai/gpt-5-mini`. Each field overrides the table that ships with Sluice. A
    /// request is never sent to a target that is known to lack a capability it needs. Exception: a prompt that is estimated to
    /// exceed every `max_input` goes to the targets with the highest one.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub capabilities: BTreeMap<String, Capabilities>,
    /// How many tokens are reserved before the response is known.
    #[serde(default, skip_serializing_if = "is_default")]
    pub reservation: Reservation,
    /// Redis, which stores counters and keys. Default: none: counters are in Envoy's memory, and keys in this
    /// file only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub redis: Option<Redis>,
    /// The administration API. Default: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub admin: Option<Admin>,
    /// Where traces are exported. Default: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tracing: Option<Tracing>,
    /// Metrics: their limit, their labels, and who may read them.
    #[serde(default, skip_serializing_if = "is_default")]
    pub metrics: Metrics,
    /// A webhook for budgets that pass 80% and 100%. Default: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alerts: Option<Alerts>,
    /// The access log: how much it contains of client addresses and of providers' error messages, and where it goes.
    #[serde(default, skip_serializing_if = "is_default")]
    pub log: Log,
    /// Client headers to forward to providers, in addition to the ones they need.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub forward_headers: Vec<ForwardedHeader>,
    /// Memory for cached responses in each Envoy, for the models that have a `cache`.
    #[serde(default, skip_serializing_if = "is_default")]
    pub cache: Cache,
    /// Memory for requests and responses in each Envoy worker.
    #[serde(default, skip_serializing_if = "is_default")]
    pub memory: Memory,
    /// When the circuit breaker of a target opens.
    #[serde(default, skip_serializing_if = "is_default")]
    pub circuit: Circuit,
    /// Timeouts: one map of times, or the preset `fast`, which gives up early.
    #[serde(default, deserialize_with = "timeouts::read")]
    #[cfg_attr(feature = "schema", schemars(with = "timeouts::Written"))]
    pub timeouts: Timeouts,
}

impl File {
    /// Replaces each target `*` with the model's name, for models whose name has no star.
    pub fn name_targets(&mut self) {
        for (name, model) in self.models.iter_mut().filter(|(name, _)| !name.contains('*')) {
            for target in model.targets.iter_mut().filter(|target| target.model == "*") {
                target.model.clone_from(name);
            }
        }
    }
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

fn default_listen() -> String {
    "127.0.0.1:8080".to_owned()
}

/// Where a secret is read from: exactly one of `env` and `file`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Secret {
    /// The environment variable of the `sluice` command that holds the secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub env: Option<String>,
    /// The file that holds the secret and nothing else.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
}

fn is_false(value: &bool) -> bool {
    !*value
}
