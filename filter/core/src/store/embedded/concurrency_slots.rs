//! Limits on concurrent requests: slots that are released, or expire with their lease.
//!
//! Slots are counted by the end of their lease, rounded up to a bucket that is a seventh of a lease wide. So a slot that is never released,
//! because its VM was lost, expires at most a seventh of a lease late.

use std::time::Duration;

use super::counter_state::{CounterRefusal, CounterTime};
use crate::store::{CounterSnapshot, Debit, Settled};

/// Number of buckets: those of one lease, and one more because the current time is inside a bucket.
pub(super) const BUCKETS: usize = 8;

/// The longest lease, in milliseconds: thirty days.
const LONGEST_LEASE: u64 = 30 * 86_400_000;

/// Retry delay when no slot is free: it is unknown when one will be.
const SOON: Duration = Duration::from_secs(1);

/// Slots by the time they expire.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ConcurrencySlots {
    /// Width of a bucket, in milliseconds; never zero.
    pub(super) width: u32,
    /// Number of the first bucket; bucket `n` ends `n` widths after 1970.
    pub(super) first: u64,
    /// Slots in each bucket.
    pub(super) counts: [u32; BUCKETS],
    /// Slots of all other Envoys, as last reported by Redis.
    pub(super) others: u32,
}

impl Default for ConcurrencySlots {
    fn default() -> Self {
        Self { width: 1, first: 0, counts: [0; BUCKETS], others: 0 }
    }
}

impl ConcurrencySlots {
    pub(super) fn debit(
        self,
        debit: &Debit,
        lease: Duration,
        now: &CounterTime,
    ) -> Result<(Self, CounterSnapshot), CounterRefusal> {
        let mut slots = self.at(now);
        let taken = slots.taken().saturating_add(debit.amount).saturating_add(u64::from(slots.others));
        if debit.hard && taken > debit.limit {
            let passes = debit.amount <= debit.limit;
            return Err(CounterRefusal { snapshot: slots.snapshot(now), retry_after: passes.then_some(SOON) });
        }
        let lease = millis(lease);
        if slots.taken() == 0 {
            slots = Self { width: width_for(lease), others: slots.others, ..Self::default() }.at(now);
        }
        let mut bucket = now.millis().saturating_add(lease).div_ceil(slots.width()).max(slots.first);
        while bucket - slots.first >= BUCKETS as u64 {
            slots.widen();
            bucket = bucket.div_ceil(2);
        }
        if let Some(count) = slots.bucket(bucket) {
            *count = count.saturating_add(u32::try_from(debit.amount).unwrap_or(u32::MAX));
        }
        let until = bucket.saturating_mul(slots.width());
        Ok((slots, CounterSnapshot { until, ..slots.snapshot(now) }))
    }

    /// Releases the slots that have not expired.
    pub(super) fn settle(self, part: &Settled, now: &CounterTime) -> Self {
        let mut slots = self.at(now);
        if part.until > now.millis() {
            let bucket = part.until.div_ceil(slots.width());
            if let Some(count) = slots.bucket(bucket) {
                *count = count.saturating_sub(u32::try_from(part.reserved).unwrap_or(u32::MAX));
            }
        }
        slots
    }

    pub(super) fn snapshot(self, now: &CounterTime) -> CounterSnapshot {
        let used = self.here(now).saturating_add(u64::from(self.others));
        CounterSnapshot { used, reserved: 0, period: 0, until: 0, reset: Duration::ZERO }
    }

    pub(super) fn is_spent(self, now: &CounterTime) -> bool {
        self.others == 0 && self.here(now) == 0
    }

    /// Slots of this Envoy.
    pub(super) fn here(self, now: &CounterTime) -> u64 {
        self.at(now).taken()
    }

    /// Drops the buckets that have ended.
    fn at(mut self, now: &CounterTime) -> Self {
        let first = now.millis() / self.width() + 1;
        let ended = usize::try_from(first.saturating_sub(self.first)).unwrap_or(BUCKETS).min(BUCKETS);
        self.counts.rotate_left(ended);
        self.counts.iter_mut().rev().take(ended).for_each(|count| *count = 0);
        self.first = self.first.max(first);
        self
    }

    fn taken(&self) -> u64 {
        self.counts.iter().copied().map(u64::from).sum()
    }

    fn width(&self) -> u64 {
        u64::from(self.width.max(1))
    }

    fn bucket(&mut self, number: u64) -> Option<&mut u32> {
        self.counts.get_mut(usize::try_from(number.checked_sub(self.first)?).ok()?)
    }

    /// Doubles the bucket width; each bucket merges into the one that ends with it or next after it. Leases only grow with the
    /// configuration, so this is rare.
    fn widen(&mut self) {
        let (width, first) = (self.width.saturating_mul(2), self.first.div_ceil(2));
        let mut wider = Self { width, first, others: self.others, ..Self::default() };
        for (number, count) in (self.first..).zip(self.counts) {
            if let Some(sum) = wider.bucket(number.div_ceil(2)) {
                *sum = sum.saturating_add(count);
            }
        }
        *self = wider;
    }
}

/// A lease in milliseconds, at most [`LONGEST_LEASE`].
pub(super) fn millis(lease: Duration) -> u64 {
    u64::try_from(lease.as_millis()).unwrap_or(u64::MAX).min(LONGEST_LEASE)
}

/// The width with which a lease ends at most seven buckets after the current one.
fn width_for(lease: u64) -> u32 {
    u32::try_from(lease.div_ceil(BUCKETS as u64 - 1).max(1)).unwrap_or(u32::MAX)
}
