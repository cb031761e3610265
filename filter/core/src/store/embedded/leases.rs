//! Unsettled reservations of days, months and totals, by the end of their lease.
//!
//! A reservation counts as used, and until it is settled it is also part of one of these sums. If the lease ends first, because the VM that
//! would have settled it is gone, the sum is subtracted from the usage. A settlement after the lease then adds the real usage and subtracts
//! nothing: only amounts that are still in a sum are released.
//!
//! Requests have no entries of their own: reservations of one counter whose leases end in the same bucket share a sum. A bucket is at most
//! an eighth of a lease wide, so a lease is never too short, and at most an eighth too long.

use std::time::Duration;

use super::concurrency_slots;
use super::counter_state::{CounterTime, Id};
use crate::bytes::Reader;

/// Size of a sum: its end, the record's id, the amount.
const SIZE: usize = 3 * 8;

/// The most sums in a shard. Reservations beyond them have no lease.
pub(super) const MOST_SUMS: usize = 4096;

/// The least number of buckets per lease.
const BUCKETS: u64 = 8;

/// The reservations of one counter whose leases end at the same time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Sum {
    /// Milliseconds since 1970.
    end: u64,
    id: Id,
    amount: u64,
}

/// A shard's sums, sorted by end and id.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Leases(Vec<Sum>);

impl Leases {
    /// Reads `count` sums from the front.
    pub(super) fn read(reader: &mut Reader<'_>, count: usize) -> Option<Self> {
        let (sums, []) = reader.bytes(count.checked_mul(SIZE)?)?.as_chunks::<SIZE>() else { return None };
        sums.iter().map(|sum| Sum::read(Reader(sum))).collect::<Option<_>>().map(Self)
    }

    pub(super) fn append_to(&self, bytes: &mut Vec<u8>) {
        for Sum { end, id, amount } in &self.0 {
            bytes.extend([*end, id.0, *amount].into_iter().flat_map(u64::to_le_bytes));
        }
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// Adds a reservation; returns its end in milliseconds since 1970, or 0 when there is no room for another sum.
    pub(super) fn hold(&mut self, id: Id, amount: u64, lease: Duration, now: &CounterTime) -> u64 {
        let end = end_of(lease, now);
        match self.find(end, id) {
            Ok(at) => {
                if let Some(sum) = self.0.get_mut(at) {
                    sum.amount = sum.amount.saturating_add(amount);
                }
            }
            Err(_) if self.0.len() >= MOST_SUMS => return 0,
            Err(at) => self.0.insert(at, Sum { end, id, amount }),
        }
        end
    }

    /// The reserved amount of a record.
    pub(super) fn held(&self, id: Id) -> u64 {
        self.0.iter().filter(|sum| sum.id == id).fold(0, |all, sum| all.saturating_add(sum.amount))
    }

    /// Removes a reservation that lasts until `end`; returns how much of it was still in its sum.
    pub(super) fn release(&mut self, id: Id, amount: u64, end: u64) -> u64 {
        let Ok(at) = self.find(end, id) else { return 0 };
        let Some(sum) = self.0.get_mut(at) else { return 0 };
        let held = amount.min(sum.amount);
        sum.amount -= held;
        if sum.amount == 0 {
            self.0.remove(at);
        }
        held
    }

    /// Removes the sums whose leases have ended; returns each record and amount.
    pub(super) fn ended(&mut self, now: &CounterTime) -> Vec<(Id, u64)> {
        let ended = self.0.partition_point(|sum| sum.end <= now.millis());
        self.0.drain(..ended).map(|sum| (sum.id, sum.amount)).collect()
    }

    fn find(&self, end: u64, id: Id) -> Result<usize, usize> {
        self.0.binary_search_by_key(&(end, id), |sum| (sum.end, sum.id))
    }
}

impl Sum {
    fn read(mut reader: Reader<'_>) -> Option<Self> {
        Some(Self { end: reader.u64()?, id: Id(reader.u64()?), amount: reader.u64()? })
    }
}

/// The end of the bucket for a lease that begins now. Widths are powers of two, so that leases of similar length end together.
fn end_of(lease: Duration, now: &CounterTime) -> u64 {
    let lease = concurrency_slots::millis(lease);
    let width = 1_u64 << (lease / BUCKETS).max(1).ilog2();
    now.millis().saturating_add(lease).checked_next_multiple_of(width).unwrap_or(u64::MAX)
}
