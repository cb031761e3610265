//! Exchanges counts with Redis periodically, in relaxed mode. There is one for each Envoy, on its main thread.
//!
//! A round syncs one shard after another, each after the reply for the one before: the shards with a team of the current configuration,
//! which the gateway role announces, and other shards until they have nothing left to sync. A batch without a reply stays in the shared
//! data, and the next round starts with it, so an outage loses nothing: the first round after it sends the accumulated counts. See
//! [`exchange`](crate::store::embedded::sync).

use std::cell::{Cell, RefCell};
use std::time::Duration;

use sluice_wire::time::Time;

use sluice_core::callout::{Call, Called};
use sluice_core::pipeline::Effect;
use sluice_core::pipeline::redis_client::RedisClient;
use sluice_core::store::embedded::{Announced, ShardId, replication};
use sluice_core::store::redis::settings::Mode;
use sluice_core::store::redis::settings::Redis;
use sluice_core::store::redis::sync;
use sluice_core::store::redis::wire::RedisReply;
use sluice_core::store::{Batch, SharedData, Unavailable};

use super::BackgroundTask;

/// Exchanges this Envoy's counts with Redis.
#[derive(Debug)]
pub struct CounterSync {
    redis_client: RedisClient,
    envoy: [u8; 16],
    in_flight: RefCell<Option<InFlight>>,
    /// Whether the current trouble has been logged.
    complained: Cell<bool>,
}

/// The call in flight.
#[derive(Debug)]
struct InFlight {
    batch: Batch,
    /// Whether the call names the script by its hash.
    by_hash: bool,
}

impl BackgroundTask for CounterSync {
    /// How often [`Self::tick`] wants to be called.
    fn period(&self) -> Duration {
        self.redis_client.settings.sync
    }

    /// Starts a round, unless one is in flight or Redis has just failed to reply.
    fn tick(&self, now: Time, shared: &dyn SharedData, effects: &mut Vec<Effect>) -> Option<Call> {
        if self.in_flight.borrow().is_some() || !self.redis_client.answers(now) {
            return None;
        }
        self.send_next(ShardId::of(""), now, shared, effects)
    }

    /// Handles the reply to a call and returns the round's next call.
    fn on_reply(&self, called: &Called, now: Time, shared: &dyn SharedData, effects: &mut Vec<Effect>) -> Option<Call> {
        let InFlight { batch, by_hash } = self.in_flight.take()?;
        let reply = match self.redis_client.read(called, now, effects) {
            Ok(Some(reply)) => reply,
            Ok(None) if by_hash => return Some(self.call(InFlight { batch, by_hash: false })),
            // The round is over. The batch waits for the next one.
            Ok(None) | Err(_) => return None,
        };
        let learned = match &reply {
            RedisReply::Error(why) => Err(Unavailable(format!("Redis rejected the command: {why}"))),
            reply => sync::globals(&batch.deltas, reply),
        };
        let applied = learned.and_then(|globals| replication::apply(shared, &batch, &globals, now));
        let place = batch.place;
        let again = applied.is_ok() && batch.more;
        self.note(applied, place, effects);
        let next = if again { Some(place) } else { ShardId::all().find(|other| *other > place) };
        next.and_then(|next| self.send_next(next, now, shared, effects))
    }

    /// The call in flight will get no reply: its batch waits for the next round.
    fn forget_call(&self) {
        self.in_flight.take();
    }
}

impl CounterSync {
    /// Creates the sync; `None` unless the gateway is in relaxed mode. `envoy` must be unique among all Envoys: 16 random bytes.
    pub fn new(redis: Redis, envoy: [u8; 16]) -> Option<Self> {
        let redis_client = RedisClient::new(Some(redis).filter(|redis| redis.mode == Mode::Relaxed)?);
        Some(Self { redis_client, envoy, in_flight: RefCell::default(), complained: Cell::default() })
    }

    /// Sends the next batch, of this shard or a later one.
    fn send_next(&self, from: ShardId, now: Time, shared: &dyn SharedData, effects: &mut Vec<Effect>) -> Option<Call> {
        let announced = Announced::read(shared);
        for place in ShardId::all().filter(|place| *place >= from) {
            match replication::collect(shared, place, announced.has(place), self.envoy, now) {
                Ok(Some(batch)) => return Some(self.call(InFlight { batch, by_hash: true })),
                Ok(None) => {}
                Err(why) => self.note(Err(why), place, effects),
            }
        }
        None
    }

    fn call(&self, in_flight: InFlight) -> Call {
        let command = sync::command(&self.redis_client.settings.prefix, &in_flight.batch);
        let command = if in_flight.by_hash { command } else { command.with_source().unwrap_or(command) };
        self.in_flight.replace(Some(in_flight));
        self.redis_client.wire.write(&command)
    }

    /// Logs an error, once in a row.
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
