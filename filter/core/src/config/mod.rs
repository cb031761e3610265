//! The gateway's configuration in two stages: [`file`] is what a person wrote, [`Gateway`] is what runs.
//!
//! There is one validator, [`Gateway::compile`]; the `sluice` command and the filter both go through it, so what `sluice
//! check` accepts is what the filter loads. It reports every mistake, not the first.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::time::Duration;

use sluice_wire::dialect::openai_chat::OpenAiChat;
use sluice_wire::dialect::openai_chat::variations::NO_STREAM_OPTIONS;
use sluice_wire::dialect::quirk::Quirk;
use sluice_wire::dialect::{Content, Dialect};

use crate::cache::{Bounds, Rule as CacheRule};
use crate::gate;
use crate::guard::Guard;
use crate::keys::{Cidr, Forbidden, Glob};
use crate::limits::{Applied, Index, Rule};
use crate::routing::capabilities::Capabilities;
use crate::routing::cells::Cells;
use crate::routing::cells::circuit::Settings;
use crate::routing::cells::keys::Keys;
use crate::routing::way::Way;
use crate::usage::price::Price;

mod check;
pub mod file;
pub mod format;
pub mod kind;
pub mod layout;
pub mod mistake;
mod names;
pub mod patience;
pub mod pattern;
pub mod plugin;
pub mod size;
pub mod suggest;
pub mod url;

pub use check::is_public_name;
pub use mistake::Mistake;
pub use names::{Found, Names};

use layout::Layout;
use patience::Patience;
use pattern::Pattern;

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
    pub reservation: file::Reservation,
    /// Where counters and keys are kept besides Envoy's memory.
    pub redis: Option<Redis>,
    /// The hash of the administrator's key.
    pub admin: Option<KeyHash>,
    /// Whether Envoy traces requests.
    pub tracing: bool,
    /// What the access log says of people and of what providers say.
    pub log: file::Log,
    /// Headers of clients that providers see besides those that they need.
    pub forward_headers: Vec<file::ForwardedHeader>,
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
    /// Since when all of this is in force, in seconds since 1970, where that is known.
    pub since: Option<u64>,
}

impl Gateway {
    /// Checks a gateway file and compiles it; every mistake is reported, in the order of the file's sections.
    pub fn compile(file: &file::File) -> Result<Self, Vec<Mistake>> {
        check::compile(file)
    }

    /// Reads and compiles a gateway file as JSON, the form in which the filter receives it. A file of the wrong shape
    /// is one mistake here; `sluice check` finds all of those too.
    pub fn from_json(json: &[u8]) -> Result<Self, Vec<Mistake>> {
        let file: file::File = serde_json::from_slice(json).map_err(|error| {
            vec![Mistake { path: String::new(), found: error.to_string(), expected: "a gateway file".to_owned() }]
        })?;
        Self::compile(&file)
    }

    /// Checks one key against everything else that is configured, and compiles it; the places in mistakes are the key's own
    /// (`models[0]`). A key that is being rotated has two secrets, so two entries; both have the same caller.
    pub fn compile_key(&self, key: &file::Key) -> Result<Vec<(KeyHash, Credential)>, Vec<Mistake>> {
        check::compile_key(self, key, check::Strictness::New)
    }

    /// The same for a key that was good when it was kept: models that have left the gateway since are no mistake, and not
    /// allowed either.
    pub fn restore_key(&self, key: &file::Key) -> Result<Vec<(KeyHash, Credential)>, Vec<Mistake>> {
        check::compile_key(self, key, check::Strictness::Kept)
    }
}

impl Gateway {
    /// All targets, those of several models more than once.
    pub fn targets(&self) -> impl Iterator<Item = &Rc<Target>> {
        let stored = self.stored.iter().flat_map(|model| &model.targets);
        self.models.values().flat_map(|model| &model.targets).chain(stored)
    }

    /// The shortest time after which a stream counts as silent.
    pub fn shortest_silence(&self) -> Duration {
        let answers_are_checked = self.guards.iter().any(|guard| guard.sides.contains(&file::Side::Answers));
        let held = |way: &Way| match way.delivery {
            file::Delivery::Stream if !answers_are_checked && !way.check_structured_output => way.timeouts.idle.plain,
            _ => way.timeouts.idle.plain.min(way.timeouts.first_token.plain),
        };
        self.models.values().map(|model| held(&model.way)).fold(self.timeouts.idle.plain, Duration::min)
    }
}

