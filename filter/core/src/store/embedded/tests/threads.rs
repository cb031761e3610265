//! Real threads, like Envoy's workers: exactly the limit is granted.

use std::cell::Cell;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc;

use super::*;

const THREADS: usize = 6;

/// A memory that yields to other threads between calls, and sometimes rejects a write for no reason.
#[derive(Default)]
struct Unsteady {
    memory: Memory,
    calls: AtomicU64,
    /// One in this many writes is rejected; 0 for none.
    refuses: u64,
}

impl SharedData for Unsteady {
    fn read(&self, name: &str) -> Option<(Vec<u8>, u32)> {
        std::thread::yield_now();
        self.memory.read(name)
    }

    fn write(&self, name: &str, value: &[u8], version: u32) -> Result<(), Conflict> {
        std::thread::yield_now();
        let call = self.calls.fetch_add(1, Ordering::Relaxed).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32;
        if self.refuses > 0 && call.is_multiple_of(self.refuses) {
            Err(Conflict)
        } else {
            self.memory.write(name, value, version)
        }
    }
}

/// Runs `work` in every thread at once, with the thread's number; returns the sum of the results.
fn in_threads(work: impl Fn(usize) -> u64 + Sync) -> u64 {
    let start = std::sync::Barrier::new(THREADS);
    std::thread::scope(|scope| {
        let (work, start) = (&work, &start);
        let threads: Vec<_> = (0..THREADS)
            .map(|number| {
                scope.spawn(move || {
                    start.wait();
                    work(number)
                })
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).sum()
    })
}

fn is_granted(shared: &dyn SharedData, id: String, debits: Vec<Debit>) -> bool {
    matches!(
        reserve(shared, &request(&id, vec![debits]), CounterScope::Local, at(NOON)),
        Ok(ReserveResult::Granted { .. })
    )
}

#[test]
fn exactly_k_of_n_orders_are_granted_on_one_page() {
    for round in 0..60 {
        let shared = Unsteady { refuses: [0, 3][round % 2], ..Unsteady::default() };
        let kind = [LimitWindow::Minute, LimitWindow::Day, LimitWindow::Total, LimitWindow::Concurrent][round % 4];
        let granted = in_threads(|thread| {
            let counter = counter("m", "red", kind);
            (0..40).filter(|n| is_granted(&shared, format!("{thread}/{n}"), vec![hard(&counter, 1, 101)])).count()
                as u64
        });
        assert_eq!(granted, 101, "round {round}, {kind:?}");
        assert_eq!(used(&shared.memory, &counter("m", "red", kind), at(NOON)), 101);
    }
}

/// Some requests need a slot on both shards, others only on one. So the second shard often rejects requests that hold a slot on the first,
/// and other requests want that slot meanwhile. Both shards are oversubscribed, and both must end up full.
#[test]
fn exactly_k_of_n_orders_are_granted_on_two_pages() {
    for round in 0..120 {
        let shared = Unsteady { refuses: [0, 5][round % 2], ..Unsteady::default() };
        let in_all = 2 * (20 + round as u64 % 30);
        let granted = in_threads(|thread| {
            let (team, common) = (counter("t", "red", LimitWindow::Total), counter("c", "", LimitWindow::Total));
            let (team, common) = (hard(&team, 1, in_all), hard(&common, 1, in_all / 2));
            let debits = match thread % 3 {
                0 => vec![team, common],
                1 => vec![common],
                _ => vec![team],
            };
            let count = |n: &usize| is_granted(&shared, format!("{thread}/{n}"), debits.clone());
            debits.len() as u64 * (0..100).filter(count).count() as u64
        });
        let [team, common] = [("t", "red"), ("c", "")]
            .map(|(name, shard)| used(&shared.memory, &counter(name, shard, LimitWindow::Total), at(NOON)));
        assert_eq!((team, common), (in_all, in_all / 2), "round {round}");
        assert_eq!(granted, team + common, "round {round}");
    }
}

/// A memory with a hook before each call, which gets the name and whether it is a write.
struct Watched<'a, F>(&'a Memory, F);

