//! How many bytes are kept in all slots together, and where the hand stands that makes room.
//!
//! Whoever has changed what is in a slot adds the difference, so that the order in which workers tell does not matter. A worker
//! that ends between the two, or tells too late, leaves the sum wrong by what it wrote. That does not stay: the hand empties the
//! slots one after the other, and what comes into those behind it is also counted by itself. When the hand has been everywhere,
//! that sum is the true one, and takes the place of the other.

use super::slots::SLOTS;
use crate::store::value::{Value, bytes, parse};

/// The format, and that it is one.
const FORMAT: [u8; 8] = *b"ledger\0\x01";

/// Its name in the shared data.
pub(super) const NAME: &str = "sluice.cache.1.ledger";

/// The sums.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct SlotSums {
    /// Bytes in all slots.
    pub(super) held: u64,
    /// Bytes in the slots that the hand has passed in its present round.
    pub(super) behind: u64,
    /// The slot that is emptied next.
    pub(super) hand: usize,
}

impl SlotSums {
    /// A slot that held `before` bytes holds `after` now.
    pub(super) fn replaced(self, slot: usize, before: usize, after: usize) -> Self {
        let changed = |sum: u64| sum.saturating_add(as_u64(after)).saturating_sub(as_u64(before));
        let behind = if slot < self.hand { changed(self.behind) } else { self.behind };
        Self { held: changed(self.held), behind, ..self }
    }

    /// The slots from `from` up to `to` were emptied, of so many bytes. If another worker has moved the hand meanwhile, it stays
    /// where that one has put it.
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
