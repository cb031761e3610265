//! A worker with Redis, with and without its replies.

use std::rc::Rc;
#[cfg(not(target_arch = "wasm32"))]
use std::time::Duration;

use sluice_core::callout::Called;
use sluice_core::pipeline::cached_key::CachedKey;
use sluice_core::pipeline::worker::{Lookup, Worker};
use sluice_core::pipeline::{Effect, metric};
#[cfg(not(target_arch = "wasm32"))]
use sluice_core::pipeline::{
    Event,
    gateway::{Outcome, RequestPipeline},
};
use sluice_wire::time::Time;

use crate::envoy::{Envoy, SECRET, Seen};
#[cfg(not(target_arch = "wasm32"))]
use crate::{counter, envoy::posted, shared::Shared};

use super::spending::{answer, ask, sha256, worker};
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

/// A well-formed key that no file contains.
fn stranger() -> String {
    stranger_of("7")
}

fn stranger_of(digit: &str) -> String {
    let text =
        format!("{}{}", sluice_core::keys::secret::PREFIX, digit.repeat(sluice_core::keys::secret::RANDOM_DIGITS));
    let sum = sluice_core::keys::secret::checksum(text.as_bytes());
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

/// After every time of the fake clock.
const LATER: Time = Time(1_900_000_000_000_000_000);

#[test]
fn a_request_waits_for_redis_and_is_settled_there_until_redis_confirms_it() {
    let worker = with_redis("deny");
    let seen = send(&worker, [said(r#"{"EVALSHA":"G 0 1 5 60000000 0"}"#)]);
    assert_eq!((seen.status, seen.headers.text("x-ratelimit-remaining-requests")), (200, Some("2")));
    assert_eq!((worker.tick(LATER).is_some(), worker.tick(LATER)), (true, None), "one call at a time");
    let mut effects = Vec::new();
    assert_eq!(worker.on_reply(&silence(), LATER, &mut effects), None);
    let again = Time(LATER.0 + 2_000_000_000);
    assert!(worker.tick(again).is_some(), "it is told again");
    assert_eq!(worker.on_reply(&said(r#"{"EVALSHA":1}"#), again, &mut effects), None);
    assert_eq!(worker.tick(again), None);
}

#[test]
fn however_many_ask_whether_it_is_ready_redis_is_asked_once_a_second() {
    let worker = with_redis("deny");
    assert_eq!(worker.redis_heard(LATER), None, "the first one asks");
    assert_eq!(worker.redis_heard(LATER), Some(false), "others do not wait for the answer, nor ask");
    let after = |seconds: u64| Time(LATER.0 + seconds * 1_000_000_000);
    worker.hear_of_redis(true, LATER);
    assert_eq!(worker.redis_heard(LATER), Some(true));
    assert_eq!(worker.redis_heard(after(2)), None);
    assert_eq!(worker.redis_heard(after(2)), Some(true), "what was known last is said while it is asked");
}

#[test]
fn a_script_that_redis_does_not_know_is_sent_in_full() {
    let worker = with_redis("deny");
    let unknown = said(r#"{"EVALSHA":[false,"NOSCRIPT No matching script."]}"#);
    assert_eq!(send(&worker, [unknown.clone(), said(r#"{"EVAL":"G 0 1 5 60000000 0"}"#)]).status, 200);
    let by_hash = worker.tick(LATER).unwrap();
    let in_full = worker.on_reply(&unknown, LATER, &mut Vec::new()).unwrap();
    assert!(by_hash.body.starts_with(b"EVALSHA") && in_full.body.starts_with(b"EVAL/"));
}

#[test]
fn what_redis_refuses_is_refused() {
    let worker = with_redis("allow");
    // Both targets have the same result.
    let exceeded = "0 3 5 60000000 20000000";
    let seen = send(&worker, [said(&format!(r#"{{"EVALSHA":"R {exceeded} {exceeded}"}}"#))]);
    assert_eq!((seen.status, seen.headers.text("retry-after")), (429, Some("20")));
    assert_eq!((seen.received.len(), worker.tick(LATER)), (0, None), "nothing was reserved");
}

#[test]
fn redis_is_asked_for_a_budgets_other_model_only_once_that_budget_refuses() {
    let redis = r#","redis":{"url":"http://127.0.0.1:7379","when_down":"deny"}"#;
    let worker = worker(r#","budget":{"total":1,"then_model":"cheap"},"limits":{"requests_per_minute":3}"#, redis);
    // Debit 0 is the budget, debit 1 the limit.
    let refused = |debit: u64| said(&format!(r#"{{"EVALSHA":"R {debit} 9 0 0 -1 {debit} 9 0 0 -1"}}"#));
    let granted = said(r#"{"EVALSHA":"G 0 9 0 0 0 1 5 60000000 0"}"#);
    let seen = send(&worker, [refused(0), granted]);
    assert_eq!((seen.status, seen.headers.text("x-sluice-instead-of")), (200, Some("chat")), "{}", seen.body);
    let unknown = said(r#"{"EVALSHA":[false,"NOSCRIPT No matching script."]}"#);
    let granted = said(r#"{"EVAL":"G 0 9 0 0 0 1 5 60000000 0"}"#);
    assert_eq!(send(&worker, [refused(0), unknown, granted]).status, 200, "the script is sent in full");
    let seen = send(&worker, [refused(1)]);
    assert_eq!((seen.status, seen.received.len()), (429, 0), "{}", seen.body);
    let only = said(r#"{"EVALSHA":"R 1 3 5 60000000 20000000"}"#);
    let seen = send(&worker, [refused(0), only]);
    assert_eq!((seen.status, seen.headers.text("retry-after")), (429, Some("20")), "the other model's limit is told");
}

#[cfg(not(target_arch = "wasm32"))]
#[test]
fn replies_without_sense_are_logged_once_a_minute_and_redis_is_asked_again() {
    let (worker, shared) = (with_redis("allow"), Rc::new(Shared::default()));
    let sent = |minutes: u64, reply: &str| {
        let envoy = Envoy::with(worker.clone(), shared.clone()).after(Duration::from_secs(60 * minutes));
        counter::taken();
        let seen = envoy.redis([said(reply)]).chat(&ask(false), &[answer(10, 5)]);
        assert_eq!(seen.status, 200);
        (seen.counted.contains(&metric::REDIS_DOWN), counter::taken().contains(&"effect.warn 1".to_owned()))
    };
    let (wrong, right) = (r#"{"EVALSHA":"G 7"}"#, r#"{"EVALSHA":"G 0 1 5 60000000 0"}"#);
    assert_eq!(sent(0, wrong), (true, true));
    assert_eq!(sent(0, wrong), (true, false));
    assert_eq!(sent(0, right), (false, false), "the next reply counts");
    assert_eq!(sent(0, wrong), (true, false));
    assert_eq!(sent(2, wrong), (true, true));
}

#[test]
fn a_reply_without_sense_to_a_settlement_is_logged_once_a_minute_and_the_settlement_is_sent_again() {
    let worker = with_redis("allow");
    send(&worker, [said(r#"{"EVALSHA":"G 0 1 5 60000000 0"}"#)]);
    let mut effects = Vec::new();
    for second in 0..90 {
        let now = Time(LATER.0 + second * 1_100_000_000);
        assert!(worker.tick(now).is_some(), "{second}");
        assert_eq!(worker.on_reply(&said(r#"{"EVALSHA":"what"}"#), now, &mut effects), None);
    }
    let warnings = effects.iter().filter(|effect| matches!(effect, Effect::Warn(_))).count();
    assert_eq!(warnings, 2, "{effects:?}");
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

/// Creates `many` requests with one settlement each.
fn settle_many(worker: &Rc<Worker>, many: usize) {
    for _ in 0..many {
        assert_eq!(send(worker, [said(r#"{"EVALSHA":"G 0 1 5 60000000 0 1 5 60000000 0"}"#)]).status, 200);
    }
}

/// The number of settlements in a call.
fn told(call: &sluice_core::callout::Call) -> usize {
    let text = std::str::from_utf8(&call.body).unwrap();
    let keys: usize = text.split('/').nth(2).unwrap().parse().unwrap();
    text.split('/').nth(3 + keys).unwrap().parse().unwrap()
}

#[test]
fn a_settlement_that_redis_cannot_take_does_not_take_others_with_it() {
    let worker = with_redis("allow");
    settle_many(&worker, 3);
    let mut effects = Vec::new();
    let refused = said(r#"{"EVALSHA":[false,"WRONGTYPE Operation against a key holding the wrong kind of value"]}"#);
    assert_eq!(told(&worker.tick(LATER).unwrap()), 3);
    let mut by_itself = |reply: &Called| worker.on_reply(reply, LATER, &mut effects).as_ref().map(told);
    assert_eq!(by_itself(&refused), Some(1));
    assert_eq!(by_itself(&refused), Some(1), "the second goes on after the first was given up");
    assert_eq!(by_itself(&said(r#"{"EVALSHA":1}"#)), Some(1));
    assert_eq!(by_itself(&said(r#"{"EVALSHA":1}"#)), None);
    let lost =
        effects.iter().filter(|effect| **effect == sluice_core::pipeline::Effect::Count(metric::UNSETTLED)).count();
    assert_eq!((lost, worker.tick(LATER)), (1, None));
}

#[test]
fn an_answer_that_confirms_nothing_does_not_end_a_settlement() {
    let worker = with_redis("allow");
    settle_many(&worker, 1);
    for reply in [r#"{"EVALSHA":"QUEUED"}"#, r#"{"EVALSHA":null}"#, r#"{"EVALSHA":[]}"#] {
        let mut effects = Vec::new();
        let later = Time(LATER.0 + 2_000_000_000);
        assert!(worker.tick(later).is_some(), "{reply}");
        assert_eq!(worker.on_reply(&said(reply), LATER, &mut effects), None);
        assert!(effects.contains(&sluice_core::pipeline::Effect::Count(metric::REDIS_DOWN)));
    }
}

#[test]
fn many_settlements_do_not_wait_for_a_tick_each() {
    let worker = with_redis("allow");
    let most = sluice_core::store::redis::settle::LARGEST_BATCH;
    settle_many(&worker, 2 * most + 1);
    assert_eq!(told(&worker.tick(LATER).unwrap()), most);
    let next = |told: Option<sluice_core::callout::Call>| told.is_some();
    let done = said(r#"{"EVALSHA":64}"#);
    assert!(next(worker.on_reply(&done, LATER, &mut Vec::new())));
    assert!(!next(worker.on_reply(&done, LATER, &mut Vec::new())), "the last one can wait");
    assert_eq!(told(&worker.tick(LATER).unwrap()), 1);
}

#[test]
fn made_up_keys_do_not_make_a_worker_forget_the_real_ones() {
    let at = |seconds: u64| Time(1_800_000_000_000_000_000 + seconds * 1_000_000_000);
    let worker = with_redis("deny");
    let remote = sluice_core::pipeline::redis_client::RedisClient::new(worker.config.redis.clone().unwrap());
    let hash = |number: u32| {
        let mut hash = sluice_core::key_hash::KeyHash([0; 32]);
        hash.0[..4].copy_from_slice(&number.to_be_bytes());
        hash
    };
    let real = CachedKey::read(r#"{"id":"k","sha256":"","team":"t"}"#, &crate::envoy::config()).unwrap();
    remote.cache_key(hash(u32::MAX), Some(Rc::new(real)), at(0));
    // After the lifetime of a remembered result.
    (0..20_000).for_each(|number| remote.cache_key(hash(number), None, at(10)));
    let _ = remote.read(&silence(), at(10), &mut Vec::new());
    assert!(matches!(remote.cached_key(&hash(u32::MAX), at(10)), Ok(Some(Some(_)))));
}

#[test]
fn one_question_finds_out_whether_redis_answers_again_and_nobody_else_waits_for_it() {
    let at = |seconds: u64| Time(1_800_000_000_000_000_000 + seconds * 1_000_000_000);
    let redis = with_redis("deny").config.redis.clone().unwrap();
    let remote = sluice_core::pipeline::redis_client::RedisClient::new(redis);
    let question = sluice_core::store::redis::wire::Command::new(["GET", "a"]);
    let _ = (remote.ask(&question, at(0)), remote.ask(&question, at(0)));
    assert!(remote.answers(at(0)), "as long as it answers, all may ask");
    let _ = remote.read(&silence(), at(0), &mut Vec::new());
    assert!(!remote.answers(at(0)) && remote.answers(at(2)));
    let _ = remote.ask(&question, at(2));
    assert!(!remote.answers(at(2)), "one has asked");
    let _ = remote.read(&said(r#"{"GET":null}"#), at(2), &mut Vec::new());
    assert!(remote.answers(at(2)));
}

#[test]
fn a_clock_that_is_set_back_makes_no_pause_longer_and_no_cached_key_valid_for_longer() {
    let at = |seconds: u64| Time(1_800_000_000_000_000_000 + seconds * 1_000_000_000);
    let redis = with_redis("deny").config.redis.clone().unwrap();
    let remote = sluice_core::pipeline::redis_client::RedisClient::new(redis);
    let _ = remote.read(&silence(), at(3_600), &mut Vec::new());
    assert!(!remote.answers(at(3_600)) && remote.answers(at(0)));
    let hash = sluice_core::key_hash::KeyHash([7; 32]);
    remote.cache_key(hash, None, at(3_600));
    assert!(matches!(remote.cached_key(&hash, at(3_602)), Ok(Some(None))));
    assert!(matches!(remote.cached_key(&hash, at(0)), Ok(None)), "Redis is asked");
}

#[test]
fn redis_is_asked_for_sixteen_keys_at_a_time_and_no_more() {
    let worker = with_redis("deny");
    let remote = |digit: u8| sluice_core::key_hash::KeyHash([digit; 32]);
    let look = |digit: u8| worker.find(stranger().as_bytes(), &remote(digit), LATER);
    let asking: Vec<Lookup> = (0..16).map(look).collect();
    assert!(asking.iter().all(|lookup| matches!(lookup, Lookup::Ask(..))));
    assert!(matches!(look(16), Lookup::Busy));
    assert!(matches!(look(3), Lookup::Ask(..)), "one of them may be asked for by others");
    drop(asking);
    assert!(matches!(look(16), Lookup::Ask(..)), "whether Redis answers or the client leaves");
    let made_up = format!("Bearer {}", stranger());
    let full: Vec<Lookup> = (20..36).map(look).collect();
    let headers = [("authorization", made_up.as_bytes())];
    let seen = Envoy::with(worker.clone(), Rc::default()).send("POST", "/v1/chat/completions", &headers, b"{}", &[]);
    assert_eq!(
        (seen.status, seen.headers.text("retry-after"), seen.counted),
        (503, Some("1"), vec![metric::OVERLOADED])
    );
    drop(full);
}

#[test]
fn a_body_that_is_too_large_is_a_413_only_to_a_caller_who_is_known() {
    let worker = with_redis("deny");
    let key = stranger();
    let send = |answers: Vec<Called>| {
        let bearer = format!("Bearer {key}");
        let headers: [(&str, &[u8]); 2] = [("authorization", bearer.as_bytes()), ("content-length", b"33554433")];
        let envoy = Envoy::with(worker.clone(), Rc::default()).redis(answers);
        envoy.send("POST", "/v1/chat/completions", &headers, b"{}", &[]).status
    };
    assert_eq!(send(vec![said(r#"{"GET":null}"#)]), 401);
    assert_eq!(send(Vec::new()), 401, "it is remembered that nobody has this key");
}

#[cfg(not(target_arch = "wasm32"))]
#[test]
fn a_request_that_waits_for_redis_holds_no_copy_of_its_body() {
    let worker = with_redis("deny");
    let shared = Shared::default();
    let body = format!(r#"{{"model":"chat","messages":[{{"role":"user","content":"{}"}}]}}"#, "x".repeat(4 << 20));
    let message = posted(&body);
    let mut pipeline = RequestPipeline::new(worker);
    pipeline.request(Event::RequestHeaders { end: false }, &message, &shared, &mut Vec::new());
    let end = Event::RequestBody { size: body.len(), end: true };
    let mut effects = Vec::new();
    let held = allocation_counter::measure(|| {
        let outcome = pipeline.request(end, &message, &shared, &mut effects);
        assert!(matches!(outcome, Outcome::Ask(_)));
    });
    assert!(held.bytes_current < 64 << 10, "{held:?}");
}

/// Keys of other gateways have the same format.
#[test]
fn a_key_that_nobody_has_does_not_hide_one_beside_it() {
    let (unknown, key) = (format!("Bearer {}", stranger()), stranger_of("8"));
    let record = format!(r#"{{"id":"new","team":"t","sha256":"{}"}}"#, sha256(&key));
    let found = said(&serde_json::json!({ "GET": record }).to_string());
    let nobody = || said(r#"{"GET":null}"#);
    let ask = |other: &str, redis: Vec<Called>| {
        let headers = [("authorization", unknown.as_bytes()), ("x-api-key", other.as_bytes())];
        Envoy::with(with_redis("deny"), Rc::default()).redis(redis).send("GET", "/v1/models", &headers, b"", &[]).status
    };
    assert_eq!(ask(&key, vec![nobody(), found]), 200);
    assert_eq!(ask(SECRET, vec![nobody()]), 200);
    assert_eq!(ask(&key, vec![nobody(), nobody()]), 401);
    assert_eq!(ask(&key, vec![nobody(), silence()]), 503);
}
