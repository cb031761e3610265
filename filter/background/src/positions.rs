//! Adds the entries of other Envoys to this Envoy's index of the semantic cache.

use std::cell::{Cell, RefCell};
use std::time::Duration;

use sluice_wire::time::Time;

use sluice_core::cache::redis;
use sluice_core::cache::sealer::Sealer;
use sluice_core::cache::semantic::{Entry, LocalIndex};
use sluice_core::callout::{Call, Called};
use sluice_core::pipeline::Effect;
use sluice_core::pipeline::redis_client::RedisClient;
use sluice_core::store::SharedData;
use sluice_core::store::redis::settings::Redis;

use super::BackgroundTask;

/// How often the entries are read.
const PERIOD: Duration = Duration::from_secs(2);

/// The most calls of one period: enough for all entries that Redis has.
const MOST_CALLS: u32 = 80;

/// The task.
#[derive(Debug)]
pub(super) struct Positions {
    redis_client: RedisClient,
    sealer: Sealer,
    index: RefCell<LocalIndex>,
    /// The number of the last entry that was read.
    after: Cell<u64>,
    /// Calls since the last tick.
    calls: Cell<u32>,
    is_in_flight: Cell<bool>,
}

impl Positions {
    pub(super) fn new(redis: Redis, sealer: Sealer) -> Self {
        Self {
            redis_client: RedisClient::new(redis),
            sealer,
            index: RefCell::default(),
            after: Cell::default(),
            calls: Cell::default(),
            is_in_flight: Cell::default(),
        }
    }

    fn next(&self, now: Time) -> Call {
        self.is_in_flight.set(true);
        self.calls.set(self.calls.get().saturating_add(1));
        self.redis_client.ask(&redis::read_positions(&self.redis_client.settings.prefix, self.after.get()), now)
    }
}

impl BackgroundTask for Positions {
    fn period(&self) -> Duration {
        PERIOD
    }

    fn tick(&self, now: Time, _shared: &dyn SharedData, _effects: &mut Vec<Effect>) -> Option<Call> {
        self.calls.set(0);
        (!self.is_in_flight.get() && self.redis_client.answers(now)).then(|| self.next(now))
    }

    fn on_reply(&self, called: &Called, now: Time, shared: &dyn SharedData, effects: &mut Vec<Effect>) -> Option<Call> {
        self.is_in_flight.set(false);
        let Ok(Some(reply)) = self.redis_client.read(called, now, effects) else { return None };
        let redis::Positions { texts, after, more } = redis::Positions::of(&reply, self.after.get());
        let entries = texts.iter().filter_map(|text| Entry::parse(&self.sealer.open_position(text)?));
        self.index.borrow_mut().import(entries, shared);
        let (before, calls) = (self.after.replace(after), self.calls.get());
        (more && after != before && calls < MOST_CALLS).then(|| self.next(now))
    }

    fn forget_call(&self) {
        self.is_in_flight.set(false);
    }
}
