//! One request's use of the cache: whether its response may come from the cache, whether its response may be stored, and the result.
//!
//! The lookup comes after the key, limit and budget checks, so no client gets a response that it could not request, and before the request
//! is forwarded. [`cache`](crate::cache) reads and writes the stored responses.

use memchr::memmem;
use sluice_wire::dialect::Asks;
use sluice_wire::time::Time;

use crate::cache::key::KeyBuilder;
use crate::cache::{CachedResponse, Key, Rule, Scope, Spent, slots};
use crate::keys::caller::Caller;
use crate::memory_limiter::Permit;
use crate::routing::routing_headers::Caching;
use crate::routing::target::{Model, Target};
use crate::store::SharedData;

use super::View;
use super::request_state::{Draft, Request, RequestState, Stage};

/// The response header that reports the lookup's result.
const HEADER: &str = "x-sluice-cache";

/// The cache's part in a request.
#[derive(Debug, Default)]
pub struct CacheState {
    /// The key to store the response under, until it is stored.
    key: Option<Key>,
    /// The lookup's result; `None` where the model has no cache.
    found: Option<Found>,
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
    /// The result for the log: `hit`, `miss`, `bypass`.
    pub fn word(&self) -> Option<&'static str> {
        Some(match self.found.as_ref()? {
            Found::Hit { .. } => "hit",
            Found::Miss => "miss",
            Found::Bypass => "bypass",
        })
    }

    /// The result as a response header.
    pub fn header(&self) -> Option<(&'static str, String)> {
        self.word().map(|word| (HEADER, word.to_owned()))
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
    /// The policy for a request whose model has a cache.
    pub fn of(request: &Request) -> Self {
        let kept = matches!(request.scanned.client.asks, Asks::Chat(_) | Asks::Embeddings(_));
        match request.routing_headers.caching {
            _ if !kept => Self::Neither("the gateway does not cache this endpoint"),
            _ if request.routing_headers.overriding.is_some() => {
                Self::Neither("its x-sluice-route header overrides routing")
            }
            _ if request.routing_headers.no_fallback => Self::Neither("its x-sluice-fallback header disables fallback"),
            _ if request.scanned.peek.stored.background => Self::Neither("it runs in the background"),
            _ if request.scanned.peek.stored.continues => {
                Self::Neither("it continues a response that its provider stores")
            }
            Caching::None => Self::Neither("its cache-control is no-store"),
            Caching::NotFrom => Self::Fill,
            Caching::Any => Self::Look,
        }
    }
}

impl CacheState {
    /// Returns the stored response for the request with this body. If there is none, remembers the key to store the response under, if
    /// storing is allowed. `planned` is when the targets were ranked.
    pub fn look(
        &mut self,
        draft: &Draft,
        body: &[u8],
        planned: Time,
        now: Time,
        shared: &dyn SharedData,
    ) -> Option<CachedResponse> {
        let rule = draft.route.model.cache?;
        let cache_policy = CachePolicy::of(&draft.request);
        let may = !matches!(cache_policy, CachePolicy::Neither(_));
        let key = may.then(|| key(draft, body, planned, &rule));
        let entry = key.filter(|_| cache_policy == CachePolicy::Look).and_then(|key| slots::find(shared, &key, now));
        // The response may have been stored under an older gateway file with a longer TTL.
        let entry = entry.filter(|entry| entry.age(now).is_some_and(|age| age < rule.ttl));
        self.found = Some(match (&entry, cache_policy) {
            (Some(entry), _) => Found::Hit { provider: entry.provider.clone(), model: entry.model.clone() },
            (None, CachePolicy::Look) => Found::Miss,
            (None, CachePolicy::Fill | CachePolicy::Neither(_)) => Found::Bypass,
        });
        self.key = key.filter(|_| entry.is_none());
        entry
    }

    /// Starts to collect the response for the cache when its headers go to the client. Not stored: a response of a lower tier than the
    /// model's best, which would outlive the reason for it, and one that cannot be read.
    pub fn fill(&mut self, state: &RequestState, view: &dyn View) -> Option<CacheFill> {
        let key = self.key.take()?;
        let is_good =
            matches!(state.progress.stage, Stage::Answering | Stage::Complete) && state.lower_tier().is_none();
        if !is_good || view.header(":status").ok()?? != b"200" {
            return None;
        }
        let content_type = String::from_utf8(view.header("content-type").ok()??).ok()?;
        Some(CacheFill { key, content_type, body: Vec::new(), permit: state.memory.request.sibling() })
    }
}

/// The cache key of a request. It includes the model's targets, so that a changed gateway file never serves responses of its former
/// targets.
fn key(draft: &Draft, body: &[u8], planned: Time, rule: &Rule) -> Key {
    let (scope, whose) = sharer(rule.scope, &draft.request.caller);
    let forwards = draft.request.scanned.client.manner.forwards;
    let changes = draft.request.forwarded.iter().filter(|(name, _)| forwards.iter().any(|own| own.as_bytes() == *name));
    let headers: Vec<&[u8]> = changes.flat_map(|(name, value)| [name, value]).collect();
    // Guardrails are part of the key: they may differ between clients, or have changed with the gateway file.
    let guards = draft.request.checks.iter().flat_map(|checks| &checks.guards);
    let guards: Vec<&[u8]> = guards.flat_map(|guard| [guard.name.as_bytes(), &guard.digest]).collect();
    let checked = draft.request.checks.as_ref().is_some_and(|checks| checks.format.is_some());
    KeyBuilder::default()
        .part(scope)
        .part(whose)
        .part(&draft.route.model.name)
        .list(reachable(draft, planned).into_iter())
        .part(draft.request.scanned.client.id().name())
        .list(guards.into_iter())
        .part([u8::from(checked)])
        .list(headers.into_iter())
        .part(body)
        .key()
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
    key: Key,
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
    pub fn keep(self, state: &RequestState, now: Time, shared: &dyn SharedData) -> bool {
        let (Some(rule), Some(target)) = (state.route.model.cache, state.progress.current()) else { return false };
        // Inside the response's text, these quotes would be escaped.
        let filtered = || {
            memmem::find(&self.body, format!("\"{}\"", state.request.scanned.client.manner.filtered).as_bytes())
                .is_some()
        };
        if state.progress.stage != Stage::Complete || self.body.is_empty() || filtered() {
            return false;
        }
        let Self { key, content_type, body, .. } = self;
        let entry = CachedResponse {
            made: now,
            expires: now.after(rule.ttl),
            spent: spent(state, target),
            provider: target.provider.name.clone(),
            model: target.model.clone(),
            content_type,
            dropped: state.answer.dropped.join(", "),
            body,
        };
        slots::keep(shared, &key, &entry, &state.worker.config.cache)
    }
}
/// The usage of the response that ends.
fn spent(state: &RequestState, target: &Target) -> Spent {
    let usage = state.answer.usage.unwrap_or_default();
    let cost = target.price.map(|price| price.cost(&usage, state.request.scanned.prompt.images, &state.answer.extras));
    Spent { input: usage.input, output: usage.output, cost: cost.unwrap_or_default().0 }
}
