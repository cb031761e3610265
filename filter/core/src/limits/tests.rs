use std::time::Duration;

use super::*;
use crate::config::{Caller, Gateway, KeyHash, Model, Target};
use crate::conversation::Usage;
use crate::error::{ApiError, ErrorKind};
use crate::exchange::Time;
use crate::store::{Obstacle, Order, Reading, Settled};
use crate::usage::estimate::Estimate;
use crate::usage::price::MicroUsd;
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

/// Input 100 tokens, output 50; at a dollar for a million tokens of either: 150 micro-dollars.
const ESTIMATE: Estimate = Estimate { input: 100, output: 50, images: 0 };
const LEASE: Duration = Duration::from_secs(600);
const NOW: Time = Time(1_800_000_000_000_000_000);

/// A gateway whose models cost a dollar for a million tokens, `dear` ten; the fields of `more` are added to the file, those
/// of `key` to the key `alice` (team `research`, app `bot`).
struct Fixture {
    gateway: Gateway,
    caller: Rc<Caller>,
}

impl Fixture {
    fn new(more: &str, key: &str) -> Self {
        let comma = |text: &str| if text.is_empty() { String::new() } else { format!(",{text}") };
        let file = format!(
            r#"{{"providers":{{"p":{{"kind":"openai","limits":{{"requests_per_minute":90}}}},
                              "q":{{"kind":"openai","limits":{{"concurrent_requests":9,"tokens_per_day":5000}}}}}},
                "models":{{"chat":{{"targets":[{{"provider":"p","model":"m"}},{{"provider":"q","model":"m"}}]}},
                          "cheap":{{"targets":[{{"provider":"q","model":"c"}}]}},
                          "dear":{{"targets":[{{"provider":"p","model":"d"}}]}},
                          "a,b=%":{{"targets":[{{"provider":"p","model":"m"}}]}}}},
                "prices":{{"models":{{"p/m":{{"input":1,"output":1}},"q/m":{{"input":1,"output":1}},
                                      "q/c":{{"input":1,"output":1}},"p/d":{{"input":10,"output":10}}}}}},
                "teams":{{"research":{{}},"other":{{}}}},"apps":{{"bot":{{}}}},
                "keys":[{{"id":"alice","team":"research","app":"bot","sha256":"{}"{}}},
                        {{"id":"bob","team":"other","sha256":"{}"}}]{}}}"#,
            "0".repeat(64),
            comma(key),
            "1".repeat(64),
            comma(more)
        );
        let gateway = Gateway::from_json(file.as_bytes()).unwrap_or_else(|mistakes| panic!("{mistakes:?}"));
        let caller = gateway.keys[&KeyHash([0; 32])].caller.clone();
        Self { gateway, caller }
    }

    fn plan(&self, model: &str) -> Result<Plan, ApiError> {
        let model = &self.gateway.models[model];
        Plan::new(&self.gateway, &self.caller, model, &model.targets, |_| ESTIMATE)
    }

    fn takes(&self, model: &str, candidate: usize) -> Vec<(String, u64, u64, bool)> {
        let plan = self.plan(model).unwrap();
        let take = |part: &Part| (part.take.meter.name.to_string(), part.take.amount, part.take.limit, part.take.hard);
        plan.candidates[candidate].parts.iter().map(take).collect()
    }
}

fn reading(used: u64) -> Reading {
    Reading { used, window: 7, reset: Duration::from_secs(6) }
}

fn names(takes: &[(String, u64, u64, bool)]) -> Vec<&str> {
    takes.iter().map(|(name, ..)| name.as_str()).collect()
}

fn refused(plan: &Plan, meter: &str, used: u64, retry_after: Option<Duration>) -> Refusal {
    let take = plan.candidates[0].parts.iter().position(|part| &*part.take.meter.name == meter).unwrap();
    plan.refuse(&[Obstacle { take, reading: reading(used), retry_after }])
}

