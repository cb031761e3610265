//! The keeper: exchanges counts with Redis now and then, in relaxed mode. There is one for each Envoy, on its main thread.
//!
//! A round tells of one place after another, each when the one before was answered: of those at which a team of the present
//! configuration is, which the gateway role announces, and of others until nothing of theirs is left to tell. A batch without an answer stays in the
//! shared data, and the next round begins with it: nothing is lost in an outage, and what piled up is told in the first
//! round after it. See [`exchange`](crate::store::embedded::exchange).

use std::cell::{Cell, RefCell};
use std::time::Duration;

use sluice_wire::time::Time;

use crate::callout::{Call, Called};
use crate::store::embedded::{Announced, ShardId, exchange};
use crate::store::redis::settings::Mode;
use crate::store::redis::settings::Redis;
use crate::store::redis::sync;
use crate::store::redis::wire::RedisReply;
use crate::store::{Batch, SharedData, Unavailable};

use super::Effect;
use super::redis_client::RedisClient;

/// What an Envoy tells the others, and when.
#[derive(Debug)]
pub struct CounterSync {
    remote: RedisClient,
    envoy: [u8; 16],
    telling: RefCell<Option<Telling>>,
    /// Whether the log was told that something is wrong, until all is well again.
    complained: Cell<bool>,
}

/// A call under way.
#[derive(Debug)]
struct Telling {
    batch: Batch,
    /// Whether the call names the script by its hash.
    by_hash: bool,
}

impl CounterSync {
    /// A keeper; `None` when the gateway is not in relaxed mode. `envoy` is what no other Envoy ever had: 16 random bytes will do.
    pub fn new(redis: Redis, envoy: [u8; 16]) -> Option<Self> {
        let remote = RedisClient::new(Some(redis).filter(|redis| redis.mode == Mode::Relaxed)?);
        Some(Self { remote, envoy, telling: RefCell::default(), complained: Cell::default() })
    }

    /// How often it wants to be called.
    pub fn period(&self) -> Duration {
        self.remote.settings.sync
    }

    /// Begins a round, unless one is under way, or Redis was silent just now.
    pub fn tick(&self, now: Time, shared: &dyn SharedData, effects: &mut Vec<Effect>) -> Option<Call> {
        if self.telling.borrow().is_some() || !self.remote.answers(now) {
            return None;
        }
        self.tell(ShardId::of(""), now, shared, effects)
    }

    /// What came back of a call; the next of the round, when there is one.
    pub fn told(&self, called: &Called, now: Time, shared: &dyn SharedData, effects: &mut Vec<Effect>) -> Option<Call> {
        let Telling { batch, by_hash } = self.telling.take()?;
        let reply = match self.remote.read(called, now, effects) {
            Ok(Some(reply)) => reply,
            Ok(None) if by_hash => return Some(self.call(Telling { batch, by_hash: false })),
            // The round is over. The batch waits for the next one.
            Ok(None) | Err(_) => return None,
        };
        let learned = match &reply {
            RedisReply::Error(why) => Err(Unavailable(format!("Redis rejected the command: {why}"))),
            reply => sync::globals(&batch.deltas, reply),
        };
        let applied = learned.and_then(|globals| exchange::apply(shared, &batch, &globals, now));
        let place = batch.place;
        let again = applied.is_ok() && batch.more;
        self.note(applied, place, effects);
        let next = if again { Some(place) } else { ShardId::all().find(|other| *other > place) };
        next.and_then(|next| self.tell(next, now, shared, effects))
    }

    /// The call under way will have no answer: its batch waits for the next round.
    pub fn forget_call(&self) {
        self.telling.take();
    }

    /// The next batch, of this place or of one after it.
    fn tell(&self, from: ShardId, now: Time, shared: &dyn SharedData, effects: &mut Vec<Effect>) -> Option<Call> {
        let announced = Announced::read(shared);
        for place in ShardId::all().filter(|place| *place >= from) {
            match exchange::collect(shared, place, announced.has(place), self.envoy, now) {
                Ok(Some(batch)) => return Some(self.call(Telling { batch, by_hash: true })),
                Ok(None) => {}
                Err(why) => self.note(Err(why), place, effects),
            }
        }
        None
    }

    fn call(&self, telling: Telling) -> Call {
        let command = sync::command(&self.remote.settings.prefix, &telling.batch);
        let command = if telling.by_hash { command } else { command.with_source().unwrap_or(command) };
        self.telling.replace(Some(telling));
        self.remote.wire.write(&command)
    }

    /// Tells the log of what went wrong, once in a row.
    fn note(&self, result: Result<(), Unavailable>, place: ShardId, effects: &mut Vec<Effect>) {
        let complained = self.complained.replace(result.is_err());
        if let Err(Unavailable(why)) = result
            && !complained
        {
            effects.push(Effect::Warn(format!(
                "the gateway could not synchronize the counters at position {}: {why}",
                place.number()
            )));
        }
    }
}
