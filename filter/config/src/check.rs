//! The validator: compiles the gateway file, or lists everything that is wrong with it.
//!
//! Each section is compiled separately and as far as possible, so that one mistake does not hide another. A part that cannot be compiled is
//! omitted; since that is a mistake, the whole file is rejected then.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use sluice_core::compiled::CompiledConfig;
use sluice_core::keys::Forbidden;
use sluice_core::limits::Index;
use sluice_core::provider::Provider;
use sluice_core::routing::capabilities::Capabilities;
use sluice_core::routing::conditional_timeout::ConditionalTimeout;
use sluice_core::routing::pattern::{Pattern, shape};
use sluice_core::routing::policy::{Retry, RoutingPolicy};
use sluice_core::routing::target_health::TargetHealth;
use sluice_core::routing::target_health::keys::Keys;
use sluice_core::routing::{
    target::{Model, Target},
    timeouts::Timeouts,
};
use sluice_core::usage::price::Price;
use sluice_wire::dialect::pass_through::STORED;
use sluice_wire::order;

use super::diagnostic::Diagnostic;
use super::file;
#[cfg(not(target_arch = "wasm32"))]
pub use admin::overlap;
use place::{Path, one_of, quoted, text};

/// Reserved names of Envoy clusters: `none`, and everything that begins with `sluice`.
const RESERVED: [&str; 2] = ["none", "sluice"];
const NAME_MAX: usize = 64;
const PUBLIC_NAME: &str = "1 to 64 letters, digits, and any of . _ - @";
/// Whether only what is compiled is checked: the module receives what the command has checked.
const ONLY_COMPILES: bool = cfg!(target_arch = "wasm32");
const MODEL_MAX: usize = sluice_core::routing::pattern::NAME_MAX;
/// Envoy makes at most 97 attempts (`num_retries` in the rendered configuration): each target may be tried twice, and 64 attempts may be
/// lost to stale pooled connections.
const TARGETS_MAX: usize = 16;
const LONGEST_WAIT: Duration = Duration::from_secs(24 * 3600);

mod admin;
#[cfg(not(target_arch = "wasm32"))]
mod availability;
mod cache;
#[cfg(not(target_arch = "wasm32"))]
mod capabilities;
#[cfg(not(target_arch = "wasm32"))]
mod credentials;
mod downstream;
mod guards;
mod judges;
mod keys;
mod limits;
mod log;
mod memory;
mod metrics;
mod names;
mod place;
#[cfg(not(target_arch = "wasm32"))]
mod prices;
mod providers;
mod redis;
mod routing;
mod tracing;

pub(super) use keys::{Strictness, compile as compile_key};
#[cfg(not(target_arch = "wasm32"))]
pub(super) use prices::of_stored_keys as unpriced_for_stored_keys;
pub(super) use redis::compile as compile_background;

pub(super) fn compile(file: &file::File) -> Result<CompiledConfig, Vec<Diagnostic>> {
    let mut check = Check { file, diagnostics: Vec::new() };
    check.listen();
    let providers = check.providers();
    let timeouts = check.timeouts();
    let models = check.models(&providers, timeouts);
    check.aliases();
    let stored = check.stored(&providers, timeouts);
    let forbid = check.teams();
    check.apps();
    let rules = check.rules(&models);
    let judges = check.judges();
    let (guards, judges) = check.guards(&judges);
    #[cfg(not(target_arch = "wasm32"))]
    check.prices();
    #[cfg(not(target_arch = "wasm32"))]
    check.capabilities();
    let redis = check.redis();
    let admin = check.admin();
    let tracing = check.tracing();
    let log = check.log();
    let cache = check.cache();
    let memory = check.memory();
    let metrics = check.metrics();
    let alerts = check.alerts();
    let circuit = check.circuit();
    let ready_needs_redis = check.ready();
    #[cfg(not(target_arch = "wasm32"))]
    check.cors();
    #[cfg(not(target_arch = "wasm32"))]
    check.tls();
    let reservation = file.reservation.clone();
    let mut config = CompiledConfig {
        keys: BTreeMap::new(),
        direct: direct(&models, timeouts),
        names: names::names(file, &models, timeouts),
        watched_headers: watched_headers(&models),
        models,
        stored,
        teams: order::gathered(file.teams.keys().cloned()),
        forbid,
        apps: order::gathered(file.apps.keys().cloned()),
        index: Index::new(&rules),
        rules,
        guards,
        judges,
        reservation,
        redis,
        admin,
        tracing,
        log,
        forward_headers: file.forward_headers.clone(),
        cache,
        memory,
        metrics,
        alerts,
        circuit,
        timeouts,
        ready_needs_redis,
        read_key: super::read_key,
        status: None,
        since: None,
        shuts_down: false,
    };
    // Last, since a key is checked against everything else, as keys that arrive at runtime are.
    config.keys = check.keys(&config);
    if check.diagnostics.is_empty() { Ok(config) } else { Err(check.diagnostics) }
}

