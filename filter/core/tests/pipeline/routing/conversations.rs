//! Requests that stick to a target by their conversation.

#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::*;
use sluice_core::routing::spec::Strategy;
use sluice_core::routing::target_health::load::InFlight;

const TARGETS: [(&str, &str); 3] = [("a", ""), ("b", ""), ("c", "")];

fn conversation(number: u64) -> Conversation {
    Conversation { opening: mixed(number), messages: 1, ..Conversation::default() }
}

fn case(targets: &[(&str, &str)], strategy: Strategy) -> Case {
    Case::new(targets, &format!(r#""strategy":"{}","sticky":"conversation""#, strategy.name()), "")
}

/// The order of the targets for each conversation.
fn orders(case: &mut Case, conversations: u64) -> Vec<String> {
    let order = |number| {
        case.conversation = Some(conversation(number));
        case.dice.set(mixed(number + 7));
        case.reserve_request()
    };
    (0..conversations).map(order).collect()
}

#[test]
fn every_strategy_keeps_a_conversation_whatever_an_envoy_has_measured() {
    for strategy in Strategy::ALL {
        let mut one = case(&TARGETS, strategy);
        let mut other = case(&TARGETS, strategy);
        // Another Envoy knows one target as slow and busy, and prompts have grown.
        (0..9).for_each(|_| other.answered("a", 9_000, 100));
        InFlight::new(0).enter(&other.shared, &other.target("a").health, other.now);
        other.needs.input_tokens = 90_000;
        let orders = (orders(&mut one, 200), orders(&mut other, 200));
        assert_eq!(orders.0, orders.1, "{strategy:?}");
        let firsts: std::collections::BTreeSet<&str> = orders.0.iter().map(|order| &order[..1]).collect();
        let spreads = !matches!(strategy, Strategy::Fallback | Strategy::Pinned);
        assert_eq!(firsts.len(), if spreads { 3 } else { 1 }, "{strategy:?}");
    }
}

#[test]
fn a_lost_target_moves_only_its_own_conversations() {
    for strategy in [Strategy::Weighted, Strategy::Cheapest, Strategy::Fastest, Strategy::LeastBusy] {
        let before = orders(&mut case(&TARGETS, strategy), 500);
        let after = orders(&mut case(&[TARGETS[0], TARGETS[2]], strategy), 500);
        for (before, after) in before.iter().zip(&after) {
            assert_eq!(before.replace("b ", "").replace(" b", ""), *after, "{strategy:?}");
        }
    }
}

#[test]
fn the_cheapest_stays_the_cheapest_of_the_first_request() {
    let prices = r#""prices":{"models":{"a/x":{"input":1,"output":20},"b/x":{"input":10,"output":2},"c/x":{"input":1,"output":20}}}"#;
    let model = r#""strategy":"cheapest","sticky":"conversation""#;
    let mut case = Case::new(&TARGETS, model, prices);
    // For the prompt of this request `a` and `c` would be cheaper; for the first one `b` was.
    case.needs.input_tokens = 100_000;
    let orders = orders(&mut case, 100);
    assert!(orders.iter().all(|order| order.starts_with('b')), "{orders:?}");
    assert!(orders.contains(&"b a c".to_owned()) && orders.contains(&"b c a".to_owned()), "equal prices share");
}

#[test]
fn a_conversation_leaves_an_open_circuit_and_knows_its_home() {
    let mut case = case(&TARGETS, Strategy::Weighted);
    case.conversation = Some(conversation(1));
    let decision = case.decide().unwrap();
    let home = decision.home.clone().unwrap();
    assert!(Rc::ptr_eq(&home, &decision.targets_in_order()[0]));
    case.fails(&home.provider.name, 5);
    let decision = case.decide().unwrap();
    assert!(Rc::ptr_eq(&home, decision.targets_in_order().last().unwrap()));
    assert!(Rc::ptr_eq(&home, &decision.home.unwrap()));
    case.conversation = None;
    assert!(case.decide().unwrap().home.is_none());
}

#[test]
fn without_a_conversation_the_key_decides() {
    let first = |key: &str, throw: u64| {
        let mut case = case(&TARGETS, Strategy::Weighted);
        case.caller.key_id = key.into();
        case.dice.set(mixed(throw));
        case.reserve_request()
    };
    let keys: Vec<String> = (0..20).map(|key| first(&format!("k{key}"), 0)).collect();
    assert!((0..20).all(|key| first(&format!("k{key}"), 1) == keys[key]));
    assert!(keys.iter().any(|order| *order != keys[0]));
}
