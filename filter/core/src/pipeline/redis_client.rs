//! One worker's view of Redis: whether it replies, the cached key records, and the settlements that it has not confirmed.
//!
//! After a call without a reply, the worker does not call Redis for a moment, so that an outage delays one request and not all of them. A
//! settlement is retained until Redis confirms it and is sent again as often as needed. Resending is harmless, because Redis recognizes a
//! settlement by its id.

use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use sluice_wire::time::Time;

use crate::callout::{Call, Called};
use crate::key_hash::KeyHash;
use crate::store::redis::settings::Mode;
use crate::store::redis::settings::Redis;
use crate::store::redis::settle::SettleCommand;
use crate::store::redis::wire::{Command, RedisReply, Wire};
use crate::store::value::age;
use crate::store::{Settled, Settlement, Unavailable, redis};

use super::cached_key::CachedKey;
use super::rare_warning::RareWarning;
use super::{Effect, metric};

/// How long Redis is not called after a call without a reply.
const PAUSE: Duration = Duration::from_secs(1);
/// The least timeout for the confirmation of settlements.
const SETTLE_TIMEOUT: Duration = Duration::from_secs(2);
/// How long a cached key record is valid while Redis does not reply.
const LONGEST_MEMORY: Duration = Duration::from_secs(300);
/// The most cached keys, known and unknown.
const MOST_KEYS: usize = 10_000;
/// The most keys that are looked up at the same time: anybody can make up well-formed keys.
const MOST_ASKED: usize = 16;
/// The most unconfirmed settlements of a worker.
const MOST_UNSETTLED: usize = 20_000;
/// A client of Redis over HTTP, with its cache.
#[derive(Debug)]
pub struct RedisClient {
    /// The connection's protocol.
    pub wire: Wire,
    /// Redis's settings in the gateway file.
    pub settings: Redis,
    state: Rc<State>,
    outbox: Arc<Outbox>,
}

/// The state of one Redis, shared by all configurations that name it.
#[derive(Debug, Default)]
struct State {
    keys: RefCell<BTreeMap<KeyHash, CachedRecord>>,
    /// The keys being looked up, and the number of requests that wait for each.
    asked: Rc<RefCell<BTreeMap<KeyHash, usize>>>,
    nonsense: RareWarning,
}

#[derive(Debug, Clone)]
struct CachedRecord {
    record: Option<Rc<CachedKey>>,
    at: Time,
}

/// A key lookup in flight, until it is dropped.
#[derive(Debug)]
pub struct Asking {
    asked: Rc<RefCell<BTreeMap<KeyHash, usize>>>,
    hash: KeyHash,
}

impl Drop for Asking {
    fn drop(&mut self) {
        let mut asked = self.asked.borrow_mut();
        let left = asked.get(&self.hash).copied().unwrap_or_default().saturating_sub(1);
        if left == 0 {
            asked.remove(&self.hash);
        } else {
            asked.insert(self.hash, left);
        }
    }
}

/// The settlements that one Redis has not confirmed, and whether that Redis replies. Several workers can share it.
#[derive(Debug)]
pub struct Outbox {
    queue: Mutex<Queue>,
    /// The most settlements in the queue.
    most: usize,
    silent: AtomicBool,
    /// Nanoseconds since the Unix epoch.
    silent_until: AtomicU64,
}

impl Outbox {
    /// An outbox for this number of workers.
    pub fn of_workers(workers: usize) -> Self {
        let most = MOST_UNSETTLED.saturating_mul(workers.max(1));
        Self { queue: Mutex::default(), most, silent: AtomicBool::default(), silent_until: AtomicU64::default() }
    }

    /// How many settlements wait to be sent or confirmed.
    pub fn waiting(&self) -> usize {
        self.lock().waiting.len()
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        // A panic leaves the queue unchanged or longer, and a settlement that is sent twice counts once.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for Outbox {
    fn default() -> Self {
        Self::of_workers(1)
    }
}

#[derive(Debug, Default)]
struct Queue {
    waiting: VecDeque<SettleCommand>,
    /// How many at the front of `waiting` the call in flight covers, and whether it names the script by its hash.
    in_flight: Option<(usize, bool)>,
    /// How many at the front of `waiting` are sent one by one, because Redis rejected them together.
    alone: usize,
}

impl RedisClient {
    /// A client without state.
    pub fn new(settings: Redis) -> Self {
        Self { wire: Wire::new(&settings), settings, state: Rc::default(), outbox: Arc::default() }
    }

    /// Shares an outbox with others.
    pub fn sharing(self, outbox: Arc<Outbox>) -> Self {
        Self { outbox, ..self }
    }