impl<F: Fn(bool, &str)> SharedData for Watched<'_, F> {
    fn read(&self, name: &str) -> Option<(Vec<u8>, u32)> {
        (self.1)(false, name);
        self.0.read(name)
    }

    fn write(&self, name: &str, value: &[u8], version: u32) -> Result<(), Conflict> {
        (self.1)(true, name);
        self.0.write(name, value, version)
    }
}

/// While one request holds the team's last slot, another takes the last common one, and a second wants the team's.
#[test]
fn an_order_waits_for_what_another_may_give_back() {
    let memory = &Memory::default();
    let is_granted = |shared: &dyn SharedData, id: &str, counters: &[(&str, &str)]| {
        let debits = counters.iter().map(|(name, shard)| hard(&counter(name, shard, LimitWindow::Total), 1, 1));
        super::threads::is_granted(shared, id.to_owned(), debits.collect())
    };
    let (holds, held) = mpsc::channel();
    let (release, released) = mpsc::channel();
    let (ends, ended) = mpsc::channel();
    std::thread::scope(|scope| {
        // Dropped when an assertion fails here, so that the other thread ends too.
        let (release, ended) = (release, ended);
        scope.spawn(move || {
            let stopped = Cell::new(false);
            let stopping = Watched(memory, |write: bool, name: &str| {
                if write && name == shard::name(ShardId::of("")) && !stopped.replace(true) {
                    holds.send(()).unwrap();
                    let _ = released.recv();
                }
            });
            let granted = is_granted(&stopping, "both", &[("t", "red"), ("c", "")]);
            let _ = ends.send(granted);
        });
        held.recv().unwrap();
        assert!(is_granted(memory, "common", &[("c", "")]));
        let looks = Cell::new(0);
        let waiting = Watched(memory, |_: bool, _: &str| {
            looks.set(looks.get() + 1);
            if looks.get() == 3 {
                release.send(()).unwrap();
                assert!(!ended.recv().unwrap(), "there was no common place left");
            }
        });
        assert!(is_granted(&waiting, "team", &[("t", "red")]));
    });
}

#[test]
fn two_teams_share_what_is_common_exactly() {
    for round in 0..40 {
        let shared = Unsteady { refuses: [0, 5][round % 2], ..Unsteady::default() };
        let granted = in_threads(|thread| {
            let shard = ["red", "blue"][thread % 2];
            let debits = [
                hard(&counter("t", shard, LimitWindow::Day), 1, 60),
                hard(&counter("c", "", LimitWindow::Minute), 1, 90),
            ];
            (0..40).filter(|n| is_granted(&shared, format!("{thread}/{n}"), debits.to_vec())).count() as u64
        });
        let [red, blue] =
            ["red", "blue"].map(|shard| used(&shared.memory, &counter("t", shard, LimitWindow::Day), at(NOON)));
        assert_eq!((granted, red + blue), (90, 90), "round {round}");
        assert!(red <= 60 && blue <= 60, "round {round}: {red} and {blue}");
    }
}

#[test]
fn never_more_at_the_same_time_than_there_are_places() {
    let shared = Unsteady { refuses: 7, ..Unsteady::default() };
    let inside = AtomicUsize::new(0);
    let granted = in_threads(|thread| {
        let slots = counter("c", ["red", ""][thread % 2], LimitWindow::Concurrent);
        let common = counter("all", "", LimitWindow::Concurrent);
        let mut granted = 0;
        for n in 0..300 {
            let debits = vec![hard(&slots, 1, 3), hard(&common, 1, 2)];
            let request = request(&format!("{thread}/{n}"), vec![debits.clone()]);
            let Ok(ReserveResult::Granted { snapshots, .. }) =
                reserve(&shared, &request, CounterScope::Local, at(NOON))
            else {
                continue;
            };
            assert!(inside.fetch_add(1, Ordering::SeqCst) < 2);
            std::thread::yield_now();
            inside.fetch_sub(1, Ordering::SeqCst);
            let part = |(debit, snapshot): (Debit, &CounterSnapshot)| part(&debit.counter, *snapshot, 1, 0);
            let parts = debits.into_iter().zip(&snapshots).map(part).collect();
            settle(&shared, &settlement(parts, at(NOON)), CounterScope::Local).unwrap();
            granted += 1;
        }
        granted
    });
    assert!(granted > 0);
    for (name, shard) in [("c", "red"), ("c", ""), ("all", "")] {
        assert_eq!(used(&shared.memory, &counter(name, shard, LimitWindow::Concurrent), at(NOON)), 0);
    }
}

