#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use sluice_wire::time::Time;

use super::signature;
use crate::cache::key::KeyBuilder;
use crate::cache::semantic::index::{Entry, Index, LocalIndex, MOST_ENTRIES};
use crate::cache::semantic::vector::Vector;
use crate::store::SharedData;
use crate::store::fake::Shared;
use crate::store::value::Value;

fn entry(number: usize, text: &str, vector: &[f32]) -> Entry {
    Entry {
        key: KeyBuilder::default().part(number.to_le_bytes()).key(),
        made: Time(number as u64),
        vector: Vector::of(vector).unwrap(),
        signature: signature(text),
    }
}

/// The numbers of the entries that are found.
fn found(index: &Index, text: &str, vector: &[f32], least: f32, most: usize) -> Vec<u64> {
    let found = index.nearest(&Vector::of(vector).unwrap(), &signature(text), least, most);
    found.iter().map(|(_, entry)| entry.made.0).collect()
}

#[test]
fn the_most_similar_comes_first_and_words_decide() {
    let mut index = Index::default();
    index.insert(entry(1, "Flights to Oslo", &[1.0, 0.2]));
    index.insert(entry(2, "Flights to Oslo", &[1.0, 0.1]));
    index.insert(entry(3, "Flights to Oslo", &[0.0, 1.0]));
    index.insert(entry(4, "Flights from Oslo", &[1.0, 0.0]));
    assert_eq!(found(&index, "flights to oslo", &[1.0, 0.0], 0.9, 9), [2, 1]);
    assert_eq!(found(&index, "flights to oslo", &[1.0, 0.0], 0.9, 1), [2]);
    assert_eq!(found(&index, "flights to oslo", &[1.0, 0.0], -1.0, 9), [2, 1, 3]);
    assert_eq!(found(&index, "flights to oslo", &[1.0, 0.0, 0.0], -1.0, 9), [0_u64; 0]);
}

#[test]
fn a_key_has_one_entry_until_it_is_removed() {
    let mut index = Index::default();
    index.insert(entry(1, "Flights to Oslo", &[1.0, 0.2]));
    index.insert(entry(1, "Flights to Rome", &[1.0, 0.2]));
    assert_eq!(index.len(), 1);
    assert_eq!(found(&index, "Flights to Rome", &[1.0, 0.2], 0.9, 9), [1]);
    index.remove(&entry(1, "", &[1.0]).key);
    assert!(index.is_empty());
}

#[test]
fn a_full_index_forgets_the_oldest_and_another_model_empties_it() {
    let mut index = Index::default();
    // The oldest is not the first.
    index.insert(entry(5, "a red house", &[1.0, 0.0]));
    index.insert(entry(2, "a red house", &[1.0, 0.0]));
    (10..8 + MOST_ENTRIES).for_each(|number| index.insert(entry(number, "a house", &[1.0, 0.0])));
    assert_eq!(found(&index, "a red house", &[1.0, 0.0], 0.9, 9), [5, 2]);
    index.insert(entry(9000, "a house", &[1.0, 0.0]));
    assert_eq!(index.len(), MOST_ENTRIES);
    assert_eq!(found(&index, "a red house", &[1.0, 0.0], 0.9, 9), [5]);
    index.insert(entry(9001, "a house", &[1.0, 0.0, 0.0]));
    assert_eq!(index.len(), 1);
}

#[test]
fn the_stored_form_is_read_back_and_a_damaged_one_reads_as_nothing() {
    let mut index = Index::default();
    index.insert(entry(1, "Flights to Oslo", &[1.0, 0.2]));
    index.insert(entry(2, "How do I fly?", &[-1.0, 0.1]));
    let bytes = index.bytes();
    assert_eq!(Index::parse(&bytes), Some(index));
    for at in 0..bytes.len() {
        let mut damaged = bytes.clone();
        damaged[at] ^= 1;
        assert_eq!(Index::parse(&damaged), None, "{at}");
        assert_eq!(Index::parse(&bytes[..at]), None, "{at}");
    }
}

#[test]
fn a_worker_sees_what_another_one_changed() {
    let (shared, new) = (Shared::default(), |number| entry(number, "Flights to Oslo", &[1.0, 0.2]));
    let (mut one, mut other) = (LocalIndex::new(3), LocalIndex::new(3));
    assert!(other.get(&shared).is_empty());
    assert!(one.change(&shared, |index| index.insert(new(1))));
    assert_eq!(other.get(&shared).len(), 1);
    assert!(other.change(&shared, |index| index.insert(new(2))));
    assert_eq!(one.get(&shared).len(), 2);
    assert!(LocalIndex::new(4).get(&shared).is_empty());
}

#[test]
fn an_unchanged_index_is_not_read_again() {
    let shared = Shared::default();
    let mut local = LocalIndex::new(3);
    local.change(&shared, |index| index.insert(entry(1, "Flights to Oslo", &[1.0, 0.2])));
    assert_eq!(local.get(&shared).len(), 1);
    shared.write("sluice.cache.semantic.3", b"damaged", 0).unwrap();
    assert_eq!(local.get(&shared).len(), 1);
    assert!(LocalIndex::new(3).get(&shared).is_empty());
    // The next change begins anew.
    assert!(local.change(&shared, |index| index.insert(entry(2, "Flights to Oslo", &[1.0, 0.2]))));
    assert_eq!(local.get(&shared).len(), 1);
}
