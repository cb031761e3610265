//! The total size of all cache slots, and the position of the hand that evicts.
//!
//! A worker that changes a slot adds the difference in size, so the order of updates does not matter. A worker that ends before its update,
//! or loses it to others, leaves the total wrong by what it wrote. The error does not last: the hand empties slots in turn, and bytes
//! stored behind it are also counted separately. When the hand has passed all slots, that sum is exact and replaces the total.

use super::slots::SLOTS;
use crate::store::value::{Value, bytes, parse};

/// Magic bytes and format version.
const FORMAT: [u8; 8] = *b"ledger\0\x01";

/// Name in the shared data.
pub(super) const NAME: &str = "sluice.cache.1.ledger";

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct SlotSums {
    /// Bytes in all slots.
    pub(super) held: u64,
    /// Bytes in the slots that the hand has passed in its current round.
    pub(super) behind: u64,
    /// The next slot to empty.
    pub(super) hand: usize,
}

impl SlotSums {
    /// Records that a slot's size changed from `before` to `after` bytes.
    pub(super) fn replaced(self, slot: usize, before: usize, after: usize) -> Self {
        let changed = |sum: u64| sum.saturating_add(as_u64(after)).saturating_sub(as_u64(before));
        let behind = if slot < self.hand { changed(self.behind) } else { self.behind };
        Self { held: changed(self.held), behind, ..self }
    }

    /// Records that the slots `from..to` were emptied of `freed` bytes. If another worker has moved the hand meanwhile, the hand stays
    /// there.
    pub(super) fn swept(self, from: usize, to: usize, freed: u64) -> Self {
        let held = self.held.saturating_sub(freed);
        match (self.hand == from, to < SLOTS) {
            (false, _) => Self { held, ..self },
            (true, true) => Self { held, hand: to, ..self },
            (true, false) => Self { held: self.behind, behind: 0, hand: 0 },
        }
    }
}

pub(super) fn as_u64(length: usize) -> u64 {
    u64::try_from(length).unwrap_or(u64::MAX)
}

impl Value for SlotSums {
    fn parse(bytes: &[u8]) -> Option<Self> {
        let [held, behind, hand] = parse(&FORMAT, bytes)?;
        let hand = usize::try_from(hand).ok().filter(|hand| *hand < SLOTS)?;
        Some(Self { held, behind, hand })
    }

    fn bytes(&self) -> Vec<u8> {
        bytes(&FORMAT, &[self.held, self.behind, as_u64(self.hand)])
    }
}