#[test]
fn what_is_spent_is_the_sum_of_what_was_settled() {
    let shared = Unsteady { refuses: 4, ..Unsteady::default() };
    let spent = in_threads(|thread| {
        let counters = [counter("t", "red", LimitWindow::Month), counter("c", "", LimitWindow::Total)];
        let mut spent = 0;
        for n in 0..100 {
            let debits: Vec<Debit> = counters.iter().map(|counter| hard(counter, 50, 20_000)).collect();
            let request = request(&format!("{thread}/{n}"), vec![debits]);
            let Ok(ReserveResult::Granted { snapshots, .. }) =
                reserve(&shared, &request, CounterScope::Local, at(NOON))
            else {
                continue;
            };
            let used = (thread as u64 * 31 + n * 17) % 80;
            let parts = counters.iter().zip(snapshots).map(|(counter, snapshot)| part(counter, snapshot, 50, used));
            let mut settlement = settlement(parts.collect(), at(NOON));
            settlement.entry.as_mut().unwrap().sums.cost = used;
            settle(&shared, &settlement, CounterScope::Local).unwrap();
            spent += used;
        }
        spent
    });
    assert_eq!(used(&shared.memory, &counter("t", "red", LimitWindow::Month), at(NOON)), spent);
    assert_eq!(used(&shared.memory, &counter("c", "", LimitWindow::Total), at(NOON)), spent);
    assert_eq!(all_accounts(&shared, CounterTime::of(at(NOON)).day).unwrap()[0].sums.cost, spent);
}

/// Of four requests, one is never settled, one is settled after its lease, and two are settled immediately. The threads' clocks differ.
#[test]
fn what_is_lost_or_late_leaves_the_sum_of_what_was_settled() {
    let shared = Unsteady { refuses: 4, ..Unsteady::default() };
    let counters = || [counter("t", "red", LimitWindow::Month), counter("c", "", LimitWindow::Total)];
    let in_all = in_threads(|thread| {
        let counters = counters();
        let (mut late, mut spent) = (Vec::new(), 0);
        for n in 0..200 {
            let debits: Vec<Debit> = counters.iter().map(|counter| hard(counter, 50, 1_000_000)).collect();
            let request = request(&format!("{thread}/{n}"), vec![debits]);
            let Ok(ReserveResult::Granted { snapshots, .. }) =
                reserve(&shared, &request, CounterScope::Local, at(NOON + n))
            else {
                panic!("there is enough for all")
            };
            let used = (thread as u64 * 31 + n * 17) % 80;
            let parts: Vec<Settled> =
                counters.iter().zip(snapshots).map(|(counter, held)| part(counter, held, 50, used)).collect();
            match n % 4 {
                0 => continue,
                1 => late.push(parts),
                _ => settle(&shared, &settlement(parts, at(NOON + n)), CounterScope::Local).unwrap(),
            }
            spent += used;
        }
        // Some are still held by this thread's clock, others have been released.
        for parts in late {
            settle(&shared, &settlement(parts, at(NOON + 200)), CounterScope::Local).unwrap();
        }
        spent
    });
    for counter in &counters() {
        assert!(used(&shared.memory, counter, at(NOON + 200)) > in_all, "what was lost last is held yet");
        assert_eq!(used(&shared.memory, counter, at(NOON + 400)), in_all);
    }
}
