//! One request's use of the cache: whether its response may come from the cache, whether its response may be stored, and the result.
//!
//! The lookup comes after the key, limit and budget checks, so no client gets a response that it could not request, and before the request
//! is forwarded. [`cache`](crate::cache) reads and writes the stored responses.

use std::time::Duration;

use memchr::memmem;
use sluice_wire::dialect::{Asks, Id};
use sluice_wire::error::{ApiError, ErrorKind};
use sluice_wire::json;
use sluice_wire::time::Time;

use crate::cache::alias::{self, Alias};
use crate::cache::canonical::{self, Canonical};
use crate::cache::flight::{self, Boarding, Claim, Landing};
use crate::cache::form::Wanted;
use crate::cache::key::KeyBuilder;
use crate::cache::sealer::Sealed;
use crate::cache::whose::{Names, Whose};
use crate::cache::{CachedResponse, Form, Key, Rule, Scope, semantic, slots};
use crate::callout::{Call, Called};
use crate::keys::caller::Caller;
use crate::memory_limiter::Permit;
use crate::routing::target::{Model, Target};
use crate::store::SharedData;
use crate::usage::price::MicroUsd;

use super::request_state::{Draft, Request, RequestState, Stage};
use super::similar::{Position, Similar};
use super::worker::StoreContext;
use super::{Effect, View};

/// The response header that reports the lookup's result.
const HEADER: &str = "x-sluice-cache";

/// The cache's part in a request.
#[derive(Debug, Default)]
pub struct CacheState {
    /// Where to store the response, until it is stored.
    place: Option<Place>,
    /// The lookup's result; `None` where the model has no cache.
    found: Option<Found>,
    /// Its claim to be the only one of identical requests that goes to a provider.
    claim: Option<Claim>,
    /// How long it waited for another request.
    pub waited: Option<Duration>,
    /// Whether Redis had a response.
    from_redis: bool,
    /// Its use of the semantic cache.
    pub similar: Option<Box<Similar>>,
}

/// The lookup's result.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Found {
    /// A stored response, made by this provider and its model.
    Hit { provider: String, model: String },
    /// No stored response.
    Miss,
    /// No lookup was made.
    Bypass,
}

/// Where a response is stored.
#[derive(Debug)]
struct Place {
    /// The key of the request's bytes.
    bytes: Key,
    /// The request's canonical key.
    alias: Alias,
    /// The key of the stored response: the canonical one, or one for its form.
    key: Key,
    form: Form,
    whose: Whose,
    /// Where similar requests find it.
    position: Option<Position>,
}

impl Place {
    /// The keys of responses that may serve the request.
    fn keys(&self) -> [Key; 2] {
        [self.alias.canonical, self.alias.canonical.of_form(self.form)]
    }
}

/// How a request uses its model's cache.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CachePolicy {
    /// Look up a response; on a miss, store the provider's.
    Look,
    /// Store the provider's response without a lookup, as the client's `cache-control` asks.
    Fill,
    /// Neither, for this reason.
    Neither(&'static str),
}

impl CacheState {
    /// The result for the log: `hit`, `shared`, `semantic`, `miss`, `bypass`.
    pub fn word(&self) -> Option<&'static str> {
        Some(match self.found.as_ref()? {
            Found::Hit { .. } if self.similar.is_some() => "semantic",
            Found::Hit { .. } if self.from_redis => "shared",
            Found::Hit { .. } => "hit",
            Found::Miss => "miss",
            Found::Bypass => "bypass",
        })
    }

    /// The result as response headers.
    pub fn headers(&self) -> impl Iterator<Item = (&'static str, String)> + use<> {
        let similarity = self.similar.as_ref().and_then(|similar| similar.header());
        self.word().map(|word| (HEADER, word.to_owned())).into_iter().chain(similarity)
    }

    /// The provider and model that made the cached response.
    pub fn made_by(&self) -> Option<(&str, &str)> {
        match self.found.as_ref()? {
            Found::Hit { provider, model } => Some((provider, model)),
            Found::Miss | Found::Bypass => None,
        }
    }
}

