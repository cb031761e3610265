//! A request and the cache: whether an answer to it may come from there, whether its answer may go there, and what came of it.
//!
//! The look comes after the key, the limits and the budgets, so that nobody is given what they might not ask for, and before the
//! request leaves. What is kept is read and written by [`cache`](crate::cache).

use memchr::memmem;
use sluice_wire::dialect::Asks;
use sluice_wire::time::Time;

use crate::cache::key::KeyBuilder;
use crate::cache::{CachedResponse, Key, Rule, Scope, slots};
use crate::gate::Share;
use crate::keys::caller::Caller;
use crate::routing::hints::Caching;
use crate::routing::target::Model;
use crate::store::SharedData;

use super::View;
use super::request_state::{Draft, Request, RequestState, Stage};

/// What a client is told of the cache.
const HEADER: &str = "x-sluice-cache";

/// What the cache was to a request.
#[derive(Debug, Default)]
pub struct CacheState {
    /// Under which key its answer is to be kept, until it is.
    key: Option<Key>,
    /// What came of the look; `None` where the model has no cache.
    found: Option<Found>,
}

/// What came of the look.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Found {
    /// An answer, which a provider made for its model.
    Hit { provider: String, model: String },
    /// None.
    Miss,
    /// Nothing was looked for.
    Bypass,
}

/// What is to become of a request whose model has a cache.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CachePolicy {
    /// An answer is looked for; where there is none, the provider's is kept.
    Look,
    /// None is looked for, and the provider's is kept: the client wants it so.
    Fill,
    /// Neither, for this reason.
    Neither(&'static str),
}

impl CacheState {
    /// The word for it: `hit`, `miss`, `bypass`.
    pub fn word(&self) -> Option<&'static str> {
        Some(match self.found.as_ref()? {
            Found::Hit { .. } => "hit",
            Found::Miss => "miss",
            Found::Bypass => "bypass",
        })
    }

    /// The same as a header for the client.
    pub fn header(&self) -> Option<(&'static str, String)> {
        self.word().map(|word| (HEADER, word.to_owned()))
    }

    /// Who made the answer that was found: the provider and its model.
    pub fn made_by(&self) -> Option<(&str, &str)> {
        match self.found.as_ref()? {
            Found::Hit { provider, model } => Some((provider, model)),
            Found::Miss | Found::Bypass => None,
        }
    }
}

impl CachePolicy {
    /// Of a request, if the model that serves it has a cache.
    pub fn of(request: &Request) -> Self {
        let kept = matches!(request.asks.client.asks, Asks::Chat(_) | Asks::Embeddings(_));
        match request.hints.caching {
            _ if !kept => Self::Neither("the gateway does not cache this endpoint"),
            _ if request.hints.overriding.is_some() => Self::Neither("its x-sluice-route header overrides routing"),
            _ if request.hints.no_fallback => Self::Neither("its x-sluice-fallback header disables fallback"),
            _ if request.asks.peek.stored.background => Self::Neither("it runs in the background"),
            _ if request.asks.peek.stored.continues => {
                Self::Neither("it continues a response that its provider stores")
            }
            Caching::None => Self::Neither("its cache-control is no-store"),
            Caching::NotFrom => Self::Fill,
            Caching::Any => Self::Look,
        }
    }
}

impl CacheState {
    /// The answer that is kept for the request with this body, if there is one; else its own is to be kept, if it may be. `planned`
    /// is when its targets were put in order.
    pub fn look(
        &mut self,
        draft: &Draft,
        body: &[u8],
        planned: Time,
        now: Time,
        shared: &dyn SharedData,
    ) -> Option<CachedResponse> {
        let rule = draft.route.model.cache?;
        let prospect = CachePolicy::of(&draft.request);
        let may = !matches!(prospect, CachePolicy::Neither(_));
        let key = may.then(|| key(draft, body, planned, &rule));
        let entry = key.filter(|_| prospect == CachePolicy::Look).and_then(|key| slots::find(shared, &key, now));
        // It may have been kept when the gateway file allowed a longer time.
        let entry = entry.filter(|entry| entry.age(now).is_some_and(|age| age < rule.ttl));
        self.found = Some(match (&entry, prospect) {
            (Some(entry), _) => Found::Hit { provider: entry.provider.clone(), model: entry.model.clone() },
            (None, CachePolicy::Look) => Found::Miss,
            (None, CachePolicy::Fill | CachePolicy::Neither(_)) => Found::Bypass,
        });
        self.key = key.filter(|_| entry.is_none());
        entry
    }

