//! Random histories of several workers, and real threads.

use std::sync::Barrier;

use proptest::prelude::*;

use super::*;
use crate::store::fake::Threaded;

/// A step of a history.
#[derive(Debug, Clone)]
enum Step {
    /// Time passes, or the clock is set back; in milliseconds.
    Pass(i64),
    Fail {
        age: i64,
    },
    Succeed {
        age: i64,
    },
    Limit {
        length: i64,
    },
    Claim,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let pass = prop_oneof![5 => 0..3_000_i64, 2 => 3_000..70_000_i64, 1 => -5_000_000..0_i64];
    let age = || prop_oneof![3 => Just(0), 1 => 0..90_000_i64, 1 => -90_000..0_i64];
    let step = prop_oneof![
        4 => pass.prop_map(Step::Pass),
        6 => age().prop_map(|age| Step::Fail { age }),
        1 => age().prop_map(|age| Step::Succeed { age }),
        1 => (0..60_000_i64).prop_map(|length| Step::Limit { length }),
        2 => Just(Step::Claim),
    ];
    prop::collection::vec(step, 0..120)
}

/// Runs a history; returns the time at its end.
fn live(worker: &Worker<'_>, steps: &[Step]) -> i64 {
    let mut now = 0;
    for step in steps {
        match *step {
            Step::Pass(millis) => now += millis,
            Step::Fail { age } => worker.fails_late(now - age, now),
            Step::Succeed { age } => worker.succeeds_late(now - age, now),
            Step::Limit { length } => worker.is_limited(now, now + length),
            Step::Claim => _ = worker.claims(now),
        }
    }
    now
}

proptest! {
    /// A request comes every 250 ms. It claims the probe if one is due, and succeeds if the target is planned.
    #[test]
    fn after_any_history_a_target_that_only_succeeds_is_soon_closed(steps in steps()) {
        let memory = Shared::default();
        let worker = Worker::new(&memory);
        let start = live(&worker, &steps);
        // The waits that may follow each other: the longest opening or limit, a lost probe's lease, the ramp.
        let bound = 60_000 + 24_000 + 10_000 + 5_000 + 1_000;
        let mut now = start;
        while worker.standing(now) != CLEAN {
            prop_assert!(now - start <= bound, "{:?}", worker.standing(now));
            match worker.standing(now) {
                CircuitState::Closed { .. } | CircuitState::Recovering { .. } => worker.succeeds(now),
                CircuitState::ProbeDue => {
                    prop_assert!(worker.claims(now));
                    worker.succeeds(now);
                }
                CircuitState::Open { until } | CircuitState::Limited { until } => prop_assert!(until > at(now)),
                CircuitState::Probing => {}
            }
            now += 250;
        }
    }

    #[test]
    fn a_probe_is_claimed_when_it_is_due_and_at_no_other_time(steps in steps()) {
        let memory = Shared::default();
        let worker = Worker::new(&memory);
        let now = live(&worker, &steps);
        let due = worker.standing(now) == CircuitState::ProbeDue;
        prop_assert_eq!(worker.claims(now), due);
        prop_assert!(!worker.claims(now));
    }

    #[test]
    fn what_is_kept_reads_as_it_was_written(steps in steps()) {
        let memory = Shared::default();
        let worker = Worker::new(&memory);
        live(&worker, &steps);
        let kept = read(&memory, &worker.1);
        prop_assert_eq!(Circuit::parse(&kept.bytes()), Some(kept));
    }

    #[test]
    fn any_bytes_are_read_without_harm(bytes in prop::collection::vec(any::<u8>(), 80), now in any::<u64>()) {
        let kept = [&FORMAT[..], &bytes].concat();
        let circuit = Circuit::parse(&kept).unwrap_or_default();
        let _ = circuit.standing(Time(now), &SETTINGS);
        let attempt = CircuitAttempt { began: Time(0), ended: Time(now) };
        let _ = circuit.as_of(Time(now), &SETTINGS).failed(attempt, &SETTINGS, now);
        let _ = circuit.as_of(Time(now), &SETTINGS).succeeded(attempt);
    }
}

#[test]
fn of_many_threads_one_gets_the_probe() {
    const THREADS: usize = 6;
    for round in 0..200 {
        let shared = Threaded::default();
        Worker::new(&shared).fails(5, 0);
        let start = Barrier::new(THREADS);
        let claimed: usize = std::thread::scope(|scope| {
            let claim = || {
                start.wait();
                usize::from(Worker::new(&shared).claims(2_000))
            };
            let threads: Vec<_> = (0..THREADS).map(|_| scope.spawn(claim)).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).sum()
        });
        assert_eq!(claimed, 1, "round {round}");
    }
}
