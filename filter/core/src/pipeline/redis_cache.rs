//! One worker's part in the cache that Envoys share in Redis: the lookups of its requests, and the responses that it has yet to store.
//!
//! A lookup may delay its request for a short time, and is a miss after it. After a failed call, nothing is looked up or stored for a moment.
//! No request waits until its response is stored. If Redis is slow, the oldest responses that wait are dropped.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use sluice_wire::time::Time;

use crate::cache::sealer::{SHORTEST_SECRET, Sealer};
use crate::cache::whose::Whose;
use crate::cache::{CachedResponse, Key, redis};
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

/// How long nothing is looked up or stored after a failed call.
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
    /// Redis, and the timeout of a lookup; `None` if Envoys do not share responses.
    redis: Option<(Wire, String, Duration)>,
    waiting: VecDeque<Call>,
    /// Their bytes.
    bytes: usize,
    is_in_flight: bool,
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

    /// Sets Redis and the timeout of a lookup, or none.
    pub fn configure(&self, redis: Option<(&Redis, Duration)>) {
        if redis.is_some() && self.sealer.get().is_none() {
            log::error!(
                "Envoys cannot share cached responses: set the environment variable {SECRET} of Envoy to a secret \
                 of {SHORTEST_SECRET} bytes or more, the same for all Envoys, and restart Envoy"
            );
        }
        self.lock().redis = redis.map(|(redis, timeout)| (Wire::new(redis), redis.prefix.clone(), timeout));
    }

    /// The call that looks up these keys. `None` if responses are not shared, or if that has just failed.
    pub(super) fn lookup(&self, keys: &[Key], now: Time, effects: &mut Vec<Effect>) -> Option<Call> {
        let state = self.lock();
        let (wire, prefix, timeout) = state.redis.as_ref()?;
        let Some(sealer) = self.sealer.get().filter(|_| now >= state.silent_until) else {
            effects.push(Effect::Count(metric::SHARED_CACHE_FAILED));
            return None;
        };
        Some(Call { timeout: *timeout, ..wire.write(&redis::lookup(prefix, sealer, keys)) })
    }

    /// The responses in the reply to a lookup, with their keys.
    pub(super) fn found(
        &self,
        called: &Called,
        keys: &[Key],
        (whose, largest): (&Whose, usize),
        now: Time,
        effects: &mut Vec<Effect>,
    ) -> Vec<(Key, CachedResponse)> {
        let reply = self.lock().read(called, now, effects);
        let found =
            reply.zip(self.sealer.get()).and_then(|(reply, sealer)| redis::found(reply, sealer, keys, whose, largest));
        let found = found.into_iter().flatten();
        keys.iter().zip(found).filter_map(|(key, found)| Some((*key, found?))).collect()
    }

    /// Queues the response to a request that arrived at `asked`.
    pub(super) fn store(&self, key: &Key, entry: &CachedResponse, asked: Time, effects: &mut Vec<Effect>) {
        let state = &mut *self.lock();
        let Some(((wire, prefix, _), sealer)) = state.redis.as_ref().zip(self.sealer.get()) else { return };
        let Some(command) = redis::store(prefix, sealer, key, entry, asked) else { return };
        let call = Call { timeout: TIMEOUT, ..wire.write(&command) };
        state.bytes = state.bytes.saturating_add(call.body.len());
        state.waiting.push_back(call);
        while state.bytes > MOST {
            let dropped = state.waiting.pop_front().map_or(0, |call| call.body.len());
            state.bytes = state.bytes.saturating_sub(dropped.max(1));
            effects.push(Effect::Count(metric::SHARED_CACHE_FAILED));
        }
    }
}

impl Outgoing for RedisCache {
    fn flush(&self, now: Time) -> Option<Call> {
        self.lock().flush(now)
    }

    fn on_reply(&self, called: &Called, now: Time, effects: &mut Vec<Effect>) -> Option<Call> {
        let state = &mut *self.lock();
        state.is_in_flight = false;
        state.read(called, now, effects)?;
        state.flush(now)
    }

    fn forget_call(&self) {
        self.lock().is_in_flight = false;
    }
}

impl State {
    fn flush(&mut self, now: Time) -> Option<Call> {
        if self.is_in_flight || now < self.silent_until {
            return None;
        }
        let next = self.waiting.pop_front()?;
        self.bytes = self.bytes.saturating_sub(next.body.len());
        self.is_in_flight = true;
        Some(next)
    }

    /// Reads a reply; `None` if the call failed.
    fn read(&mut self, called: &Called, now: Time, effects: &mut Vec<Effect>) -> Option<RedisReply> {
        let (wire, ..) = self.redis.as_ref()?;
        let why = match wire.read(called) {
            Ok(RedisReply::Error(why)) | Err(Unavailable(why)) => why,
            Ok(reply) => {
                if std::mem::replace(&mut self.fails, false) {
                    effects.push(Effect::Warn("the shared cache in Redis answers again".to_owned()));
                }
                return Some(reply);
            }
        };
        self.silent_until = now.after(PAUSE);
        effects.push(Effect::Count(metric::SHARED_CACHE_FAILED));
        if !std::mem::replace(&mut self.fails, true) {
            effects.push(Effect::Warn(format!(
                "the shared cache in Redis does not answer ({why}): until it does, each Envoy uses its own memory only"
            )));
        }
        None
    }
}
