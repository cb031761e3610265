//! Guarantees of the cache: responses come back unchanged until they expire, and their total size stays bounded.

use std::time::Duration;

#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::key::KeyBuilder;
use super::ledger::{self, SlotSums};
use super::slots::{SLOTS, find, keep, name, slot_of};
use super::*;
use crate::store::SharedData;
use crate::store::fake::Shared;
use crate::store::fake::{Contended, Interrupted, damage};
use crate::store::value::read;
use sluice_wire::time::Time;

#[cfg(not(target_arch = "wasm32"))]
mod properties;
#[cfg(not(target_arch = "wasm32"))]
mod threads;

const TTL: Duration = Duration::from_secs(60);
const BOUNDS: Bounds = Bounds { memory: 1 << 20, largest: 64 << 10 };

fn at(seconds: u64) -> Time {
    Time((1_801_396_800 + seconds) * 1_000_000_000)
}

fn key(name: impl AsRef<[u8]>) -> Key {
    KeyBuilder::default().part(name).key()
}

/// A response with a body of this many bytes.
fn entry(body: usize, made: Time) -> CachedResponse {
    CachedResponse {
        made,
        expires: made.after(TTL),
        spent: Spent { input: 12, output: 34, cost: 56 },
        provider: "openai".to_owned(),
        model: "gpt-5".to_owned(),
        content_type: "application/json".to_owned(),
        dropped: "seed, user".to_owned(),
        body: (0..body).map(|index| index as u8).collect(),
    }
}

/// Actual bytes in all slots.
fn held(shared: &dyn SharedData) -> u64 {
    let length = |slot| shared.read(&name(slot)).map_or(0, |(bytes, _)| bytes.len() as u64);
    (0..SLOTS).map(length).sum()
}

#[test]
fn what_was_kept_comes_back_as_it_was_for_its_own_key_only() {
    let shared = Shared::default();
    for body in [0, 1, 1_000, 64 << 10] {
        assert!(keep(&shared, &key("a"), &entry(body, at(0)), &BOUNDS));
        assert_eq!(find(&shared, &key("a"), at(59)), Some(entry(body, at(0))));
    }
    assert_eq!(find(&shared, &key("b"), at(0)), None);
}

#[test]
fn what_has_expired_is_not_given_and_neither_is_what_a_clock_that_was_set_back_made() {
    let shared = Shared::default();
    keep(&shared, &key("a"), &entry(10, at(100)), &BOUNDS);
    for (seconds, found) in [(98, false), (99, true), (100, true), (159, true), (160, false)] {
        assert_eq!(find(&shared, &key("a"), at(seconds)).is_some(), found, "{seconds}");
    }
}

#[test]
fn an_answer_that_is_too_large_is_not_kept() {
    let shared = Shared::default();
    assert!(!keep(&shared, &key("a"), &entry((64 << 10) + 1, at(0)), &BOUNDS));
    let tight = Bounds { memory: 1 << 10, largest: 1 << 10 };
    assert!(!keep(&shared, &key("a"), &entry(1 << 10, at(0)), &tight), "what stands beside it counts too");
    assert_eq!(held(&shared), 0);
}

#[test]
fn a_new_answer_takes_the_slot_of_another_and_the_sum_knows() {
    let shared = Shared::default();
    let slot = slot_of(&key("a"));
    let other = (0..).map(|number: u32| key(number.to_le_bytes())).find(|key| slot_of(key) == slot).unwrap();
    keep(&shared, &key("a"), &entry(1_000, at(0)), &BOUNDS);
    keep(&shared, &other, &entry(10, at(0)), &BOUNDS);
    assert_eq!(find(&shared, &key("a"), at(0)), None);
    assert_eq!(find(&shared, &other, at(0)), Some(entry(10, at(0))));
    assert_eq!(read::<SlotSums>(&shared, ledger::NAME).held, held(&shared));
}

#[test]
fn when_the_memory_is_full_older_answers_go_and_new_ones_are_kept() {
    let shared = Shared::default();
    for number in 0..200_u32 {
        let key = key(number.to_le_bytes());
        assert!(keep(&shared, &key, &entry(32 << 10, at(0)), &BOUNDS), "{number}");
        assert!(find(&shared, &key, at(0)).is_some(), "{number}");
        assert!(held(&shared) <= BOUNDS.memory, "{number}");
        assert_eq!(read::<SlotSums>(&shared, ledger::NAME).held, held(&shared), "{number}");
    }
    assert!(held(&shared) > BOUNDS.memory / 2);
}

#[test]
fn a_look_is_one_call_whether_it_finds_something_or_not() {
    let shared = Shared::default();
    keep(&shared, &key("a"), &entry(10, at(0)), &BOUNDS);
    for name in ["a", "b"] {
        let watched = Interrupted::new(&shared, 1, |_: &Shared| {});
        find(&watched, &key(name), at(0));
        assert!(!watched.happened(), "{name}");
    }
}

#[test]
fn whoever_comes_second_keeps_nothing_and_counts_nothing() {
    let shared = Shared::default();
    // The calls: the total, the slot, and the write.
    let other = |shared: &Shared| assert!(keep(shared, &key("a"), &entry(20, at(0)), &BOUNDS));
    let interrupted = Interrupted::new(&shared, 2, other);
    assert!(!keep(&interrupted, &key("a"), &entry(10, at(0)), &BOUNDS));
    assert!(interrupted.happened());
    assert_eq!(find(&shared, &key("a"), at(0)), Some(entry(20, at(0))));
    assert_eq!(read::<SlotSums>(&shared, ledger::NAME).held, held(&shared));
    assert!(!keep(&Contended(&shared), &key("b"), &entry(10, at(0)), &BOUNDS));
}

#[test]
fn a_sum_that_is_wrong_is_right_again_when_the_hand_has_been_everywhere() {
    // Far too high, zero, and missing totals.
    for wrong in [Some(u64::MAX / 2), Some(0), None] {
        let shared = Shared::default();
        let mut stored = 0_u32;
        let mut fill = |rounds: u32| {
            for _ in 0..rounds {
                stored += 1;
                keep(&shared, &key(stored.to_le_bytes()), &entry(32 << 10, at(0)), &BOUNDS);
            }
        };
        fill(100);
        let ledger: SlotSums = read(&shared, ledger::NAME);
        let bytes = wrong.map(|held| crate::store::value::Value::bytes(&SlotSums { held, ..ledger }));
        damage(&shared, ledger::NAME, &bytes.unwrap_or_default());
        fill(400);
        assert!(held(&shared) <= BOUNDS.memory, "{wrong:?}");
        assert_eq!(read::<SlotSums>(&shared, ledger::NAME).held, held(&shared), "{wrong:?}");
    }
}
