//! What a worker does with Redis, and without it when it should answer.

use std::rc::Rc;

use super::spending::{answer, ask, sha256, worker};
use crate::exchange::fake::{Envoy, Seen};
use crate::exchange::worker::Worker;
use crate::exchange::{Called, Time, metric};
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

/// A well-formed key that no file knows.
fn stranger() -> String {
    let text = format!("{}{}", crate::keys::secret::PREFIX, "7".repeat(crate::keys::secret::RANDOM_DIGITS));
    let sum = crate::keys::secret::checksum(text.as_bytes());
    format!("{text}{}", std::str::from_utf8(&sum).unwrap())
}

fn with_redis(policy: &str) -> Rc<Worker> {
    let redis = format!(r#","redis":{{"url":"http://127.0.0.1:7379","when_down":"{policy}"}}"#);
    worker(r#","limits":{"requests_per_minute":3}"#, &redis)
}

fn said(body: &str) -> Called {
    Called { status: Some(200), body: body.as_bytes().to_vec() }
}

fn silence() -> Called {
    Called { status: None, body: Vec::new() }
}

fn send(worker: &Rc<Worker>, redis: impl IntoIterator<Item = Called>) -> Seen {
    Envoy::with(worker.clone(), Rc::default()).redis(redis).chat(&ask(false), &[answer(10, 5)])
}

/// Later than any moment of the fake's clock.
const LATER: Time = Time(1_900_000_000_000_000_000);

#[test]
fn a_request_waits_for_redis_and_is_settled_there_until_redis_confirms_it() {
    let worker = with_redis("deny");
    let seen = send(&worker, [said(r#"{"EVALSHA":"G 0 1 5 60000000"}"#)]);
    assert_eq!((seen.status, seen.headers.text("x-ratelimit-remaining-requests")), (200, Some("2")));
    assert_eq!((worker.tick(LATER).is_some(), worker.tick(LATER)), (true, None), "one call at a time");
    let mut effects = Vec::new();
    assert_eq!(worker.told(&silence(), LATER, &mut effects), None);
    let again = Time(LATER.0 + 2_000_000_000);
    assert!(worker.tick(again).is_some(), "it is told again");
    assert_eq!(worker.told(&said(r#"{"EVALSHA":1}"#), again, &mut effects), None);
    assert_eq!(worker.tick(again), None);
}

#[test]
fn a_script_that_redis_does_not_know_is_sent_in_full() {
    let worker = with_redis("deny");
    let unknown = said(r#"{"EVALSHA":[false,"NOSCRIPT No matching script."]}"#);
    assert_eq!(send(&worker, [unknown.clone(), said(r#"{"EVAL":"G 0 1 5 60000000"}"#)]).status, 200);
    let by_hash = worker.tick(LATER).unwrap();
    let in_full = worker.told(&unknown, LATER, &mut Vec::new()).unwrap();
    assert!(by_hash.body.starts_with(b"EVALSHA") && in_full.body.starts_with(b"EVAL/"));
}

#[test]
fn what_redis_refuses_is_refused() {
    let worker = with_redis("allow");
    // The same for both targets.
    let obstacle = "0 3 5 60000000 20000000";
    let seen = send(&worker, [said(&format!(r#"{{"EVALSHA":"R {obstacle} {obstacle}"}}"#))]);
    assert_eq!((seen.status, seen.headers.text("retry-after")), (429, Some("20")));
    assert_eq!((seen.received.len(), worker.tick(LATER)), (0, None), "nothing was reserved");
}

#[test]
fn the_policy_decides_while_redis_is_silent_and_redis_is_left_alone_for_a_moment() {
    for (policy, status) in [("deny", 503), ("allow", 200), ("local", 200)] {
        let worker = with_redis(policy);
        let seen = send(&worker, [silence()]);
        assert_eq!(seen.status, status, "{policy}");
        assert!(seen.counted.contains(&metric::REDIS_DOWN));
        assert_eq!(seen.counted.contains(&metric::UNCHECKED), policy == "allow");
        assert!(
            worker.tick(LATER).is_some(),
            "{policy}: the lost answer may have been a reservation, or it is charged"
        );
        let mut second = Envoy::with(worker.clone(), Rc::default());
        let body = ask(false);
        second = second.redis([said("never read")]);
        assert_eq!(second.chat(&body, &[answer(1, 1)]).status, status, "{policy}");
    }
}

#[test]
fn alone_an_envoy_holds_the_limits_by_itself() {
    let worker = with_redis("local");
    let shared: Rc<_> = Rc::default();
    let status = |silent: Option<Called>| {
        Envoy::with(worker.clone(), Rc::clone(&shared)).redis(silent).chat(&ask(false), &[answer(1, 1)]).status
    };
    assert_eq!([status(Some(silence())), status(None), status(None)], [200; 3]);
    let fourth = Envoy::with(worker.clone(), shared).chat(&ask(false), &[]);
    assert_eq!(fourth.status, 429);
}

#[test]
fn a_key_that_the_file_does_not_have_is_looked_up_once_and_then_remembered() {
    let worker = with_redis("deny");
    let key = stranger();
    let record = format!(r#"{{"id":"new","team":"t","sha256":"{}"}}"#, sha256(&key));
    let found = said(&serde_json::json!({ "GET": record }).to_string());
    let send = |answers: Vec<Called>| {
        let envoy = Envoy::with(worker.clone(), Rc::default()).redis(answers);
        let bearer = format!("Bearer {key}");
        let headers = [("authorization", bearer.as_bytes())];
        envoy.send("POST", "/v1/chat/completions", &headers, ask(false).as_bytes(), &[answer(1, 1)])
    };
    let first = send(vec![found]);
    assert_eq!((first.status, &first.log["key"]), (200, &"new".into()));
    assert_eq!(send(Vec::new()).status, 200, "nobody was asked");
}

#[test]
fn a_key_that_nobody_has_is_remembered_as_such_and_a_wrong_one_is_not_asked_about() {
    let worker = with_redis("deny");
    let send = |key: &str, answers: Vec<Called>| {
        let envoy = Envoy::with(worker.clone(), Rc::default()).redis(answers);
        let bearer = format!("Bearer {key}");
        envoy.send("GET", "/v1/models", &[("authorization", bearer.as_bytes())], b"", &[])
    };
    let first = send(&stranger(), vec![said(r#"{"GET":null}"#)]);
    assert_eq!((first.status, &first.log["error"]), (401, &"unknown_api_key".into()));
    assert_eq!(send(&stranger(), Vec::new()).status, 401);
    let mut mistyped = stranger();
    mistyped.replace_range(12..13, "x");
    let seen = send(&mistyped, vec![silence()]);
    assert_eq!((seen.status, &seen.log["error"]), (401, &"malformed_api_key".into()));
    assert!(!seen.counted.contains(&metric::REDIS_DOWN));
}

#[test]
fn a_key_that_cannot_be_looked_up_is_no_wrong_key() {
    let worker = with_redis("local");
    let bearer = format!("Bearer {}", stranger());
    let envoy = Envoy::with(worker, Rc::default()).redis([silence()]);
    let seen = envoy.send("GET", "/v1/models", &[("authorization", bearer.as_bytes())], b"", &[]);
    assert_eq!((seen.status, &seen.log["error"]), (503, &"key_store_unavailable".into()));
}
