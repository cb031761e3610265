//! Stores responses in Envoy's shared data, in sets of slots. A request's key selects its set; the set's [`directory`](super::directory)
//! knows which slot holds its response.
//!
//! Envoy's shared data has no expiry, no listing and no delete. So names are few and fixed, an entry contains its expiry, and an evicted
//! entry is overwritten with nothing. Least recently used responses go first: the last of its set if a set has no free slot, and the
//! oldest of a few sets at a time if all responses together would exceed their bound. A hit records its time at most once a second, so most
//! hits write nothing.

use sluice_wire::order::by_numbers;
use sluice_wire::time::Time;

use crate::store::SharedData;
use crate::store::value::{NOT_YET, again};

use super::directory::{Directory, Record, SETS, slot};
use super::ledger::Ledger;
use super::purge::Purges;
use super::whose::{Selection, Whose};
use super::{Bounds, CachedResponse, Key};

/// The number of sets that are compared to find responses to evict.
const COMPARED: usize = 4;

/// How many times sets are compared to make room for one response.
const ROUNDS: usize = 256;

/// Looks up the response for this key. A hit costs two reads, and at most once a second a write; a miss costs one read.
pub fn find(shared: &dyn SharedData, key: &Key, now: Time) -> Option<CachedResponse> {
    let set = key.set();
    let (mut directory, version) = Directory::read(shared, set);
    let position = directory.position(key)?;
    let Record { slot: place, used, .. } = *directory.0.get(position)?;
    let (bytes, _) = shared.read(&slot(set, place))?;
    let entry = CachedResponse::parse(bytes, key).filter(|entry| entry.age(now).is_some())?;
    let second = second(now);
    if used < second {
        directory.used(position, second);
        // Another worker's write is as good.
        directory.write(shared, set, version);
    }
    Some(entry)
}

/// Stores a response and returns whether it did. It does not when there is no room, or after a purge that concerns it: one
/// since `asked`, when its request arrived.
pub fn keep(
    shared: &dyn SharedData,
    key: &Key,
    (entry, whose): (&CachedResponse, Whose),
    asked: Time,
    bounds: &Bounds,
) -> bool {
    let Some(bytes) = entry.bytes(key).filter(|_| entry.body.len() <= bounds.largest) else { return false };
    let Ok(size) = u32::try_from(bytes.len()) else { return false };
    if !make_room(shared, size, bounds.memory) {
        return false;
    }
    let set = key.set();
    let record = Record { slot: 0, tag: key.tag(), size, used: second(entry.made), whose };
    let kept = again(|| {
        let (mut directory, version) = Directory::read(shared, set);
        let place = directory.claim(key);
        let name = slot(set, place);
        // If another worker claims the slot next, one of both writes fails, and that worker claims again.
        let before = shared.read(&name).map_or(NOT_YET, |(_, version)| version);
        directory.0.insert(0, Record { slot: place, ..record });
        if !directory.write(shared, set, version) {
            return None;
        }
        shared.write(&name, &bytes, before).is_ok().then_some(true)
    });
    // The purge's time is stored before it empties slots, so either it finds this response, or this finds the purge.
    let purged = kept && Purges::read(shared).concern(&whose, asked);
    if purged || !kept {
        retire(shared, set, |found| found.tag == record.tag);
    }
    Ledger::update(shared, &[set], None);
    kept && !purged
}

/// Removes all responses that the purge concerns, and those whose requests are under way. Returns how many were removed.
pub fn purge(shared: &dyn SharedData, selection: Selection, now: Time) -> usize {
    Purges::add(shared, selection, now);
    let purged = |set| retire(shared, set, |record| selection.concerns(&record.whose));
    let counts: Vec<(usize, usize)> = (0..SETS).map(|set| (set, purged(set))).filter(|(_, count)| *count > 0).collect();
    if !counts.is_empty() {
        let sets: Vec<usize> = counts.iter().map(|(set, _)| *set).collect();
        Ledger::update(shared, &sets, None);
    }
    counts.iter().map(|(_, count)| count).sum()
}

/// Evicts responses until `wanted` more bytes fit; returns whether they do.
fn make_room(shared: &dyn SharedData, wanted: u32, memory: u64) -> bool {
    for _ in 0..ROUNDS {
        let (ledger, _) = Ledger::read(shared);
        let fits = ledger.held().saturating_add(wanted.into()) <= memory;
        let sets = ledger.next(COMPARED);
        if fits || sets.is_empty() {
            return fits;
        }
        let mut found: Vec<(usize, Record)> = Vec::new();
        for set in &sets {
            found.extend(Directory::read(shared, *set).0.0.into_iter().map(|record| (*set, record)));
        }
        by_numbers(&mut found, |(_, record)| (record.used.into(), 0));
        // Only the oldest of them, since older ones may be in other sets. All of these, so that the next responses find room at once.
        found.truncate(found.len().div_ceil(COMPARED));
        for set in &sets {
            let old = |record: &Record| found.iter().any(|(of, old)| of == set && old.tag == record.tag);
            retire(shared, *set, old);
        }
        let hand = sets.last().map(|set| (set + 1) % SETS);
        Ledger::update(shared, &sets, hand);
    }
    false
}

/// Removes records from a set's directory and empties their slots. Returns how many were removed.
fn retire(shared: &dyn SharedData, set: usize, concerns: impl Fn(&Record) -> bool) -> usize {
    let mut count = 0;
    again(|| {
        let (mut directory, version) = Directory::read(shared, set);
        let retired: Vec<Record> = directory.0.extract_if(.., |record| concerns(record)).collect();
        count = retired.len();
        if retired.is_empty() {
            return Some(true);
        }
        let names = retired.iter().map(|record| slot(set, record.slot));
        let slots: Vec<(String, u32)> =
            names.filter_map(|name| shared.read(&name).map(|read| (name, read.1))).collect();
        if !directory.write(shared, set, version) {
            return None;
        }
        // A slot that another worker has claimed meanwhile is no longer this one's to empty.
        for (name, version) in &slots {
            let _ = shared.write(name, &[], *version);
        }
        Some(true)
    });
    count
}

fn second(now: Time) -> u32 {
    u32::try_from(now.seconds()).unwrap_or(u32::MAX)
}