impl CachePolicy {
    /// The policy for a request whose model has this cache.
    pub fn of(request: &Request, rule: &Rule) -> Self {
        let kept = matches!(request.scanned.client.asks, Asks::Chat(_) | Asks::Embeddings(_));
        let caching = request.routing_headers.caching;
        match &request.scanned.peek {
            _ if !kept => Self::Neither("the gateway does not cache this endpoint"),
            _ if request.routing_headers.overriding.is_some() => {
                Self::Neither("its x-sluice-route header overrides routing")
            }
            _ if request.routing_headers.no_fallback => Self::Neither("its x-sluice-fallback header disables fallback"),
            peek if peek.stored.background => Self::Neither("it runs in the background"),
            peek if peek.stored.continues => Self::Neither("it continues a response that its provider stores"),
            peek if !rule.tools && (peek.wants.tools || peek.wants.anywhere) => {
                Self::Neither("it offers tools, and the model's cache excludes them")
            }
            _ if !rule.images && request.scanned.prompt.images > 0 => {
                Self::Neither("it contains images, and the model's cache excludes them")
            }
            _ if request.checks.as_ref().is_some_and(|checks| checks.restores()) => {
                Self::Neither("a guardrail restores masked texts in its response")
            }
            _ if caching.no_store => Self::Neither("its cache-control is no-store"),
            _ if caching.no_cache => Self::Fill,
            _ => Self::Look,
        }
    }

    /// The policy, given the request's temperature.
    pub fn at_temperature(self, request: &Request, rule: &Rule, canonical: Option<&Canonical<'_>>) -> Self {
        /// The providers' default.
        const DEFAULT: f64 = 1.0;
        let Some(most) = rule.max_temperature.filter(|_| request.scanned.client.chat().is_some()) else { return self };
        let temperature = canonical.map(|canonical| canonical.temperature);
        let is_low = match temperature {
            None => false,
            Some(None | Some("null")) => DEFAULT <= most,
            Some(Some(text)) => json::number(text).is_some_and(|temperature| temperature <= most),
        };
        match self {
            Self::Look | Self::Fill if !is_low => Self::Neither("its temperature is above the cache's max_temperature"),
            policy => policy,
        }
    }
}

impl CacheState {
    /// Returns the stored response for the request with this body. If there is none, remembers where to store the response, if storing is
    /// allowed. `planned` is when the targets were ranked.
    pub fn look(
        &mut self,
        draft: &Draft,
        body: &[u8],
        planned: Time,
        now: Time,
        shared: &dyn SharedData,
    ) -> Option<CachedResponse> {
        let rule = draft.route.model.cache?;
        self.found = Some(Found::Bypass);
        let Keys { bytes, alias, known, policy } = Keys::of(draft, body, planned, &rule, shared)?;
        let form = form(&draft.request);
        let (mut key, mut entry) = (alias.canonical, None);
        if policy == CachePolicy::Look {
            for next in [alias.canonical, alias.canonical.of_form(form)] {
                key = next;
                let Some(found) = fresh(draft, &rule, &key, now, shared) else { break };
                entry = wanted(draft, body, form, alias.repeats).of(found);
                if entry.is_some() {
                    break;
                }
            }
            self.found = Some(entry.as_ref().map_or(Found::Miss, Found::hit));
        }
        match &entry {
            Some(_) if !known => alias::remember(shared, &bytes, &alias),
            Some(_) => {}
            None => self.place = Some(Place { bytes, alias, key, form, whose: whose(draft), position: None }),
        }
        entry
    }

    /// After a miss, asks whether another request is on its way to the provider. `owner` is a random number.
    pub fn board(&mut self, draft: &Draft, owner: u64, now: Time, shared: &dyn SharedData) -> Boarding {
        let (Some(place), Some(Found::Miss)) = (&self.place, &self.found) else { return Boarding::Alone };
        if !draft.route.model.cache.is_some_and(|rule| rule.single_flight) {
            return Boarding::Alone;
        }
        // A later request waits no longer than this anyway.
        let embedding = draft.route.model.semantic.as_ref().map_or(Duration::ZERO, |rule| rule.timeout);
        let lease = draft.route.limit(&draft.request).saturating_add(embedding);
        let boarding = flight::board(shared, &place.alias.canonical, owner.max(1), now, lease);
        if let Boarding::Leads(claim) = boarding {
            self.claim = Some(claim);
        }
        boarding
    }