    /// The answer's headers go to the client: if it is to be kept, it is collected from here on. An answer of a lower tier than the
    /// model's best is not: it would outlive the reason for it. Nor is one that cannot be read.
    pub fn filling(&mut self, state: &RequestState, view: &dyn View) -> Option<CacheFill> {
        let key = self.key.take()?;
        let is_good =
            matches!(state.progress.stage, Stage::Answering | Stage::Complete) && state.lower_tier().is_none();
        if !is_good || view.header(":status").ok()?? != b"200" {
            return None;
        }
        let content_type = String::from_utf8(view.header("content-type").ok()??).ok()?;
        Some(CacheFill { key, content_type, body: Vec::new(), share: state.held.request.sibling() })
    }
}

/// The parts of a request that its cache key covers. A model's targets belong to it, so that a changed gateway file gives no
/// answer of those it had before.
fn key(draft: &Draft, body: &[u8], planned: Time, rule: &Rule) -> Key {
    let (scope, whose) = sharer(rule.scope, &draft.request.caller);
    let forwards = draft.request.asks.client.manner.forwards;
    let changes = draft.request.forwarded.iter().filter(|(name, _)| forwards.iter().any(|own| own.as_bytes() == *name));
    let headers: Vec<&[u8]> = changes.flat_map(|(name, value)| [name, value]).collect();
    // What some must not be shown others may have been, or all before the gateway file was changed.
    let guards = draft.request.checks.iter().flat_map(|checks| &checks.guards);
    let guards: Vec<&[u8]> = guards.flat_map(|guard| [guard.name.as_bytes(), &guard.digest]).collect();
    let checked = draft.request.checks.as_ref().is_some_and(|checks| checks.format.is_some());
    KeyBuilder::default()
        .part(scope)
        .part(whose)
        .part(&draft.route.model.name)
        .list(reachable(draft, planned).into_iter())
        .part(draft.request.asks.client.id().name())
        .list(guards.into_iter())
        .part([u8::from(checked)])
        .list(headers.into_iter())
        .part(body)
        .key()
}

/// The names of the targets that may serve it: where a route names some, only these.
fn reachable(draft: &Draft, at: Time) -> Vec<&str> {
    let Model { targets, way, .. } = &*draft.route.model;
    let route = way
        .route(&draft.request.caller, &draft.needs(), &draft.request.hints, at)
        .and_then(|route| way.routes.get(route));
    match route.and_then(|route| route.targets.as_ref()) {
        None => targets.iter().map(|target| target.name.as_str()).collect(),
        Some(named) => {
            named.iter().filter_map(|place| targets.get(*place)).map(|target| target.name.as_str()).collect()
        }
    }
}

/// Whose an answer is: the scope, and who in it; nobody by name where all share it.
pub fn sharer(scope: Scope, caller: &Caller) -> (&'static str, &str) {
    match (scope, &caller.app) {
        (Scope::App, Some(app)) => (scope.name(), app),
        (Scope::Key, _) | (Scope::App, None) => (Scope::Key.name(), &caller.key_id),
        (Scope::Team, _) => (scope.name(), &caller.team),
        (Scope::All, _) => (scope.name(), ""),
    }
}

/// An answer on its way to the client that is to be kept.
#[derive(Debug)]
pub struct CacheFill {
    key: Key,
    content_type: String,
    /// What has passed of it.
    body: Vec<u8>,
    /// The same, at the worker's gate.
    share: Share,
}

impl CacheFill {
    /// How much of it has passed.
    pub fn size(&self) -> usize {
        self.body.len()
    }

    /// Whether the worker has room for so many more bytes.
    pub fn has_room(&mut self, more: usize) -> bool {
        self.share.grow(self.body.len().saturating_add(more)).is_ok()
    }

    /// A portion passes.
    pub fn add(&mut self, portion: Vec<u8>) {
        // Most answers come in one.
        if self.body.is_empty() { self.body = portion } else { self.body.extend(portion) }
    }

    /// All of it has passed: it is kept, unless it broke off or a content filter ended it. Whether it was.
    pub fn keep(self, state: &RequestState, now: Time, shared: &dyn SharedData) -> bool {
        let (Some(rule), Some(target)) = (state.route.model.cache, state.progress.current()) else { return false };
        // In a text of the answer its quotes would be escaped.
        let filtered = || {
            memmem::find(&self.body, format!("\"{}\"", state.request.asks.client.manner.filtered).as_bytes()).is_some()
        };
        if state.progress.stage != Stage::Complete || self.body.is_empty() || filtered() {
            return false;
        }
        let Self { key, content_type, body, .. } = self;
        let entry = CachedResponse {
            made: now,
            expires: now.after(rule.ttl),
            provider: target.provider.name.clone(),
            model: target.model.clone(),
            content_type,
            dropped: state.answer.dropped.join(", "),
            body,
        };
        slots::keep(shared, &key, &entry, &state.worker.gateway.cache)
    }
}
