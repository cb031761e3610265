//! Redis, as one worker sees it: whether it answers, the keys it told of, and the settlements it has not confirmed.
//!
//! A question that is not answered makes the worker leave Redis alone for a moment, so that an outage costs one request
//! the wait and not all of them. A settlement is kept until Redis has confirmed it; it is told again as often as
//! needed, which changes nothing, because Redis knows settlements by their ids.

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
use crate::store::{Settled, Settlement, Unavailable, redis};

use super::remembered::Record;
use super::{Effect, metric};

/// For how long Redis is left alone after it did not answer.
const PAUSE: Duration = Duration::from_secs(1);
/// How long a confirmation of settlements is waited for, at least.
const TELLING: Duration = Duration::from_secs(2);
/// For how long a record that Redis once told of is good while Redis is silent.
const LONGEST_MEMORY: Duration = Duration::from_secs(300);
/// The most keys that are remembered, known and unknown.
const MOST_KEYS: usize = 10_000;
/// The most keys that Redis is asked for at the same time: anybody can make up keys that look like ours.
const MOST_ASKED: usize = 16;
/// The most settlements of a worker that wait to be confirmed.
const MOST_UNSETTLED: usize = 20_000;
/// Redis over HTTP, and what is remembered of it.
#[derive(Debug)]
pub struct RedisClient {
    /// How it is spoken to.
    pub wire: Wire,
    /// What the gateway file says of it.
    pub settings: Redis,
    state: Rc<State>,
    outbox: Arc<Outbox>,
}

/// What is known of one Redis, under all configurations that name it.
#[derive(Debug, Default)]
struct State {
    keys: RefCell<BTreeMap<KeyHash, Remembered>>,
    /// The keys that it is being asked for, and by how many requests.
    asked: Rc<RefCell<BTreeMap<KeyHash, usize>>>,
}

#[derive(Debug, Clone)]
struct Remembered {
    record: Option<Rc<Record>>,
    at: Time,
}

/// A question for a key that is under way, until it is dropped.
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

/// The settlements that one Redis has not confirmed, and whether that Redis answers. Several workers can share it.
#[derive(Debug)]
pub struct Outbox {
    queue: Mutex<Queue>,
    /// The most settlements that wait.
    most: usize,
    silent: AtomicBool,
    /// Nanoseconds since the Unix epoch.
    silent_until: AtomicU64,
}

impl Outbox {
    /// One for so many workers.
    pub fn of_workers(workers: usize) -> Self {
        let most = MOST_UNSETTLED.saturating_mul(workers.max(1));
        Self { queue: Mutex::default(), most, silent: AtomicBool::default(), silent_until: AtomicU64::default() }
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        // Whoever panicked has left the queue as it was, or longer: settlements that are told twice count once.
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
    /// Those at the front of `waiting` that a call under way tells of, and whether it names the script by its hash.
    telling: Option<(usize, bool)>,
    /// Those at the front of `waiting` that are told one by one, because Redis refused them together.
    alone: usize,
}

impl RedisClient {
    /// Redis, of which nothing is known yet.
    pub fn new(settings: Redis) -> Self {
        Self { wire: Wire::new(&settings), settings, state: Rc::default(), outbox: Arc::default() }
    }

    /// Uses an outbox that others use too.
    pub fn sharing(self, outbox: Arc<Outbox>) -> Self {
        Self { outbox, ..self }
    }

    /// The same Redis under other settings; if they lead to another one, nothing is known of that.
    pub fn with(&self, settings: Redis) -> Self {
        let Redis { timeout, sync, key_cache, when_down, .. } = settings;
        let same = settings == Redis { timeout, sync, key_cache, when_down, ..self.settings.clone() };
        let (state, outbox) =
            if same { (self.state.clone(), self.outbox.clone()) } else { (Rc::default(), Arc::default()) };
        Self { wire: Wire::new(&settings), settings, state, outbox }
    }

