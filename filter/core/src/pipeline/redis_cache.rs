//! One worker's part in the cache that Envoys share in Redis: the lookups of its requests, and the responses that it has yet to store.
//!
//! A lookup may delay its request for a short time, and is a miss after it. After a failed lookup, nothing is looked up for a moment; after a
//! failed store, nothing is stored. No request waits for a store. If Redis is slow, the oldest responses that wait are dropped.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use sluice_wire::time::Time;

use crate::cache::sealer::{SHORTEST_SECRET, Sealed, Sealer};
use crate::cache::{Key, redis};
use crate::callout::{Call, Called};
use crate::store::Unavailable;
use crate::store::redis::settings::Redis;
use crate::store::redis::wire::{RedisReply, Wire};

use super::outgoing::Outgoing;
use super::{Effect, metric};

/// The environment variable of Envoy that has the secret.
pub const SECRET: &str = "SLUICE_CACHE_KEY";

/// The most bytes that wait to be stored.
const MOST: usize = 8 << 20;

/// How long no call of the same kind is made after a failed one.
const PAUSE: Duration = Duration::from_secs(1);

/// Redis's time to store a response.
const TIMEOUT: Duration = Duration::from_secs(2);

/// One worker's part in the shared cache.
#[derive(Debug, Default)]
pub struct RedisCache {
    sealer: OnceLock<Sealer>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// `None` if Envoys do not share responses.
    server: Option<Server>,
    waiting: VecDeque<Store>,
    /// Their bytes.
    bytes: usize,
    is_in_flight: bool,
    lookups: Health,
    stores: Health,
}

/// Redis, as a configuration names it.
#[derive(Debug, Clone)]
struct Server {
    settings: Redis,
    wire: Wire,
    /// The timeout of a lookup.
    timeout: Duration,
}

/// A sealed text that Redis does not have yet.
#[derive(Debug)]
struct Store {
    /// The response's key; `None` for an entry of the semantic cache's index.
    key: Option<Key>,
    text: String,
    expires: Time,
}

/// Whether one kind of call succeeds.
#[derive(Debug, Default)]
struct Health {
    /// No call is made before this time.
    silent_until: Time,
    /// Whether the last call failed.
    fails: bool,
}

impl RedisCache {
    fn lock(&self) -> MutexGuard<'_, State> {
        // These values are never left half-written.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sets the secret that responses are sealed with. It cannot change.
    pub fn set_secret(&self, secret: &[u8]) {
        if let Some(sealer) = Sealer::new(secret) {
            let _ = self.sealer.set(sealer);
        }
    }

    /// The key of the semantic cache's signatures, the same for all Envoys that have the secret.
    pub(super) fn words(&self) -> Option<[u8; 32]> {
        self.sealer.get().map(|sealer| sealer.words)
    }

    /// Sets Redis and the timeout of a lookup, or none.
    pub fn configure(&self, redis: Option<(&Redis, Duration)>) {
        if redis.is_some() && self.sealer.get().is_none() {
            log::error!(
                "Envoys cannot share cached responses: set the environment variable {SECRET} of Envoy to a secret of \
                 {SHORTEST_SECRET} bytes or more, the same for all Envoys, and restart Envoy"
            );
        }
        let server = redis.map(|(redis, timeout)| Server { settings: redis.clone(), wire: Wire::new(redis), timeout });
        let state = &mut *self.lock();
        let settings = |server: &Option<Server>| server.as_ref().map(|server| server.settings.clone());
        if settings(&state.server) != settings(&server) {
            state.waiting.clear();
            state.bytes = 0;
        }
        state.server = server;
    }

    /// The server, and the sealer; `None` if Envoys do not share responses, or this one has no secret.
    fn server(&self) -> Option<(Server, &Sealer)> {
        self.lock().server.clone().zip(self.sealer.get())
    }

    /// The call that looks up these keys. `None` if it may take longer than `longest`, or has just failed: a request with a short timeout of
    /// its own must not stop the lookups of others.
    pub(super) fn lookup(&self, keys: &[Key], longest: Duration, now: Time, effects: &mut Vec<Effect>) -> Option<Call> {
        let (server, sealer) = self.server().filter(|(server, _)| server.timeout <= longest)?;
        if self.lock().lookups.silent_until.is_ahead(now, PAUSE) {
            effects.push(Effect::Count(metric::SHARED_CACHE_FAILED));
            return None;
        }
        let command = redis::lookup(&server.settings.prefix, sealer, keys);
        Some(Call { timeout: server.timeout, ..server.wire.write(&command) })
    }