    /// The client under new settings; it starts without state if they name another Redis.
    pub fn with(&self, settings: Redis) -> Self {
        let Redis { timeout, sync, key_cache, when_down, .. } = settings;
        let same = settings == Redis { timeout, sync, key_cache, when_down, ..self.settings.clone() };
        let (state, outbox) =
            if same { (self.state.clone(), self.outbox.clone()) } else { (Rc::default(), Arc::default()) };
        Self { wire: Wire::new(&settings), settings, state, outbox }
    }

    /// Whether both clients send the same settlements.
    pub fn shares_outbox(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.outbox, &other.outbox)
    }

    /// How many settlements wait to be sent or confirmed.
    pub fn backlog(&self) -> usize {
        self.outbox.waiting()
    }

    /// Whether settlements wait to be sent or confirmed.
    pub fn has_unsettled(&self) -> bool {
        !self.outbox.lock().waiting.is_empty()
    }

    /// The settlement call in flight will get no reply: its settlements are sent again, which is harmless if they had arrived.
    pub fn forget_call(&self) {
        self.outbox.lock().in_flight = None;
    }

    /// Whether Redis may be called now.
    pub fn answers(&self, now: Time) -> bool {
        let silent_until = Time(self.outbox.silent_until.load(Ordering::Relaxed));
        !silent_until.is_ahead(now, self.settings.timeout.max(PAUSE))
    }

    /// Writes a call. After Redis fell silent, only one call probes it: until it replies, other requests do not wait for it.
    pub fn ask(&self, command: &Command, now: Time) -> Call {
        if self.outbox.silent.load(Ordering::Relaxed) {
            self.leave_alone(self.settings.timeout.max(PAUSE), now);
        }
        self.wire.write(command)
    }

    fn leave_alone(&self, time: Duration, now: Time) {
        self.outbox.silent_until.store(now.after(time).0, Ordering::Relaxed);
    }

    /// Reads a reply and records whether Redis replies. `None`: Redis does not know the script by its hash.
    pub fn read(
        &self,
        called: &Called,
        now: Time,
        effects: &mut Vec<Effect>,
    ) -> Result<Option<RedisReply>, Unavailable> {
        let read = self.wire.read(called);
        match &read {
            Ok(_) => {
                if self.outbox.silent.swap(false, Ordering::Relaxed) {
                    self.outbox.silent_until.store(0, Ordering::Relaxed);
                    effects.push(Effect::Warn("Redis answers again".to_owned()));
                }
            }
            Err(Unavailable(why)) => self.pause_after_failure(why, now, effects),
        }
        read.map(|reply| Some(reply).filter(|reply| !reply.is_unknown_script()))
    }

    fn pause_after_failure(&self, why: &str, now: Time, effects: &mut Vec<Effect>) {
        effects.push(Effect::Count(metric::REDIS_DOWN));
        self.leave_alone(PAUSE, now);
        if !self.outbox.silent.swap(true, Ordering::Relaxed) {
            let policy = self.settings.when_down;
            effects.push(Effect::Warn(format!(
                "Redis does not answer ({why}). The gateway's policy until it does: {policy:?}"
            )));
        }
    }

    /// Records that a reply makes no sense. After a reservation, calls go on: the reply came in time, and a counter that Redis cannot read
    /// concerns few requests, while a pause would leave all of them unchecked.
    pub fn makes_no_sense(&self, why: &str, now: Time, effects: &mut Vec<Effect>) {
        effects.push(Effect::Count(metric::REDIS_DOWN));
        self.state.nonsense.push(format!("Redis sent an unexpected reply: {why}"), now, effects);
    }

    /// The cached record of a key; `None` if Redis must be called. Fails if the key is not cached and Redis does not reply.
    pub fn cached_key(&self, hash: &KeyHash, now: Time) -> Result<Option<Option<Rc<CachedKey>>>, Unavailable> {
        let fresh = self.settings.key_cache;
        let is_valid = |at| match self.answers(now) {
            true => age(now, at).is_some_and(|age| age < fresh),
            false => now.since(at) < fresh.max(LONGEST_MEMORY),
        };
        match self.state.keys.borrow().get(hash) {
            Some(known) if is_valid(known.at) => Ok(Some(known.record.clone())),
            _ if self.answers(now) => Ok(None),
            _ => Err(Unavailable("Redis does not answer, and the gateway has no cached record of this key".to_owned())),
        }
    }

    /// Registers one more lookup of this key; `None` if too many other keys are being looked up.
    pub fn asking(&self, hash: &KeyHash) -> Option<Asking> {
        let mut asked = self.state.asked.borrow_mut();
        if asked.len() >= MOST_ASKED && !asked.contains_key(hash) {
            return None;
        }
        *asked.entry(*hash).or_default() += 1;
        Some(Asking { asked: self.state.asked.clone(), hash: *hash })
    }

