//! Tests of the circuit: single behaviours first, then interleavings, then random histories.

use std::cell::Cell;

#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::super::bucket::tests::{damage, stored};
use super::super::tests::{at, target};
use super::*;
use crate::store::fake::Shared;
use crate::store::fake::{Contended, Interrupted};

#[cfg(not(target_arch = "wasm32"))]
mod histories;

const SETTINGS: Settings = Settings {
    failures: 5,
    open: Duration::from_secs(2),
    longest: Duration::from_secs(20),
    ramp: Duration::from_secs(5),
};
const LEASE: Duration = Duration::from_secs(10);
/// The jitter in the middle of its range.
const EVEN: u64 = u64::MAX / 2;
const CLEAN: CircuitState = CircuitState::Closed { clean: true };
const NOTED: CircuitState = CircuitState::Closed { clean: false };

/// One worker's view of a target. Times are in milliseconds.
struct Worker<'a>(&'a dyn SharedData, TargetHealth);

impl<'a> Worker<'a> {
    fn new(shared: &'a dyn SharedData) -> Self {
        Self(shared, target())
    }

    fn standing(&self, now: i64) -> CircuitState {
        read(self.0, &self.1).standing(at(now), &SETTINGS)
    }

    fn claims(&self, now: i64) -> bool {
        claim_probe(self.0, &self.1, at(now), LEASE, &SETTINGS)
    }

    /// Attempts that start and fail at this time.
    fn fails(&self, times: usize, now: i64) {
        (0..times).for_each(|_| self.fails_late(now, now));
    }

    fn fails_late(&self, began: i64, ended: i64) {
        failed(self.0, &self.1, CircuitAttempt { began: at(began), ended: at(ended) }, &SETTINGS, EVEN);
    }

    fn succeeds(&self, now: i64) {
        self.succeeds_late(now, now);
    }

    fn succeeds_late(&self, began: i64, ended: i64) {
        succeeded(self.0, &self.1, CircuitAttempt { began: at(began), ended: at(ended) }, &SETTINGS);
    }

    fn is_limited(&self, now: i64, until: i64) {
        limited(self.0, &self.1, CircuitAttempt { began: at(now), ended: at(now) }, at(until), &SETTINGS);
    }

    /// The bucket with its version.
    fn kept(&self) -> Option<(Vec<u8>, u32)> {
        self.0.read(&self.1.circuit.bucket)
    }
}

fn open_until(millis: i64) -> CircuitState {
    // Half of the jitter is a nanosecond short of the middle.
    CircuitState::Open { until: Time(at(millis).0 - 1) }
}

fn recovering(share: u32) -> CircuitState {
    CircuitState::Recovering { share }
}

#[test]
fn a_target_that_was_never_heard_of_is_closed_and_its_success_writes_nothing() {
    let memory = Shared::default();
    let worker = Worker::new(&memory);
    assert_eq!(worker.standing(0), CLEAN);
    worker.succeeds(0);
    assert_eq!(worker.kept(), None);
}

#[test]
fn so_many_failures_in_a_row_open_it() {
    let memory = Shared::default();
    let worker = Worker::new(&memory);
    worker.fails(4, 0);
    assert_eq!(worker.standing(0), NOTED);
    worker.fails(1, 100);
    assert_eq!(worker.standing(100), open_until(2_100));
    assert_eq!(worker.standing(2_099), open_until(2_100));
    assert_eq!(worker.standing(2_100), CircuitState::ProbeDue);
}

#[test]
fn no_failures_to_open_it_after_means_the_first_does() {
    let memory = Shared::default();
    let attempt = CircuitAttempt { began: at(0), ended: at(0) };
    failed(&memory, &target(), attempt, &Settings { failures: 0, ..SETTINGS }, EVEN);
    assert_eq!(Worker::new(&memory).standing(0), open_until(2_000));
}

#[test]
fn a_success_between_failures_makes_them_no_row() {
    let memory = Shared::default();
    let worker = Worker::new(&memory);
    for now in 0..50 {
        worker.fails(4, now);
        worker.succeeds(now);
        assert_eq!(worker.standing(now), CLEAN);
    }
}

#[test]
fn failures_far_apart_are_no_row() {
    let memory = Shared::default();
    let worker = Worker::new(&memory);
    for n in 0..20 {
        worker.fails(4, n * 60_000);
        assert_eq!(worker.standing(n * 60_000), NOTED);
    }
    assert_eq!(worker.standing(19 * 60_000 + 59_999), NOTED);
    assert_eq!(worker.standing(20 * 60_000), CLEAN, "what is too old needs no success to be forgotten");
}

