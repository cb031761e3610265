//! The compiled configuration: validated and immutable. The crate that reads the gateway file builds it, once per worker.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::time::Duration;

use crate::cache::Bounds;
use crate::callout::Endpoint;
use crate::guard::Guard;
use crate::guard::judge::JudgeGuard;
use crate::guard::spec::Side;
use crate::key_hash::KeyHash;
use crate::keys::Forbidden;
use crate::keys::caller::Credential;
use crate::limits::{Index, Rule};
use crate::memory_limiter;
use crate::metrics;
use crate::routing::policy::RoutingPolicy;
use crate::routing::spec::Delivery;
use crate::routing::target::{Model, Target};
use crate::routing::target_health::circuit::Settings;
use crate::routing::timeouts::Timeouts;
use crate::store::redis::settings::Redis;
use crate::trace;

pub mod names;
pub mod record;
pub mod spec;

pub use names::{Found, Names};
use spec::{ForwardedHeader, Log, Reservation};

/// A validated configuration, built once per worker. Requests hold parts of it by reference count, so that a new configuration never
/// affects a request in flight.
#[derive(Debug)]
pub struct CompiledConfig {
    /// Credentials by the hash of their key.
    pub keys: BTreeMap<KeyHash, Credential>,
    /// Models by name or pattern; [`CompiledConfig::find`] resolves a requested name.
    pub models: BTreeMap<String, Rc<Model>>,
    /// Aliases and patterns.
    pub names: Names,
    /// Every target as a model of its own, by `provider/model`, for callers that may choose targets.
    pub direct: BTreeMap<String, Rc<Model>>,
    /// Request headers, in lower case, that routing policies read.
    pub watched_headers: Vec<String>,
    /// The provider that stores files, batches and responses, as an unnamed model with one target.
    pub stored: Option<Rc<Model>>,
    /// Teams that keys may belong to.
    pub teams: BTreeSet<String>,
    /// Fields and tools forbidden to a team's keys. Only has teams that forbid something.
    pub forbid: BTreeMap<String, Forbidden>,
    /// Applications that keys may name.
    pub apps: BTreeSet<String>,
    /// Limits and budgets of teams, apps, models, providers and combinations; those of a single key are in its caller.
    pub rules: Vec<Rc<Rule>>,
    /// `rules`, indexed by caller and model.
    pub index: Index,
    /// Guardrails on prompts and responses.
    pub guards: Vec<Rc<Guard>>,
    /// Guardrails whose texts a judge judges.
    pub judges: Vec<Rc<JudgeGuard>>,
    /// Amounts reserved before the response is known.
    pub reservation: Reservation,
    /// Redis, if it stores counters and keys besides Envoy's memory.
    pub redis: Option<Redis>,
    /// Hash of the administrator's key.
    pub admin: Option<KeyHash>,
    /// The options of traces, if there are traces.
    pub tracing: Option<trace::Settings>,
    /// Client addresses and provider messages in the access log.
    pub log: Log,
    /// Client headers that are forwarded to providers besides the required ones.
    pub forward_headers: Vec<ForwardedHeader>,
    /// Size limits of the response cache.
    pub cache: Bounds,
    /// Memory bounds of a worker's requests and responses.
    pub memory: memory_limiter::Bounds,
    /// Options of the metrics.
    pub metrics: metrics::Settings,
    /// Where alerts are sent.
    pub alerts: Option<Endpoint>,
    /// When a target's circuit opens.
    pub circuit: Settings,
    /// Timeouts of requests.
    pub timeouts: Timeouts,
    /// Whether this instance reports ready only while Redis responds.
    pub ready_needs_redis: bool,
    /// Parses keys that are stored outside of the gateway file.
    pub read_key: record::ReadKey,
    /// Its version and the last reload, if the gateway file can change at runtime.
    pub status: Option<metrics::ConfigStatus>,
    /// Since when this configuration is active, in seconds since 1970, if known.
    pub since: Option<u64>,
    /// Whether the gateway shuts down: it ends all requests and rejects new ones.
    pub shuts_down: bool,
}

impl CompiledConfig {
    /// All targets. A target of several models occurs more than once.
    pub fn targets(&self) -> impl Iterator<Item = &Rc<Target>> {
        let stored = self.stored.iter().flat_map(|model| &model.targets);
        self.models.values().flat_map(|model| &model.targets).chain(stored)
    }

    /// Its work that belongs to no request.
    pub fn background(&self) -> metrics::Background {
        metrics::Background {
            redis: self.redis.clone(),
            shared_cache: self.cache.shared.is_some(),
            export: self.metrics.export.clone(),
            alerts: self.alerts.clone(),
            key_label: self.metrics.key_label,
        }
    }

    /// The shortest time after which a stream counts as idle.
    pub fn shortest_silence(&self) -> Duration {
        let answers_are_checked = self.guards.iter().any(|guard| guard.sides.contains(&Side::Answers));
        let held = |way: &RoutingPolicy| match way.delivery {
            Delivery::Stream if !answers_are_checked && !way.checks_formats() => way.timeouts.idle.plain,
            _ => way.timeouts.idle.plain.min(way.timeouts.first_token.plain),
        };
        self.models.values().map(|model| held(&model.policy)).fold(self.timeouts.idle.plain, Duration::min)
    }
}