/// Compiles the judges for the filter.
#[cfg(not(target_arch = "wasm32"))]
pub(super) fn judges_for_the_filter(file: &file::File) -> file::Judges {
    let compiled = Check { file, diagnostics: Vec::new() }.judges();
    let each = file
        .judges
        .iter()
        .filter_map(|(name, judge)| Some((name.clone(), judge.for_the_filter(judges::rendered(compiled.get(name)?)))));
    each.collect()
}

struct Check<'a> {
    file: &'a file::File,
    diagnostics: Vec<Diagnostic>,
}

impl Check<'_> {
    fn diagnostic(&mut self, path: &Path, found: impl Into<String>, expected: impl Into<String>) {
        self.diagnostics.push(place::mistake(path, found, expected));
    }

    fn listen(&mut self) {
        if ONLY_COMPILES {
            return;
        }
        let listen = &self.file.listen;
        if !listen.parse::<SocketAddr>().is_ok_and(|address| address.port() != 0) {
            self.diagnostic(
                &Path::section("listen"),
                quoted(listen),
                "an IP address and a port, such as 127.0.0.1:8080, 0.0.0.0:8080 or [::]:8080",
            );
        }
    }

    fn models(
        &mut self,
        providers: &BTreeMap<String, Rc<Provider>>,
        timeouts: Timeouts,
    ) -> BTreeMap<String, Rc<Model>> {
        let section = Path::section("models");
        if self.file.models.is_empty() {
            self.diagnostic(&section, "none", "at least one model");
        }
        let mut compiled = BTreeMap::new();
        for (name, model) in &self.file.models {
            let path = section.key(name);
            self.model_name(name, &path);
            self.stars(name, &path);
            let pattern = Pattern::read(name);
            let targets = self.targets((model, pattern.as_ref()), providers, &path.key("targets"));
            let way = Rc::new(self.way(model, &targets, timeouts, &path));
            let cache = self.model_cache(model, &path);
            let forbid = self.forbid(&model.forbid, &path.key("forbid"));
            let semantic = self.semantic_cache(model, &path);
            let model = Model { name: name.clone(), pattern, forbid, targets, policy: way, cache, semantic };
            compiled.insert(name.clone(), Rc::new(model));
        }
        self.embedders(&compiled);
        compiled
    }

    fn targets(
        &mut self,
        (model, pattern): (&file::Model, Option<&Pattern>),
        providers: &BTreeMap<String, Rc<Provider>>,
        path: &Path,
    ) -> Vec<Rc<Target>> {
        if model.targets.is_empty() {
            self.diagnostic(path, "an empty list", "at least one target");
        }
        if model.targets.len() > TARGETS_MAX {
            self.diagnostic(path, text!("{} targets", model.targets.len()), text!("at most {TARGETS_MAX}"));
        }
        let mut targets = Vec::with_capacity(model.targets.len());
        for (index, target) in model.targets.iter().enumerate() {
            let path = path.index(index);
            self.model_name(&target.model, &path.key("model"));
            self.stars(&target.model, &path.key("model"));
            self.reference(&target.provider, self.file.providers.keys(), &path.key("provider"));
            if let Some(provider) = providers.get(&target.provider) {
                targets.push(Rc::new(Target {
                    name: target.price_name(),
                    health: TargetHealth::of(provider.cluster(0), &target.model),
                    keys: Keys::of(provider.cluster(0), &target.model, provider.clusters.len()),
                    provider: provider.clone(),
                    model: target.model.clone(),
                    shape: pattern.and_then(|pattern| shape(pattern, &target.provider, &target.model)),
                    general: None,
                    price: self.price_of(target),
                    capabilities: self.capabilities_of(target),
                    weight: target.weight,
                    tier: target.tier,
                }));
            }
        }
        targets
    }

    /// A target's price. `Check::prices` reports its mistakes.
    fn price_of(&self, target: &file::Target) -> Option<Price> {
        let prices = &self.file.prices;
        let written = prices.models.get(&target.price_name()).or(prices.unpriced.as_ref())?;
        Price::try_from(written).ok()
    }

    /// A target's capabilities; all unknown if the file does not state them.
    fn capabilities_of(&self, target: &file::Target) -> Capabilities {
        self.file.capabilities.get(&target.price_name()).map(Capabilities::from).unwrap_or_default()
    }

    /// The provider that stores objects for clients. Its requests have no model, so they have no price.
    fn stored(&mut self, providers: &BTreeMap<String, Rc<Provider>>, timeouts: Timeouts) -> Option<Rc<Model>> {
        let name = self.file.stored.as_ref()?;
        let path = Path::section("stored");
        self.reference(name, self.file.providers.keys(), &path);
        let provider = providers.get(name)?;
        if provider.format_for(&STORED, "").is_none() {
            self.diagnostic(&path, quoted(name), "a provider that speaks OpenAI's format");
        }
        let target = Target {
            name: name.clone(),
            health: TargetHealth::of(provider.cluster(0), ""),
            // One account's objects are unknown to another, so it always uses the first key.
            keys: Keys::of(provider.cluster(0), "", 1),
            provider: provider.clone(),
            model: String::new(),
            shape: None,
            general: None,
            price: Some(Price::default()),
            capabilities: Capabilities::default(),
            weight: 1,
            tier: 1,
        };
        // A retried request might be executed twice.
        let way = RoutingPolicy { retry: Retry::new(&[], Duration::ZERO), ..RoutingPolicy::plain(timeouts) };
        let (name, targets, way) = ("stored".to_owned(), vec![Rc::new(target)], Rc::new(way));
        Some(Rc::new(Model {
            name,
            pattern: None,
            forbid: Forbidden::default(),
            targets,
            policy: way,
            cache: None,
            semantic: None,
        }))
    }

    /// A model's name is used unchanged in headers, paths and logs.
    fn model_name(&mut self, name: &str, path: &Path) {
        if name.is_empty() || name.len() > MODEL_MAX || !name.bytes().all(|b| b.is_ascii_graphic()) {
            self.diagnostic(path, quoted(name), "1 to 256 visible ASCII characters, no spaces");
        }
    }

    fn reference<'n>(&mut self, name: &str, known: impl Iterator<Item = &'n String> + Clone, path: &Path) {
        if is_missing(name, known.clone()) {
            self.diagnostic(path, quoted(name), one_of(name, known.map(String::as_str)));
        }
    }

    /// The forbidden features of each team.
    fn teams(&mut self) -> BTreeMap<String, Forbidden> {
        let section = Path::section("teams");
        if self.file.teams.is_empty() && !self.file.keys.is_empty() {
            self.diagnostic(&section, "none", "at least one team: every key belongs to a team");
        }
        let mut forbidden = BTreeMap::new();
        for (name, team) in &self.file.teams {
            let path = section.key(name);
            self.public_name(name, &path);
            let forbid = self.forbid(&team.forbid, &path.key("forbid"));
            if !forbid.is_nothing() {
                forbidden.insert(name.clone(), forbid);
            }
        }
        forbidden
    }

    fn forbid(&mut self, names: &[String], path: &Path) -> Forbidden {
        forbidden(names, |index, name, expected| self.diagnostic(&path.index(index), quoted(name), expected))
    }

    fn apps(&mut self) {
        if ONLY_COMPILES {
            return;
        }
        let section = Path::section("apps");
        for name in self.file.apps.keys() {
            self.public_name(name, &section.key(name));
        }
    }

    fn public_name(&mut self, name: &str, path: &Path) {
        if !is_public_name(name) {
            self.diagnostic(path, quoted(name), PUBLIC_NAME);
        }
    }

    fn timeouts(&mut self) -> Timeouts {
        let section = Path::section("timeouts");
        let written = &self.file.timeouts;
        let total = self.wait(&written.total, &section.key("total"));
        let connect = self.wait(&written.connect, &section.key("connect"));
        let mut timeout = |field: &str, text: &Option<String>, otherwise: ConditionalTimeout| match text {
            None => otherwise,
            Some(text) => ConditionalTimeout::configured(self.wait(text, &section.key(field))),
        };
        Timeouts {
            total,
            answer: timeout("answer", &written.answer, Timeouts::ANSWER),
            first_token: timeout("first_token", &written.first_token, Timeouts::FIRST_TOKEN),
            whole: timeout("whole", &written.whole, Timeouts::WHOLE),
            idle: timeout("idle", &written.idle, Timeouts::IDLE),
            connect,
        }
    }
}

