#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::super::bucket::tests::{damage, stored};
use super::super::tests::{at, target};
use super::*;
use crate::store::fake::Shared;
use crate::store::fake::{Contended, Interrupted};

/// Dice that allow exploration of a stale target and do not rotate equals.
const EXPLORING: u64 = 0;
/// Dice that do neither.
const PLAIN: u64 = 1 << 32;

fn streamed(first_token: u64, tokens: u64, generating: u64) -> Observation {
    let [first_token, generating] = [first_token, generating].map(Duration::from_millis);
    Observation { first_token: Some(first_token), tokens, generating }
}

/// Records a response of a hundred tokens that took ten seconds to generate, with this time to the first token.
fn see(memory: &Shared, first_token: u64, now: i64) {
    observe(memory, &target(), &streamed(first_token, 100, 10_000), at(now));
}

/// The speed of a target with this time to the first token, observed at `seen`.
fn speed(first_token: u64, seen: i64) -> Speed {
    let memory = Shared::default();
    see(&memory, first_token, seen);
    read(&memory, &target())
}

fn first_token(memory: &Shared) -> u128 {
    read(memory, &target()).first_token().unwrap().as_millis()
}

/// The order without exploration, and the target that would have been explored.
fn ordered(targets: &[Speed], now: i64, dice: u64) -> (Vec<usize>, Option<usize>) {
    let order = order(targets, 100, at(now), dice);
    let explore = order.explore;
    (order.into_indices(|_| false), explore)
}

#[test]
fn of_a_target_that_was_never_observed_nothing_is_expected() {
    let unknown = read(&Shared::default(), &target());
    assert_eq!((unknown.first_token(), unknown.tokens_per_second(), unknown.expected(100)), (None, None, None));
}

#[test]
fn what_is_expected_is_the_first_token_and_then_the_others_at_their_rate() {
    let memory = Shared::default();
    observe(&memory, &target(), &streamed(500, 200, 4_000), at(0));
    let speed = read(&memory, &target());
    assert_eq!(speed.first_token(), Some(Duration::from_millis(500)));
    assert_eq!(speed.tokens_per_second(), Some(50.0));
    assert_eq!(speed.expected(0), Some(Duration::from_millis(500)));
    assert_eq!(speed.expected(100), Some(Duration::from_millis(2_500)));
}

#[test]
fn an_answer_that_came_at_once_tells_its_tokens_by_the_whole_time() {
    let memory = Shared::default();
    let whole = Observation { first_token: None, ..streamed(0, 50, 2_000) };
    observe(&memory, &target(), &whole, at(0));
    let speed = read(&memory, &target());
    assert_eq!((speed.first_token(), speed.expected(100)), (None, Some(Duration::from_secs(4))));
}

#[test]
fn an_answer_without_tokens_tells_how_long_it_took() {
    let memory = Shared::default();
    observe(&memory, &target(), &streamed(300, 0, 0), at(0));
    observe(&memory, &target(), &streamed(300, 5, 0), at(0));
    observe(&memory, &target(), &streamed(300, 0, 5), at(0));
    let speed = read(&memory, &target());
    assert_eq!((speed.tokens_per_second(), speed.expected(100)), (None, Some(Duration::from_millis(300))));
}

#[test]
fn an_answer_that_shows_nothing_is_not_noted() {
    let memory = Shared::default();
    let nothing = Observation { first_token: None, tokens: 0, generating: Duration::from_secs(1) };
    observe(&memory, &target(), &nothing, at(0));
    assert_eq!(stored(&memory, &target().speed), None);
}

#[test]
fn long_answers_count_for_the_rate_by_their_length() {
    let memory = Shared::default();
    for _ in 0..200 {
        observe(&memory, &target(), &streamed(100, 1, 1_000), at(0));
        observe(&memory, &target(), &streamed(100, 999, 9_000), at(0));
    }
    let rate = read(&memory, &target()).tokens_per_second().unwrap();
    assert!((90.0..110.0).contains(&rate), "{rate}");
}

#[test]
fn of_a_busy_target_about_ten_answers_count() {
    let memory = Shared::default();
    (0..100).for_each(|n| see(&memory, 1_000, n));
    see(&memory, 2_000, 100);
    assert_eq!(first_token(&memory), 1_100, "one is an exception");
    (0..20).for_each(|n| see(&memory, 2_000, 100 + n));
    assert!(first_token(&memory) > 1_850, "twenty are the rule");
}

