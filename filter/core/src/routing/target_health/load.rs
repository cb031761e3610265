//! The load of a target: the number of requests that all workers of an Envoy have in flight to it.
//!
//! Each worker counts its own requests in its memory and publishes the total. So a lost update is repaired by the next one, and errors do
//! not accumulate. The requests of a worker that has ended, and the total of a worker that publishes nothing new, count until the lease
//! ends.

use std::cell::Cell;
use std::time::Duration;

use sluice_wire::time::Time;

use crate::store::SharedData;

use super::{TargetHealth, Value, age, update};

/// The format and its version.
const FORMAT: [u8; 8] = *b"load\0\0\0\x01";

/// The maximum number of workers. If there are more, a new one replaces the one that published longest ago.
const MOST_SLOTS: usize = 64;

/// One worker's requests in flight to one target. Lives as long as the worker's VM; a new VM needs a new worker id.
#[derive(Debug)]
pub struct InFlight {
    worker: u64,
    count: Cell<u64>,
}

impl InFlight {
    /// No requests. `worker` must be unique among all workers, past ones too: use a random number.
    pub fn new(worker: u64) -> Self {
        Self { worker, count: Cell::new(0) }
    }

    /// Whether any request is in flight.
    pub fn any(&self) -> bool {
        self.count.get() > 0
    }

    /// Counts a request that starts.
    pub fn enter(&self, shared: &dyn SharedData, target: &TargetHealth, now: Time) {
        self.publish(self.count.get().saturating_add(1), shared, target, now);
    }

    /// Counts a request that ends.
    pub fn leave(&self, shared: &dyn SharedData, target: &TargetHealth, now: Time) {
        self.publish(self.count.get().saturating_sub(1), shared, target, now);
    }

    fn publish(&self, count: u64, shared: &dyn SharedData, target: &TargetHealth, now: Time) {
        self.count.set(count);
        update(shared, &target.load, |load: Load| Some(load.with(Slot { worker: self.worker, count, at: now }, now)));
    }
}

/// The requests in flight to a target, over all workers. `lease` is the maximum duration of a request.
pub fn in_flight(shared: &dyn SharedData, target: &TargetHealth, now: Time, lease: Duration) -> u64 {
    // Reads the slots in place: this runs for each target of every request.
    let bucket = shared.read(&target.load.bucket);
    let slots = bucket.iter().filter_map(|(bucket, _)| slots(target.load.find(bucket)?)).flatten();
    let counted = slots.filter(|slot| age(now, slot.at).is_some_and(|age| age < lease));
    counted.fold(0, |sum, slot| sum.saturating_add(slot.count))
}

/// One worker's published total.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Slot {
    pub(super) worker: u64,
    pub(super) count: u64,
    pub(super) at: Time,
}

/// The published totals of all workers that have requests in flight.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Load(Vec<Slot>);

impl Load {
    pub(super) fn with(mut self, new: Slot, now: Time) -> Self {
        self.0.retain(|slot| slot.worker != new.worker);
        if new.count > 0 {
            if self.0.len() >= MOST_SLOTS {
                let silence = |slot: &Slot| age(now, slot.at).unwrap_or(Duration::MAX);
                let stalest = (0..).zip(&self.0).max_by_key(|(_, slot)| silence(slot)).map(|(index, _)| index);
                stalest.map(|index: usize| self.0.swap_remove(index));
            }
            self.0.push(new);
        }
        self
    }
}

fn slots(bytes: &[u8]) -> Option<impl Iterator<Item = Slot>> {
    let (numbers, rest) = bytes.strip_prefix(&FORMAT)?.as_chunks::<8>();
    let (slots, more) = numbers.as_chunks::<3>();
    (rest.is_empty() && more.is_empty() && slots.len() <= MOST_SLOTS).then(|| {
        slots.iter().map(|slot| {
            let [worker, count, at] = slot.map(u64::from_le_bytes);
            Slot { worker, count, at: Time(at) }
        })
    })
}

impl Value for Load {
    fn parse(bytes: &[u8]) -> Option<Self> {
        slots(bytes).map(|slots| Self(slots.collect()))
    }

    fn bytes(&self) -> Vec<u8> {
        let numbers: Vec<u64> = self.0.iter().flat_map(|slot| [slot.worker, slot.count, slot.at.0]).collect();
        super::bytes(&FORMAT, &numbers)
    }
}

#[cfg(test)]
mod tests {
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::super::bucket::tests::{damage, stored};
    use super::super::tests::{at, target};
    use super::*;
    use crate::store::fake::Shared;
    use crate::store::fake::{Contended, Interrupted};

    const LEASE: Duration = Duration::from_secs(600);

    fn count(memory: &Shared, now: i64) -> u64 {
        in_flight(memory, &target(), at(now), LEASE)
    }

    #[test]
    fn what_entered_and_has_not_left_is_in_flight_over_all_workers() {
        let memory = Shared::default();
        let (one, other) = (InFlight::new(1), InFlight::new(2));
        assert_eq!(count(&memory, 0), 0);
        (0..3).for_each(|_| one.enter(&memory, &target(), at(0)));
        (0..2).for_each(|_| other.enter(&memory, &target(), at(0)));
        assert_eq!(count(&memory, 0), 5);
        one.leave(&memory, &target(), at(0));
        assert_eq!(count(&memory, 0), 4);
        assert_eq!(in_flight(&memory, &TargetHealth::of("openai", "another"), at(0), LEASE), 0);
    }

