//! Reservations, the usage in responses, and settlement.

use super::*;
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

#[test]
fn answers_say_how_the_tightest_limits_stand() {
    let fixture = Fixture::new(
        "",
        r#""limits":{"requests_per_minute":10,"tokens_per_minute":1000,"input_tokens_per_minute":300}"#,
    );
    let plan = fixture.plan("dear").unwrap();
    let readings = plan.candidates[0].parts.iter().map(|part| reading(part.debit.amount)).collect();
    let headers = plan.grant(0, readings, "r".into()).headers();
    assert_eq!(
        headers,
        [
            ("x-ratelimit-limit-requests", "10".to_owned()),
            ("x-ratelimit-remaining-requests", "9".to_owned()),
            ("x-ratelimit-reset-requests", "6s".to_owned()),
            ("x-ratelimit-limit-tokens", "300".to_owned()),
            ("x-ratelimit-remaining-tokens", "200".to_owned()),
            ("x-ratelimit-reset-tokens", "6s".to_owned()),
        ]
    );
}

#[test]
fn budgets_warn_from_80_percent_on() {
    let fixture = Fixture::new("", r#""budget":{"daily":0.001,"monthly":0.002,"total":1,"soft":true}"#);
    let plan = fixture.plan("dear").unwrap();
    let warned = |used: u64| {
        let readings = plan.candidates[0].parts.iter().map(|_| reading(used)).collect();
        let headers = plan.grant(0, readings, "r".into()).headers();
        headers.into_iter().find(|(name, _)| *name == "x-sluice-budget").map(|(_, value)| value)
    };
    assert_eq!(warned(799), None);
    assert_eq!(warned(800).as_deref(), Some("key=alice/day 80%"));
    assert_eq!(warned(1_700).as_deref(), Some("key=alice/day 170%, key=alice/month 85%"));
}

pub(super) fn granted(plan: &Plan, chosen: usize) -> Reservation {
    let readings = plan.candidates[chosen].parts.iter().map(|part| reading(part.debit.amount)).collect();
    plan.grant(chosen, readings, "r".into())
}

pub(super) fn spent(candidate: usize, input: u64, output: u64) -> AttemptUsage {
    AttemptUsage {
        candidate,
        usage: Usage { input, output, ..Usage::default() },
        cost: MicroUsd(input + output),
        prompt_cache: sluice_core::usage::price::CacheValue::default(),
        estimated: false,
    }
}

fn use_of<'a>(closing: &'a Closing, counter: &str) -> Option<(u64, u64)> {
    let part: Option<&'a Settled> = closing.parts.iter().find(|part| &*part.counter.name == counter);
    part.map(|part| (part.reserved, part.used))
}

#[test]
fn a_fallback_is_reserved_for_what_is_missing_and_settled_at_each_providers_own() {
    let fixture = Fixture::new("", r#""limits":{"tokens_per_minute":1000},"budget":{"daily":1}"#);
    let plan = fixture.plan("chat").unwrap();
    let mut reservation = granted(&plan, 0);
    let Some(ReserveRequest { id, alternatives, .. }) = reservation.extension(&plan, 1, LEASE) else {
        panic!("no extension")
    };
    let missing: Vec<_> = alternatives[0].iter().map(|debit| (&*debit.counter.name, debit.amount)).collect();
    assert_eq!(missing, [("provider=q/tokens/day", 150), ("provider=q/requests/concurrent", 1)]);
    reservation.extend(&plan, 1, alternatives[0].iter().map(|debit| reading(debit.amount)).collect());
    assert_eq!(reservation.extension(&plan, 1, LEASE), None, "nothing is missing any more");

    let closings = reservation.settle(&plan, &[spent(0, 0, 0), spent(1, 90, 20)], NOW);
    assert_eq!(closings.iter().map(|closing| &*closing.id).collect::<Vec<_>>(), ["r", &*id]);
    assert_eq!(use_of(&closings[0], "key=alice/tokens/minute"), Some((150, 110)));
    assert_eq!(use_of(&closings[0], "key=alice/usd/day"), Some((150, 110)));
    assert_eq!(use_of(&closings[0], "provider=p/requests/minute"), Some((1, 1)));
    assert_eq!(use_of(&closings[1], "provider=q/tokens/day"), Some((150, 110)));
    assert_eq!(use_of(&closings[1], "provider=q/requests/concurrent"), Some((1, 0)));
}

#[test]
fn a_dearer_fallback_reserves_the_difference_and_its_use_is_counted_once() {
    let fixture = Fixture::new("", r#""budget":{"daily":1,"then_model":"dear"}"#);
    let plan = fixture.plan("chat").unwrap();
    let mut reservation = granted(&plan, 0);
    let reserve_request = reservation.extension(&plan, 2, LEASE).unwrap();
    assert_eq!(reserve_request.alternatives[0].iter().map(|debit| debit.amount).collect::<Vec<_>>(), [1350]);
    reservation.extend(&plan, 2, vec![reading(1500)]);
    let closings = reservation.settle(&plan, &[spent(2, 600, 400)], NOW);
    assert_eq!(use_of(&closings[0], "key=alice/usd/day"), Some((150, 1000)));
    assert_eq!(use_of(&closings[1], "key=alice/usd/day"), Some((1350, 0)));
}

#[test]
fn a_fallback_that_was_not_reserved_is_counted_in_the_present_window() {
    let plan = Fixture::new("", "").plan("chat").unwrap();
    let closings = granted(&plan, 0).settle(&plan, &[spent(0, 0, 0), spent(1, 3, 4)], NOW);
    let [own] = closings.as_slice() else { panic!("one order") };
    let day = own.parts.iter().find(|part| &*part.counter.name == "provider=q/tokens/day").unwrap();
    assert_eq!((day.reserved, day.used, day.window), (0, 7, 1_800_000_000 / 86_400));
    assert_eq!(use_of(own, "provider=q/requests/concurrent"), None, "no place was taken");
    assert_eq!(use_of(own, "provider=p/requests/minute"), Some((1, 1)), "also when the attempt failed");
}
