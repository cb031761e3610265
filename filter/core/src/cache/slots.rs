//! Where answers are kept: a fixed number of slots in the memory that Envoy's workers share, each request's own by its key.
//!
//! Envoy's shared data has neither times nor lists, and forgets nothing by itself. So names are few and fixed, an entry knows
//! when it expires, and a new answer takes the slot of an older one, whosever that is. Where the bytes of all would pass their
//! bound, a hand goes round and empties slots until the new one has room, as clocks and rings of pages do; the oldest by the
//! hand goes first, not the least used, since a look must not cost a write.

use sluice_wire::time::Time;

use crate::store::SharedData;
use crate::store::value::{NOT_YET, read, update};

use super::ledger::{self, SlotSums, as_u64};
use super::{Bounds, CachedResponse, Key};

/// How many there are.
pub(super) const SLOTS: usize = 4096;

/// The answer that is kept under this key. A miss takes one look, as a hit does.
pub fn find(shared: &dyn SharedData, key: &Key, now: Time) -> Option<CachedResponse> {
    let (bytes, _) = shared.read(&name(slot_of(key)))?;
    CachedResponse::parse(bytes, key).filter(|entry| entry.age(now).is_some())
}

/// Keeps an answer, in place of what was in its slot; whether it did. It does not where there is no room, or where another
/// worker has filled the slot at the same moment.
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

/// Empties slots until so many bytes more fit in all; whether they do.
fn make_room(shared: &dyn SharedData, wanted: usize, memory: u64) -> bool {
    let fits = |held: u64| held.saturating_add(as_u64(wanted)) <= memory;
    // Once round: if there is no room then, there never will be.
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

/// Empties a slot; how many bytes were in it. None, when another worker has filled it at the same moment.
fn emptied(shared: &dyn SharedData, slot: usize) -> usize {
    let (held, version) = occupant(shared, slot);
    let done = held > 0 && shared.write(&name(slot), &[], version).is_ok();
    if done { held } else { 0 }
}

/// How many bytes are in a slot, and the version to write it with.
fn occupant(shared: &dyn SharedData, slot: usize) -> (usize, u32) {
    shared.read(&name(slot)).map_or((0, NOT_YET), |(bytes, version)| (bytes.len(), version))
}

pub(super) fn slot_of(key: &Key) -> usize {
    let [first, second, ..] = key.0;
    usize::from(u16::from_le_bytes([first, second])) % SLOTS
}

/// A slot's name. It begins with the kind and its format's number, as all names in the shared data do.
pub(super) fn name(slot: usize) -> String {
    format!("sluice.cache.1.{slot}")
}