    #[test]
    fn there_are_never_less_than_none() {
        let memory = Shared::default();
        let (one, other) = (InFlight::new(1), InFlight::new(2));
        one.leave(&memory, &target(), at(0));
        one.leave(&memory, &target(), at(0));
        assert_eq!(count(&memory, 0), 0);
        one.enter(&memory, &target(), at(0));
        other.leave(&memory, &target(), at(0));
        assert_eq!(count(&memory, 0), 1);
    }

    #[test]
    fn a_worker_that_is_no_more_counts_until_its_lease_ends() {
        let memory = Shared::default();
        let lost = InFlight::new(1);
        (0..9).for_each(|_| lost.enter(&memory, &target(), at(0)));
        let reloaded = InFlight::new(2);
        reloaded.enter(&memory, &target(), at(1_000));
        assert_eq!(count(&memory, 599_999), 10);
        assert_eq!(count(&memory, 600_000), 1);
    }

    #[test]
    fn a_worker_without_requests_takes_no_room() {
        let memory = Shared::default();
        let worker = InFlight::new(1);
        worker.enter(&memory, &target(), at(0));
        worker.leave(&memory, &target(), at(0));
        assert_eq!(stored(&memory, &target().load), None);
    }

    #[test]
    fn of_too_many_workers_the_one_silent_for_longest_gives_way() {
        let memory = Shared::default();
        let workers: Vec<InFlight> = (0..64).map(InFlight::new).collect();
        for (now, worker) in (0..).zip(&workers) {
            worker.enter(&memory, &target(), at(now));
        }
        workers[0].enter(&memory, &target(), at(100));
        assert_eq!(count(&memory, 100), 65);
        let late = InFlight::new(64);
        late.enter(&memory, &target(), at(100));
        assert_eq!(count(&memory, 100), 65, "one came, and one of one went");
        workers[1].enter(&memory, &target(), at(101));
        assert_eq!(count(&memory, 101), 66, "the second worker was it, and is back with its two");
        assert_eq!(stored(&memory, &target().load).unwrap().len(), 8 + 64 * 24);
    }

    #[test]
    fn what_did_not_get_through_is_made_good_with_the_next_number() {
        let memory = Shared::default();
        let worker = InFlight::new(1);
        worker.enter(&memory, &target(), at(0));
        worker.enter(&memory, &target(), at(0));
        worker.leave(&Contended(&memory), &target(), at(0));
        assert_eq!(count(&memory, 0), 2);
        worker.enter(&memory, &target(), at(0));
        assert_eq!(count(&memory, 0), 2);
        worker.leave(&memory, &target(), at(0));
        worker.leave(&memory, &target(), at(0));
        assert_eq!(count(&memory, 0), 0);
    }

    #[test]
    fn no_number_is_lost_to_another_at_the_same_time() {
        for before in 0..2 {
            let memory = Shared::default();
            let (one, other) = (InFlight::new(1), InFlight::new(2));
            let shared = Interrupted::new(&memory, before, |memory| other.enter(memory, &target(), at(0)));
            one.enter(&shared, &target(), at(0));
            assert!(shared.happened());
            assert_eq!(count(&memory, 0), 2, "before call {before}");
        }
    }

    #[cfg(not(target_arch = "wasm32"))]
    #[test]
    fn when_all_threads_are_done_nothing_is_in_flight() {
        let shared = crate::store::fake::Threaded::default();
        std::thread::scope(|scope| {
            for id in 0..4 {
                let shared = &shared;
                scope.spawn(move || {
                    let worker = InFlight::new(id);
                    for n in 0..300 {
                        worker.enter(shared, &target(), at(n));
                        let counted = in_flight(shared, &target(), at(n), LEASE);
                        // A value that lost the race to other workers is not counted: the load is only a hint.
                        assert!(counted <= 4, "{counted}");
                        worker.leave(shared, &target(), at(n));
                    }
                });
            }
        });
        assert_eq!(in_flight(&shared, &target(), at(300), LEASE), 0);
    }

    #[test]
    fn what_was_said_at_a_moment_yet_to_come_does_not_count() {
        let memory = Shared::default();
        let (one, other) = (InFlight::new(1), InFlight::new(2));
        one.enter(&memory, &target(), at(3_600_000));
        assert_eq!(count(&memory, 0), 0);
        other.enter(&memory, &target(), at(0));
        one.enter(&memory, &target(), at(0));
        assert_eq!(count(&memory, 0), 3);
    }

    #[test]
    fn bytes_that_make_no_sense_are_none_in_flight_and_are_overwritten() {
        let memory = Shared::default();
        InFlight::new(1).enter(&memory, &target(), at(0));
        let good = stored(&memory, &target().load).unwrap();
        let too_many = [&FORMAT[..], &[0; 65 * 24]].concat();
        for bytes in [&b""[..], &good[1..], &good[..good.len() - 8], &[&good[..], b"x"].concat(), &too_many] {
            damage(&memory, &target().load, bytes);
            assert_eq!(count(&memory, 0), 0, "{bytes:?}");
            InFlight::new(2).enter(&memory, &target(), at(0));
            assert_eq!(count(&memory, 0), 1, "{bytes:?}");
        }
    }
}
