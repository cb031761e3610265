//! Real threads, like Envoy's workers: no request gets another's response, and the total matches the slots.

use super::*;
use crate::store::fake::Threaded;

const THREADS: usize = 4;

/// The response to a numbered request, with a body that no other response has.
fn answer(number: usize) -> CachedResponse {
    CachedResponse { body: format!("{number} ").repeat(2_000).into_bytes(), ..entry(0, at(0)) }
}

#[test]
fn workers_find_each_others_answers_and_never_a_wrong_one() {
    for round in 0..2 {
        let shared = Threaded::default();
        let start = std::sync::Barrier::new(THREADS);
        let work = |thread: usize| {
            start.wait();
            for step in 0..200 {
                // All threads send the same requests, each in its own order.
                let number = (step * 7 + thread * 13 + round) % 300;
                let key = key(number.to_le_bytes());
                match find(&shared, &key, at(0)) {
                    Some(found) => assert_eq!(found, answer(number)),
                    None => drop(put(&shared, &key, &answer(number))),
                }
            }
        };
        std::thread::scope(|scope| {
            let work = &work;
            let threads: Vec<_> = (0..THREADS).map(|thread| scope.spawn(move || work(thread))).collect();
            threads.into_iter().for_each(|thread| thread.join().unwrap());
        });
        // Each thread may exceed the bound by the response it is storing.
        assert!(held(&shared) <= BOUNDS.memory + THREADS as u64 * 10_000, "{}", held(&shared));
        // After one more check of all sets by a single worker, all errors in the total are gone.
        for number in 0..SETS {
            put(&shared, &key(number.to_le_bytes()), &entry(100, at(0)));
        }
        assert_eq!(counted(&shared), held(&shared), "round {round}");
        assert!(held(&shared) <= BOUNDS.memory);
    }
}
