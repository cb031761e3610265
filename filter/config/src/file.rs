//! The gateway file's types, exactly as a person writes them in YAML; the filter receives the same as JSON.
//!
//! The JSON Schema that editors complete from is generated from these types.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use sluice_core::gateway::spec::{ForwardedHeader, Log, Reservation};
use sluice_core::keys::spec::Control;
use sluice_core::limits::spec::Match;
use sluice_core::provider::format::Format;
use sluice_core::provider::kind::Kind;
use sluice_core::routing::spec::{Delivery, Sticky, Strategy};
use sluice_core::store::dimension::Dimension;
use sluice_core::store::redis::settings::{Mode, Protocol, WhenDown};

mod availability;
mod cache;
mod capabilities;
mod credentials;
mod entrance;
mod guards;
mod memory;
mod routing;
mod timeouts;
mod tracing;

pub use availability::{Availability, Connections, HealthCheck, OutlierDetection};
pub use cache::{Cache, ModelCache};
pub use capabilities::Capabilities;
pub use credentials::{Aws, Entra, Google, TokenFile, WebIdentity};
pub use entrance::{Cors, Ready, ReadyRedis, Sds, Tls};
pub use guards::{Guard, GuardMatch};
pub use memory::Memory;
pub use routing::{Circuit, Day, Retry, Route, RouteMatch, Window};
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
    /// What prompts and answers must not have in them, by names of your choice.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub guards: BTreeMap<String, Guard>,
    /// What tokens cost, and what becomes of a model without a price.
    #[serde(default, skip_serializing_if = "is_default")]
    pub prices: Prices,
    /// What models can do, by provider and model, as in `openai/gpt-5-mini`; field by field over the table that comes with
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
    /// What the access log says of people and of what providers say.
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

/// A provider of models.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Provider {
    /// What it is: how it is spoken to, and where it is found.
    pub kind: Kind,
    /// Base URL with the version's path; defaults to the kind's public service, or to where such a server usually listens.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// On Azure: the version of its interface, such as `2024-10-21`, with which a deployment has its own path. Left out, or `v1`:
    /// the surface without versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub api_version: Option<String>,
    /// The formats it takes natively, where they are others than its kind's. What a client asks in one of them passes as it
    /// is; other requests are translated to the first that is about the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub speaks: Option<Vec<Format>>,
    /// Its credential; leave out for a server that wants none. Never reaches the filter.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<Secret>,
    /// In place of `key`: AWS' signatures. Never reaches the filter.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub aws: Option<Aws>,
    /// In place of `key`: Google's access tokens. Never reaches the filter.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub google: Option<Google>,
    /// In place of `key`: Microsoft Entra's access tokens. Never reaches the filter.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub entra: Option<Entra>,
    /// More of its keys. Requests take turns with all of them; one whose limit is used up, or that the provider refuses, is
    /// passed over until it is well again.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub keys: Vec<Secret>,
    /// Of several keys: for how long one is left alone that the provider has refused.
    #[serde(default = "default_key_rest", skip_serializing_if = "is_default_key_rest")]
    pub key_rest: String,
    /// How many keys it has, in what the filter gets: it is told nothing else of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(skip))]
    pub key_count: Option<usize>,
    /// Tells its Envoy clusters from those of its earlier definitions, where Envoy reads clusters from files while it runs. A
    /// provider that is changed gets new clusters: requests under way end on the ones they began with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(skip))]
    pub generation: Option<String>,
    /// Whether it accepts `stream_options`: set to false for an OpenAI-compatible server that refuses it.
    #[serde(default = "yes", skip_serializing_if = "is_true")]
    pub stream_usage: bool,
    /// Whose prices apply, as the price table names them: `openai`, `groq`, `mistral`... Known by itself for the public
    /// services; without it, models of other hosts have the prices that stand under `prices`, or none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prices: Option<String>,
    /// What this provider's account can take.
    #[serde(default, skip_serializing_if = "is_default")]
    pub limits: Limits,
    /// What Envoy does about its addresses that fail. Never reaches the filter.
    #[serde(default, skip_serializing_if = "is_default")]
    pub availability: Availability,
}