    /// Whether both have the same settlements.
    pub fn shares_outbox(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.outbox, &other.outbox)
    }

    /// Whether settlements wait to be told or confirmed.
    pub fn has_to_tell(&self) -> bool {
        !self.outbox.lock().waiting.is_empty()
    }

    /// The call that told of settlements will have no answer: they are told again, which changes nothing if they had arrived.
    pub fn forget_call(&self) {
        self.outbox.lock().telling = None;
    }

    /// Whether it makes sense to ask it now.
    pub fn answers(&self, now: Time) -> bool {
        now.0 >= self.outbox.silent_until.load(Ordering::Relaxed)
    }

    /// A question to it. After a silence one is enough to learn whether it answers again: until that is known, others do
    /// not wait for it.
    pub fn ask(&self, command: &Command, now: Time) -> Call {
        if self.outbox.silent.load(Ordering::Relaxed) {
            self.leave_alone(self.settings.timeout.max(PAUSE), now);
        }
        self.wire.write(command)
    }

    fn leave_alone(&self, time: Duration, now: Time) {
        self.outbox.silent_until.store(now.after(time).0, Ordering::Relaxed);
    }

    /// Reads what came back, and takes note of whether anything did. `None` stands for a script that Redis does not know
    /// by its hash.
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
            Err(Unavailable(why)) => self.falls_silent(why, now, effects),
        }
        read.map(|reply| Some(reply).filter(|reply| !reply.is_unknown_script()))
    }

    fn falls_silent(&self, why: &str, now: Time, effects: &mut Vec<Effect>) {
        effects.push(Effect::Count(metric::REDIS_DOWN));
        self.leave_alone(PAUSE, now);
        if !self.outbox.silent.swap(true, Ordering::Relaxed) {
            let policy = self.settings.when_down;
            effects.push(Effect::Warn(format!(
                "Redis does not answer ({why}). The gateway's policy until it does: {policy:?}"
            )));
        }
    }

    /// What is remembered of a key: `None` when Redis has to be asked. A key that is not remembered and cannot be asked
    /// for is an error.
    pub fn remembered(&self, hash: &KeyHash, now: Time) -> Result<Option<Option<Rc<Record>>>, Unavailable> {
        let fresh = self.settings.key_cache;
        let age = if self.answers(now) { fresh } else { fresh.max(LONGEST_MEMORY) };
        match self.state.keys.borrow().get(hash) {
            Some(known) if now.since(known.at) < age => Ok(Some(known.record.clone())),
            _ if self.answers(now) => Ok(None),
            _ => Err(Unavailable("Redis does not answer, and the gateway has no cached record of this key".to_owned())),
        }
    }

    /// One more request is to ask for this key; `None` when it is being asked for too many others.
    pub fn asking(&self, hash: &KeyHash) -> Option<Asking> {
        let mut asked = self.state.asked.borrow_mut();
        if asked.len() >= MOST_ASKED && !asked.contains_key(hash) {
            return None;
        }
        *asked.entry(*hash).or_default() += 1;
        Some(Asking { asked: self.state.asked.clone(), hash: *hash })
    }

    /// Remembers what Redis said of a key.
    pub fn remember(&self, hash: KeyHash, record: Option<Rc<Record>>, now: Time) {
        let mut keys = self.state.keys.borrow_mut();
        if keys.len() >= MOST_KEYS {
            // Anybody can make up keys that nobody has: those give way to the ones that an outage will ask for.
            let age = self.settings.key_cache.max(LONGEST_MEMORY);
            keys.retain(|_, known| known.record.is_some() && now.since(known.at) < age);
        }
        if keys.len() >= MOST_KEYS {
            keys.retain(|_, known| now.since(known.at) < self.settings.key_cache);
        }
        if keys.len() < MOST_KEYS {
            keys.insert(hash, Remembered { record, at: now });
        }
    }

    /// Keeps a settlement until Redis has confirmed it.
    pub fn settle(&self, mut settlement: Settlement, effects: &mut Vec<Effect>) {
        if self.settings.mode == Mode::Relaxed {
            // The keeper tells Redis of the meters; of the accounts it is told from here.
            settlement.parts.clear();
        }
        settlement.parts = by_meter(settlement.parts);
        let written = SettleCommand::new(&self.settings.prefix, &settlement);
        let mut outbox = self.outbox.lock();
        if outbox.waiting.len() < self.outbox.most {
            outbox.waiting.push_back(written);
        } else {
            effects.push(Effect::Count(metric::UNSETTLED));
        }
    }

    /// The next call that tells Redis of settlements, when there are any and none is under way.
    pub fn tell(&self, now: Time) -> Option<Call> {
        let mut outbox = self.outbox.lock();
        if outbox.telling.is_some() || outbox.waiting.is_empty() || !self.answers(now) {
            return None;
        }
        let most = if outbox.alone > 0 { 1 } else { redis::settle::LARGEST_BATCH };
        let count = outbox.waiting.len().min(most);
        outbox.telling = Some((count, true));
        Some(self.call(&mut outbox, count, true, now))
    }

    /// What came back of such a call; another when the script has to be told in full.
    pub fn told(&self, called: &Called, now: Time, effects: &mut Vec<Effect>) -> Option<Call> {
        let read = self.read(called, now, effects);
        let mut outbox = self.outbox.lock();
        let (count, by_hash) = outbox.telling.take()?;
        match read {
            Ok(None) if by_hash => {
                outbox.telling = Some((count, false));
                Some(self.call(&mut outbox, count, false, now))
            }
            Ok(Some(RedisReply::Error(why))) if count > 1 => {
                // One that Redis can never take must not be the end of the others.
                effects.push(Effect::Warn(format!("Redis rejected a batch of {count} usage updates: {why}")));
                outbox.alone = count;
                drop(outbox);
                self.tell(now)
            }
            Ok(Some(RedisReply::Error(why))) => {
                effects.push(Effect::Warn(format!("Redis rejected a usage update: {why}")));
                effects.push(Effect::Count(metric::UNSETTLED));
                self.go_on(outbox, count, now)
            }
            Ok(Some(reply)) => match redis::settle::settled(&reply) {
                Ok(_) => self.go_on(outbox, count, now),
                Err(Unavailable(why)) => {
                    self.falls_silent(&why, now, effects);
                    None
                }
            },
            Ok(None) | Err(_) => None,
        }
    }

    /// Those that were told are done with; when so many wait that a tick would not be enough, the next go at once.
    fn go_on(&self, mut outbox: MutexGuard<'_, Queue>, count: usize, now: Time) -> Option<Call> {
        outbox.waiting.drain(..count);
        outbox.alone = outbox.alone.saturating_sub(count);
        let many = outbox.alone > 0 || outbox.waiting.len() >= redis::settle::LARGEST_BATCH;
        drop(outbox);
        if many { self.tell(now) } else { None }
    }

    fn call(&self, outbox: &mut Queue, count: usize, by_hash: bool, now: Time) -> Call {
        let batch = outbox.waiting.make_contiguous().get(..count).unwrap_or_default();
        let command = redis::settle::command(&self.settings.prefix, batch);
        let command = if by_hash { command } else { command.with_source().unwrap_or(command) };
        let call = self.ask(&command, now);
        // No request waits for it, and what is not confirmed in time has to be told again.
        Call { timeout: call.timeout.max(TELLING), ..call }
    }
}

/// A meter that was reserved twice, here while Redis was silent, is one part to Redis.
fn by_meter(parts: Vec<Settled>) -> Vec<Settled> {
    let mut merged: Vec<Settled> = Vec::with_capacity(parts.len());
    for part in parts {
        match merged.iter_mut().find(|other| other.counter == part.counter) {
            Some(other) => other.used = other.used.saturating_add(part.used),
            None => merged.push(part),
        }
    }
    merged
}