#[test]
fn what_is_old_gives_way() {
    for (pause, expected) in [(0, 1_100), (10_000, 1_500), (20_000, 1_750), (3_600_000, 2_000), (-3_600_000, 2_000)] {
        let memory = Shared::default();
        (0..100).for_each(|_| see(&memory, 1_000, 0));
        see(&memory, 2_000, pause);
        assert_eq!(first_token(&memory), expected, "{pause}");
    }
}

#[test]
fn observations_out_of_order_are_both_counted_and_the_later_moment_stays() {
    let memory = Shared::default();
    see(&memory, 1_000, 500);
    see(&memory, 2_000, 0);
    assert_eq!(first_token(&memory), 1_100);
    assert_eq!(read(&memory, &target()).at, at(500));
}

#[test]
fn the_fastest_comes_first() {
    let targets = [speed(3_000, 0), speed(20_000, 0), speed(100, 0), speed(9_000, 0)];
    assert_eq!(ordered(&targets, 0, EXPLORING), (vec![2, 0, 3, 1], None));
}

#[test]
fn the_length_of_the_answer_decides_between_a_quick_start_and_a_high_rate() {
    let memory = Shared::default();
    let (quick, strong) = (TargetHealth::of("quick", "m"), TargetHealth::of("strong", "m"));
    observe(&memory, &quick, &streamed(100, 100, 10_000), at(0));
    observe(&memory, &strong, &streamed(2_000, 100, 1_000), at(0));
    let targets = [quick, strong].map(|target| read(&memory, &target));
    let first = |tokens| order(&targets, tokens, at(0), PLAIN).into_indices(|_| false)[0];
    assert_eq!((first(10), first(1_000)), (0, 1));
}

#[test]
fn those_about_as_fast_as_the_fastest_take_turns() {
    let targets = [speed(20_000, 0), speed(500, 0), speed(0, 0), speed(900, 0), speed(2_000, 0)];
    let firsts: Vec<Vec<usize>> = (0..3).map(|dice| ordered(&targets, 0, PLAIN | dice).0).collect();
    assert_eq!(firsts, [[2, 1, 3, 4, 0], [1, 3, 2, 4, 0], [3, 2, 1, 4, 0]]);
}

#[test]
fn one_that_is_not_known_is_explored_at_once_and_else_comes_last() {
    let targets = [Speed::default(), speed(500, 0), Speed::default()];
    assert_eq!(ordered(&targets, 0, PLAIN), (vec![1, 0, 2], Some(0)));
    assert_eq!(order(&targets, 100, at(0), PLAIN).into_indices(|index| index == 0), [0, 1, 2]);
    assert_eq!(order(&targets, 100, at(0), PLAIN | 1).into_indices(|_| true), [2, 1, 0]);
}

#[test]
fn where_nothing_is_known_all_take_turns() {
    let firsts: Vec<Vec<usize>> = (0..3).map(|dice| ordered(&[Speed::default(); 3], 0, dice).0).collect();
    assert_eq!(firsts, [[0, 1, 2], [1, 2, 0], [2, 0, 1]]);
}

#[test]
fn one_request_in_ten_goes_where_nothing_was_heard_from_for_a_while() {
    let targets = [speed(500, 10_000), speed(5_000, 1), speed(9_000, 0)];
    let explored = |now| (0..1_000_u64).filter(|n| ordered(&targets, now, n << 32).1.is_some()).count();
    assert_eq!((explored(9_999), explored(10_000)), (0, 100));
    assert_eq!(ordered(&targets, 10_000, EXPLORING).1, Some(2));
    assert_eq!(ordered(&targets, 10_001, EXPLORING).1, Some(2), "the one that was not heard from for longest");
    assert_eq!(order(&targets, 100, at(10_001), EXPLORING).into_indices(|_| true), [2, 0, 1]);
}

#[test]
fn the_fastest_needs_no_exploring() {
    assert_eq!(ordered(&[speed(500, 0)], 3_600_000, EXPLORING), (vec![0], None));
}

#[test]
fn no_targets_are_in_no_order() {
    assert_eq!(ordered(&[], 0, EXPLORING), (vec![], None));
}

