//! The strategies: shares, prices, speeds and loads.

#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::*;
use sluice_core::routing::target_health::load::InFlight;
use sluice_core::routing::target_health::speed::{self, Observation};

/// Whether `count` is this share of `of` requests, within four standard deviations.
fn is_share(count: u64, share: f64, of: u64) -> bool {
    let (mean, deviation) = (share * of as f64, (share * (1.0 - share) * of as f64).sqrt());
    (count as f64 - mean).abs() <= 4.0 * deviation
}

const WEIGHTS: [(&str, &str); 4] =
    [("a", r#""weight":70"#), ("b", r#""weight":20"#), ("c", r#""weight":10"#), ("d", r#""weight":0"#)];

#[test]
fn weights_are_shares_of_the_first_place_and_of_the_second_too() {
    let case = Case::new(&WEIGHTS, r#""strategy":"weighted""#, "");
    let shares = case.shares(10_000);
    for (count, share) in shares.iter().zip([0.7, 0.2, 0.1]) {
        assert!(is_share(*count, share, 10_000), "{shares:?}");
    }
    assert_eq!(shares[3], 0);
    let decisions: Vec<String> = (0..10_000)
        .map(|throw| {
            case.dice.set(mixed(throw));
            case.reserve_request()
        })
        .collect();
    assert!(
        decisions.iter().all(|reserve_request| reserve_request.ends_with(" d")),
        "a weight of 0 is for when the others fail"
    );
    let behind_a = decisions.iter().filter(|reserve_request| reserve_request.starts_with('a')).count() as u64;
    let b = decisions.iter().filter(|reserve_request| reserve_request.starts_with("a b")).count() as u64;
    assert!(is_share(b, 2.0 / 3.0, behind_a), "{b} of {behind_a}");
}

#[test]
fn even_numbers_in_a_row_are_good_enough_dice() {
    let targets = [("a", ""), ("b", "")];
    let case = Case::new(&targets, r#""strategy":"weighted""#, "");
    let mut first = 0;
    for dice in 0..10_000 {
        case.dice.set(dice * 2);
        first += u64::from(case.reserve_request() == "a b");
    }
    assert!(is_share(first, 0.5, 10_000), "{first}");
}

/// The first target for each of a thousand keys.
fn firsts(targets: &[(&str, &str)], keys: u64) -> Vec<String> {
    let mut case = Case::new(targets, r#""strategy":"weighted","sticky":"key""#, "");
    let first = |key: u64| {
        case.caller.key_id = format!("key-{key}").into();
        case.dice.set(mixed(key));
        let first = case.reserve_request();
        for throw in 0..3 {
            case.dice.set(throw);
            assert_eq!(case.reserve_request(), first, "whatever the dice");
        }
        first.split(' ').next().unwrap_or_default().to_owned()
    };
    (0..keys).map(first).collect()
}

#[test]
fn what_sticks_has_the_shares_of_the_weights() {
    let firsts = firsts(&WEIGHTS, 3_000);
    for (name, share) in [("a", 0.7), ("b", 0.2), ("c", 0.1)] {
        let count = firsts.iter().filter(|first| *first == name).count() as u64;
        assert!(is_share(count, share, 3_000), "{name}: {count}");
    }
}

#[test]
fn a_target_that_joins_or_leaves_moves_its_own_share_and_no_more() {
    let without = [("a", r#""weight":3"#), ("b", r#""weight":3"#)];
    let with = [("a", r#""weight":3"#), ("c", r#""weight":2"#), ("b", r#""weight":3"#)];
    let (before, after) = (firsts(&without, 2_000), firsts(&with, 2_000));
    let moved: Vec<&String> =
        before.iter().zip(&after).filter(|(before, after)| before != after).map(|(_, after)| after).collect();
    // In reverse, this shows the removal of a target.
    assert!(moved.iter().all(|to| *to == "c"));
    assert!(is_share(moved.len() as u64, 0.25, 2_000), "{}", moved.len());
}

#[test]
fn a_weight_that_grows_takes_and_never_gives() {
    let (before, after) = (
        firsts(&[("a", r#""weight":1"#), ("b", r#""weight":1"#), ("c", r#""weight":1"#)], 1_000),
        firsts(&[("a", r#""weight":1"#), ("b", r#""weight":2"#), ("c", r#""weight":1"#)], 1_000),
    );
    assert!(before.iter().zip(&after).all(|(before, after)| before == after || after == "b"));
}

#[test]
fn users_and_headers_stick_and_who_has_none_sticks_by_key() {
    for (sticky, header) in [(r#""user""#, false), (r#"{"header":"X-Session"}"#, true)] {
        let model = format!(r#""strategy":"weighted","sticky":{sticky}"#);
        let first = |value: Option<&'static str>, key: &str, throw: u64| {
            let mut case = Case::new(&THREE, &model, "");
            match value {
                Some(value) if header => case = case.asks(&[("x-session", value)]),
                other => case.user = other.filter(|_| !header),
            }
            case.caller.key_id = key.into();
            case.dice.set(mixed(throw));
            case.reserve_request()
        };
        let names = ["ann", "bob", "cyd", "dan", "eve", "fay", "gus", "hal", "ida", "joe"];
        for name in names {
            assert_eq!(first(Some(name), "k", 0), first(Some(name), "l", 1), "{sticky}: the key does not matter");
            for none in [None, Some("")] {
                assert_eq!(first(none, name, 0), first(none, name, 1), "{sticky}");
                assert_eq!(first(none, name, 0), first(Some(name), "k", 0), "{sticky}: as if it were its name");
            }
        }
        let mut all: Vec<String> = names.iter().map(|name| first(Some(name), "k", 0)).collect();
        all.sort_unstable();
        all.dedup();
        assert!(all.len() > 1, "{sticky}: not all at the same");
    }
}

#[test]
fn weights_of_zero_keep_the_order_in_which_they_are_listed() {
    let targets = [("a", r#""weight":0"#), ("b", r#""weight":0"#), ("c", ""), ("d", r#""weight":0"#)];
    let case = Case::new(&targets, r#""strategy":"weighted""#, "");
    for throw in 0..50 {
        case.dice.set(mixed(throw));
        assert_eq!(case.reserve_request(), "c a b d");
    }
}

#[test]
fn the_cheapest_is_so_for_this_very_request_and_moves_with_the_prices() {
    let case = |prices: &str, input_tokens, output, images| {
        let file = format!(r#""prices":{{"models":{{{prices}}}}}"#);
        let case = Case::new(&THREE, r#""strategy":"cheapest""#, &file);
        Case { output, ..case.needs(Needs { input_tokens, images, ..Needs::default() }) }.reserve_request()
    };
    let prices = r#""a/x":{"input":1,"output":10},"b/x":{"input":4,"output":4},"c/x":{"input":0.5,"output":20}"#;
    assert_eq!(case(prices, 1_000, 10, false), "c a b");
    assert_eq!(case(prices, 1_000, 1_000, false), "b a c");
    assert_eq!(
        case(&prices.replace(r#""input":4,"output":4"#, r#""input":40,"output":40"#), 1_000, 1_000, false),
        "a c b"
    );
    let pieces = r#""a/x":{"input":1,"output":1,"per_image":0.01},"b/x":{"input":1,"output":1,"per_request":0.005},"c/x":{"input":9,"output":9}"#;
    assert_eq!(case(pieces, 1_000, 100, false), "a b c");
    assert_eq!(case(pieces, 1_000, 10, true), "b c a");
    assert_eq!(case(r#""c/x":{"input":9,"output":9},"b/x":{"input":9,"output":9}"#, 1, 1, false), "b c a");
}

#[test]
fn what_belongs_together_stays_where_the_strategy_has_sent_it() {
    let prices = r#""a/x":{"input":1,"output":10},"b/x":{"input":4,"output":4},"c/x":{"input":0.5,"output":20}"#;
    let file = format!(r#""prices":{{"models":{{{prices}}}}}"#);
    let case = Case::new(&THREE, r#""strategy":"cheapest","sticky":"key""#, &file);
    let mut case = case.needs(Needs { input_tokens: 1_000, ..Needs::default() });
    case.output = 10;
    assert_eq!(case.reserve_request(), "c a b");
    case.output = 1_000;
    assert_eq!(case.reserve_request(), "c b a", "the others by the strategy");
    case.caller.key_id = "another".into();
    assert_eq!(case.reserve_request(), "b a c");
    case.caller.key_id = "k".into();
    case.now = case.now.after(Duration::from_secs(3_600));
    assert_eq!(case.reserve_request(), "b a c", "it is forgotten");
}

#[test]
fn a_target_without_a_price_is_the_last_of_the_cheapest() {
    let case =
        Case::new(&THREE, r#""strategy":"cheapest""#, r#""prices":{"models":{"b/x":{"input":900,"output":900}}}"#);
    assert_eq!(case.reserve_request(), "b a c");
    let free = Case::new(
        &THREE,
        r#""strategy":"cheapest""#,
        r#""prices":{"models":{"c/x":{"input":0,"output":0}},"unpriced":{"input":1,"output":1}}"#,
    );
    assert_eq!(free.reserve_request(), "c a b");
}

impl Case {
    pub(super) fn answered(&self, provider: &str, first_token: u64, a_token: u64) {
        let observation = Observation {
            first_token: Some(Duration::from_millis(first_token)),
            tokens: 100,
            generating: Duration::from_millis(a_token * 100),
        };
        speed::observe(&self.shared, &self.target(provider).health, &observation, self.now);
    }
}

#[test]
fn the_fastest_moves_with_what_is_measured() {
    let mut case = Case::new(&THREE, r#""strategy":"fastest""#, "");
    for (provider, first_token, a_token) in [("a", 300, 5), ("b", 900, 1), ("c", 2_000, 20)] {
        case.answered(provider, first_token, a_token);
    }
    case.output = 10;
    assert_eq!(case.reserve_request(), "a b c", "350, 910 and 2200 ms");
    case.output = 500;
    assert_eq!(case.reserve_request(), "b a c", "2.8 s, 1.4 s and 12 s: a long answer is another matter");
    for _ in 0..40 {
        case.answered("b", 9_000, 90);
    }
    assert_eq!(case.reserve_request(), "a c b");
}

#[test]
fn an_unknown_target_is_tried_by_one_request_and_then_left_alone_for_a_while() {
    let mut case = Case::new(&THREE, r#""strategy":"fastest""#, "");
    case.answered("b", 100, 1);
    case.answered("a", 500, 1);
    assert_eq!([case.reserve_request(), case.reserve_request(), case.reserve_request()], ["c b a", "b a c", "b a c"]);
    case.now = case.now.after(Duration::from_secs(6));
    assert_eq!([case.reserve_request(), case.reserve_request()], ["c b a", "b a c"]);
}

#[test]
fn the_least_busy_has_the_fewest_requests_of_all_workers() {
    let case = Case::new(&THREE, r#""strategy":"least_busy""#, "");
    let workers: Vec<[InFlight; 3]> = (0..2).map(|worker| ["a", "b", "c"].map(|_| InFlight::new(worker))).collect();
    let enter = |worker: usize, target: usize, times: u32| {
        let health = &case.model.targets[target].health;
        (0..times).for_each(|_| workers[worker][target].enter(&case.shared, health, case.now));
    };
    enter(0, 0, 2);
    enter(1, 0, 2);
    enter(0, 1, 3);
    enter(1, 2, 5);
    assert_eq!(case.reserve_request(), "b a c");
    (0..5).for_each(|_| workers[1][2].leave(&case.shared, &case.model.targets[2].health, case.now));
    assert_eq!(case.reserve_request(), "c b a");
}

#[test]
fn equally_busy_targets_have_equal_shares() {
    let shares = Case::new(&THREE, r#""strategy":"least_busy""#, "").shares(10_000);
    assert!(shares.iter().all(|count| is_share(*count, 1.0 / 3.0, 10_000)), "{shares:?}");
}
