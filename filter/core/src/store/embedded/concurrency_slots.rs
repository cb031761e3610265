//! So many at the same time: places that are given back, or free themselves when their lease has run out.
//!
//! Places are counted by the moment their lease ends, rounded up to the end of a bucket, a seventh of a lease wide. So a
//! place that nobody gives back, because its VM was lost, is free after its lease and a seventh of it at most.

use std::time::Duration;

use super::counter_state::{CounterRefusal, CounterTime};
use crate::store::{CounterSnapshot, Debit, Settled};

/// How many buckets there are: those of one lease, and the one it is cut into by the present moment.
pub(super) const BUCKETS: usize = 8;

/// The longest lease, in milliseconds: thirty days.
const LONGEST_LEASE: u64 = 30 * 86_400_000;

/// When to try again, when what is waited for is that others finish.
const SOON: Duration = Duration::from_secs(1);

/// Places, by when they are free at the latest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ConcurrencySlots {
    /// How wide a bucket is, in milliseconds; never zero.
    pub(super) width: u32,
    /// The number of the first bucket; bucket `n` ends `n` widths after 1970.
    pub(super) first: u64,
    /// How many places each holds.
    pub(super) counts: [u32; BUCKETS],
    /// How many there are at all other Envoys, as far as Redis told.
    pub(super) others: u32,
}

impl Default for ConcurrencySlots {
    fn default() -> Self {
        Self { width: 1, first: 0, counts: [0; BUCKETS], others: 0 }
    }
}

impl ConcurrencySlots {
    pub(super) fn take(
        self,
        take: &Debit,
        lease: Duration,
        now: &CounterTime,
    ) -> Result<(Self, CounterSnapshot), CounterRefusal> {
        let mut places = self.at(now);
        let taken = places.taken().saturating_add(take.amount).saturating_add(u64::from(places.others));
        if take.hard && taken > take.limit {
            let passes = take.amount <= take.limit;
            return Err(CounterRefusal { snapshot: places.snapshot(now), retry_after: passes.then_some(SOON) });
        }
        let lease = millis(lease);
        if places.taken() == 0 {
            places = Self { width: width_for(lease), others: places.others, ..Self::default() }.at(now);
        }
        let mut bucket = now.millis().saturating_add(lease).div_ceil(places.width()).max(places.first);
        while bucket - places.first >= BUCKETS as u64 {
            places.widen();
            bucket = bucket.div_ceil(2);
        }
        if let Some(count) = places.bucket(bucket) {
            *count = count.saturating_add(u32::try_from(take.amount).unwrap_or(u32::MAX));
        }
        let until = bucket.saturating_mul(places.width());
        Ok((places, CounterSnapshot { until, ..places.snapshot(now) }))
    }

    /// Gives back what is still held.
    pub(super) fn settle(self, part: &Settled, now: &CounterTime) -> Self {
        let mut places = self.at(now);
        if part.until > now.millis() {
            let bucket = part.until.div_ceil(places.width());
            if let Some(count) = places.bucket(bucket) {
                *count = count.saturating_sub(u32::try_from(part.reserved).unwrap_or(u32::MAX));
            }
        }
        places
    }

    pub(super) fn snapshot(self, now: &CounterTime) -> CounterSnapshot {
        let used = self.here(now).saturating_add(u64::from(self.others));
        CounterSnapshot { used, reserved: 0, period: 0, until: 0, reset: Duration::ZERO }
    }

    pub(super) fn is_spent(self, now: &CounterTime) -> bool {
        self.others == 0 && self.here(now) == 0
    }

    /// How many there are at this Envoy.
    pub(super) fn here(self, now: &CounterTime) -> u64 {
        self.at(now).taken()
    }

    /// Without the buckets that have ended.
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

    /// Makes buckets twice as wide; each goes into the one that ends with it or after it. A lease only grows with the
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

/// A lease in milliseconds.
pub(super) fn millis(lease: Duration) -> u64 {
    u64::try_from(lease.as_millis()).unwrap_or(u64::MAX).min(LONGEST_LEASE)
}

/// So that a lease ends at most seven buckets after the present one.
fn width_for(lease: u64) -> u32 {
    u32::try_from(lease.div_ceil(BUCKETS as u64 - 1).max(1)).unwrap_or(u32::MAX)
}