impl Provider {
    /// Its base URL, as written or its kind's; `None` where neither says.
    pub fn url(&self) -> Option<&str> {
        self.url.as_deref().or(self.kind.row().url)
    }

    /// Its keys, in order.
    pub fn secrets(&self) -> impl Iterator<Item = &Secret> {
        self.key.iter().chain(&self.keys)
    }

    /// How many keys it has.
    pub fn key_count(&self) -> usize {
        self.key_count.unwrap_or_else(|| self.secrets().count())
    }

    /// The Envoy clusters that reach it under its `name`, one for each key; without a key one too. The first has the provider's
    /// name, the others their key's number behind an `@`, which no provider's name has, and which is no end of a name in
    /// Envoy's statistics, as a dot is. A generation stands behind a `~`, which is in no name either.
    pub fn clusters(&self, name: &str) -> Vec<String> {
        let others = (2..=self.key_count()).map(|number| self.generation_of(&format!("{name}@{number}")));
        std::iter::once(self.cluster(name)).chain(others).collect()
    }

    /// The first of its clusters under its `name`: the only one, unless it has several keys.
    pub fn cluster(&self, name: &str) -> String {
        self.generation_of(name)
    }

    fn generation_of(&self, cluster: &str) -> String {
        match &self.generation {
            None => cluster.to_owned(),
            Some(generation) => format!("{cluster}~{generation}"),
        }
    }
}

fn default_key_rest() -> String {
    "5m".to_owned()
}

fn is_default_key_rest(rest: &String) -> bool {
    *rest == default_key_rest()
}

fn yes() -> bool {
    true
}

fn is_true(value: &bool) -> bool {
    *value
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

/// A team.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Team {
    /// For people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// What no request of its keys may ask for: fields of the top level of a body (`service_tier`, `background`), or tools by
    /// their types (`tools.web_search`). Nothing when left out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub forbid: Vec<String>,
    /// For all its keys together.
    #[serde(default, skip_serializing_if = "is_default")]
    pub limits: Limits,
    /// For all its keys together.
    #[serde(default, skip_serializing_if = "is_default")]
    pub budget: Budget,
}

/// An application, whichever teams' keys it uses.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct App {
    /// For people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// For all its keys together.
    #[serde(default, skip_serializing_if = "is_default")]
    pub limits: Limits,
    /// For all its keys together.
    #[serde(default, skip_serializing_if = "is_default")]
    pub budget: Budget,
}

/// A virtual key. The same, as JSON, is a key's record in Redis.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Key {
    /// Its public name, in logs and accounts.
    pub id: String,
    /// SHA-256 of the secret, 64 hexadecimal digits: `sluice keys new` prints it.
    pub sha256: String,
    /// One of `teams`.
    pub team: String,
    /// One of `apps`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub app: Option<String>,
    /// Who holds it, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    /// For people and reports.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// The models it may ask for; `*` stands for any text: `gpt-*`. All when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub models: Option<Vec<String>>,
    /// The paths it may call; `*` stands for any text: `/v1/chat/*`. All when left out, but for those of what a provider keeps:
    /// that may be called, and referred to in a body by its id, by keys only that name its path here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub endpoints: Option<Vec<String>>,
    /// What its requests may not ask for: fields of the top level of a body (`service_tier`, `background`), or tools by their
    /// types (`tools.web_search`). Nothing when left out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub forbid: Vec<String>,
    /// The addresses it may be used from: `10.0.0.0/8`, `2001:db8::/32`, `192.0.2.7`. All when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sources: Option<Vec<String>>,
    /// What its holder may decide for a request; nothing when left out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub control: Vec<Control>,
    /// When it ends, such as `2027-01-31T00:00:00Z` (RFC 3339); never when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<String>,
    /// Whether it was withdrawn: it is refused, and its name stays taken.
    #[serde(default, skip_serializing_if = "is_false")]
    pub revoked: bool,
    /// While it is being rotated: the secret before, which is valid too until the given time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous: Option<Previous>,
    /// For this key.
    #[serde(default, skip_serializing_if = "is_default")]
    pub limits: Limits,
    /// For this key.
    #[serde(default, skip_serializing_if = "is_default")]
    pub budget: Budget,
}

