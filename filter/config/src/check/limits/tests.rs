use crate::file;

use super::*;
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

/// A file without mistakes and with additional fields.
fn file(more: &str) -> file::File {
    let text = format!(
        r#"{{"providers":{{"p":{{"kind":"openai"}}}},
            "models":{{"chat":{{"targets":[{{"provider":"p","model":"m"}}]}},
                      "cheap":{{"targets":[{{"provider":"p","model":"c"}}]}}}},
            "prices":{{"unpriced":{{"input":1,"output":1}}}},
            "teams":{{"research":{{}}}},"apps":{{"bot":{{}}}},
            "keys":[{{"id":"alice","team":"research","sha256":"{}"}}]{more}}}"#,
        "0".repeat(64)
    );
    serde_json::from_str(&text).unwrap()
}

fn diagnostics(more: &str) -> Vec<String> {
    mistakes_in(&file(more))
}

fn mistakes_in(file: &file::File) -> Vec<String> {
    crate::compile(file).err().unwrap_or_default().iter().map(Diagnostic::to_string).collect()
}

#[cfg(not(target_arch = "wasm32"))]
#[test]
fn each_mistake_in_a_rule_is_named_with_what_would_be_right() {
    let limit = |rule: &str| format!(r#","limits":[{{{rule}}}]"#);
    let budget = |rule: &str| format!(r#","budgets":[{{{rule}}}]"#);
    let one = r#""limits":{"requests_per_minute":1}"#;
    for (more, expected) in [
        (
            limit(&format!(r#""match":{{"team":"reserch"}},{one}"#)),
            "limits[0].match.team: found \"reserch\", expected \"research\"",
        ),
        (
            limit(&format!(r#""match":{{"key":"alicia"}},{one}"#)),
            "limits[0].match.key: found \"alicia\", expected \"alice\"",
        ),
        (limit(&format!(r#""match":{{"app":"x"}},{one}"#)), "limits[0].match.app: found \"x\", expected \"bot\""),
        (
            limit(&format!(r#""match":{{"model":"cheep"}},{one}"#)),
            "limits[0].match.model: found \"cheep\", expected one of: chat, cheap (did you mean \"cheap\"?)",
        ),
        (
            limit(&format!(r#""match":{{"provider":"x"}},{one}"#)),
            "limits[0].match.provider: found \"x\", expected \"p\"",
        ),
        (limit(&format!(r#""per":["key","key"],{one}"#)), "limits[0].per[1]: found \"key\" again"),
        (
            limit(&format!(r#""match":{{"team":"research"}},"per":["key","team"],{one}"#)),
            "limits[0].per[1]: found \"team\", expected a dimension that `match` does not fix",
        ),
        (limit(r#""limits":{}"#), "limits[0].limits: found nothing, expected at least one limit"),
        (
            limit(r#""limits":{"tokens_per_day":0}"#),
            "limits[0].limits.tokens_per_day: found 0, expected 1 to 1000000000000 (remove the field",
        ),
        (
            limit(r#""limits":{"max_request_tokens":1000000001}"#),
            "limits[0].limits.max_request_tokens: found 1000000001",
        ),
        (budget(r#""budget":{}"#), "budgets[0].budget: found nothing, expected at least one of daily, monthly, total"),
        (budget(r#""budget":{"soft":true}"#), "budgets[0].budget: found no budget, expected at least one of daily"),
        (budget(r#""budget":{"daily":0}"#), "budgets[0].budget.daily: found 0, expected US dollars above 0"),
        (budget(r#""budget":{"daily":-1}"#), "budgets[0].budget.daily: found -1"),
        (
            budget(r#""budget":{"total":0.0000001}"#),
            "budgets[0].budget.total: found 1e-7, expected US dollars above 0 and up to 1000000000, with at most 6 decimals",
        ),
        (budget(r#""budget":{"total":1000000000.5}"#), "budgets[0].budget.total: found 1000000000.5"),
        (budget(r#""budget":{"total":1e300}"#), "budgets[0].budget.total: found 1e+300"),
        (
            budget(r#""budget":{"daily":1,"then_model":"cheep"}"#),
            "budgets[0].budget.then_model: found \"cheep\", expected one of: chat, cheap (did you mean \"cheap\"?)",
        ),
        (
            budget(r#""budget":{"daily":1,"then_model":"cheap","soft":true}"#),
            "budgets[0].budget.then_model: found \"cheap\" of a soft budget",
        ),
        (
            budget(r#""match":{"model":"cheap"},"budget":{"daily":1,"then_model":"cheap"}"#),
            "budgets[0].budget.then_model: found the model that this budget applies to",
        ),
        (
            format!(r#","limits":[{{{one}}},{{{one}}}]"#),
            "limits[1].limits.requests_per_minute: found a duplicate of limits[0].limits.requests_per_minute",
        ),
    ] {
        let found = diagnostics(&more);
        assert_eq!(found.len(), 1, "{expected}: {found:#?}");
        assert!(found[0].starts_with(expected), "{expected}\n{}", found[0]);
    }
}

#[test]
fn a_counter_limited_twice_is_a_mistake_wherever_the_two_stand() {
    let mut file = file(r#","limits":[{"match":{"key":"alice"},"limits":{"concurrent_requests":2}}]"#);
    file.keys[0].limits.concurrent_requests = Some(1);
    let found = mistakes_in(&file);
    assert_eq!(found.len(), 1, "{found:#?}");
    assert!(found[0].starts_with("keys[0].limits.concurrent_requests: found a duplicate of another rule for this key"));
    file.limits[0].matches = Match { team: Some("research".into()), ..Match::default() };
    file.keys[0].limits.concurrent_requests = None;
    file.teams.get_mut("research").unwrap().limits.concurrent_requests = Some(1);
    assert!(
        mistakes_in(&file)[0].starts_with("limits[0].limits.concurrent_requests: found a duplicate of teams.research")
    );
}

#[test]
fn what_looks_alike_and_counts_something_else_is_no_mistake() {
    let budgets = r#","budgets":[{"per":["key"],"budget":{"daily":5}},{"per":["key"],"budget":{"daily":4,"soft":true}},
                                 {"match":{"key":"alice"},"budget":{"daily":3}},{"per":["key"],"budget":{"monthly":5}},
                                 {"per":["team","key"],"budget":{"daily":5}}]"#;
    assert_eq!(diagnostics(budgets), Vec::<String>::new());
}

#[cfg(not(target_arch = "wasm32"))]
#[test]
fn keys_that_redis_holds_may_be_named_before_they_exist() {
    let rule = r#","limits":[{"match":{"key":"later"},"limits":{"requests_per_minute":1}}]"#;
    assert_eq!(diagnostics(rule).len(), 1);
    assert!(diagnostics(&format!(r#"{rule},"redis":{{"url":"http://127.0.0.1:7379"}}"#)).is_empty());
}

#[test]
fn dollars_become_millionths_exactly() {
    for (dollars, micro) in [
        (0.000001, 1),
        (0.1, 100_000),
        (0.3, 300_000),
        (1.0, 1_000_000),
        (19.99, 19_990_000),
        (123_456.654_321, 123_456_654_321),
        (1_000_000_000.0, 1_000_000_000_000_000),
    ] {
        assert_eq!(micro_dollars(dollars), Ok(micro), "{dollars}");
    }
    for wrong in [0.0, -0.0, -1.0, f64::NAN, f64::INFINITY, 0.1 + 0.2, 1e-7, 1e9 + 1.0] {
        assert!(micro_dollars(wrong).is_err(), "{wrong}");
    }
}

#[test]
fn a_rule_stands_with_those_it_can_be_about() {
    let more = r#","limits":[{"limits":{"requests_per_minute":1}},{"per":["key"],"limits":{"requests_per_minute":2}},
                             {"match":{"team":"research","model":"chat"},"limits":{"requests_per_minute":3}}]"#;
    let mut file = file(more);
    file.apps.get_mut("bot").unwrap().limits.tokens_per_day = Some(9);
    let config = crate::compile(&file).unwrap();
    assert_eq!(config.rules.len(), 4);
    let caller = &config.keys.values().next().unwrap().caller;
    let counters: Vec<Option<&str>> =
        caller.rules.iter().map(|applied| applied.counter.as_ref().map(|counter| &*counter.name)).collect();
    assert_eq!(counters, [Some("model=chat,team=research/requests/minute"), Some("key=alice/requests/minute")]);
    assert_eq!(config.index.shared("chat").count(), 1);
}