    /// The responses in the reply to a lookup, with their keys.
    pub(super) fn found(
        &self,
        called: &Called,
        keys: &[Key],
        largest: usize,
        now: Time,
        effects: &mut Vec<Effect>,
    ) -> Vec<(Key, Sealed)> {
        let Some((server, sealer)) = self.server() else { return Vec::new() };
        let reply = server.read(called);
        self.lock().lookups.note(reply.as_ref().err(), now, effects);
        reply.ok().and_then(|reply| redis::found(&reply, sealer, keys, largest, now)).unwrap_or_default()
    }

    /// Queues a response to be stored.
    pub(super) fn store(&self, key: &Key, response: &Sealed, effects: &mut Vec<Effect>) {
        let Some((_, sealer)) = self.server() else { return };
        let text = redis::sealed(sealer, key, response);
        self.queue(text, Some(*key), response.entry.expires, effects);
    }

    /// Queues an entry of the semantic cache's index to be stored.
    pub(super) fn store_position(&self, entry: impl FnOnce() -> Vec<u8>, expires: Time, effects: &mut Vec<Effect>) {
        let Some((_, sealer)) = self.server() else { return };
        self.queue(sealer.seal_position(entry()), None, expires, effects);
    }

    fn queue(&self, text: Option<String>, key: Option<Key>, expires: Time, effects: &mut Vec<Effect>) {
        let Some(text) = text else { return };
        let state = &mut *self.lock();
        state.bytes = state.bytes.saturating_add(text.len());
        state.waiting.push_back(Store { key, text, expires });
        while state.bytes > MOST {
            let dropped = state.waiting.pop_front().map_or(0, |store| store.text.len());
            state.bytes = state.bytes.saturating_sub(dropped.max(1));
            effects.push(Effect::Count(metric::SHARED_CACHE_FAILED));
        }
    }

    fn next(&self, state: &mut State, now: Time) -> Option<Call> {
        let (server, sealer) = state.server.as_ref().zip(self.sealer.get())?;
        if state.is_in_flight || state.stores.silent_until.is_ahead(now, PAUSE) {
            return None;
        }
        while let Some(Store { key, text, expires }) = state.waiting.pop_front() {
            state.bytes = state.bytes.saturating_sub(text.len());
            if now < expires {
                state.is_in_flight = true;
                let prefix = &server.settings.prefix;
                let command = match key {
                    Some(key) => redis::store(prefix, sealer, &key, text, expires.since(now)),
                    None => redis::add_position(prefix, &text, now),
                };
                return Some(Call { timeout: TIMEOUT, ..server.wire.write(&command) });
            }
        }
        None
    }
}

impl Outgoing for RedisCache {
    fn flush(&self, now: Time) -> Option<Call> {
        self.next(&mut self.lock(), now)
    }

    fn on_reply(&self, called: &Called, now: Time, effects: &mut Vec<Effect>) -> Option<Call> {
        let state = &mut *self.lock();
        state.is_in_flight = false;
        let reply = state.server.as_ref()?.read(called);
        state.stores.note(reply.as_ref().err(), now, effects);
        self.next(state, now)
    }

    fn forget_call(&self) {
        self.lock().is_in_flight = false;
    }
}

impl Server {
    fn read(&self, called: &Called) -> Result<RedisReply, Unavailable> {
        match self.wire.read(called)? {
            RedisReply::Error(why) => Err(Unavailable(why)),
            reply => Ok(reply),
        }
    }
}

impl Health {
    /// Records the result of a call.
    fn note(&mut self, failure: Option<&Unavailable>, now: Time, effects: &mut Vec<Effect>) {
        let failed = std::mem::replace(&mut self.fails, failure.is_some());
        let Some(Unavailable(why)) = failure else { return };
        self.silent_until = now.after(PAUSE);
        effects.push(Effect::Count(metric::SHARED_CACHE_FAILED));
        if !failed {
            effects.push(Effect::Warn(format!(
                "a call to the shared cache in Redis failed ({why}): until calls succeed again, Envoys share no responses"
            )));
        }
    }
}