fn is_false(value: &bool) -> bool {
    !*value
}

/// The secret that a key had before it was rotated.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Previous {
    /// SHA-256 of that secret, 64 hexadecimal digits.
    pub sha256: String,
    /// Until when it is valid (RFC 3339).
    pub until: String,
}

/// What may be used; what is left out is not limited. Minutes slide; days are calendar days in UTC.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Requests in any minute.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub requests_per_minute: Option<u64>,
    /// Tokens in any minute, of prompts and answers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tokens_per_minute: Option<u64>,
    /// Tokens of prompts in any minute.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub input_tokens_per_minute: Option<u64>,
    /// Tokens of answers in any minute.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub output_tokens_per_minute: Option<u64>,
    /// Tokens in a day, of prompts and answers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tokens_per_day: Option<u64>,
    /// Requests at the same time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub concurrent_requests: Option<u64>,
    /// Tokens of one request: its prompt, by estimate, and the answer it asks for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_request_tokens: Option<u64>,
}

/// What may be spent, in US dollars: `0.5`, `20`; what is left out is not limited. Days and months are the calendar's, in UTC.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct Budget {
    /// In a day.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub daily: Option<f64>,
    /// In a month.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub monthly: Option<f64>,
    /// In all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub total: Option<f64>,
    /// Only warn, never refuse: in the header `x-sluice-budget`, in the log, and in a metric, at 80% and at 100%.
    #[serde(skip_serializing_if = "is_false")]
    pub soft: bool,
    /// When it is used up, serve this model instead of refusing; what that one costs counts, and is not stopped by this budget.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub then_model: Option<String>,
}

/// Limits on the requests that match, counted together or for each of something.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct LimitRule {
    /// Whose requests; everybody's when left out.
    #[serde(default, rename = "match", skip_serializing_if = "is_default")]
    pub matches: Match,
    /// Counted separately for each of these, such as `[key]`; all together when left out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub per: Vec<Dimension>,
    /// The limits.
    pub limits: Limits,
}

/// A budget for the requests that match, counted together or for each of something.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct BudgetRule {
    /// Whose requests; everybody's when left out.
    #[serde(default, rename = "match", skip_serializing_if = "is_default")]
    pub matches: Match,
    /// Counted separately for each of these, such as `[team, model]`; all together when left out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub per: Vec<Dimension>,
    /// The budget.
    pub budget: Budget,
}

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

/// Redis over HTTP: durable, and shared by all Envoys that name it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Redis {
    /// Where it answers HTTP, such as `http://127.0.0.1:7379`.
    pub url: String,
    /// What it speaks.
    #[serde(default)]
    pub protocol: Protocol,
    /// The bearer token it wants. Never reaches the filter.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<Secret>,
    /// How exact.
    #[serde(default)]
    pub mode: Mode,
    /// When it does not answer.
    #[serde(default)]
    pub when_down: WhenDown,
    /// How long to wait for it.
    #[serde(default = "default_redis_timeout")]
    pub timeout: String,
    /// In `relaxed` mode: how often counters are exchanged.
    #[serde(default = "default_sync")]
    pub sync: String,
    /// How long a key's record, or that there is none, is remembered: so long a change may take to be seen.
    #[serde(default = "default_key_cache")]
    pub key_cache: String,
    /// What the names of all its entries begin with.
    #[serde(default = "default_prefix")]
    pub prefix: String,
}

fn default_redis_timeout() -> String {
    "250ms".to_owned()
}

fn default_sync() -> String {
    "1s".to_owned()
}

fn default_key_cache() -> String {
    "5s".to_owned()
}

fn default_prefix() -> String {
    "sluice".to_owned()
}

/// The administration interface.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Admin {
    /// Where it listens: `address:port`.
    #[serde(default = "default_admin")]
    pub listen: String,
    /// SHA-256 of the administrator's key, 64 hexadecimal digits: `sluice keys new --admin` prints both.
    pub sha256: String,
    /// The certificate that it presents; plain HTTP when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<Tls>,
}

fn default_admin() -> String {
    "127.0.0.1:8081".to_owned()
}
