//! The errors when no candidate fits.

use super::*;
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

fn refused(plan: &Plan, counter: &str, used: u64, retry_after: Option<Duration>) -> LimitRefusal {
    let debit = plan.candidates[0].parts.iter().position(|part| &*part.debit.counter.name == counter).unwrap();
    plan.refuse(&[LimitExceeded { debit, snapshot: reading(used), retry_after }])
}

#[test]
fn a_rate_limit_says_what_openai_says() {
    let plan = Fixture::new("", r#""limits":{"tokens_per_minute":1000}"#).plan("chat").unwrap();
    let refusal = refused(&plan, "key=alice/tokens/minute", 900, Some(Duration::from_secs(3)));
    assert_eq!(
        refusal.error.message,
        "Rate limit reached for chat by key alice on tokens per min (TPM): Limit 1000, Used 900, Requested 150. Please try \
         again in 3s."
    );
    assert_eq!((refusal.error.status, refusal.error.kind), (429, ErrorKind::RateLimit));
    assert_eq!(refusal.error.code.as_deref(), Some("rate_limit_exceeded"));
    assert_eq!(refusal.error.retry_after, Some(Duration::from_secs(3)));
    assert!(refusal.headers.contains(&("x-ratelimit-remaining-tokens", "100".to_owned())));
    assert!(refusal.headers.iter().all(|(name, _)| *name != "x-should-retry"));
}

#[test]
fn what_can_never_fit_is_not_to_be_tried_again() {
    let plan = Fixture::new("", r#""limits":{"tokens_per_minute":149}"#).plan("chat").unwrap();
    let refusal = refused(&plan, "key=alice/tokens/minute", 0, None);
    assert!(
        refusal
            .error
            .message
            .starts_with("Request too large for chat by key alice on tokens per min (TPM): Limit 149, Requested 150.")
    );
    assert_eq!((refusal.error.status, refusal.error.retry_after), (429, None));
    assert!(refusal.headers.contains(&("x-should-retry", "false".to_owned())));
}

#[test]
fn a_crowd_may_come_again_in_a_second() {
    let plan = Fixture::new("", r#""limits":{"concurrent_requests":2}"#).plan("chat").unwrap();
    let refusal = refused(&plan, "key=alice/requests/concurrent", 2, None);
    assert_eq!(refusal.error.code.as_deref(), Some("concurrency_limit_exceeded"));
    assert_eq!(refusal.error.retry_after, Some(Duration::from_secs(1)));
    assert_eq!(refusal.headers, []);
}

#[test]
fn a_used_up_budget_is_no_quota_and_names_only_what_is_the_callers() {
    let more = r#""budgets":[{"match":{"team":"research"},"budget":{"monthly":20}}]"#;
    let plan = Fixture::new(more, "").plan("chat").unwrap();
    let refusal = refused(&plan, "team=research/usd/month", 19_999_900, Some(Duration::from_secs(999)));
    assert_eq!((refusal.error.status, refusal.error.kind), (429, ErrorKind::InsufficientQuota));
    assert_eq!((refusal.error.code.as_deref(), refusal.error.retry_after), (Some("insufficient_quota"), None));
    assert!(refusal.headers.contains(&("x-should-retry", "false".to_owned())));
    let message = &refusal.error.message;
    assert!(
        message.starts_with("You exceeded the monthly budget of team research: Limit $20.00, Used $19.9999, "),
        "{message}"
    );
    assert!(message.contains("first day of next month") && !message.contains("bob") && !message.contains("other"));
}

#[test]
fn refusals_without_sense_are_429_all_the_same() {
    let plan = Fixture::new("", "").plan("chat").unwrap();
    assert_eq!(plan.refuse(&[]).error.status, 429);
    let senseless = LimitExceeded { debit: 99, snapshot: reading(0), retry_after: None };
    assert_eq!(plan.refuse(&[senseless]).error.status, 429);
}

#[test]
fn when_a_budget_led_to_another_model_what_stood_against_that_one_is_said() {
    let fixture = Fixture::new(
        r#""limits":[{"match":{"model":"dear"},"limits":{"requests_per_minute":1}}]"#,
        r#""budget":{"daily":1,"then_model":"dear"}"#,
    );
    let mut plan = fixture.plan("chat").unwrap();
    let exceeded = |plan: &Plan, candidate: usize, unit: &str, used| {
        let fits =
            |part: &Part| part.debit.counter.name.ends_with(unit) && !part.debit.counter.name.starts_with("provider");
        let debit = plan.candidates[candidate].parts.iter().position(fits).unwrap();
        LimitExceeded { debit, snapshot: reading(used), retry_after: Some(Duration::from_secs(9)) }
    };
    let money = [0, 1].map(|candidate| exceeded(&plan, candidate, "/usd/day", 1_000_000));
    assert_eq!(plan.reserve_request("r".into(), LEASE).unwrap().alternatives.len(), 2);
    assert!(plan.turn(&money));
    assert_eq!(plan.reserve_request("r".into(), LEASE).unwrap().alternatives.len(), 1);
    let limit = [exceeded(&plan, 2, "model=dear/requests/minute", 1)];
    assert!(!plan.turn(&limit), "there is no third model");
    let refusal = plan.refuse(&limit);
    assert_eq!(refusal.error.code.as_deref(), Some("rate_limit_exceeded"));
    assert!(refusal.error.message.starts_with("Rate limit reached for dear by model dear on requests per min (RPM): "));
}

#[test]
fn of_two_full_providers_the_one_that_has_room_first_is_told() {
    let plan = Fixture::new("", "").plan("chat").unwrap();
    let full = |candidate: usize, counter: &str, seconds: Option<u64>| {
        let parts = &plan.candidates[candidate].parts;
        let debit = parts.iter().position(|part| &*part.debit.counter.name == counter).unwrap();
        LimitExceeded { debit, snapshot: reading(90), retry_after: seconds.map(Duration::from_secs) }
    };
    let told = |of_p: Option<u64>, of_q: Option<u64>| {
        let all = [full(0, "provider=p/requests/minute", of_p), full(1, "provider=q/tokens/day", of_q)];
        let refusal = plan.refuse(&all);
        (refusal.limit.unwrap().to_string(), refusal.error.retry_after)
    };
    let (p, q) = ("provider=p/requests/minute".to_owned(), "provider=q/tokens/day".to_owned());
    assert_eq!(told(Some(40), Some(30)), (q, Some(Duration::from_secs(30))));
    assert_eq!(told(Some(30), Some(40)), (p.clone(), Some(Duration::from_secs(30))));
    assert_eq!(told(Some(30), Some(30)), (p.clone(), Some(Duration::from_secs(30))), "the first of two");
    let all = [full(0, "provider=p/requests/minute", Some(40)), full(1, "provider=q/requests/concurrent", None)];
    assert_eq!(plan.refuse(&all).error.retry_after, Some(Duration::from_secs(1)));
}

#[test]
fn a_provider_where_the_request_never_fits_does_not_hide_one_that_has_room_soon() {
    let mut plan = Fixture::new("", "").plan("chat").unwrap();
    let of_p =
        plan.candidates[0].parts.iter().position(|part| &*part.debit.counter.name == "provider=p/requests/minute");
    let of_q = plan.candidates[1].parts.iter().position(|part| &*part.debit.counter.name == "provider=q/tokens/day");
    let (of_p, of_q) = (of_p.unwrap(), of_q.unwrap());
    plan.candidates[0].parts[of_p].debit.limit = 0;
    let exceeded = |debit, seconds: Option<u64>| LimitExceeded {
        debit,
        snapshot: reading(90),
        retry_after: seconds.map(Duration::from_secs),
    };
    let refusal = plan.refuse(&[exceeded(of_p, None), exceeded(of_q, Some(7))]);
    assert_eq!(refusal.error.retry_after, Some(Duration::from_secs(7)), "{}", refusal.error.message);
    assert!(refusal.headers.iter().all(|(name, _)| *name != "x-should-retry"));
}