/// Redis over HTTP, as the filter needs to know it: its credential is Envoy's business.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Redis {
    /// What it speaks.
    pub protocol: file::Protocol,
    /// Host, with the port unless it is the scheme's own: the `:authority` of requests.
    pub authority: String,
    /// Whether it is reached over TLS.
    pub tls: bool,
    /// Base path without a slash at the end; often empty.
    pub base_path: String,
    /// How exact.
    pub mode: file::Mode,
    /// When it does not answer.
    pub when_down: file::WhenDown,
    /// How long to wait for it.
    pub timeout: Duration,
    /// How often counters are exchanged in `relaxed` mode.
    pub sync: Duration,
    /// How long a key's record, or that there is none, is remembered.
    pub key_cache: Duration,
    /// What the names of all its entries begin with.
    pub prefix: String,
}

impl Redis {
    /// Checks the section of a gateway file by itself, and compiles it.
    pub fn compile(written: &file::Redis) -> Result<Self, Vec<Mistake>> {
        check::compile_redis(written)
    }
}

/// How long to wait; none is zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeouts {
    /// For the whole request, all attempts together.
    pub total: Duration,
    /// For one attempt at an answer that is not streamed.
    pub answer: Patience,
    /// For one attempt's first token, when streamed; it is slow where the model reasons, or is loaded first.
    pub first_token: Patience,
    /// For one attempt at a stream that is delivered whole; slow likewise.
    pub whole: Patience,
    /// Between two pieces of a stream; slow while a provider may be running a tool.
    pub idle: Patience,
    /// For a connection.
    pub connect: Duration,
}

impl Timeouts {
    /// Where the file says nothing.
    pub const ANSWER: Patience = Patience::default_of(300, 300);
    /// Likewise.
    pub const FIRST_TOKEN: Patience = Patience::default_of(30, 120);
    /// Likewise.
    pub const WHOLE: Patience = Patience::default_of(90, 300);
    /// Likewise.
    pub const IDLE: Patience = Patience::default_of(60, 600);
}

/// SHA-256 of a virtual key: all that is ever kept of one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyHash(pub [u8; 32]);

impl KeyHash {
    /// Reads 64 hexadecimal digits.
    pub fn from_hex(text: &str) -> Option<Self> {
        let (pairs, []) = text.as_bytes().as_chunks::<2>() else { return None };
        let mut hash = [0; 32];
        if pairs.len() != hash.len() {
            return None;
        }
        for (byte, [high, low]) in hash.iter_mut().zip(pairs) {
            let digit = |c: u8| char::from(c).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
            *byte = digit(*high)? * 16 + digit(*low)?;
        }
        Some(Self(hash))
    }

    /// Whether both are the same, in a time that does not tell where they differ.
    pub fn same(&self, other: &Self) -> bool {
        let different = self.0.iter().zip(&other.0).fold(0, |seen, (a, b)| seen | (a ^ b));
        // The compiler must not see that the first difference decides.
        std::hint::black_box(different) == 0
    }
}

/// What one secret gives.
#[derive(Debug, Clone)]
pub struct Credential {
    /// To whom.
    pub caller: Rc<Caller>,
    /// Unix seconds until when, for the secret that a rotated key had before.
    pub until: Option<u64>,
}

/// One virtual key's holder.
#[derive(Debug, Clone, Default)]
pub struct Caller {
    /// The key's public name.
    pub key_id: Rc<str>,
    /// The team that answers for it.
    pub team: Rc<str>,
    /// The application that uses it.
    pub app: Option<Rc<str>>,
    /// Who holds it, for people.
    pub owner: Option<String>,
    /// For people and reports.
    pub labels: BTreeMap<String, String>,
    /// Unix seconds after which the key is no longer valid.
    pub expires: Option<u64>,
    /// The models it may ask for; `None` is all.
    pub models: Option<Vec<Glob>>,
    /// The paths it may call; `None` is all.
    pub endpoints: Option<Vec<Glob>>,
    /// What its requests may not ask for.
    pub forbid: Forbidden,
    /// The addresses it may be used from; `None` is all.
    pub sources: Option<Vec<Cidr>>,
    /// Whether it was withdrawn.
    pub revoked: bool,
    /// What its holder may decide for a request.
    pub control: Vec<file::Control>,
    /// The limits and budgets that know this caller from others. Those that do not are the gateway's, once for all callers.
    pub rules: Vec<Applied>,
}

