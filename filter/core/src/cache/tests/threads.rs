//! Real threads, as Envoy's workers are: no answer is ever another request's, and the sum is that of what is there.

use super::*;
use crate::store::fake::Threaded;

const THREADS: usize = 4;

/// The answer to a request, by its number: nobody else's has this body.
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
                // All ask the same requests, each in another order.
                let number = (step * 7 + thread * 13 + round) % 300;
                let key = key(number.to_le_bytes());
                match find(&shared, &key, at(0)) {
                    Some(found) => assert_eq!(found, answer(number)),
                    None => drop(keep(&shared, &key, &answer(number), &BOUNDS)),
                }
            }
        };
        std::thread::scope(|scope| {
            let work = &work;
            let threads: Vec<_> = (0..THREADS).map(|thread| scope.spawn(move || work(thread))).collect();
            threads.into_iter().for_each(|thread| thread.join().unwrap());
        });
        // Each may have passed the bound by the answer that it was about to keep.
        assert!(held(&shared) <= BOUNDS.memory + THREADS as u64 * 10_000, "{}", held(&shared));
        // One more round of the hand by a single worker, and whatever went wrong between them is forgotten.
        for number in 0..150_usize {
            keep(&shared, &key(number.to_le_bytes()), &entry(32 << 10, at(0)), &BOUNDS);
        }
        assert_eq!(read::<SlotSums>(&shared, ledger::NAME).held, held(&shared), "round {round}");
        assert!(held(&shared) <= BOUNDS.memory);
    }
}
