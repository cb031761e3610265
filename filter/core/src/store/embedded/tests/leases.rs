//! Reservations not settled within their lease are released once; a later settlement is still charged.

#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::*;
use crate::store::embedded::leases::MOST_SUMS;

/// Seconds after which no reservation made at a moment is held: the lease, an eighth of it, and rounding.
const OVER: u64 = LEASE + LEASE / 8 + 1;

const GAUGES: [LimitWindow; 3] = [LimitWindow::Day, LimitWindow::Month, LimitWindow::Total];

#[test]
fn what_a_lost_worker_had_reserved_comes_back_after_its_lease() {
    for kind in GAUGES {
        let (memory, counter) = (Memory::default(), counter("m", "red", kind));
        let held = granted(&memory, vec![hard(&counter, 60, 100)], at(NOON + 3))[0].until;
        assert!(((NOON + 3 + LEASE) * 1_000..=(NOON + 3 + OVER) * 1_000).contains(&held), "{held}");
        refused(&memory, vec![hard(&counter, 60, 100)], at(NOON + 3 + LEASE - 1));
        let free = at(NOON + 3 + OVER);
        assert_eq!(used(&memory, &counter, free), 0, "{kind:?}");
        assert_eq!(granted(&memory, vec![hard(&counter, 60, 100)], free)[0].used, 60, "{kind:?}");
    }
}

#[test]
fn what_was_used_does_not_come_back() {
    for kind in GAUGES {
        let (memory, counter) = (Memory::default(), counter("m", "red", kind));
        let held = granted(&memory, vec![hard(&counter, 60, 100)], at(NOON))[0];
        settle_one(&memory, &counter, held, 60, 45, at(NOON + 5));
        settle_one(&memory, &counter, unreserved(held.period), 0, 7, at(NOON + 5));
        assert_eq!(used(&memory, &counter, at(NOON + OVER)), 52, "{kind:?}");
    }
}

#[test]
fn a_request_that_settles_after_its_lease_pays_and_gets_nothing_back_twice() {
    for kind in GAUGES {
        // A read of the shard in between releases it, and makes no difference.
        for looked in [false, true] {
            let (memory, counter) = (Memory::default(), counter("m", "red", kind));
            let late = granted(&memory, vec![hard(&counter, 60, 100)], at(NOON))[0];
            let after = at(NOON + OVER);
            if looked {
                granted(&memory, vec![hard(&counter, 20, 100)], after);
            }
            settle_one(&memory, &counter, late, 60, 45, after);
            assert_eq!(used(&memory, &counter, after), 45 + if looked { 20 } else { 0 }, "{kind:?}");
        }
    }
}

#[test]
fn one_of_many_that_is_lost_takes_nothing_of_the_others_along() {
    let (memory, counter) = (Memory::default(), counter("m", "red", LimitWindow::Total));
    // All leases end in one bucket, so the rest of its sum is released.
    let held: Vec<CounterSnapshot> =
        (0..10).map(|n| granted(&memory, vec![hard(&counter, 10 + n, 1_000)], at(NOON))[0]).collect();
    for (n, held) in held.iter().enumerate().skip(1) {
        settle_one(&memory, &counter, *held, 10 + n as u64, 1, at(NOON + 1));
    }
    assert_eq!(used(&memory, &counter, at(NOON + 1)), 10 + 9);
    assert_eq!(used(&memory, &counter, at(NOON + OVER)), 9);
}

#[test]
fn what_is_reserved_on_two_pages_comes_back_on_both() {
    let memory = Memory::default();
    let counters = [counter("t", "red", LimitWindow::Day), counter("c", "", LimitWindow::Total)];
    granted(&memory, counters.iter().map(|counter| hard(counter, 9, 10)).collect(), at(NOON));
    for counter in &counters {
        assert_eq!((used(&memory, counter, at(NOON)), used(&memory, counter, at(NOON + OVER))), (9, 0));
    }
}

/// The state left by a worker that ends after its debit on the first shard, before it decides on the second.
#[test]
fn what_an_undecided_order_holds_comes_back_too() {
    struct Watched(Memory, Memory);
    impl SharedData for Watched {
        fn read(&self, name: &str) -> Option<(Vec<u8>, u32)> {
            self.0.read(name)
        }
        fn write(&self, name: &str, value: &[u8], version: u32) -> Result<(), Conflict> {
            if name == shard::name(ShardId::of("")) {
                self.1.0.lock().unwrap().0.clone_from(&self.0.0.lock().unwrap().0);
            }
            self.0.write(name, value, version)
        }
    }
    let [team, common] = [counter("t", "red", LimitWindow::Total), counter("c", "", LimitWindow::Total)];
    let watched = Watched(Memory::default(), Memory::default());
    let debits = vec![vec![hard(&team, 9, 10), hard(&common, 9, 10)]];
    reserve(&watched, &request("o", debits), CounterScope::Local, at(NOON)).unwrap();
    let left = &watched.1;
    assert_eq!((used(left, &team, at(NOON)), used(left, &common, at(NOON))), (9, 0));
    assert_eq!(used(left, &team, at(NOON + OVER)), 0);
}

