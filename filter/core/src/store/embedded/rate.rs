//! Limits per minute: the generic cell rate algorithm, with a burst of a whole minute's limit.
//!
//! The algorithm's theoretical arrival time is stored as a level: the debited amount that has not drained yet, at the limit's pace. The two
//! are equivalent, but a level is in units rather than time. So the used amount survives a change of the limit, and a settlement needs no
//! limit. Levels are whole unit-microseconds. A limit of n per minute drains exactly n of them per microsecond, so nothing is ever rounded.

use std::time::Duration;

use super::counter_state::{CounterRefusal, CounterTime};
use crate::store::{CounterSnapshot, Debit, Settled};

/// One unit as a level: it takes a minute to drain at a limit of one.
pub(super) const UNIT: u64 = 60_000_000;

/// Workers' clocks are at most this far apart, in microseconds.
const SKEW: u64 = 1_000_000;

/// How long unsent usage counts in full, in microseconds: the longest time between two exchanges.
const IN_FULL: u64 = 60_000_000;

/// The highest level: limits beyond 3 * 10^11 per minute count as that.
const FULL: u128 = u64::MAX as u128;

/// A draining bucket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Rate {
    /// The amount that has not drained at `at`; [`UNIT`] is one unit.
    pub(super) level: u64,
    /// The time of `level`, in microseconds; goes back only when the clock was set back.
    pub(super) at: u64,
    /// Since when the bucket has not been empty, in microseconds.
    pub(super) since: u64,
    /// Drained amount per minute: the limit of the latest debit. 0 before the first debit; then nothing drains.
    pub(super) limit: u64,
}

impl Rate {
    pub(super) fn debit(self, debit: &Debit, now: &CounterTime) -> Result<(Self, CounterSnapshot), CounterRefusal> {
        let limit = debit.limit.max(1);
        let drain_rate = if self.limit == 0 { limit } else { self.limit };
        let mut rate = Self { limit: drain_rate, ..self }.drained(now);
        rate.limit = limit;
        let level = u128::from(rate.level).saturating_add(units(debit.amount));
        let over = level.saturating_sub(units(debit.limit).min(FULL));
        if debit.hard && over > 0 {
            let passes = debit.amount <= debit.limit;
            return Err(CounterRefusal {
                snapshot: rate.snapshot(now),
                retry_after: passes.then(|| rate.draining(over)),
            });
        }
        rate.level = saturated(level);
        Ok((rate, CounterSnapshot { until: rate.level, ..rate.snapshot(now) }))
    }

    /// Returns the unused part of a reservation, as far as it has not drained since: at most what is left of the level after the
    /// reservation, and nothing if the bucket has been empty. Returning more would allow more than the limit.
    pub(super) fn settle(self, part: &Settled, now: &CounterTime) -> Self {
        let mut rate = self.drained(now);
        let level = u128::from(rate.level);
        if let Some(less) = part.reserved.checked_sub(part.used) {
            if part.window >= rate.since {
                let drained = u128::from(rate.limit) * u128::from(now.micros.saturating_sub(part.window));
                let left = u128::from(part.until).saturating_sub(drained);
                rate.level = saturated(level.saturating_sub(units(less).min(left)));
            }
        } else {
            // Even if the pace is unknown: the added amount must not drain for the time before.
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

    /// Whether it can be dropped.
    pub(super) fn is_spent(self, now: &CounterTime) -> bool {
        self.drained(now).level == 0
    }

    /// The bucket at `now`: empty if it was filled in the future, before the clock was set back, since nothing would drain until the clock
    /// has caught up. With an unknown pace, nothing drains for a minute, and then the bucket is empty: any limit that allows its
    /// content has drained it by then.
    pub(super) fn drained(mut self, now: &CounterTime) -> Self {
        if self.at > now.micros.saturating_add(SKEW) {
            (self.level, self.at) = (0, now.micros);
        }
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

    /// The increase since `before`, apart from what has drained.
    pub(super) fn change_since(self, before: Self, now: &CounterTime) -> i128 {
        let drain_rate = if before.limit == 0 { self.limit } else { before.limit };
        i128::from(self.level) - i128::from(Self { limit: drain_rate, ..before }.drained(now).level)
    }

    /// The amount that drains until `now`. Draining starts at `at`, or when usage since `last` no longer counts in full, if that is later.
    pub(super) fn drains_after(self, last: u64, now: &CounterTime) -> u128 {
        let elapsed = now.micros.saturating_sub(self.at.max(last.saturating_add(IN_FULL)));
        u128::from(self.limit) * u128::from(elapsed)
    }

    /// Replaces the level.
    pub(super) fn at_level(self, level: u64, now: &CounterTime) -> Self {
        let drained = self.drained(now);
        let since = if level == 0 { now.micros } else { drained.since };
        Self { level, at: now.micros.max(drained.at), since, ..self }
    }

    /// How long `level` takes to drain.
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