impl Caller {
    /// Whether it may ask for a model by this name.
    pub fn may_use(&self, name: &str) -> bool {
        self.models.as_ref().is_none_or(|models| models.iter().any(|glob| glob.matches(name)))
    }

    /// Whether it may ask for what was found by `asked`: by that name, or by the one that it stands for.
    pub fn may_ask(&self, asked: &str, found: &Found<'_>) -> bool {
        self.may_use(asked) || self.may_use(&found.name)
    }
}

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
    pub way: Rc<Way>,
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

/// A provider, as the filter needs to know it: its credential is Envoy's business.
#[derive(Debug)]
pub struct Provider {
    /// Its name in the gateway file, and in `x-sluice-provider`.
    pub name: String,
    /// The Envoy clusters that reach it, one for each key. Never empty.
    pub clusters: Vec<String>,
    /// For how long one of several keys is left alone that the provider has refused.
    pub key_rest: Duration,
    /// The wire formats it speaks: of those about the same, the first is what others are translated to.
    pub formats: Vec<&'static dyn Dialect>,
    /// Host, with the port unless it is the scheme's own: the `:authority` of requests.
    pub authority: String,
    /// Whether it is reached over TLS: the `:scheme` of requests.
    pub tls: bool,
    /// Where its endpoints are.
    pub layout: Layout,
    /// Whether servers of its kind load a model when it is asked for first.
    pub loads: bool,
    /// Whether it accepts `stream_options`; some OpenAI-compatible servers refuse it.
    pub stream_usage: bool,
}

impl Target {
    /// Whether the tools that run at providers of the client's format run here: it is asked in that format.
    pub fn has_hosted_tools(&self, client: &'static dyn Dialect) -> bool {
        self.provider.format_for(client, &self.model).is_some_and(|format| format.bodies() == client.name())
    }
}

impl Provider {
    /// The format in which it is asked for what a client asks in `client`'s: the same, or one that it can be translated to, of
    /// several one that suits the model. `None` when it has none.
    pub fn format_for(&self, client: &'static dyn Dialect, model: &str) -> Option<&'static dyn Dialect> {
        let about = client.content();
        if matches!(about, Content::PassedThrough) {
            return self.formats.iter().any(|format| format.name() == OpenAiChat.name()).then_some(client);
        }
        let same = self.formats.iter().find(|format| format.name() == client.name());
        let others = || self.formats.iter().filter(|format| format.content().translates(&about));
        same.or_else(|| others().find(|format| format.suits(model)).or_else(|| others().next())).copied()
    }

    /// Whether its host is a name, which has to be looked up, and no address.
    pub fn is_named(&self) -> bool {
        let without_port = self.authority.rsplit_once(':').map_or(&*self.authority, |(host, _)| host);
        let is_address = |host: &str| host.trim_matches(['[', ']']).parse::<std::net::IpAddr>().is_ok();
        !is_address(&self.authority) && !is_address(without_port)
    }

    /// The Envoy cluster that reaches it with this key; the first is 0.
    pub fn cluster(&self, key: usize) -> &str {
        self.clusters.get(key).unwrap_or(&self.name)
    }

    /// How it departs from a format that it speaks.
    pub fn quirks(&self, format: &dyn Dialect) -> impl Iterator<Item = &'static Quirk> + use<> {
        let no_options = !self.stream_usage && format.shape().stream_options;
        format.quirks().iter().chain(no_options.then_some(&NO_STREAM_OPTIONS))
    }
}

/// A choice of names in the gateway file's schema: each with what it is.
#[cfg(feature = "schema")]
fn named_choice<'a>(about: &str, rows: impl Iterator<Item = (&'a str, &'a str)>) -> schemars::Schema {
    let name = |(name, about): (&str, &str)| serde_json::json!({ "const": name, "description": about });
    schemars::json_schema!({ "description": about, "oneOf": rows.map(name).collect::<Vec<_>>() })
}
