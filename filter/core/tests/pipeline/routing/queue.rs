//! The queue of one request: every target comes once, and again only on request.

#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::*;
use sluice_core::routing::queue::Queue;

fn queue(targets: &str) -> Queue {
    let targets: Vec<(&str, &str)> = targets.split_whitespace().map(|name| (name, "")).collect();
    Queue::new(Case::new(&targets, "", "").model.targets.clone())
}

fn next(queue: &Queue) -> Option<&str> {
    queue.next().map(|target| target.provider.name.as_str())
}

fn begin(queue: &mut Queue) -> Option<String> {
    queue.begin().map(|target| target.provider.name.clone())
}

fn rest(queue: &mut Queue) -> String {
    std::iter::from_fn(|| begin(queue)).collect::<Vec<_>>().join(" ")
}

#[test]
fn each_is_asked_once_in_order_and_then_nobody() {
    let mut queue = queue("a b c");
    assert_eq!(next(&queue), Some("a"));
    assert_eq!(rest(&mut queue), "a b c");
    assert_eq!(next(&queue), None);
    assert_eq!(begin(&mut queue), None);
}

#[test]
fn as_many_as_a_model_may_have() {
    let names: Vec<String> = (0..16).map(|n| format!("p{n}")).collect();
    let names = names.join(" ");
    assert_eq!(rest(&mut queue(&names)), names);
}

#[test]
fn the_same_again_comes_before_those_that_were_not_asked() {
    let mut queue = queue("a b");
    begin(&mut queue);
    queue.again();
    assert_eq!(next(&queue), Some("a"));
    assert_eq!(rest(&mut queue), "a b");
    queue.again();
    assert_eq!(rest(&mut queue), "b");
}

#[test]
fn elsewhere_is_the_first_that_is_fit_and_was_not_asked() {
    let mut queue = queue("a b c d");
    begin(&mut queue);
    assert!(queue.elsewhere(|target| target.provider.name.as_str() > "b"));
    assert_eq!(begin(&mut queue).as_deref(), Some("c"));
    assert_eq!(next(&queue), Some("b"), "what was passed over is not lost");
    assert!(!queue.elsewhere(|target| target.provider.name == "a" || target.provider.name == "c"));
    assert_eq!(next(&queue), None);
    assert!(queue.elsewhere(|_| true));
    assert_eq!(rest(&mut queue), "b d");
    assert!(!queue.elsewhere(|_| true));
}

#[test]
fn the_end_is_the_end_until_somebody_says_otherwise() {
    let mut queue = queue("a b");
    begin(&mut queue);
    queue.end();
    assert_eq!(next(&queue), None);
    assert_eq!(begin(&mut queue), None);
    queue.again();
    assert_eq!(next(&queue), Some("a"));
}

#[test]
fn what_cannot_take_the_request_leaves_before_anybody_is_asked() {
    let mut queue = queue("a b");
    queue.drop_first();
    assert_eq!((next(&queue), queue.targets().len()), (Some("b"), 1));
    queue.drop_first();
    assert_eq!((next(&queue), queue.targets().len()), (None, 0));
    queue.drop_first();
    assert_eq!(begin(&mut queue), None);
}