    /// After a miss, the call that looks up the response in Redis, if Envoys share responses.
    pub fn ask_redis(&self, draft: &Draft, now: Time, effects: &mut Vec<Effect>) -> Option<Call> {
        if self.found != Some(Found::Miss) {
            return None;
        }
        draft.worker.redis_cache().lookup(&self.keys(), longest(draft)?, now, effects)
    }

    /// The keys of responses that may serve the request: of similar requests, once they are known.
    fn keys(&self) -> Vec<Key> {
        match (&self.similar, &self.place) {
            (Some(similar), _) => similar.keys(),
            (None, place) => place.as_ref().map(Place::keys).into_iter().flatten().collect(),
        }
    }

    /// Stores the responses in Redis's reply in Envoy's memory. Returns whether there are any.
    pub fn redis_answered(&mut self, draft: &Draft, called: &Called, at: &mut StoreContext<'_>) -> bool {
        let (worker, bounds) = (&draft.worker, &draft.worker.config.cache);
        let found = worker.redis_cache().found(called, &self.keys(), bounds.largest, at.now, at.effects);
        let mut any = false;
        for (key, Sealed { asked, whose, entry }) in &found {
            any |= slots::keep(at.shared, key, (entry, *whose), *asked, bounds);
        }
        self.from_redis |= any && self.similar.is_none();
        any
    }

    /// After a miss everywhere, the call for the embedding that finds similar requests, if the model has a semantic cache. `priced`: a
    /// budget concerns the request. `planned` is when the targets were ranked.
    pub fn ask_embedding(
        &mut self,
        draft: &Draft,
        body: &[u8],
        priced: bool,
        planned: Time,
        at: &mut StoreContext<'_>,
    ) -> Option<Call> {
        let (Some(_), Some(Found::Miss), None, Some(rule)) =
            (&self.place, &self.found, &self.similar, draft.route.model.cache)
        else {
            return None;
        };
        // The similar request's judges have not seen this prompt.
        if draft.judges.during.is_some() {
            return None;
        }
        let StoreContext { now, shared, .. } = *at;
        let partition = |rest: &[u8], semantic: &semantic::Rule, target: &Target| {
            let canonical = Canonical::of(rest, draft.request.scanned.client.id())?;
            let context = context(draft, planned, &Rule { scope: semantic.scope, ..rule });
            let names = [&*target.provider.name, &target.model];
            Some(context.part("similar").list(names.into_iter()).part(canonical.form).key())
        };
        let (similar, call) = Similar::ask(draft, body, (priced, longest(draft)?), partition, now, shared)?;
        self.similar = Some(similar.into());
        Some(call)
    }

    /// Handles the reply to the call for an embedding. Returns its cost, and whether that is known.
    pub fn embedded(
        &mut self,
        draft: &Draft,
        called: &Called,
        at: &mut StoreContext<'_>,
    ) -> Option<(Option<MicroUsd>, bool)> {
        let (similar, rule) = (self.similar.as_mut()?, draft.route.model.cache?);
        let known = similar.embedded(draft, called, max_age(draft, &rule), (at.now, at.shared), at.effects);
        Some((similar.cost, known))
    }

    /// The response to a similar request, if one shall serve.
    pub fn look_similar(
        &mut self,
        draft: &Draft,
        body: &[u8],
        now: Time,
        shared: &dyn SharedData,
    ) -> Option<CachedResponse> {
        let (place, rule) = (self.place.as_mut()?, draft.route.model.cache?);
        let similar = self.similar.as_mut().filter(|similar| similar.has_vector())?;
        place.position = similar.position();
        let wanted = wanted(draft, body, place.form, place.alias.repeats);
        let entry = similar.choose(|key| wanted.of(fresh(draft, &rule, key, now, shared)?))?;
        self.found = Some(Found::hit(&entry));
        Some(entry)
    }