#[test]
fn a_request_takes_from_every_meter_that_concerns_it_and_from_no_other() {
    let fixture = Fixture::new(
        r#""limits":[{"match":{"team":"other"},"limits":{"requests_per_minute":1}},
                     {"match":{"model":"cheap"},"limits":{"requests_per_minute":2}},
                     {"match":{"team":"research","provider":"q"},"limits":{"input_tokens_per_minute":300}},
                     {"limits":{"output_tokens_per_minute":400}}],
           "budgets":[{"match":{"app":"bot","model":"chat"},"budget":{"monthly":5}}]"#,
        r#""limits":{"tokens_per_minute":1000,"concurrent_requests":3}"#,
    );
    assert_eq!(
        fixture.takes("chat", 0),
        [
            ("provider=p/requests/minute".to_owned(), 1, 90, true),
            ("all/output_tokens/minute".to_owned(), 50, 400, true),
            ("key=alice/tokens/minute".to_owned(), 150, 1000, true),
            ("key=alice/requests/concurrent".to_owned(), 1, 3, true),
            ("app=bot,model=chat/usd/month".to_owned(), 150, 5_000_000, true),
        ]
    );
    let second = fixture.takes("chat", 1);
    assert!(names(&second).contains(&"provider=q,team=research/input_tokens/minute"));
    assert!(!names(&second).contains(&"provider=p/requests/minute"));
}

#[test]
fn counters_are_named_by_what_they_count_and_no_name_can_be_taken_for_another() {
    let per = r#""limits":[{"per":["model","team"],"limits":{"requests_per_minute":5}}]"#;
    let takes = Fixture::new(per, "").takes("a,b=%", 0);
    assert!(names(&takes).contains(&"model=a%2Cb=%25,team=research/requests/minute"), "{takes:?}");
}