#[test]
fn a_target_is_explored_by_one_request_in_five_seconds() {
    let memory = Shared::default();
    for now in [0, 5_000, 10_000] {
        assert!(claim_exploration(&memory, &target(), at(now)));
        assert!(!claim_exploration(&memory, &target(), at(now)));
        assert!(!claim_exploration(&memory, &target(), at(now + 4_999)));
        let speed = read(&memory, &target());
        assert_eq!(ordered(&[speed], now + 4_999, EXPLORING).1, None, "it is not even asked for");
    }
    assert!(claim_exploration(&memory, &target(), at(-3_600_000)), "the clock was set back");
}

#[test]
fn of_two_that_would_explore_one_does_however_they_interleave() {
    for before in 0..2 {
        let memory = Shared::default();
        let other = std::cell::Cell::new(false);
        let shared = Interrupted::new(&memory, before, |memory| other.set(claim_exploration(memory, &target(), at(0))));
        let claimed = claim_exploration(&shared, &target(), at(0));
        assert!(shared.happened() && claimed != other.get(), "before call {before}");
    }
}

#[test]
fn an_observation_and_a_claim_at_the_same_time_are_both_kept() {
    let memory = Shared::default();
    let shared = Interrupted::new(&memory, 1, |memory| see(memory, 700, 0));
    assert!(claim_exploration(&shared, &target(), at(0)));
    assert!(shared.happened());
    assert_eq!(first_token(&memory), 700);
    assert!(!claim_exploration(&memory, &target(), at(0)));
}

/// Ten requests a second. The first target becomes slow, and after a minute fast again.
#[test]
fn a_target_that_became_fast_again_is_found() {
    let memory = Shared::default();
    let entries = [TargetHealth::of("a", "m"), TargetHealth::of("b", "m")];
    let (mut explored, mut dice) = (0, 1_u64);
    let mut first_at = |now: i64, delays: [u64; 2]| {
        dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let targets = [read(&memory, &entries[0]), read(&memory, &entries[1])];
        let first = order(&targets, 100, at(now), dice).into_indices(|index| {
            let claimed = claim_exploration(&memory, &entries[index], at(now));
            explored += usize::from(claimed);
            claimed
        })[0];
        observe(&memory, &entries[first], &streamed(delays[first], 100, 1_000), at(now));
        first
    };
    let mut share = |seconds: std::ops::Range<i64>, delays| {
        let requests = (seconds.end - seconds.start) * 10;
        let to_first = (0..requests).filter(|n| first_at(seconds.start * 1_000 + n * 100, delays) == 0).count();
        to_first as f64 / requests as f64
    };
    assert!(share(0..60, [200, 1_000]) > 0.9);
    share(60..70, [5_000, 1_000]);
    assert!(share(70..130, [5_000, 1_000]) < 0.02, "a request now and then");
    share(130..170, [200, 1_000]);
    assert!(share(170..230, [200, 1_000]) > 0.9);
    assert!(explored <= 230 / 10 + 2, "{explored}");
}

#[test]
fn bytes_that_make_no_sense_are_nothing_known_and_are_overwritten() {
    let memory = Shared::default();
    see(&memory, 500, 0);
    let good = stored(&memory, &target().speed).unwrap();
    let mut not_a_number = good.clone();
    not_a_number[8..16].copy_from_slice(&f64::NAN.to_bits().to_le_bytes());
    let mut infinite = good.clone();
    infinite[24..32].copy_from_slice(&f64::INFINITY.to_bits().to_le_bytes());
    for bytes in [&b""[..], &good[1..], &good[..40], &[0xff; 48], &not_a_number, &infinite] {
        damage(&memory, &target().speed, bytes);
        assert_eq!(read(&memory, &target()), Speed::default(), "{bytes:?}");
        see(&memory, 700, 0);
        assert_eq!(first_token(&memory), 700, "{bytes:?}");
    }
    damage(&memory, &target().speed, &good);
    assert_eq!(first_token(&memory), 500);
}

#[test]
fn what_others_are_always_ahead_of_is_dropped() {
    let memory = Shared::default();
    see(&memory, 500, 0);
    observe(&Contended(&memory), &target(), &streamed(900, 100, 10_000), at(0));
    assert!(!claim_exploration(&Contended(&memory), &target(), at(0)));
    assert_eq!(first_token(&memory), 500);
}
