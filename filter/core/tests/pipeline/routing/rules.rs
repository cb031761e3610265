//! Routes: their conditions and their effects.

#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::*;
use sluice_core::routing::decision::Reason;
use sluice_core::routing::spec::Strategy;

/// A case whose only route sends matching requests to `b`.
fn to_b(matches: &str) -> Case {
    Case::new(&THREE, &format!(r#""routes":[{{"match":{matches},"targets":["b"]}}]"#), "")
}

#[test]
fn each_condition_decides_by_itself() {
    type Change = fn(&mut Case);
    let cases: [(&str, Change, Change); 9] = [
        (r#"{"key":"k"}"#, |_| {}, |case| case.caller.key_id = "l".into()),
        (r#"{"team":"u"}"#, |case| case.caller.team = "u".into(), |_| {}),
        (r#"{"app":"bot"}"#, |case| case.caller.app = Some("bot".into()), |_| {}),
        (r#"{"app":"bot"}"#, |case| case.caller.app = Some("bot".into()), |case| case.caller.app = Some("bo".into())),
        (r#"{"min_input_tokens":101}"#, |case| case.needs.input_tokens = 101, |_| {}),
        (r#"{"max_input_tokens":100}"#, |_| {}, |case| case.needs.input_tokens = 101),
        (
            r#"{"needs":["tools","images"]}"#,
            |case| (case.needs.tools, case.needs.images) = (true, true),
            |case| (case.needs.tools, case.needs.audio, case.needs.documents) = (true, true, true),
        ),
        (
            r#"{"needs":["audio","documents","structured_output"]}"#,
            |case| (case.needs.audio, case.needs.documents, case.needs.structured_output) = (true, true, true),
            |case| (case.needs.audio, case.needs.documents, case.needs.tools) = (true, true, true),
        ),
        (
            r#"{"time":{"from":"09:00","to":"17:00","days":["mon"]}}"#,
            |_| {},
            |case| case.now = case.now.after(Duration::from_secs(5 * 3600)),
        ),
    ];
    for (matches, fitting, other) in cases {
        let (mut this, mut that) = (to_b(matches), to_b(matches));
        fitting(&mut this);
        other(&mut that);
        assert_eq!((this.reserve_request().as_str(), that.reserve_request().as_str()), ("b", "a b c"), "{matches}");
        assert_eq!((this.decide().unwrap().route, that.decide().unwrap().route), (Some(0), None));
    }
}

#[test]
fn a_header_matches_by_its_pattern_whatever_the_case_of_its_name() {
    let case = |headers: &[(&str, &str)]| to_b(r#"{"headers":{"X-Env":"prod*"}}"#).asks(headers).reserve_request();
    assert_eq!(case(&[("x-env", "prod-1")]), "b");
    for headers in [&[("x-env", "staging")][..], &[("x-environment", "prod")], &[]] {
        assert_eq!(case(headers), "a b c", "{headers:?}");
    }
}

#[test]
fn all_conditions_of_a_route_must_hold() {
    let both = r#"{"team":"t","headers":{"x-env":"prod"}}"#;
    assert_eq!(to_b(both).reserve_request(), "a b c");
    assert_eq!(to_b(both).asks(&[("x-env", "prod")]).reserve_request(), "b");
    let mut other = to_b(both).asks(&[("x-env", "prod")]);
    other.caller.team = "u".into();
    assert_eq!(other.reserve_request(), "a b c");
}

#[test]
fn the_first_route_that_matches_is_taken() {
    let routes = r#""routes":[{"match":{"team":"u"},"targets":["a"]},{"match":{"team":"t"},"targets":["b"]},
        {"match":{"team":"t"},"targets":["c"]}]"#;
    let case = Case::new(&THREE, routes, "");
    assert_eq!((case.decide().unwrap().route, case.reserve_request().as_str()), (Some(1), "b"));
}

#[test]
fn a_routes_targets_are_asked_in_its_own_order_and_no_others() {
    let case = Case::new(&THREE, r#""routes":[{"match":{"team":"t"},"targets":["c","a"]}]"#, "");
    assert_eq!(case.reserve_request(), "c a");
    assert_eq!(case.place("b"), Rank::Out(Reason::NotNamed));
}

#[test]
fn a_route_has_its_own_strategy_or_the_models() {
    let prices = r#""prices":{"models":{"a/x":{"input":3,"output":3},"b/x":{"input":2,"output":2},"c/x":{"input":1,"output":1}}}"#;
    let model = |route: &str| format!(r#""strategy":"cheapest","routes":[{{"match":{{"team":"t"}},{route}}}]"#);
    let own = Case::new(&THREE, &model(r#""strategy":"fallback","targets":["b","a"]"#), prices);
    assert_eq!((own.decide().unwrap().strategy, own.reserve_request().as_str()), (Strategy::Fallback, "b a"));
    let models = Case::new(&THREE, &model(r#""targets":["b","a","c"]"#), prices);
    assert_eq!((models.decide().unwrap().strategy, models.reserve_request().as_str()), (Strategy::Cheapest, "c b a"));
    let all = Case::new(&THREE, &model(r#""strategy":"fallback""#), prices);
    assert_eq!(all.reserve_request(), "a b c");
}

const TIERS: [(&str, &str); 4] = [("a", r#""tier":2"#), ("b", ""), ("c", r#""tier":3"#), ("d", "")];

#[test]
fn a_lower_tier_is_left_out_unless_it_is_allowed_and_then_comes_behind_the_better() {
    let named = r#","routes":[{"match":{"team":"u"},"targets":["c","a","b"]}]"#;
    let strict = Case::new(&TIERS, &format!(r#""strategy":"fallback"{named}"#), "");
    assert_eq!(strict.reserve_request(), "b d");
    assert_eq!(strict.place("a"), Rank::Out(Reason::LowerTier));
    let lenient = Case::new(&TIERS, r#""allow_lower_tier":true"#, "");
    assert_eq!(lenient.reserve_request(), "b d a c");
}

#[test]
fn no_strategy_puts_a_lower_tier_before_a_better() {
    let targets = [("a", r#""tier":2,"weight":1000"#), ("b", r#""weight":1"#), ("c", r#""tier":2"#)];
    let prices = r#""prices":{"models":{"a/x":{"input":1,"output":1},"b/x":{"input":9,"output":9},"c/x":{"input":2,"output":2}}}"#;
    for strategy in ["fallback", "weighted", "cheapest", "fastest", "least_busy"] {
        let case = Case::new(&targets, &format!(r#""allow_lower_tier":true,"strategy":"{strategy}""#), prices);
        assert_eq!(case.shares(200), [0, 200, 0], "{strategy}");
    }
}

#[test]
fn a_route_may_name_a_lower_tier_and_its_order_stands() {
    let model = r#""routes":[{"match":{"team":"t"},"targets":["c","b","a"]}]"#;
    assert_eq!(Case::new(&TIERS, model, "").reserve_request(), "c b a");
    let allowed = r#""allow_lower_tier":true,"routes":[{"match":{"team":"t"},"targets":["c","b","a"]}]"#;
    assert_eq!(Case::new(&TIERS, allowed, "").reserve_request(), "c b a");
    let without = r#""allow_lower_tier":true,"routes":[{"match":{"team":"t"}}]"#;
    assert_eq!(Case::new(&TIERS, without, "").reserve_request(), "b d a c", "a route without targets keeps the tiers");
}
