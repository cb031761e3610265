//! Adds the entries of other Envoys to this Envoy's index of the semantic cache.

use std::cell::Cell;
use std::time::Duration;

use sluice_wire::time::Time;

use sluice_core::cache::redis;
use sluice_core::cache::sealer::Sealer;
use sluice_core::cache::semantic::index;
use sluice_core::callout::{Call, Called};
use sluice_core::pipeline::Effect;
use sluice_core::pipeline::redis_client::RedisClient;
use sluice_core::store::SharedData;
use sluice_core::store::redis::settings::Redis;

use super::BackgroundTask;

/// How often the entries are read.
const PERIOD: Duration = Duration::from_secs(2);

/// The task.
#[derive(Debug)]
pub(super) struct Positions {
    redis_client: RedisClient,
    sealer: Sealer,
    /// The number of the last entry that was read.
    after: Cell<u64>,
    is_in_flight: Cell<bool>,
}

impl Positions {
    pub(super) fn new(redis: Redis, sealer: Sealer) -> Self {
        let (after, is_in_flight) = (Cell::default(), Cell::default());
        Self { redis_client: RedisClient::new(redis), sealer, after, is_in_flight }
    }

    fn next(&self, now: Time) -> Call {
        self.is_in_flight.set(true);
        self.redis_client.ask(&redis::read_positions(&self.redis_client.settings.prefix, self.after.get()), now)
    }
}

impl BackgroundTask for Positions {
    fn period(&self) -> Duration {
        PERIOD
    }

    fn tick(&self, now: Time, _shared: &dyn SharedData, _effects: &mut Vec<Effect>) -> Option<Call> {
        (!self.is_in_flight.get() && self.redis_client.answers(now)).then(|| self.next(now))
    }

    fn on_reply(&self, called: &Called, now: Time, shared: &dyn SharedData, effects: &mut Vec<Effect>) -> Option<Call> {
        self.is_in_flight.set(false);
        let Ok(Some(reply)) = self.redis_client.read(called, now, effects) else { return None };
        let redis::Positions { texts, after, more } = redis::Positions::of(&reply, self.after.get());
        index::import(texts.iter().filter_map(|text| self.sealer.open_position(text)), shared);
        let before = self.after.replace(after);
        (more && after != before).then(|| self.next(now))
    }

    fn forget_call(&self) {
        self.is_in_flight.set(false);
    }
}