/// Each target as a model, for callers that may select targets by name. A model with the same name takes precedence.
fn direct(models: &BTreeMap<String, Rc<Model>>, timeouts: Timeouts) -> BTreeMap<String, Rc<Model>> {
    let mut direct = BTreeMap::new();
    let targets = models.values().flat_map(|model| &model.targets).filter(|target| target.shape.is_none());
    for target in targets {
        direct.entry(target.name.clone()).or_insert_with(|| alone(target, target.name.clone(), None, timeouts));
    }
    direct
}

/// A model with this target only.
fn alone(target: &Rc<Target>, name: String, pattern: Option<Pattern>, timeouts: Timeouts) -> Rc<Model> {
    let (forbid, targets, way) = (Forbidden::default(), vec![target.clone()], Rc::new(RoutingPolicy::plain(timeouts)));
    Rc::new(Model { name, pattern, forbid, targets, policy: way, cache: None, semantic: None })
}

/// Reads `forbid`. `mistake` gets the index of each unknown name, the name, and what is expected.
fn forbidden(names: &[String], mut mistake: impl FnMut(usize, &str, String)) -> Forbidden {
    let (forbidden, wrong) = Forbidden::read(names);
    for (index, expected) in wrong {
        mistake(index, names.get(index).map_or("", String::as_str), expected);
    }
    forbidden
}

/// The headers that routes and stickiness read.
fn watched_headers(models: &BTreeMap<String, Rc<Model>>) -> Vec<String> {
    let mut names: Vec<String> = models.values().flat_map(|model| model.policy.headers()).map(str::to_owned).collect();
    order::by(&mut names, Ord::cmp);
    names.dedup();
    names
}

/// Whether a name is not defined elsewhere. If nothing is defined there at all, that mistake is reported instead.
fn is_missing<'n>(name: &str, known: impl Iterator<Item = &'n String> + Clone) -> bool {
    known.clone().next().is_some() && !known.clone().any(|other| other == name)
}

/// Whether `name` is a valid name of a key or team, which is used unchanged in headers and logs.
pub fn is_public_name(name: &str) -> bool {
    let good = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-' | b'@');
    !name.is_empty() && name.len() <= NAME_MAX && name.bytes().all(good)
}

#[cfg(not(target_arch = "wasm32"))]
fn is_variable(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

#[cfg(test)]
#[cfg(not(target_arch = "wasm32"))]
mod tests;