#[test]
fn a_clock_that_is_set_back_gives_nothing_back_twice() {
    let (memory, counter) = (Memory::default(), counter("m", "red", LimitWindow::Total));
    let first = granted(&memory, vec![hard(&counter, 60, 1_000)], at(NOON))[0];
    granted(&memory, vec![hard(&counter, 1, 1_000)], at(NOON + OVER));
    // After the clock was set back, a second reservation gets the first one's lease.
    let second = granted(&memory, vec![hard(&counter, 50, 1_000)], at(NOON))[0];
    assert_eq!(first.until, second.until);
    settle_one(&memory, &counter, first, 60, 5, at(NOON));
    settle_one(&memory, &counter, second, 50, 7, at(NOON));
    assert_eq!(used(&memory, &counter, at(NOON)), 1 + 5 + 7);
}

#[test]
fn a_page_remembers_a_few_leases_for_a_meter_however_many_requests_are_under_way() {
    let (memory, counter) = (Memory::default(), counter("m", "red", LimitWindow::Total));
    let size = || memory.read(&shard::name(ShardId::of("red"))).unwrap().0.len();
    granted(&memory, vec![hard(&counter, 1, 1_000_000)], at(NOON));
    let one = size();
    for second in 0..4 * LEASE {
        (0..50).for_each(|_| drop(granted(&memory, vec![hard(&counter, 1, 1_000_000)], at(NOON + second))));
        assert!(size() <= one + 24 * 18, "{} bytes", size() - one);
    }
    // The reservations of the last second are held longest.
    assert_eq!(used(&memory, &counter, at(NOON + 4 * LEASE + OVER)), 0);
    settle_one(&memory, &counter, unreserved(0), 0, 1, at(NOON + 4 * LEASE + OVER));
    assert_eq!(size(), one - 24);
}

#[test]
fn past_the_most_leases_of_a_page_what_is_lost_stays_charged() {
    let (memory, more) = (Memory::default(), counter("more", "red", LimitWindow::Total));
    let counters: Vec<Counter> =
        (0..MOST_SUMS - 1).map(|n| counter(&format!("m{n}"), "red", LimitWindow::Total)).collect();
    granted(&memory, vec![hard(&more, 1, 100)], at(NOON));
    let snapshots = granted(&memory, counters.iter().map(|counter| hard(counter, 1, 10)).collect(), at(NOON));
    assert!(snapshots.iter().all(|snapshot| snapshot.until > 0));
    // A lease with a later end needs another sum; one with an equal end does not.
    let lost = granted(&memory, vec![hard(&more, 20, 100)], at(NOON + 30))[0];
    let settled = granted(&memory, vec![hard(&more, 30, 100)], at(NOON + 30))[0];
    let within = granted(&memory, vec![hard(&more, 2, 100)], at(NOON))[0];
    assert_eq!((lost.until, settled.until), (0, 0));
    assert!(within.until > 0);
    settle_one(&memory, &more, settled, 30, 4, at(NOON + 31));
    assert_eq!(used(&memory, &more, at(NOON + 31)), 1 + 20 + 4 + 2);
    assert_eq!(used(&memory, &more, at(NOON + OVER)), 20 + 4);
    // There is room again.
    assert!(granted(&memory, vec![hard(&more, 1, 100)], at(NOON + OVER))[0].until > 0);
}

#[test]
fn leases_that_are_damaged_are_no_page() {
    let (memory, counter) = (Memory::default(), counter("m", "red", LimitWindow::Total));
    granted(&memory, vec![hard(&counter, 60, 100)], at(NOON));
    let (whole, _) = memory.read(&shard::name(ShardId::of("red"))).unwrap();
    // The number of leases follows the number of records.
    for count in [0_u32, 2, u32::MAX] {
        let mut damaged = whole.clone();
        damaged[8..12].copy_from_slice(&count.to_le_bytes());
        memory.write(&shard::name(ShardId::of("red")), &damaged, 0).unwrap();
        assert!(read(&memory, std::slice::from_ref(&counter), at(NOON)).is_err(), "{count}");
    }
}
