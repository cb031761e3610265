//! So many in any minute: the generic cell rate algorithm, with a burst of a whole minute's.
//!
//! What it calls the theoretical arrival time is kept as a level: what was taken and has not yet drained away, at the
//! limit's pace. Both say the same, but a level is in units and not in time: when the limit changes, what was used stays
//! what it was, and a settlement needs no limit to correct it. Levels are whole numbers of unit-microseconds, of which
//! a limit of so many a minute drains exactly so many in a microsecond: nothing is ever rounded.

use std::time::Duration;

use super::counter_state::{CounterRefusal, CounterTime};
use crate::store::{CounterSnapshot, Debit, Settled};

/// One unit: it takes a minute to drain at a limit of one.
pub(super) const UNIT: u64 = 60_000_000;

/// For how long what was not told to Redis counts in full, in microseconds: the longest time between two exchanges.
const IN_FULL: u64 = 60_000_000;

/// The most that can be kept: limits beyond 3 * 10^11 a minute count as that.
const FULL: u128 = u64::MAX as u128;

/// A bucket that drains.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Rate {
    /// What has not drained at `at`, in [`UNIT`]s.
    pub(super) level: u64,
    /// When this was so, in microseconds; never goes back.
    pub(super) at: u64,
    /// Since when it has not been empty, in microseconds.
    pub(super) since: u64,
    /// How much drains in a minute: the limit of the latest take; 0 as long as none has told it, and nothing drains.
    pub(super) limit: u64,
}

impl Rate {
    pub(super) fn take(self, take: &Debit, now: &CounterTime) -> Result<(Self, CounterSnapshot), CounterRefusal> {
        let limit = take.limit.max(1);
        let pace = if self.limit == 0 { limit } else { self.limit };
        let mut rate = Self { limit: pace, ..self }.drained(now);
        rate.limit = limit;
        let level = u128::from(rate.level).saturating_add(units(take.amount));
        let over = level.saturating_sub(units(take.limit).min(FULL));
        if take.hard && over > 0 {
            let passes = take.amount <= take.limit;
            return Err(CounterRefusal {
                snapshot: rate.snapshot(now),
                retry_after: passes.then(|| rate.draining(over)),
            });
        }
        rate.level = saturated(level);
        Ok((rate, rate.snapshot(now)))
    }

    /// What was reserved and not used is given back, unless the bucket has been empty since: then the reservation has
    /// drained away like all else, and giving it back would let more pass than the limit.
    pub(super) fn settle(self, part: &Settled, now: &CounterTime) -> Self {
        let mut rate = self.drained(now);
        let level = u128::from(rate.level);
        if let Some(less) = part.reserved.checked_sub(part.used) {
            if part.window >= rate.since {
                rate.level = saturated(level.saturating_sub(units(less)));
            }
        } else {
            // Also where no pace is known: what is added now must not drain for the time before.
            rate.at = rate.at.max(now.micros);
            rate.level = saturated(level.saturating_add(units(part.used - part.reserved)));
        }
        rate
    }

    pub(super) fn snapshot(self, now: &CounterTime) -> CounterSnapshot {
        let rate = self.drained(now);
        let reset = rate.draining(u128::from(rate.level));
        CounterSnapshot { used: rate.level.div_ceil(UNIT), reserved: 0, period: rate.at, until: 0, reset }
    }

    /// Whether it can be forgotten.
    pub(super) fn is_spent(self, now: &CounterTime) -> bool {
        self.drained(now).level == 0
    }

    /// The same bucket at this moment. If its pace is unknown, nothing drains for a minute, and then it is empty: by that time any limit
    /// that allows its content has drained it.
    pub(super) fn drained(mut self, now: &CounterTime) -> Self {
        let elapsed = now.micros.saturating_sub(self.at);
        if self.limit == 0 && elapsed > UNIT {
            self.level = 0;
        }
        if self.limit > 0 || self.level == 0 {
            let drained = u128::from(self.limit) * u128::from(elapsed);
            self.level = saturated(u128::from(self.level).saturating_sub(drained));
            self.at = self.at.max(now.micros);
        }
        if self.level == 0 {
            self.since = self.at;
        }
        self
    }

    /// How much more is in it than there was before, apart from what has drained meanwhile.
    pub(super) fn change_since(self, before: Self, now: &CounterTime) -> i128 {
        let pace = if before.limit == 0 { self.limit } else { before.limit };
        i128::from(self.level) - i128::from(Self { limit: pace, ..before }.drained(now).level)
    }

    /// How much drains from its own moment till now, but for the time in which all counts in full: since `last`.
    pub(super) fn drains_after(self, last: u64, now: &CounterTime) -> u128 {
        let elapsed = now.micros.saturating_sub(self.at.max(last.saturating_add(IN_FULL)));
        u128::from(self.limit) * u128::from(elapsed)
    }

    /// With this level in its place.
    pub(super) fn at_level(self, level: u64, now: &CounterTime) -> Self {
        let since = if level == 0 { now.micros } else { self.drained(now).since };
        Self { level, at: now.micros.max(self.at), since, ..self }
    }

    /// How long so much takes to drain.
    fn draining(self, level: u128) -> Duration {
        Duration::from_micros(saturated(level.div_ceil(u128::from(self.limit.max(1)))))
    }
}

fn units(amount: u64) -> u128 {
    u128::from(amount) * u128::from(UNIT)
}

fn saturated(level: u128) -> u64 {
    u64::try_from(level).unwrap_or(u64::MAX)
}
