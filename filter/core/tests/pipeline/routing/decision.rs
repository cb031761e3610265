//! Capabilities of targets, and the overrides of clients.

#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::*;
use sluice_core::routing::capabilities::MissingCapability;
use sluice_core::routing::decision::Reason;
use sluice_core::routing::spec::Strategy;

fn able(capabilities: &str) -> String {
    format!(r#""capabilities":{{{capabilities}}}"#)
}

fn refused(case: &Case) -> (u16, String, String) {
    let error = case.decide().unwrap_err();
    (error.status, error.code.unwrap_or_default().into_owned(), error.message)
}

#[test]
fn a_target_that_lacks_what_is_needed_is_left_out_and_the_others_keep_their_order() {
    let plain = Needs { input_tokens: 100, ..Needs::default() };
    for (field, needs, lack) in [
        ("tools", Needs { tools: true, ..plain }, MissingCapability::Tools),
        ("vision", Needs { images: true, ..plain }, MissingCapability::Vision),
        ("structured_output", Needs { structured_output: true, ..plain }, MissingCapability::StructuredOutput),
        ("audio", Needs { audio: true, ..plain }, MissingCapability::Audio),
        ("documents", Needs { documents: true, ..plain }, MissingCapability::Documents),
    ] {
        let lacking = able(&format!(r#""a/x":{{"{field}":false}},"c/x":{{"{field}":true}}"#));
        let case = Case::new(&THREE, "", &lacking);
        assert_eq!(case.reserve_request(), "a b c", "{field}: nobody asked for it");
        let case = case.needs(needs);
        assert_eq!(case.reserve_request(), "b c", "{field}");
        assert_eq!(case.place("a"), Rank::Out(Reason::Lacks(lack)));
    }
}

#[test]
fn when_no_target_can_the_client_reads_what_is_missing() {
    let blind = able(r#""a/x":{"vision":false},"b/x":{"vision":false},"c/x":{"vision":false}"#);
    let case = Case::new(&THREE, "", &blind).needs(Needs { images: true, ..Needs::default() });
    let (status, code, message) = refused(&case);
    assert_eq!((status, code.as_str()), (400, "capability_missing"));
    assert!(message.contains("`m`") && message.contains("One of them does not support images"), "{message}");
}

const CONTEXTS: &str = r#""a/x":{"max_input":1000},"b/x":{"max_input":5000},"c/x":{"max_input":5000}"#;

#[test]
fn a_prompt_goes_where_there_is_room_and_when_nowhere_is_where_there_is_most() {
    let case = |input_tokens| Case::new(&THREE, "", &able(CONTEXTS)).needs(Needs { input_tokens, ..Needs::default() });
    assert_eq!(case(1000).reserve_request(), "a b c");
    assert_eq!(case(1001).reserve_request(), "b c");
    assert_eq!(case(5001).reserve_request(), "b c", "an estimate may be wrong: the provider has the last word");
    assert_eq!(
        case(5001).place("a"),
        Rank::Out(Reason::Lacks(MissingCapability::Context { max_input: 1000, input: 5001 }))
    );
}

#[test]
fn only_a_prompts_length_is_forgiven() {
    let contexts = able(r#""a/x":{"max_input":9000,"tools":false},"b/x":{"max_input":5000},"c/x":{"max_input":1000}"#);
    let needs = Needs { tools: true, input_tokens: 9500, ..Needs::default() };
    assert_eq!(
        Case::new(&THREE, "", &contexts).needs(needs).reserve_request(),
        "b",
        "the most room of those with tools"
    );
    let none = able(r#""a/x":{"max_input":9000,"tools":false},"b/x":{"tools":false},"c/x":{"tools":false}"#);
    assert_eq!(refused(&Case::new(&THREE, "", &none).needs(needs)).1, "capability_missing");
}

#[test]
fn what_the_best_tier_cannot_is_no_way_into_a_lower_one() {
    let targets = [("a", ""), ("b", r#""tier":2"#)];
    let named = r#""routes":[{"match":{"team":"u"},"targets":["b"]}]"#;
    let file = able(r#""a/x":{"max_input":1000,"vision":false},"b/x":{"max_input":9000,"vision":true}"#);
    let long = Needs { input_tokens: 2000, ..Needs::default() };
    let seeing = Needs { images: true, ..Needs::default() };
    assert_eq!(
        Case::new(&targets, named, &file).needs(long).reserve_request(),
        "a",
        "by estimate it is too long; asked all the same"
    );
    assert_eq!(refused(&Case::new(&targets, named, &file).needs(seeing)).1, "capability_missing");
    for needs in [long, seeing] {
        assert_eq!(Case::new(&targets, r#""allow_lower_tier":true"#, &file).needs(needs).reserve_request(), "b");
        let wish = Case::new(&targets, named, &file).asks(&[("x-sluice-route", "b")]).needs(needs);
        assert_eq!(wish.reserve_request(), "b", "who asks for it by name does not fall there in silence");
        let mut route = Case::new(&targets, named, &file).needs(needs);
        route.caller.team = "u".into();
        assert_eq!(route.reserve_request(), "b");
    }
}

#[test]
fn a_client_may_ask_for_a_strategy_or_for_a_target_to_be_first() {
    let prices = r#""prices":{"models":{"a/x":{"input":3,"output":3},"b/x":{"input":2,"output":2},"c/x":{"input":1,"output":1}}}"#;
    let asks = |wish: &str| Case::new(&THREE, "", prices).asks(&[("x-sluice-route", wish)]);
    assert_eq!(asks("cheapest").reserve_request(), "c b a");
    assert_eq!(asks("cheapest").decide().unwrap().strategy, Strategy::Cheapest);
    assert_eq!(asks("b").reserve_request(), "b a c");
    assert_eq!(asks("b/x").reserve_request(), "b a c");
    assert_eq!(asks("pinned").reserve_request(), "a");
}

#[test]
fn a_wish_stands_above_a_route_but_for_the_targets_that_it_names() {
    let route = r#""routes":[{"match":{"team":"t"},"strategy":"pinned","targets":["c","b"]}]"#;
    assert_eq!(Case::new(&THREE, route, "").reserve_request(), "c");
    assert_eq!(Case::new(&THREE, route, "").asks(&[("x-sluice-route", "fallback")]).reserve_request(), "c b");
    assert_eq!(Case::new(&THREE, route, "").asks(&[("x-sluice-route", "b")]).reserve_request(), "b");
    let (status, code, _) = refused(&Case::new(&THREE, route, "").asks(&[("x-sluice-route", "a")]));
    assert_eq!((status, code.as_str()), (400, "route_not_found"));
}

#[test]
fn a_target_that_cannot_be_had_is_an_error_with_those_that_can() {
    let case = Case::new(&THREE, "", &able(r#""b/x":{"tools":false}"#));
    let case = case.needs(Needs { tools: true, ..Needs::default() });
    for wish in ["d", "b", "a/y", "A", ""] {
        let (status, code, message) = refused(&Case { hints: wished(wish), ..case_like(&case) });
        assert_eq!((status, code.as_str()), (400, "route_not_found"), "{wish}");
        assert!(message.contains("x-sluice-route") && message.contains("Its targets: a/x, b/x, c/x."), "{message}");
    }
}

fn wished(wish: &str) -> RoutingHeaders {
    Case::new(&THREE, "", "").asks(&[("x-sluice-route", wish)]).hints
}

/// Another request to the same model.
fn case_like(case: &Case) -> Case {
    Case { model: case.model.clone(), needs: case.needs, ..Case::new(&THREE, "", "") }
}

#[test]
fn a_lower_tier_may_be_asked_for_by_name_and_the_others_follow() {
    let targets = [("a", ""), ("b", r#""tier":2"#), ("c", r#""tier":3"#)];
    let named = r#""routes":[{"match":{"team":"u"},"targets":["b","c"]}]"#;
    let case = |wish: &str| Case::new(&targets, named, "").asks(&[("x-sluice-route", wish)]);
    assert_eq!(case("b").reserve_request(), "b a");
    assert_eq!(case("b").place("c"), Rank::Out(Reason::LowerTier));
    assert_eq!(case("fallback").reserve_request(), "a");
}

#[test]
fn without_fallback_only_the_first_is_asked_and_with_pinned_too() {
    let case = Case::new(&THREE, "", "").asks(&[("x-sluice-fallback", "off")]);
    assert_eq!(case.reserve_request(), "a");
    assert_eq!(case.place("b"), Rank::Out(Reason::NotFirst));
    assert_eq!(Case::new(&THREE, "", "").asks(&[("x-sluice-fallback", "on")]).reserve_request(), "a b c");
    let both = Case::new(&THREE, "", "").asks(&[("x-sluice-fallback", "off"), ("x-sluice-route", "c")]);
    assert_eq!(both.reserve_request(), "c");
    let pinned = Case::new(&THREE, r#""strategy":"pinned""#, "");
    assert_eq!((pinned.reserve_request().as_str(), pinned.place("c")), ("a", Rank::Out(Reason::NotFirst)));
    assert_eq!(pinned.asks(&[("x-sluice-route", "b")]).reserve_request(), "b", "a wish chooses which one");
}

#[test]
fn every_target_is_considered_once_and_those_that_serve_come_first() {
    let targets = [("a", r#""tier":2"#), ("b", ""), ("c", ""), ("d", "")];
    let model = r#""routes":[{"match":{"team":"u"},"targets":["a"]}]"#;
    let case = Case::new(&targets, model, &able(r#""c/x":{"tools":false}"#));
    let case = case.needs(Needs { tools: true, ..Needs::default() }).asks(&[("x-sluice-fallback", "off")]);
    let considered = case.decide().unwrap().ranked;
    let mut all: Vec<&str> = considered.iter().map(|one| one.target.provider.name.as_str()).collect();
    assert_eq!(all[0], "b");
    assert!(considered[1..].iter().all(|one| matches!(one.place, Rank::Out(_))));
    all.sort_unstable();
    assert_eq!(all, ["a", "b", "c", "d"]);
}
