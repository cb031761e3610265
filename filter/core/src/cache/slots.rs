//! Stores responses in a fixed number of slots in Envoy's shared data. A request's key selects its slot.
//!
//! Envoy's shared data has no expiry, no listing and no delete. So names are few and fixed, an entry contains its expiry, and a new
//! response overwrites its slot. When the total size would exceed its bound, a hand goes round and empties slots until the new response
//! fits, as in clock replacement and ring buffers. Eviction follows the hand, not the least recent use, since a hit must not cost a write.

use sluice_wire::time::Time;

use crate::store::SharedData;
use crate::store::value::{NOT_YET, read, update};

use super::ledger::{self, SlotSums, as_u64};
use super::{Bounds, CachedResponse, Key};

/// Number of slots.
pub(super) const SLOTS: usize = 4096;

/// Looks up the response for this key. A hit and a miss both cost one read.
pub fn find(shared: &dyn SharedData, key: &Key, now: Time) -> Option<CachedResponse> {
    let (bytes, _) = shared.read(&name(slot_of(key)))?;
    CachedResponse::parse(bytes, key).filter(|entry| entry.age(now).is_some())
}

/// Stores a response in its slot and returns whether it did. It does not when there is no room, or when another worker writes the slot at
/// the same time.
pub fn keep(shared: &dyn SharedData, key: &Key, entry: &CachedResponse, bounds: &Bounds) -> bool {
    let Some(bytes) = entry.bytes(key).filter(|_| entry.body.len() <= bounds.largest) else { return false };
    if !make_room(shared, bytes.len(), bounds.memory) {
        return false;
    }
    let slot = slot_of(key);
    let (before, version) = occupant(shared, slot);
    if shared.write(&name(slot), &bytes, version).is_err() {
        return false;
    }
    let after = bytes.len();
    update(shared, ledger::NAME, |ledger: SlotSums| Some(ledger.replaced(slot, before, after)));
    true
}

/// Empties slots until `wanted` more bytes fit; returns whether they do.
fn make_room(shared: &dyn SharedData, wanted: usize, memory: u64) -> bool {
    let fits = |held: u64| held.saturating_add(as_u64(wanted)) <= memory;
    // One round: if there is no room then, there never will be.
    let mut left = SLOTS;
    loop {
        let ledger: SlotSums = read(shared, ledger::NAME);
        if fits(ledger.held) || left == 0 {
            return fits(ledger.held);
        }
        let (mut to, mut freed) = (ledger.hand, 0);
        while to < SLOTS && left > 0 && !fits(ledger.held.saturating_sub(freed)) {
            freed += as_u64(emptied(shared, to));
            (to, left) = (to + 1, left - 1);
        }
        update(shared, ledger::NAME, |now: SlotSums| Some(now.swept(ledger.hand, to, freed)));
    }
}

/// Empties a slot and returns its size; 0 when another worker writes it at the same time.
fn emptied(shared: &dyn SharedData, slot: usize) -> usize {
    let (held, version) = occupant(shared, slot);
    let done = held > 0 && shared.write(&name(slot), &[], version).is_ok();
    if done { held } else { 0 }
}

/// A slot's size, and the version to write it with.
fn occupant(shared: &dyn SharedData, slot: usize) -> (usize, u32) {
    shared.read(&name(slot)).map_or((0, NOT_YET), |(bytes, version)| (bytes.len(), version))
}

pub(super) fn slot_of(key: &Key) -> usize {
    let [first, second, ..] = key.0;
    usize::from(u16::from_le_bytes([first, second])) % SLOTS
}

/// A slot's name. Like all names in the shared data, it begins with its kind and format version.
pub(super) fn name(slot: usize) -> String {
    format!("sluice.cache.1.{slot}")
}
