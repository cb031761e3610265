//! Applies purges of the shared cache to this Envoy's memory, whichever Envoy received them.

use std::cell::Cell;
use std::time::Duration;

use sluice_wire::time::Time;

use sluice_core::cache::redis;
use sluice_core::callout::{Call, Called};
use sluice_core::pipeline::Effect;
use sluice_core::pipeline::redis_client::RedisClient;
use sluice_core::store::SharedData;
use sluice_core::store::redis::settings::Redis;

use super::BackgroundTask;

/// How often the list of purges is read.
const PERIOD: Duration = Duration::from_secs(2);

/// The task.
#[derive(Debug)]
pub(super) struct Purges {
    redis_client: RedisClient,
    is_in_flight: Cell<bool>,
}

impl Purges {
    pub(super) fn new(redis: Redis) -> Self {
        Self { redis_client: RedisClient::new(redis), is_in_flight: Cell::default() }
    }
}

impl BackgroundTask for Purges {
    fn period(&self) -> Duration {
        PERIOD
    }

    fn tick(&self, now: Time, _shared: &dyn SharedData, _effects: &mut Vec<Effect>) -> Option<Call> {
        if self.is_in_flight.get() || !self.redis_client.answers(now) {
            return None;
        }
        self.is_in_flight.set(true);
        Some(self.redis_client.ask(&redis::purges_of(&self.redis_client.settings.prefix), now))
    }

    fn on_reply(&self, called: &Called, now: Time, shared: &dyn SharedData, effects: &mut Vec<Effect>) -> Option<Call> {
        self.is_in_flight.set(false);
        if let Ok(Some(reply)) = self.redis_client.read(called, now, effects) {
            redis::apply(&reply, shared, now);
        }
        None
    }

    fn forget_call(&self) {
        self.is_in_flight.set(false);
    }
}
