//! The debits of a request, and the candidates that can serve it.

use super::*;
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

fn names(debits: &[(String, u64, u64, bool)]) -> Vec<&str> {
    debits.iter().map(|(name, ..)| name.as_str()).collect()
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
        fixture.debits("chat", 0),
        [
            ("provider=p/requests/minute".to_owned(), 1, 90, true),
            ("all/output_tokens/minute".to_owned(), 50, 400, true),
            ("key=alice/tokens/minute".to_owned(), 150, 1000, true),
            ("key=alice/requests/concurrent".to_owned(), 1, 3, true),
            ("app=bot,model=chat/usd/month".to_owned(), 150, 5_000_000, true),
        ]
    );
    let second = fixture.debits("chat", 1);
    assert!(names(&second).contains(&"provider=q,team=research/input_tokens/minute"));
    assert!(!names(&second).contains(&"provider=p/requests/minute"));
}

#[test]
fn counters_are_named_by_what_they_count_and_no_name_can_be_taken_for_another() {
    let per = r#""limits":[{"per":["model","team"],"limits":{"requests_per_minute":5}}]"#;
    let debits = Fixture::new(per, "").debits("a,b=%", 0);
    assert!(names(&debits).contains(&"model=a%2Cb=%25,team=research/requests/minute"), "{debits:?}");
}

#[test]
fn a_keys_own_limit_and_one_for_each_key_are_one_counter_with_the_smaller_limit() {
    let per_key = r#""limits":[{"per":["key"],"limits":{"requests_per_minute":5}}]"#;
    for (own, limit) in [(9, 5), (2, 2)] {
        let fixture = Fixture::new(per_key, &format!(r#""limits":{{"requests_per_minute":{own}}}"#));
        let debits = fixture.debits("dear", 0);
        let mine: Vec<_> = debits.iter().filter(|(name, ..)| name.starts_with("key=alice")).collect();
        assert_eq!(mine, [&("key=alice/requests/minute".to_owned(), 1, limit, true)]);
    }
}

#[test]
fn a_soft_budget_on_a_hard_ones_counter_warns_at_its_own_amount() {
    let (hard, soft) = (r#"{"daily":0.001}"#, r#"{"daily":0.0005,"soft":true}"#);
    for (own, for_each) in [(hard, soft), (soft, hard)] {
        let more = format!(r#""budgets":[{{"per":["key"],"budget":{for_each}}}]"#);
        let fixture = Fixture::new(&more, &format!(r#""budget":{own}"#));
        let plan = fixture.plan("dear").unwrap();
        let part = plan.candidates[0].parts.iter().find(|part| part.rule.unit == Unit::MicroUsd).unwrap();
        assert_eq!((part.debit.limit, part.debit.hard), (1000, true));
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
    let shards: Vec<_> = plan.candidates[0]
        .parts
        .iter()
        .map(|part| (&*part.debit.counter.name, &*part.debit.counter.shard_key))
        .collect();
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
    let mut fixture = Fixture::new("", r#""budget":{"total":1,"then_model":"cheap"}"#);
    let chat = &fixture.config.models["chat"];
    let first = &chat.targets[0];
    let unpriced = Target { price: None, ..Target::clone(first) };
    let targets = vec![Rc::new(unpriced), chat.targets[1].clone()];
    let chat = Model { targets, ..Model::clone(chat) };
    let only = Model { name: "only".to_owned(), targets: chat.targets[..1].to_vec(), ..chat.clone() };
    fixture.config.models.insert("chat".to_owned(), Rc::new(chat));
    fixture.config.models.insert("only".to_owned(), Rc::new(only));
    let plan = fixture.plan("chat").unwrap();
    let served: Vec<_> = plan.candidates.iter().map(|one| (&*one.model.name, &*one.target.provider.name)).collect();
    assert_eq!(served, [("chat", "q"), ("cheap", "q")]);
    // A budget's other model takes the place of a model that could be served.
    let error = fixture.plan("only").unwrap_err();
    assert_eq!((error.status, error.code.as_deref()), (403, Some("model_not_priced")));
    assert!(error.message.contains("prices.models") && error.message.contains("prices.unpriced"), "{}", error.message);
}

#[test]
fn nothing_to_count_is_no_order() {
    let mut fixture = Fixture::new("", "");
    fixture.config.index = Index::default();
    let plan = fixture.plan("chat").unwrap();
    assert_eq!(plan.reserve_request("r".into(), LEASE), None);
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
        let debits = fixture.debits("chat", candidate).into_iter();
        debits.filter(|(name, ..)| name.contains("usd")).map(|(.., hard)| hard).collect::<Vec<_>>()
    };
    assert_eq!((money(0), money(2)), (vec![true, true], vec![false, false]));
    let asked_for = fixture.plan("cheap").unwrap();
    assert_eq!(asked_for.candidates.len(), 1, "the model itself is served in place of itself");
    assert!(asked_for.candidates[0].parts.iter().all(|part| part.rule.unit != Unit::MicroUsd || !part.debit.hard));
}

#[test]
fn what_a_models_budget_led_to_is_spent_from_that_models_budget() {
    let more = r#""budgets":[{"match":{"model":"chat"},"budget":{"daily":1,"then_model":"cheap"}},
                             {"match":{"model":"cheap"},"budget":{"daily":2}}]"#;
    let debits = Fixture::new(more, "").debits("chat", 2);
    assert!(debits.contains(&("model=chat/usd/day".to_owned(), 150, 1_000_000, false)), "{debits:?}");
    assert!(debits.contains(&("model=cheap/usd/day".to_owned(), 150, 2_000_000, true)), "{debits:?}");
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
                one.parts.iter().filter(|part| part.rule.then_model.is_some() && part.debit.hard).count(),
            )
        })
        .collect();
    assert_eq!(hard, [("chat", 2), ("chat", 2), ("cheap", 1), ("dear", 0)]);
    let turned = |stopped: &[(usize, &str)]| {
        let mut plan = fixture.plan("chat").unwrap();
        for &(candidate, name) in stopped {
            let parts = &plan.candidates[candidate].parts;
            let debit = parts.iter().position(|part| &*part.debit.counter.name == name).unwrap();
            let exceeded = LimitExceeded { debit, snapshot: reading(0), retry_after: None };
            if !plan.turn(&[exceeded]) {
                return "none".to_owned();
            }
        }
        plan.candidates[plan.first].model.name.clone()
    };
    let (team, key) = ("team=research/usd/day", "key=alice/usd/day");
    assert_eq!(turned(&[(0, key)]), "cheap");
    assert_eq!(turned(&[(0, team)]), "dear", "the other budget's model is not tried");
    assert_eq!(turned(&[(0, key), (2, team)]), "dear");
    assert_eq!(turned(&[(0, "provider=p/requests/minute")]), "none");
    assert_eq!(turned(&[(0, key), (2, "provider=q/requests/concurrent")]), "none");
}

#[test]
fn keys_without_an_app_are_counted_together_where_apps_are_told_apart() {
    let mut fixture = Fixture::new(r#""limits":[{"per":["app"],"limits":{"requests_per_minute":5}}]"#, "");
    assert!(names(&fixture.debits("dear", 0)).contains(&"app=bot/requests/minute"));
    fixture.caller = fixture.config.keys[&KeyHash([0x11; 32])].caller.clone();
    assert!(names(&fixture.debits("dear", 0)).contains(&"app=/requests/minute"));
}
