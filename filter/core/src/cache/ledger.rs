//! The sizes of all sets, and the position of the hand that looks for responses to evict.
//!
//! A worker that changed a set stores the set's new size, not the difference, so an update that was lost is made up for by the set's next
//! one. Each update also checks the size of one more set, in turn: every error is gone after as many updates as there are sets.

use crate::store::SharedData;
use crate::store::value::{NOT_YET, again};

use super::directory::{Directory, SETS};

/// Magic bytes and format version.
const FORMAT: [u8; 8] = *b"ledger\0\x02";

/// Where the sum is, the hand, and the next set to check.
const HELD: usize = FORMAT.len();
const HAND: usize = HELD + 8;
const CHECKED: usize = HAND + 4;

/// Name in the shared data.
pub(super) const NAME: &str = "sluice.cache.2.ledger";

/// The number of bytes before the sets' sizes.
const HEAD: usize = FORMAT.len() + 16;

/// The stored form: magic bytes, the sum, the hand, the next set to check, and the size of each set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Ledger(Vec<u8>);

impl Ledger {
    /// Reads the ledger. If it is missing or damaged, it is made anew from all directories.
    pub(super) fn read(shared: &dyn SharedData) -> (Self, u32) {
        let (bytes, version) = shared.read(NAME).unwrap_or((Vec::new(), NOT_YET));
        if bytes.len() == HEAD + 4 * SETS && bytes.starts_with(&FORMAT) {
            return (Self(bytes), version);
        }
        let mut ledger = Self(vec![0; HEAD + 4 * SETS]);
        ledger.put(0, FORMAT);
        for set in 0..SETS {
            ledger.set(set, Directory::size(shared, set));
        }
        (ledger, version)
    }

    /// Stores the sizes of these sets as they are now.
    pub(super) fn update(shared: &dyn SharedData, sets: &[usize], hand: Option<usize>) {
        again(|| {
            let (mut ledger, version) = Self::read(shared);
            let check = ledger.place(CHECKED);
            for set in sets.iter().copied().chain([check]) {
                ledger.set(set, Directory::size(shared, set));
            }
            let next = (check + 1) % SETS;
            if next == 0 {
                let sum = (0..SETS).map(|set| u64::from(ledger.size(set))).sum::<u64>();
                ledger.put(HELD, sum.to_le_bytes());
            }
            ledger.put(CHECKED, as_u32(next).to_le_bytes());
            if let Some(hand) = hand {
                ledger.put(HAND, as_u32(hand).to_le_bytes());
            }
            shared.write(NAME, &ledger.0, version).is_ok().then_some(true)
        });
    }

    /// Bytes in all sets.
    pub(super) fn held(&self) -> u64 {
        u64::from_le_bytes(self.get(HELD))
    }

    /// The next `count` sets with responses, from the hand on.
    pub(super) fn next(&self, count: usize) -> Vec<usize> {
        let hand = self.place(HAND);
        (hand..SETS).chain(0..hand).filter(|set| self.size(*set) > 0).take(count).collect()
    }

    fn place(&self, at: usize) -> usize {
        usize::try_from(u32::from_le_bytes(self.get(at))).unwrap_or_default() % SETS
    }

    fn size(&self, set: usize) -> u32 {
        u32::from_le_bytes(self.get(HEAD + 4 * set))
    }

    fn set(&mut self, set: usize, size: u32) {
        let held = self.held().saturating_sub(self.size(set).into()).saturating_add(size.into());
        self.put(HELD, held.to_le_bytes());
        self.put(HEAD + 4 * set, size.to_le_bytes());
    }

    fn get<const N: usize>(&self, at: usize) -> [u8; N] {
        self.0.get(at..).and_then(|rest| rest.first_chunk()).copied().unwrap_or([0; N])
    }

    fn put<const N: usize>(&mut self, at: usize, value: [u8; N]) {
        if let Some(chunk) = self.0.get_mut(at..).and_then(|rest| rest.first_chunk_mut()) {
            *chunk = value;
        }
    }
}

fn as_u32(set: usize) -> u32 {
    u32::try_from(set).unwrap_or_default()
}