    /// The call that looks up the responses to similar requests in Redis, once.
    pub fn ask_redis_similar(&mut self, draft: &Draft, now: Time, effects: &mut Vec<Effect>) -> Option<Call> {
        let similar = self.similar.as_mut().filter(|similar| similar.misses())?;
        similar.asked_redis = true;
        self.ask_redis(draft, now, effects)
    }

    /// Whether other requests may wait for this one.
    pub fn leads(&self) -> bool {
        self.claim.is_some()
    }

    /// Lets the requests go on that wait for this one.
    pub fn land(&mut self, landing: Landing, now: Time, shared: &dyn SharedData) {
        if let Some(claim) = self.claim.take() {
            claim.end(landing, now, shared);
        }
    }

    /// The error for a request that only the cache may answer, when it cannot.
    pub fn not_cached(&self) -> ApiError {
        let message = "The cache has no response to this request, and its cache-control is only-if-cached. Send the \
                       request without it.";
        ApiError::new(504, ErrorKind::Timeout, message).with_code("not_cached")
    }

    /// Starts to collect the response for the cache when its headers go to the client. Not stored: a response of a lower tier than the
    /// model's best, which would outlive the reason for it, one that a judge failed to judge, and one that cannot be read.
    pub fn fill(&mut self, state: &RequestState, view: &dyn View) -> Option<CacheFill> {
        let place = self.place.take()?;
        let is_good =
            matches!(state.progress.stage, Stage::Answering | Stage::Complete) && state.lower_tier().is_none();
        if !is_good || state.judges.unjudged || view.header(":status").ok()?? != b"200" {
            return None;
        }
        let content_type = String::from_utf8(view.header("content-type").ok()??).ok()?;
        Some(CacheFill { place, content_type, body: Vec::new(), permit: state.memory.request.sibling() })
    }
}

impl Found {
    fn hit(entry: &CachedResponse) -> Self {
        Self::Hit { provider: entry.provider.clone(), model: entry.model.clone() }
    }
}

/// The response with this key, if it may serve. It may have been stored under an older gateway file with a longer TTL.
fn fresh(draft: &Draft, rule: &Rule, key: &Key, now: Time, shared: &dyn SharedData) -> Option<CachedResponse> {
    slots::find(shared, key, now).filter(|entry| entry.age(now).is_some_and(|age| age < max_age(draft, rule)))
}

/// The response that the client asks for. `repeats` is the hash of the fields that it repeats.
fn wanted<'a>(draft: &Draft, body: &'a [u8], form: Form, repeats: u64) -> Wanted<'a> {
    Wanted { client: draft.request.scanned.client, form, repeats, request: body }
}

/// The longest that one lookup may delay the request; `None` if that is less than Envoy's shortest timeout.
fn longest(draft: &Draft) -> Option<Duration> {
    let left = (draft.route.timeouts.total / 2).saturating_sub(draft.route.waited);
    (left >= Duration::from_millis(1)).then_some(left)
}

/// How old the response may be that serves the request.
fn max_age(draft: &Draft, rule: &Rule) -> Duration {
    draft.request.routing_headers.caching.max_age.map_or(rule.ttl, |most| most.min(rule.ttl))
}

/// The keys of a request that has a part in its model's cache.
struct Keys {
    /// The key of its bytes.
    bytes: Key,
    /// Its canonical key.
    alias: Alias,
    /// Whether the canonical key was known from the bytes.
    known: bool,
    policy: CachePolicy,
}

