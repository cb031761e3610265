#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use sluice_wire::time::Time;

use super::signature;
use crate::cache::key::KeyBuilder;
use crate::cache::semantic::index::{Entry, LocalIndex, SEGMENT, SEGMENTS, add, secret};
use crate::cache::semantic::vector::Vector;
use crate::store::SharedData;
use crate::store::fake::Shared;

const PARTITION: [u8; 16] = [7; 16];

fn entry(number: usize, text: &str, vector: &[f32]) -> Entry {
    Entry {
        partition: PARTITION,
        key: KeyBuilder::default().part(number.to_le_bytes()).key(),
        made: Time(number as u64),
        vector: Vector::of(vector).unwrap(),
        signature: signature(text),
    }
}

fn local(shared: &Shared) -> LocalIndex {
    let mut local = LocalIndex::default();
    local.refresh(shared);
    local
}

/// The numbers of the entries that are found.
fn found(index: &LocalIndex, text: &str, vector: &[f32], least: f32, most: usize) -> Vec<u64> {
    let asked = (&Vector::of(vector).unwrap(), &signature(text));
    index.nearest(PARTITION, asked, (Time(0), least), most).iter().map(|near| near.made.0).collect()
}

#[test]
fn the_most_similar_comes_first_and_words_decide() {
    let shared = Shared::default();
    let entries = [
        entry(1, "Flights to Oslo", &[1.0, 0.2]),
        entry(2, "Flights to Oslo", &[1.0, 0.1]),
        entry(3, "Flights to Oslo", &[0.0, 1.0]),
        entry(4, "Flights from Oslo", &[1.0, 0.0]),
        Entry { partition: [8; 16], ..entry(5, "Flights to Oslo", &[1.0, 0.0]) },
    ];
    assert!(add(&shared, &entries));
    let index = local(&shared);
    assert_eq!(index.len(), 5);
    assert_eq!(found(&index, "flights to oslo", &[1.0, 0.0], 0.9, 9), [2, 1]);
    assert_eq!(found(&index, "flights to oslo", &[1.0, 0.0], 0.9, 1), [2]);
    assert_eq!(found(&index, "flights to oslo", &[1.0, 0.0], -1.0, 9), [2, 1, 3]);
    assert_eq!(found(&index, "flights to oslo", &[1.0, 0.0, 0.0], -1.0, 9), [0_u64; 0], "another model's");
}

#[test]
fn a_response_that_was_stored_again_is_found_once_and_with_its_latest_time() {
    let shared = Shared::default();
    let old = entry(1, "Flights to Oslo", &[1.0, 0.2]);
    add(&shared, &[old.clone(), Entry { made: Time(9), ..old }]);
    assert_eq!(found(&local(&shared), "Flights to Oslo", &[1.0, 0.2], 0.9, 9), [9]);
}

#[test]
fn a_full_ring_forgets_the_oldest() {
    let shared = Shared::default();
    // Sixteen entries fill a segment.
    let vector = vec![1.0; SEGMENT / 17];
    let entries: Vec<Entry> = (0..SEGMENTS * 16 + 1).map(|number| entry(number, "a house", &vector)).collect();
    for some in entries.chunks(50) {
        assert!(add(&shared, some));
    }
    let index = local(&shared);
    assert_eq!(index.len(), (SEGMENTS - 1) * 16 + 1);
    let newest = index.nearest(PARTITION, (&entries[0].vector, &entries[0].signature), (Time(0), 0.9), usize::MAX);
    assert_eq!(newest.last().unwrap().made, Time(16));
    let bytes: usize = (0..SEGMENTS)
        .filter_map(|place| shared.read(&format!("sluice.similar.{place}")))
        .map(|(bytes, _)| bytes.len())
        .sum();
    assert!(bytes <= SEGMENTS * (SEGMENT + 24), "{bytes}");
}