#[test]
fn failures_while_open_neither_prolong_it_nor_count() {
    let memory = Shared::default();
    let worker = Worker::new(&memory);
    worker.fails(500, 0);
    worker.fails(500, 1_999);
    assert_eq!(worker.standing(1_999), open_until(2_000));
    assert_eq!(worker.standing(2_000), CircuitState::ProbeDue);
}

#[test]
fn failures_of_attempts_from_before_it_opened_never_count_again() {
    let memory = Shared::default();
    let worker = Worker::new(&memory);
    worker.fails(5, 0);
    worker.fails_late(-1, 2_500);
    assert_eq!(worker.standing(2_500), CircuitState::ProbeDue, "half-open");
    assert!(worker.claims(2_500));
    worker.fails_late(1_999, 2_600);
    assert_eq!(worker.standing(2_600), CircuitState::Probing, "sent while it was open");
    worker.succeeds_late(2_500, 3_000);
    (0..10).for_each(|_| worker.fails_late(-1, 3_000));
    assert_eq!(worker.standing(3_000), recovering(10));
}

#[test]
fn one_probe_at_a_time() {
    let memory = Shared::default();
    let worker = Worker::new(&memory);
    assert!(!worker.claims(0), "closed");
    worker.fails(5, 0);
    assert!(!worker.claims(1_999), "open");
    assert!(worker.claims(2_000));
    assert_eq!(worker.standing(2_000), CircuitState::Probing);
    assert!(!worker.claims(2_000));
    assert!(!worker.claims(11_999));
}

#[test]
fn a_probe_without_a_verdict_is_due_again_when_its_lease_ends() {
    let memory = Shared::default();
    let worker = Worker::new(&memory);
    worker.fails(5, 0);
    assert!(worker.claims(2_000));
    assert_eq!(worker.standing(11_999), CircuitState::Probing);
    assert_eq!(worker.standing(12_000), CircuitState::ProbeDue);
    assert!(worker.claims(12_000));
    worker.succeeds_late(2_000, 12_500);
    assert_eq!(worker.standing(12_500), recovering(10), "the first one's verdict still counts");
}

#[test]
fn a_failed_probe_opens_it_for_twice_as_long_up_to_the_longest() {
    let memory = Shared::default();
    let worker = Worker::new(&memory);
    worker.fails(5, 0);
    let mut now = 2_000;
    for length in [4_000, 8_000, 16_000, 20_000, 20_000, 20_000] {
        assert!(worker.claims(now));
        worker.fails(1, now);
        assert_eq!(worker.standing(now), open_until(now + length));
        now += length;
    }
    assert!(worker.claims(now));
    worker.succeeds(now);
    assert_eq!(worker.standing(now), recovering(10));
}

#[test]
fn after_a_success_its_share_grows_until_it_is_closed_without_another_write() {
    let memory = Shared::default();
    let worker = Worker::new(&memory);
    worker.fails(5, 0);
    assert!(worker.claims(2_000));
    worker.succeeds_late(2_000, 3_000);
    let shares = [0, 1_250, 2_500, 3_750, 4_999].map(|passed| worker.standing(3_000 + passed));
    assert_eq!(shares, [10, 32, 54, 76, 98].map(recovering));
    let kept = worker.kept();
    worker.succeeds(4_000);
    assert_eq!(worker.standing(8_000), CLEAN);
    worker.succeeds(8_000);
    assert_eq!(worker.kept(), kept);
}

#[test]
fn while_it_recovers_two_failures_in_a_row_open_it_for_twice_as_long() {
    let memory = Shared::default();
    let worker = Worker::new(&memory);
    worker.fails(5, 0);
    worker.succeeds(2_000);
    for now in 2_001..2_100 {
        worker.fails(1, now);
        worker.succeeds(now);
    }
    assert!(matches!(worker.standing(2_100), CircuitState::Recovering { .. }), "healthy but for some");
    worker.fails(2, 2_100);
    assert_eq!(worker.standing(2_100), open_until(6_100));
}