impl Keys {
    /// `None` if the request has no part in the cache.
    fn of(draft: &Draft, body: &[u8], planned: Time, rule: &Rule, shared: &dyn SharedData) -> Option<Self> {
        let request = &draft.request;
        let admitted = |policy| Some(policy).filter(|policy| !matches!(policy, CachePolicy::Neither(_)));
        let policy = admitted(CachePolicy::of(request, rule))?;
        let context = context(draft, planned, rule);
        let bytes = context.clone().part("bytes").part(body).key();
        if let Some(alias) = alias::find(shared, &bytes) {
            return Some(Self { bytes, alias, known: true, policy });
        }
        let id = request.scanned.client.id();
        let canonical = Canonical::of(body, id);
        let policy = admitted(policy.at_temperature(request, rule, canonical.as_ref()))?;
        let alias = canonical.map_or(Alias { canonical: bytes, repeats: 0 }, |canonical| Alias {
            repeats: canonical.repeats(id),
            canonical: context.part("canonical").part(canonical.form).key(),
        });
        Some(Self { bytes, alias, known: false, policy })
    }
}

/// All that decides about a response besides the body. It includes the model's targets, so that a changed gateway file never serves
/// responses of its former targets.
fn context(draft: &Draft, planned: Time, rule: &Rule) -> KeyBuilder {
    let request = &draft.request;
    let (scope, whose) = sharer(rule.scope, &request.caller);
    let forwards = request.scanned.client.manner.forwards;
    let changes = request.forwarded.iter().filter(|(name, _)| forwards.iter().any(|own| own.as_bytes() == *name));
    let headers: Vec<&[u8]> = changes.flat_map(|(name, value)| [name, value]).collect();
    // Guardrails are part of the key: they may differ between clients, or have changed with the gateway file.
    let guards = request.checks.iter().flat_map(|checks| &checks.guards);
    let guards = guards.map(|guard| (&guard.name, &guard.digest));
    // A prompt that has a response has passed the judges that work while the provider does.
    let during = draft.judges.during.iter().flat_map(|(guards, _)| guards);
    let judges: Vec<_> = request.checks.iter().flat_map(|checks| &checks.judges).chain(during).collect();
    let judged = !judges.is_empty();
    let guards = guards.chain(judges.into_iter().map(|guard| (&guard.name, &guard.digest)));
    let guards: Vec<&[u8]> = guards.flat_map(|(name, digest)| [name.as_bytes(), digest]).collect();
    let formats = request.checks.iter().flat_map(|checks| &checks.formats);
    let formats: Vec<u8> = formats.flat_map(|format| format.digest().to_le_bytes()).collect();
    KeyBuilder::default()
        .part(scope)
        .part(whose)
        .part(request.routing_headers.namespace.as_deref().unwrap_or_default())
        // A judge knows the team, so its verdict may be another for another team.
        .part(if judged { &request.caller.team } else { "" })
        // A request that is found by its bytes was admitted at this temperature.
        .part(rule.max_temperature.map_or(u64::MAX, f64::to_bits).to_le_bytes())
        .part(&draft.route.model.name)
        .list(reachable(draft, planned).into_iter())
        .part(request.scanned.client.id().name())
        .list(guards.into_iter())
        .part(formats)
        .list(headers.into_iter())
}

/// The owners of the response to this request.
fn whose(draft: &Draft) -> Whose {
    let caller = &draft.request.caller;
    let names = Names {
        team: Some(&caller.team),
        key: Some(&caller.key_id),
        app: caller.app.as_deref(),
        model: Some(&draft.route.model.name),
        namespace: draft.request.routing_headers.namespace.as_deref(),
    };
    names.whose()
}

/// The form of the response that the client asks for.
fn form(request: &Request) -> Form {
    let peek = &request.scanned.peek;
    match (peek.stream, peek.include_usage && request.scanned.client.shape.stream_options) {
        (false, _) => Form::Whole,
        (true, false) => Form::Stream,
        (true, true) => Form::StreamWithUsage,
    }
}

/// The names of the targets that may serve the request: a route's own targets, if it names some.
fn reachable(draft: &Draft, at: Time) -> Vec<&str> {
    let Model { targets, policy: way, .. } = &*draft.route.model;
    let route = way
        .route(&draft.request.caller, &draft.needs(), &draft.request.routing_headers, at)
        .and_then(|route| way.routes.get(route));
    match route.and_then(|route| route.targets.as_ref()) {
        None => targets.iter().map(|target| target.name.as_str()).collect(),
        Some(named) => {
            named.iter().filter_map(|place| targets.get(*place)).map(|target| target.name.as_str()).collect()
        }
    }
}