    /// Caches the result of a key lookup.
    pub fn cache_key(&self, hash: KeyHash, record: Option<Rc<CachedKey>>, now: Time) {
        let mut keys = self.state.keys.borrow_mut();
        if keys.len() >= MOST_KEYS {
            // Anybody can make up keys. Unknown ones are evicted first; the known ones are needed in an outage.
            let age = self.settings.key_cache.max(LONGEST_MEMORY);
            keys.retain(|_, known| known.record.is_some() && now.since(known.at) < age);
        }
        if keys.len() >= MOST_KEYS {
            keys.retain(|_, known| now.since(known.at) < self.settings.key_cache);
        }
        if keys.len() < MOST_KEYS {
            keys.insert(hash, CachedRecord { record, at: now });
        }
    }

    /// Queues a settlement until Redis confirms it.
    pub fn settle(&self, mut settlement: Settlement, effects: &mut Vec<Effect>) {
        if self.settings.mode == Mode::Relaxed && !settlement.corrects {
            // In relaxed mode the counter sync sends the counters; only account entries and corrections are sent from here.
            settlement.parts.clear();
        }
        settlement.parts = by_counter(settlement.parts);
        let written = SettleCommand::new(&self.settings.prefix, &settlement);
        let mut outbox = self.outbox.lock();
        if outbox.waiting.len() < self.outbox.most {
            outbox.waiting.push_back(written);
        } else {
            effects.push(Effect::Count(metric::UNSETTLED));
        }
    }

    /// The next settlement call, if there are settlements and no call is in flight.
    pub fn flush(&self, now: Time) -> Option<Call> {
        let mut outbox = self.outbox.lock();
        if outbox.in_flight.is_some() || outbox.waiting.is_empty() || !self.answers(now) {
            return None;
        }
        let most = if outbox.alone > 0 { 1 } else { redis::settle::LARGEST_BATCH };
        let count = outbox.waiting.len().min(most);
        outbox.in_flight = Some((count, true));
        Some(self.call(&mut outbox, count, true, now))
    }

    /// Handles a settlement call's reply. Returns the next call, for example to send the script in full.
    pub fn on_reply(&self, called: &Called, now: Time, effects: &mut Vec<Effect>) -> Option<Call> {
        let read = self.read(called, now, effects);
        let mut outbox = self.outbox.lock();
        let (count, by_hash) = outbox.in_flight.take()?;
        match read {
            Ok(None) if by_hash => {
                outbox.in_flight = Some((count, false));
                Some(self.call(&mut outbox, count, false, now))
            }
            Ok(Some(RedisReply::Error(why))) if count > 1 => {
                // A settlement that Redis always rejects must not take the others with it.
                effects.push(Effect::Warn(format!("Redis rejected a batch of {count} usage updates: {why}")));
                outbox.alone = count;
                drop(outbox);
                self.flush(now)
            }
            Ok(Some(RedisReply::Error(why))) => {
                effects.push(Effect::Warn(format!("Redis rejected a usage update: {why}")));
                effects.push(Effect::Count(metric::UNSETTLED));
                self.go_on(outbox, count, now)
            }
            Ok(Some(reply)) => match redis::settle::settled(&reply) {
                Ok(_) => self.go_on(outbox, count, now),
                Err(Unavailable(why)) => {
                    // The next tick would send it again.
                    self.leave_alone(PAUSE, now);
                    self.makes_no_sense(&why, now, effects);
                    None
                }
            },
            Ok(None) | Err(_) => None,
        }
    }

    /// Removes the confirmed settlements. If many more wait, returns the next call at once.
    fn go_on(&self, mut outbox: MutexGuard<'_, Queue>, count: usize, now: Time) -> Option<Call> {
        outbox.waiting.drain(..count);
        outbox.alone = outbox.alone.saturating_sub(count);
        let many = outbox.alone > 0 || outbox.waiting.len() >= redis::settle::LARGEST_BATCH;
        drop(outbox);
        if many { self.flush(now) } else { None }
    }

    fn call(&self, outbox: &mut Queue, count: usize, by_hash: bool, now: Time) -> Call {
        let batch = outbox.waiting.make_contiguous().get(..count).unwrap_or_default();
        let command = redis::settle::command(&self.settings.prefix, batch);
        let command = if by_hash { command } else { command.with_source().unwrap_or(command) };
        let call = self.ask(&command, now);
        // No request waits for this call, and settlements without a timely confirmation must be sent again.
        Call { timeout: call.timeout.max(SETTLE_TIMEOUT), ..call }
    }
}

/// Merges debits of the same counter: it may have been reserved twice, once here while Redis was silent.
fn by_counter(parts: Vec<Settled>) -> Vec<Settled> {
    let mut merged: Vec<Settled> = Vec::with_capacity(parts.len());
    for part in parts {
        match merged.iter_mut().find(|other| other.counter == part.counter) {
            Some(other) => other.used = other.used.saturating_add(part.used),
            None => merged.push(part),
        }
    }
    merged
}