#[test]
fn once_closed_it_opens_for_the_shortest_time_again() {
    let memory = Shared::default();
    let worker = Worker::new(&memory);
    worker.fails(5, 0);
    assert!(worker.claims(2_000));
    worker.fails(1, 2_000);
    worker.succeeds(6_000);
    assert_eq!(worker.standing(11_000), CLEAN);
    worker.fails(5, 11_000);
    assert_eq!(worker.standing(11_000), open_until(13_000));
}

#[test]
fn a_success_ends_it_while_open_but_not_that_of_an_attempt_from_before() {
    let memory = Shared::default();
    let worker = Worker::new(&memory);
    worker.fails(5, 0);
    worker.succeeds_late(-30_000, 500);
    assert_eq!(worker.standing(500), open_until(2_000));
    worker.succeeds_late(0, 600);
    assert_eq!(worker.standing(600), recovering(10));
}

#[test]
fn jitter_is_a_fifth_less_to_a_fifth_more() {
    for (jitter, millis) in [(0, 1_600), (EVEN / 2, 1_800), (u64::MAX, 2_400)] {
        let memory = Shared::default();
        let attempt = CircuitAttempt { began: at(0), ended: at(0) };
        (0..5).for_each(|_| failed(&memory, &target(), attempt, &SETTINGS, jitter));
        match Worker::new(&memory).standing(0) {
            CircuitState::Open { until } => assert!(at(millis).0 - until.0 <= 1, "{jitter}: {until:?}"),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn a_limit_holds_until_its_time_whatever_succeeds_and_then_its_share_grows() {
    let memory = Shared::default();
    let worker = Worker::new(&memory);
    worker.is_limited(0, 30_000);
    let limited = CircuitState::Limited { until: at(30_000) };
    assert_eq!(worker.standing(0), limited);
    worker.succeeds(10_000);
    assert!(!worker.claims(10_000), "there is nothing to probe");
    assert_eq!(worker.standing(29_999), limited);
    assert_eq!(worker.standing(30_000), recovering(10));
    worker.succeeds(32_500);
    assert_eq!(worker.standing(32_500), recovering(54));
    assert_eq!(worker.standing(35_000), CLEAN);
}

#[test]
fn a_later_limit_extends_and_an_earlier_one_does_not_shorten() {
    let memory = Shared::default();
    let worker = Worker::new(&memory);
    worker.is_limited(0, 10_000);
    worker.is_limited(1_000, 20_000);
    worker.is_limited(2_000, 3_000);
    assert_eq!(worker.standing(2_000), CircuitState::Limited { until: at(20_000) });
}

#[test]
fn a_limit_is_no_failure() {
    let memory = Shared::default();
    let worker = Worker::new(&memory);
    worker.fails(4, 0);
    (0..50).for_each(|_| worker.is_limited(0, 1_000));
    assert_eq!(worker.standing(0), CircuitState::Limited { until: at(1_000) });
    assert_eq!(worker.standing(6_000), NOTED);
    worker.fails(1, 6_000);
    assert_eq!(worker.standing(6_000), open_until(8_000), "and no success either");
}

#[test]
fn a_probe_that_finds_a_limit_has_its_answer() {
    let memory = Shared::default();
    let worker = Worker::new(&memory);
    worker.fails(5, 0);
    assert!(worker.claims(2_000));
    worker.is_limited(2_000, 9_000);
    assert_eq!(worker.standing(8_999), CircuitState::Limited { until: at(9_000) });
    assert_eq!(worker.standing(9_000), recovering(10));
    assert_eq!(worker.standing(14_000), CLEAN);
}

#[test]
fn of_open_and_limited_the_longer_one_is_told() {
    let memory = Shared::default();
    let worker = Worker::new(&memory);
    worker.is_limited(0, 1_000);
    worker.fails(5, 0);
    assert_eq!(worker.standing(0), open_until(2_000));
    limited(&memory, &worker.1, CircuitAttempt { began: at(-1), ended: at(500) }, at(3_000), &SETTINGS);
    assert_eq!(worker.standing(500), CircuitState::Limited { until: at(3_000) });
    assert!(!worker.claims(2_500));
    assert_eq!(worker.standing(3_000), CircuitState::ProbeDue, "the answer was to an attempt from before");
}

#[test]
fn a_limit_outlasts_an_opening_in_its_time() {
    let memory = Shared::default();
    let worker = Worker::new(&memory);
    worker.is_limited(0, 10_000);
    worker.fails(5, 0);
    assert_eq!(worker.standing(0), CircuitState::Limited { until: at(10_000) });
    assert!(!worker.claims(9_999));
    assert!(worker.claims(10_000));
}

#[test]
fn settings_that_changed_hold_for_what_is_noted_already() {
    let memory = Shared::default();
    let long = Settings { open: Duration::from_secs(3_600), longest: Duration::from_secs(3_600), ..SETTINGS };
    let attempt = CircuitAttempt { began: at(0), ended: at(0) };
    (0..5).for_each(|_| failed(&memory, &target(), attempt, &long, EVEN));
    assert_eq!(Worker::new(&memory).standing(0), CircuitState::Open { until: at(24_000) });
}

#[test]
fn a_clock_that_is_set_back_wedges_nothing() {
    let memory = Shared::default();
    let worker = Worker::new(&memory);
    worker.fails(5, 3_600_000);
    assert_eq!(worker.standing(0), CircuitState::ProbeDue);
    assert!(worker.claims(0));
    worker.succeeds(10);
    assert_eq!(worker.standing(10), recovering(10));
    worker.is_limited(3_600_000, 3_630_000);
    assert_eq!(worker.standing(20), CLEAN);
    worker.fails(5, 30);
    assert!(worker.claims(3_600_000));
    assert_eq!(worker.standing(40), open_until(2_030), "but for the probe");
    assert_eq!(worker.standing(2_030), CircuitState::ProbeDue);
}

#[test]
fn an_attempt_that_ended_before_it_began_does_not_open_an_open_circuit_anew() {
    let memory = Shared::default();
    let worker = Worker::new(&memory);
    worker.fails(5, 0);
    worker.fails_late(3_600_000, 1_000);
    assert_eq!(worker.standing(1_000), open_until(2_000));
}

#[test]
fn bytes_that_make_no_sense_are_nothing_known_and_are_overwritten() {
    let memory = Shared::default();
    let worker = Worker::new(&memory);
    worker.fails(1, 0);
    let good = stored(&memory, &worker.1.circuit).unwrap();
    let mut unknown_phase = good.clone();
    unknown_phase[8] = 9;
    let mut too_many = good.clone();
    too_many[8 + 3 * 8 + 7] = 1;
    for bytes in [&b""[..], b"circuit", &good[1..], &[0; 88], &[0xff; 88], &unknown_phase, &too_many] {
        damage(&memory, &worker.1.circuit, bytes);
        assert_eq!(worker.standing(0), CLEAN, "{bytes:?}");
        worker.fails(5, 0);
        assert_eq!(worker.standing(0), open_until(2_000), "{bytes:?}");
    }
}

#[test]
fn what_others_are_always_ahead_of_is_dropped() {
    let memory = Shared::default();
    Worker::new(&memory).fails(5, 0);
    let (contended, worker) = (Contended(&memory), Worker::new(&memory));
    let loser = Worker::new(&contended);
    loser.fails(5, 0);
    loser.succeeds(0);
    loser.is_limited(0, 60_000);
    assert!(!loser.claims(2_000));
    assert_eq!(worker.standing(0), open_until(2_000));
    assert!(worker.claims(2_000));
}

/// One worker claims the probe; at each step another worker claims it too.
#[test]
fn of_two_that_claim_the_probe_one_gets_it_however_they_interleave() {
    for before in 0.. {
        let memory = Shared::default();
        Worker::new(&memory).fails(5, 0);
        let other = Cell::new(false);
        let shared = Interrupted::new(&memory, before, |memory| other.set(Worker::new(memory).claims(2_000)));
        let claimed = Worker::new(&shared).claims(2_000);
        if !shared.happened() {
            assert!(before >= 2, "it reads and writes");
            break;
        }
        assert!(claimed != other.get(), "before call {before}");
        assert_eq!(Worker::new(&memory).standing(2_000), CircuitState::Probing);
    }
}

#[test]
fn no_failure_is_lost_to_another_at_the_same_time() {
    for before in 0..2 {
        let memory = Shared::default();
        Worker::new(&memory).fails(3 * before, 0);
        let shared = Interrupted::new(&memory, before, |memory| Worker::new(memory).fails(1, 0));
        let left = 4 - 3 * before;
        (0..left).for_each(|_| Worker::new(&shared).fails(1, 0));
        assert!(shared.happened());
        assert_eq!(Worker::new(&memory).standing(0), open_until(2_000), "before call {before}");
    }
}
