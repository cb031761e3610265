//! Circuit states in a decision: targets with an open circuit come last.

#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::*;
use sluice_core::routing::decision::Trouble;
use sluice_core::routing::target_health::circuit::{self, CircuitAttempt};

impl Case {
    fn later(&mut self, millis: u64) {
        self.now = self.now.after(Duration::from_millis(millis));
    }

    fn attempt(&self) -> CircuitAttempt {
        CircuitAttempt { began: self.now, ended: self.now }
    }

    pub(super) fn fails(&self, provider: &str, times: u32) {
        // No jitter.
        const EVEN: u64 = u64::MAX / 2;
        for _ in 0..times {
            circuit::failed(&self.shared, &self.target(provider).health, self.attempt(), &self.config.circuit, EVEN);
        }
    }

    /// A request claims the probe.
    fn claims(&self, provider: &str, lease: Duration) {
        let health = &self.target(provider).health;
        assert!(circuit::claim_probe(&self.shared, health, self.now, lease, &self.config.circuit));
    }

    fn succeeds(&self, provider: &str) {
        circuit::succeeded(&self.shared, &self.target(provider).health, self.attempt(), &self.config.circuit);
    }

    fn is_limited(&self, provider: &str, millis: u64) {
        let until = self.now.after(Duration::from_millis(millis));
        let health = &self.target(provider).health;
        circuit::limited(&self.shared, health, self.attempt(), until, &self.config.circuit);
    }
}

#[test]
fn a_target_that_keeps_failing_comes_last_and_is_still_asked() {
    let case = Case::new(&THREE, "", "");
    case.fails("a", 4);
    assert_eq!(case.reserve_request(), "a b c");
    case.fails("a", 1);
    assert_eq!((case.reserve_request().as_str(), case.place("a")), ("b c a", Rank::Last(Trouble::Open)));
    case.fails("b", 5);
    assert_eq!(case.reserve_request(), "c a b");
    case.fails("c", 5);
    assert_eq!(case.reserve_request(), "a b c", "when all fail, in their own order");
}

#[test]
fn how_many_failures_and_how_long_is_the_files_to_say() {
    let mut case = Case::new(&THREE, "", r#""circuit":{"failures":2,"open":"10s"}"#);
    case.fails("a", 2);
    case.later(9_900);
    assert_eq!(case.place("a"), Rank::Last(Trouble::Open));
    case.later(200);
    assert_eq!(case.place("a"), Rank::Probe);
}

#[test]
fn when_its_time_is_over_one_request_finds_out_and_the_others_wait() {
    let mut case = Case::new(&THREE, "", "");
    case.fails("a", 5);
    case.later(2_100);
    let probe = case.decide().unwrap();
    assert_eq!((names(&probe.targets_in_order()), probe.ranked[0].place), ("a b c".to_owned(), Rank::Probe));
    assert_eq!(probe.probe().map(|target| target.name.as_str()), Some(case.target("a").name.as_str()));
    case.claims("a", Duration::from_secs(20));
    for _ in 0..3 {
        assert_eq!((case.reserve_request().as_str(), case.place("a")), ("b c a", Rank::Last(Trouble::Probing)));
    }
    case.fails("a", 1);
    assert_eq!(case.place("a"), Rank::Last(Trouble::Open));
    case.later(2_100);
    assert_eq!(case.place("a"), Rank::Last(Trouble::Open), "for twice as long");
    case.later(2_000);
    assert_eq!(case.place("a"), Rank::Probe);
}

#[test]
fn only_a_request_whose_first_choice_it_is_finds_out() {
    let mut case = Case::new(&THREE, "", "");
    case.fails("b", 5);
    case.later(2_100);
    assert_eq!(case.reserve_request(), "a c b");
    let wish = Case { hints: Case::new(&THREE, "", "").asks(&[("x-sluice-route", "b")]).hints, ..case };
    assert_eq!((wish.reserve_request().as_str(), wish.place("b")), ("b a c", Rank::Probe));
}

#[test]
fn a_recovered_target_has_its_requests_back_little_by_little() {
    let mut case = Case::new(&THREE, "", "");
    case.fails("a", 5);
    case.later(2_100);
    assert_eq!(case.place("a"), Rank::Probe);
    case.succeeds("a");
    // The share grows from a tenth to all in five seconds.
    for (millis, percent) in [(0, 10), (2_500, 54), (2_400, 97)] {
        case.later(millis);
        let shares = case.shares(10_000);
        assert!(shares[0].abs_diff(percent * 100) < 250, "{percent}%: {shares:?}");
        assert_eq!(shares[2], 0, "the others keep their order");
    }
    case.later(200);
    assert_eq!(case.shares(500), [500, 0, 0]);
}

#[test]
fn a_provider_that_said_when_to_come_back_is_left_alone_until_then() {
    let mut case = Case::new(&THREE, "", "");
    case.is_limited("a", 30_000);
    assert_eq!((case.reserve_request().as_str(), case.place("a")), ("b c a", Rank::Last(Trouble::Limited)));
    case.later(29_999);
    assert_eq!(case.place("a"), Rank::Last(Trouble::Limited));
    case.later(1);
    let first = case.shares(10_000)[0];
    assert!(first.abs_diff(1_000) < 150, "and then not all at once: {first}");
}

#[test]
fn a_target_without_others_is_asked_however_it_stands() {
    for model in ["", r#""strategy":"pinned""#] {
        let case = Case::new(&THREE, model, "").asks(&[("x-sluice-fallback", "off")]);
        case.fails("a", 5);
        assert_eq!((case.reserve_request().as_str(), case.place("a")), ("a", Rank::InTurn));
    }
}

#[test]
fn a_broken_target_comes_last_whatever_the_strategy_and_whatever_is_asked_for() {
    let prices = r#""prices":{"models":{"a/x":{"input":1,"output":1},"b/x":{"input":2,"output":2},"c/x":{"input":3,"output":3}}}"#;
    let targets = [("a", r#""weight":1000"#), ("b", ""), ("c", "")];
    for strategy in ["fallback", "weighted", "cheapest", "fastest", "least_busy"] {
        let case = Case::new(&targets, &format!(r#""strategy":"{strategy}""#), prices);
        case.fails("a", 5);
        assert!(case.reserve_request().ends_with(" a"), "{strategy}");
    }
    let wish = Case::new(&targets, "", prices).asks(&[("x-sluice-route", "a")]);
    wish.fails("a", 5);
    assert_eq!(wish.reserve_request(), "b c a");
}