#[test]
fn a_keys_own_limit_and_one_for_each_key_are_one_counter_with_the_smaller_limit() {
    let per_key = r#""limits":[{"per":["key"],"limits":{"requests_per_minute":5}}]"#;
    for (own, limit) in [(9, 5), (2, 2)] {
        let fixture = Fixture::new(per_key, &format!(r#""limits":{{"requests_per_minute":{own}}}"#));
        let takes = fixture.takes("dear", 0);
        let mine: Vec<_> = takes.iter().filter(|(name, ..)| name.starts_with("key=alice")).collect();
        assert_eq!(mine, [&("key=alice/requests/minute".to_owned(), 1, limit, true)]);
    }
}

#[test]
fn a_soft_budget_on_a_hard_ones_counter_warns_at_its_own_amount() {
    for (hard, soft) in [(r#"{"daily":0.001}"#, r#"{"daily":0.0005,"soft":true}"#)] {
        let more = format!(r#""budgets":[{{"per":["key"],"budget":{soft}}}]"#);
        let fixture = Fixture::new(&more, &format!(r#""budget":{hard}"#));
        let plan = fixture.plan("dear").unwrap();
        let part = plan.candidates[0].parts.iter().find(|part| part.rule.unit == Unit::MicroUsd).unwrap();
        assert_eq!((part.take.limit, part.take.hard), (1000, true));
        let readings = plan.candidates[0].parts.iter().map(|_| reading(450)).collect();
        let warnings = plan.grant(0, readings, "r".into()).warnings();
        assert_eq!(warnings.len(), 1);
        assert_eq!((warnings[0].percent, warnings[0].mark, warnings[0].hard), (90, 80, false));
    }
}

#[test]
fn what_is_one_teams_alone_is_kept_with_it() {
    let fixture = Fixture::new(
        r#""limits":[{"match":{"app":"bot"},"limits":{"requests_per_minute":5}},
                     {"per":["team"],"limits":{"requests_per_minute":5}},
                     {"match":{"app":"bot","team":"research"},"limits":{"requests_per_minute":5}}]"#,
        r#""limits":{"requests_per_minute":5}"#,
    );
    let plan = fixture.plan("dear").unwrap();
    let shards: Vec<_> =
        plan.candidates[0].parts.iter().map(|part| (&*part.take.meter.name, &*part.take.meter.shard)).collect();
    assert_eq!(
        shards,
        [
            ("provider=p/requests/minute", ""),
            ("key=alice/requests/minute", "research"),
            ("app=bot,team=research/requests/minute", "research"),
            ("app=bot/requests/minute", ""),
            ("team=research/requests/minute", "research"),
        ]
    );
}

#[test]
fn a_request_larger_than_one_may_be_is_a_400_with_the_numbers() {
    let error = Fixture::new("", r#""limits":{"max_request_tokens":149}"#).plan("chat").unwrap_err();
    assert_eq!((error.status, error.code.as_deref()), (400, Some("max_request_tokens_exceeded")));
    for number in ["150", "100", "50", "149", "key alice"] {
        assert!(error.message.contains(number), "{}", error.message);
    }
    assert!(Fixture::new("", r#""limits":{"max_request_tokens":150}"#).plan("chat").is_ok());
}

#[test]
fn a_provider_that_takes_no_request_so_large_is_left_out() {
    let more = r#""limits":[{"match":{"provider":"p"},"limits":{"max_request_tokens":10}}]"#;
    let fixture = Fixture::new(more, "");
    let plan = fixture.plan("chat").unwrap();
    assert_eq!(plan.candidates.len(), 1);
    assert_eq!(plan.candidates[0].target.provider.name, "q");
    assert_eq!(fixture.plan("dear").unwrap_err().code.as_deref(), Some("max_request_tokens_exceeded"));
}

#[test]
fn where_money_counts_a_target_without_a_price_is_left_out() {
    let mut fixture = Fixture::new("", r#""budget":{"total":1}"#);
    let chat = &fixture.gateway.models["chat"];
    let unpriced = Target { provider: chat.targets[0].provider.clone(), model: "m".to_owned(), price: None };
    let targets = vec![Rc::new(unpriced), chat.targets[1].clone()];
    let only = Model { name: "only".to_owned(), targets: targets[..1].to_vec() };
    fixture.gateway.models.insert("chat".to_owned(), Rc::new(Model { name: "chat".to_owned(), targets }));
    fixture.gateway.models.insert("only".to_owned(), Rc::new(only));
    let plan = fixture.plan("chat").unwrap();
    assert_eq!((plan.candidates.len(), plan.candidates[0].target.provider.name.as_str()), (1, "q"));
    let error = fixture.plan("only").unwrap_err();
    assert_eq!((error.status, error.code.as_deref()), (403, Some("model_not_priced")));
    assert!(error.message.contains("prices.models") && error.message.contains("prices.unpriced"), "{}", error.message);
}

#[test]
fn nothing_to_count_is_no_order() {
    let mut fixture = Fixture::new("", "");
    fixture.gateway.index = Index::default();
    let plan = fixture.plan("chat").unwrap();
    assert_eq!(plan.order("r".into(), LEASE), None);
    let closings = plan.grant(0, Vec::new(), "r".into()).settle(&plan, &[], NOW);
    assert_eq!(closings, [Closing { id: "r".into(), parts: Vec::new() }]);
}

#[test]
fn a_used_up_budget_leads_to_its_other_model_which_still_counts_on_it() {
    let budget = r#""budget":{"daily":0.01,"monthly":0.02,"then_model":"cheap"}"#;
    let fixture = Fixture::new("", budget);
    let plan = fixture.plan("chat").unwrap();
    let shape: Vec<_> = plan
        .candidates
        .iter()
        .map(|one| (one.model.name.as_str(), one.target.provider.name.as_str(), one.instead_of.is_some()))
        .collect();
    assert_eq!(shape, [("chat", "p", false), ("chat", "q", false), ("cheap", "q", true)]);
    let money = |candidate| {
        let takes = fixture.takes("chat", candidate).into_iter();
        takes.filter(|(name, ..)| name.contains("usd")).map(|(.., hard)| hard).collect::<Vec<_>>()
    };
    assert_eq!((money(0), money(2)), (vec![true, true], vec![false, false]));
    let asked_for = fixture.plan("cheap").unwrap();
    assert_eq!(asked_for.candidates.len(), 1, "the model itself is served in place of itself");
    assert!(asked_for.candidates[0].parts.iter().all(|part| part.rule.unit != Unit::MicroUsd || !part.take.hard));
}

#[test]
fn what_a_models_budget_led_to_is_spent_from_that_models_budget() {
    let more = r#""budgets":[{"match":{"model":"chat"},"budget":{"daily":1,"then_model":"cheap"}},
                             {"match":{"model":"cheap"},"budget":{"daily":2}}]"#;
    let takes = Fixture::new(more, "").takes("chat", 2);
    assert!(takes.contains(&("model=chat/usd/day".to_owned(), 150, 1_000_000, false)), "{takes:?}");
    assert!(takes.contains(&("model=cheap/usd/day".to_owned(), 150, 2_000_000, true)), "{takes:?}");
}

#[test]
fn of_two_used_up_budgets_the_last_ones_model_serves() {
    let more = r#""budgets":[{"match":{"team":"research"},"budget":{"daily":1,"then_model":"dear"}}]"#;
    let fixture = Fixture::new(more, r#""budget":{"daily":1,"then_model":"cheap"}"#);
    let plan = fixture.plan("chat").unwrap();
    let hard: Vec<_> = plan
        .candidates
        .iter()
        .map(|one| {
            (
                one.model.name.as_str(),
                one.parts.iter().filter(|part| part.rule.then_model.is_some() && part.take.hard).count(),
            )
        })
        .collect();
    assert_eq!(hard, [("chat", 2), ("chat", 2), ("cheap", 1), ("dear", 0)]);
}

#[test]
fn answers_say_how_the_tightest_limits_stand() {
    let fixture = Fixture::new(
        "",
        r#""limits":{"requests_per_minute":10,"tokens_per_minute":1000,"input_tokens_per_minute":300}"#,
    );
    let plan = fixture.plan("dear").unwrap();
    let readings = plan.candidates[0].parts.iter().map(|part| reading(part.take.amount)).collect();
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
    let senseless = Obstacle { take: 99, reading: reading(0), retry_after: None };
    assert_eq!(plan.refuse(&[senseless]).error.status, 429);
}

fn granted(plan: &Plan, chosen: usize) -> Ticket {
    let readings = plan.candidates[chosen].parts.iter().map(|part| reading(part.take.amount)).collect();
    plan.grant(chosen, readings, "r".into())
}

fn spent(candidate: usize, input: u64, output: u64) -> Spent {
    Spent { candidate, usage: Usage { input, output, ..Usage::default() }, cost: MicroUsd(input + output) }
}

fn use_of<'a>(closing: &'a Closing, meter: &str) -> Option<(u64, u64)> {
    let part: Option<&'a Settled> = closing.parts.iter().find(|part| &*part.meter.name == meter);
    part.map(|part| (part.reserved, part.used))
}

#[test]
fn a_fallback_is_reserved_for_what_is_missing_and_settled_at_each_providers_own() {
    let fixture = Fixture::new("", r#""limits":{"tokens_per_minute":1000},"budget":{"daily":1}"#);
    let plan = fixture.plan("chat").unwrap();
    let mut ticket = granted(&plan, 0);
    let Some(Order { id, alternatives, .. }) = ticket.extension(&plan, 1, LEASE) else { panic!("no extension") };
    let missing: Vec<_> = alternatives[0].iter().map(|take| (&*take.meter.name, take.amount)).collect();
    assert_eq!(missing, [("provider=q/tokens/day", 150), ("provider=q/requests/concurrent", 1)]);
    ticket.extend(&plan, 1, alternatives[0].iter().map(|take| reading(take.amount)).collect());
    assert_eq!(ticket.extension(&plan, 1, LEASE), None, "nothing is missing any more");

    let closings = ticket.settle(&plan, &[spent(0, 0, 0), spent(1, 90, 20)], NOW);
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
    let mut ticket = granted(&plan, 0);
    let order = ticket.extension(&plan, 2, LEASE).unwrap();
    assert_eq!(order.alternatives[0].iter().map(|take| take.amount).collect::<Vec<_>>(), [1350]);
    ticket.extend(&plan, 2, vec![reading(1500)]);
    let closings = ticket.settle(&plan, &[spent(2, 600, 400)], NOW);
    assert_eq!(use_of(&closings[0], "key=alice/usd/day"), Some((150, 1000)));
    assert_eq!(use_of(&closings[1], "key=alice/usd/day"), Some((1350, 0)));
}

#[test]
fn a_fallback_that_was_not_reserved_is_counted_in_the_present_window() {
    let plan = Fixture::new("", "").plan("chat").unwrap();
    let closings = granted(&plan, 0).settle(&plan, &[spent(0, 0, 0), spent(1, 3, 4)], NOW);
    let [own] = closings.as_slice() else { panic!("one order") };
    let day = own.parts.iter().find(|part| &*part.meter.name == "provider=q/tokens/day").unwrap();
    assert_eq!((day.reserved, day.used, day.window), (0, 7, 1_800_000_000 / 86_400));
    assert_eq!(use_of(own, "provider=q/requests/concurrent"), None, "no place was taken");
    assert_eq!(use_of(own, "provider=p/requests/minute"), Some((1, 1)), "also when the attempt failed");
}

#[cfg(not(target_arch = "wasm32"))]
mod properties {
    use proptest::prelude::*;

    use super::*;

    fn rules() -> impl Strategy<Value = String> {
        let scope = prop::sample::select(vec![
            r#""per":["key"]"#,
            r#""per":["model","provider"]"#,
            r#""match":{"team":"research"}"#,
            r#""match":{"provider":"q"},"per":["team"]"#,
            r#""match":{"model":"chat"}"#,
            r#""match":{"model":"cheap"}"#,
            r#""per":["app"]"#,
            r#""match":{"app":"bot"},"per":["key"]"#,
        ]);
        let budget = prop::sample::select(vec![
            r#"{"daily":1}"#,
            r#"{"monthly":1,"soft":true}"#,
            r#"{"daily":1,"then_model":"dear"}"#,
            r#"{"total":1,"daily":2,"then_model":"dear"}"#,
        ]);
        let limits = prop::sample::select(vec![
            r#"{"requests_per_minute":5}"#,
            r#"{"tokens_per_minute":5,"concurrent_requests":2}"#,
            r#"{"tokens_per_day":5,"output_tokens_per_minute":2}"#,
        ]);
        prop::collection::btree_map(scope, (budget, limits), 0..6).prop_map(|rules| {
            let budgets: Vec<_> =
                rules.iter().map(|(scope, (budget, _))| format!(r#"{{{scope},"budget":{budget}}}"#)).collect();
            let limits: Vec<_> =
                rules.iter().map(|(scope, (_, limits))| format!(r#"{{{scope},"limits":{limits}}}"#)).collect();
            format!(r#""budgets":[{}],"limits":[{}]"#, budgets.join(","), limits.join(","))
        })
    }

    proptest! {
        #[test]
        fn every_part_is_closed_once_and_every_meter_gets_what_its_candidates_used(
            more in rules(),
            chosen in any::<prop::sample::Index>(),
            fallbacks in prop::collection::vec((any::<prop::sample::Index>(), any::<bool>()), 0..3),
            output in 0_u64..1000,
        ) {
            let plan = Fixture::new(&more, r#""limits":{"requests_per_minute":7},"budget":{"daily":3}"#).plan("chat").unwrap();
            for candidate in &plan.candidates {
                let mut meters: Vec<_> = candidate.parts.iter().map(|part| &part.take.meter).collect();
                meters.sort();
                meters.dedup();
                prop_assert_eq!(meters.len(), candidate.parts.len());
            }
            let chosen = chosen.index(plan.candidates.len());
            let mut ticket = granted(&plan, chosen);
            let mut reserved: Vec<(String, u64)> = plan.candidates[chosen]
                .parts.iter().map(|part| (part.take.meter.name.to_string(), part.take.amount)).collect();
            let mut tried = vec![spent(chosen, 10, 0)];
            for (to, reserve) in fallbacks {
                let to = to.index(plan.candidates.len());
                if let Some(order) = ticket.extension(&plan, to, LEASE).filter(|_| reserve) {
                    let takes = &order.alternatives[0];
                    reserved.extend(takes.iter().map(|take| (take.meter.name.to_string(), take.amount)));
                    ticket.extend(&plan, to, takes.iter().map(|take| reading(take.amount)).collect());
                }
                tried.push(spent(to, 20, output));
            }
            let closings = ticket.settle(&plan, &tried, NOW);
            let parts: Vec<&Settled> = closings.iter().flat_map(|closing| &closing.parts).collect();
            let mut closed: Vec<(String, u64)> = parts.iter().filter(|part| part.reserved > 0)
                .map(|part| (part.meter.name.to_string(), part.reserved)).collect();
            closed.sort();
            reserved.sort();
            prop_assert_eq!(closed, reserved);
            for part in &parts {
                let name = &part.meter.name;
                let same: Vec<_> = parts.iter().filter(|other| other.meter == part.meter).collect();
                prop_assert!(same.iter().filter(|other| other.used > 0).count() <= 1);
                let expected: u64 = if name.contains("/requests/") {
                    u64::from(!name.ends_with("/concurrent"))
                } else {
                    let counts = |spent: &&Spent| plan.candidates[spent.candidate].parts.iter().any(|own| own.take.meter == part.meter);
                    let of = |spent: &Spent| if name.contains("/output_tokens/") { spent.usage.output } else { spent.cost.0 };
                    tried.iter().filter(counts).map(of).sum()
                };
                prop_assert_eq!(same.iter().map(|other| other.used).sum::<u64>(), expected, "{}", name);
            }
            for spent in &tried {
                for part in &plan.candidates[spent.candidate].parts {
                    let free = part.take.meter.gauge == Gauge::Concurrent || part.rule.unit == Unit::OutputTokens;
                    prop_assert!(free || parts.iter().any(|other| other.meter == part.take.meter), "{} is not settled", part.take.meter.name);
                }
            }
        }
    }
}
