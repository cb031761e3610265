//! The compiled configuration: checked, immutable, and made once per worker. Whoever reads what a person wrote makes it.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::time::Duration;

use crate::cache::Bounds;
use crate::gate;
use crate::guard::Guard;
use crate::guard::spec::Side;
use crate::key_hash::KeyHash;
use crate::keys::Forbidden;
use crate::keys::caller::Credential;
use crate::limits::{Index, Rule};
use crate::routing::policy::RoutingPolicy;
use crate::routing::spec::Delivery;
use crate::routing::target::{Model, Target};
use crate::routing::target_health::circuit::Settings;
use crate::routing::timeouts::Timeouts;
use crate::store::redis::settings::Redis;

pub mod names;
pub mod record;
pub mod spec;

pub use names::{Found, Names};
use spec::{ForwardedHeader, Log, Reservation};

/// A checked configuration, made once per worker; exchanges hold parts of it by reference count, so that a changed
/// configuration never touches a request under way.
#[derive(Debug)]
pub struct Gateway {
    /// Who may call, by the hash of their key.
    pub keys: BTreeMap<KeyHash, Credential>,
    /// What they may ask for, by its name or its pattern: [`Gateway::find`] knows which one is meant.
    pub models: BTreeMap<String, Rc<Model>>,
    /// Aliases and patterns.
    pub names: Names,
    /// Every target by itself, by `provider/model`: for callers who may choose targets.
    pub direct: BTreeMap<String, Rc<Model>>,
    /// The headers, in lower case, that the ways of models ask about.
    pub watched_headers: Vec<String>,
    /// Who keeps files, batches and stored responses, as a model of one target without a name.
    pub stored: Option<Rc<Model>>,
    /// Who answers for keys.
    pub teams: BTreeSet<String>,
    /// What no request of a team's keys may ask for; of teams of which that is something.
    pub forbid: BTreeMap<String, Forbidden>,
    /// The applications that keys may name.
    pub apps: BTreeSet<String>,
    /// Limits and budgets of teams, apps, models, providers and combinations; those of a single key are its caller's.
    pub rules: Vec<Rc<Rule>>,
    /// The same, so that those for a caller or a model are found without looking at all of them.
    pub index: Index,
    /// What prompts and answers must not have in them.
    pub guards: Vec<Rc<Guard>>,
    /// How much is reserved before the answer is known.
    pub reservation: Reservation,
    /// Where counters and keys are kept besides Envoy's memory.
    pub redis: Option<Redis>,
    /// The hash of the administrator's key.
    pub admin: Option<KeyHash>,
    /// Whether Envoy traces requests.
    pub tracing: bool,
    /// What the access log says of people and of what providers say.
    pub log: Log,
    /// Headers of clients that providers see besides those that they need.
    pub forward_headers: Vec<ForwardedHeader>,
    /// How many answers may be kept.
    pub cache: Bounds,
    /// How many bytes of requests and answers a worker holds.
    pub memory: gate::Bounds,
    /// When a target counts as broken.
    pub circuit: Settings,
    /// How long to wait.
    pub timeouts: Timeouts,
    /// Whether this instance should be sent requests only while Redis answers.
    pub ready_needs_redis: bool,
    /// Reads the keys that are kept elsewhere.
    pub read_key: record::ReadKey,
    /// Since when all of this is in force, in seconds since 1970, where that is known.
    pub since: Option<u64>,
}

impl Gateway {
    /// All targets, those of several models more than once.
    pub fn targets(&self) -> impl Iterator<Item = &Rc<Target>> {
        let stored = self.stored.iter().flat_map(|model| &model.targets);
        self.models.values().flat_map(|model| &model.targets).chain(stored)
    }

    /// The shortest time after which a stream counts as silent.
    pub fn shortest_silence(&self) -> Duration {
        let answers_are_checked = self.guards.iter().any(|guard| guard.sides.contains(&Side::Answers));
        let held = |way: &RoutingPolicy| match way.delivery {
            Delivery::Stream if !answers_are_checked && !way.check_structured_output => way.timeouts.idle.plain,
            _ => way.timeouts.idle.plain.min(way.timeouts.first_token.plain),
        };
        self.models.values().map(|model| held(&model.way)).fold(self.timeouts.idle.plain, Duration::min)
    }
}