#[test]
fn a_damaged_segment_reads_as_an_empty_one() {
    let shared = Shared::default();
    add(&shared, &[entry(1, "Flights to Oslo", &[1.0, 0.2]), entry(2, "How do I fly?", &[-1.0, 0.1])]);
    let (bytes, _) = shared.read("sluice.similar.0").unwrap();
    for at in 0..bytes.len() {
        let mut damaged = bytes.clone();
        damaged[at] ^= 1;
        for damaged in [&damaged, &bytes[..at]] {
            shared.write("sluice.similar.0", damaged, 0).unwrap();
            assert!(local(&shared).is_empty(), "{at}");
        }
    }
    shared.write("sluice.similar.0", &bytes, 0).unwrap();
    assert_eq!(local(&shared).len(), 2);
    shared.write("sluice.similar.head", b"damaged", 0).unwrap();
    assert!(local(&shared).is_empty());
    // The next entry begins anew.
    assert!(add(&shared, &[entry(3, "Flights to Oslo", &[1.0, 0.2])]));
    assert_eq!(local(&shared).len(), 3);
}

#[test]
fn a_worker_sees_what_another_one_added_and_reads_nothing_twice() {
    let shared = Shared::default();
    let mut one = local(&shared);
    add(&shared, &[entry(1, "Flights to Oslo", &[1.0, 0.2])]);
    one.refresh(&shared);
    assert_eq!(one.len(), 1);
    shared.write("sluice.similar.0", b"damaged", 0).unwrap();
    one.refresh(&shared);
    assert_eq!((one.len(), local(&shared).len()), (1, 0));
}

#[test]
fn older_responses_leave_room_for_those_that_may_serve() {
    let shared = Shared::default();
    add(&shared, &[entry(1, "Flights to Oslo", &[1.0, 0.0]), entry(5, "Flights to Oslo", &[1.0, 0.2])]);
    let asked = (&Vector::of(&[1.0, 0.0]).unwrap(), &signature("Flights to Oslo"));
    let nearest = local(&shared).nearest(PARTITION, asked, (Time(2), 0.9), 1);
    assert_eq!(nearest.iter().map(|near| near.made.0).collect::<Vec<_>>(), [5]);
}

#[test]
fn all_workers_have_one_secret() {
    let shared = Shared::default();
    assert_eq!([secret(&shared, [1; 32]), secret(&shared, [2; 32])], [[1; 32]; 2]);
}

#[test]
fn entries_of_other_envoys_are_added_once() {
    let shared = Shared::default();
    let (old, new) = (entry(1, "Flights to Oslo", &[1.0, 0.2]), entry(2, "Flights to Rome", &[0.2, 1.0]));
    let bytes = old.bytes();
    assert_eq!(Entry::parse(&bytes), Some(old.clone()));
    for damaged in [&bytes[..bytes.len() - 1], &[&bytes[..], b"x"].concat(), b""] {
        assert_eq!(Entry::parse(damaged), None);
    }
    let mut index = LocalIndex::default();
    for _ in 0..3 {
        index.import([old.clone(), new.clone()].into_iter(), &shared);
    }
    assert_eq!(local(&shared).len(), 2);
}

#[cfg(not(target_arch = "wasm32"))]
#[test]
fn a_million_entries_stay_within_the_bound() {
    let shared = Shared::default();
    let one = entry(0, "a red house", &[1.0; 8]);
    let some = |from: usize| -> Vec<Entry> {
        (from..from + 400)
            .map(|number| {
                let mut key = [0; 32];
                key[..8].copy_from_slice(&number.to_le_bytes());
                Entry { key: crate::cache::Key(key), made: Time(number as u64), ..one.clone() }
            })
            .collect()
    };
    for from in (0..1_000_000).step_by(400) {
        assert!(add(&shared, &some(from)));
    }
    let index = local(&shared);
    let sizes = (0..SEGMENTS).filter_map(|place| shared.read(&format!("sluice.similar.{place}")));
    assert!(sizes.map(|(bytes, _)| bytes.len()).sum::<usize>() <= SEGMENTS * (SEGMENT + 24));
    let newest = index.nearest(PARTITION, (&one.vector, &one.signature), (Time(0), 0.9), 1);
    assert_eq!(newest[0].made, Time(999_999));
    assert!(index.len() < 100_000, "{}", index.len());
}