/// The scope that shares a response and its member's name; the name is empty where everyone shares it.
pub fn sharer(scope: Scope, caller: &Caller) -> (&'static str, &str) {
    match (scope, &caller.app) {
        (Scope::App, Some(app)) => (scope.name(), app),
        (Scope::Key, _) | (Scope::App, None) => (Scope::Key.name(), &caller.key_id),
        (Scope::Team, _) => (scope.name(), &caller.team),
        (Scope::All, _) => (scope.name(), ""),
    }
}

/// A response on its way to the client that is collected for the cache.
#[derive(Debug)]
pub struct CacheFill {
    place: Place,
    content_type: String,
    /// The body so far.
    body: Vec<u8>,
    /// The same bytes, reserved at the worker's memory limiter.
    permit: Permit,
}

impl CacheFill {
    /// Bytes collected so far.
    pub fn size(&self) -> usize {
        self.body.len()
    }

    /// Whether the worker has room for `more` bytes.
    pub fn has_room(&mut self, more: usize) -> bool {
        self.permit.grow(self.body.len().saturating_add(more)).is_ok()
    }

    /// Adds a portion of the body.
    pub fn add(&mut self, portion: Vec<u8>) {
        // Most responses come in one portion.
        if self.body.is_empty() { self.body = portion } else { self.body.extend(portion) }
    }

    /// Stores the complete response unless it broke off or a content filter ended it. Returns whether it was stored.
    pub fn keep(self, state: &RequestState, at: &mut StoreContext<'_>) -> bool {
        let StoreContext { now, shared, .. } = *at;
        let (Some(rule), Some(target)) = (state.route.model.cache, state.progress.current()) else { return false };
        // Inside the response's text, these quotes would be escaped.
        let filtered = || {
            memmem::find(&self.body, format!("\"{}\"", state.request.scanned.client.manner.filtered).as_bytes())
                .is_some()
        };
        let id = state.request.scanned.client.id();
        if state.progress.stage != Stage::Complete || self.body.is_empty() || filtered() || identifies(&self.body, id) {
            return false;
        }
        let Self { place: Place { bytes, alias, key, form, whose, position }, content_type, body, .. } = self;
        let usage = state.answer.usage;
        let images = state.request.scanned.prompt.images;
        let cost = target.price.map(|price| price.cost(&usage.unwrap_or_default(), images, &state.answer.extras));
        let entry = CachedResponse {
            made: now,
            expires: now.after(rule.ttl_of(&key)),
            cost: cost.unwrap_or_default().0,
            usage,
            form,
            repeats: alias.repeats,
            provider: target.provider.name.clone(),
            model: target.model.clone(),
            content_type,
            dropped: state.answer.dropped.join(", "),
            body,
        };
        let asked = state.request.started;
        let kept = slots::keep(shared, &key, (&entry, whose), asked, &state.worker.config.cache);
        if kept {
            alias::remember(shared, &bytes, &alias);
            if let Some(position) = position {
                position.add(key, entry.expires, &state.worker, at);
            }
            state.worker.redis_cache().store(&key, &Sealed { asked, whose, entry }, at.effects);
        }
        kept
    }
}

/// Whether a response may repeat who asked for it. A response of the Responses API does, and a reader gets its own fields instead. Others do
/// not, as far as their providers document them. Inside of texts, these quotes would be escaped.
fn identifies(body: &[u8], client: Id) -> bool {
    let has = |name: &str| {
        let quoted = format!("\"{name}\"");
        let mut found = memmem::find_iter(body, quoted.as_bytes());
        found.any(|at| body.get(at + quoted.len()..).is_some_and(|rest| rest.trim_ascii_start().starts_with(b":")))
    };
    client != Id::Responses && canonical::REPEATED.into_iter().any(has)
}
