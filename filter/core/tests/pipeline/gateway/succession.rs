//! A configuration replaces another while requests are in flight: some state continues, and some changes at once.

use std::rc::Rc;
use std::time::Duration;

use sluice_core::callout::{Call, Called};
use sluice_core::compiled::CompiledConfig;
use sluice_core::key_hash::KeyHash;
use sluice_core::pipeline::worker::{Lookup, StoreContext, Worker};
use sluice_wire::time::Time;

use crate::envoy::{Envoy, SECRET, Seen, json};
use crate::shared::Shared;

use super::spending::{answer, ask, sha256, worker};
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

const REDIS: &str = r#","redis":{"url":"http://127.0.0.1:7379","when_down":"local"}"#;
const NOW: Time = Time(1_800_000_000_000_000_000);

/// The worker of [`worker`]'s file with these changes.
fn next(before: &Worker, key: &str, more: &str) -> Rc<Worker> {
    Rc::new(before.succeeded_by(worker(key, more).config.clone()))
}

/// The worker of a file with these teams and keys.
fn with_keys(before: Option<&Worker>, teams: &str, keys: &str, more: &str) -> Rc<Worker> {
    let file = format!(
        r#"{{"providers":{{"oai":{{"kind":"openai"}},"ant":{{"kind":"anthropic"}}}},
            "models":{{"chat":{{"targets":[{{"provider":"oai","model":"gpt"}},{{"provider":"ant","model":"claude"}}]}}}},
            "prices":{{"unpriced":{{"input":1,"output":1}}}},
            "teams":{{{teams}}},"keys":[{}]{more}}}"#,
        keys.replace("HASH", &sha256(SECRET))
    );
    let config =
        Rc::new(sluice_config::from_json(file.as_bytes()).unwrap_or_else(|diagnostics| panic!("{diagnostics:?}")));
    Rc::new(match before {
        Some(before) => before.succeeded_by(config),
        None => Worker::new(config, [7; 16]),
    })
}

fn said(body: &str) -> Called {
    Called { status: Some(200), body: body.as_bytes().to_vec() }
}

fn send(worker: &Rc<Worker>, shared: &Rc<Shared>) -> Seen {
    Envoy::with(worker.clone(), shared.clone()).chat(&ask(false), &[answer(10, 5)])
}

/// The number of settlements in a call.
fn told(call: &Call) -> usize {
    let text = std::str::from_utf8(&call.body).unwrap();
    let keys: usize = text.split('/').nth(2).unwrap().parse().unwrap();
    text.split('/').nth(3 + keys).unwrap().parse().unwrap()
}

#[test]
fn no_order_has_the_name_of_another_one_under_any_configuration() {
    let first = worker("", "");
    let second = next(&first, "", "");
    let names = [
        first.reservation_id(),
        second.reservation_id(),
        first.reservation_id(),
        next(&second, "", "").reservation_id(),
    ];
    let mut distinct = names.to_vec();
    distinct.sort();
    distinct.dedup();
    assert_eq!(distinct.len(), 4, "{names:?}");
    assert_ne!(first.dice(), second.dice());
}

#[test]
fn the_bytes_of_requests_that_began_before_count_and_other_bounds_hold_at_once() {
    let first = worker("", r#","memory":{"worker":"256MiB","key":"128MiB"}"#);
    let mut held = first.memory_limiter.permit("k".into());
    held.grow(100 << 20).unwrap();
    let second = next(&first, "", r#","memory":{"worker":"128MiB","key":"96MiB"}"#);
    second.takes_charge(&Shared::default());
    assert_eq!(second.memory_limiter.held(), 100 << 20);
    assert!(second.memory_limiter.permit("k".into()).grow(1).is_err(), "more than a key may have now");
    assert!(second.memory_limiter.permit("other".into()).grow(29 << 20).is_err(), "more than the worker may have now");
    assert!(first.memory_limiter.permit("k".into()).grow(1).is_err(), "whichever configuration it is under");
    first.takes_charge(&Shared::default());
    assert!(second.memory_limiter.permit("k".into()).grow(1).is_ok(), "the file was changed back");
    drop(held);
    assert_eq!((first.memory_limiter.held(), second.memory_limiter.held()), (0, 0));
}

#[test]
fn what_is_known_of_targets_goes_on_while_they_are_named_or_under_way() {
    let first = worker("", "");
    let shared = Shared::default();
    let targets = first.config.models["chat"].targets.clone();
    let gone = first.config.models["cheap"].targets[0].clone();
    first.advance_key(&targets[0], 3);
    first.attempt_started(&gone, true, NOW, &shared);
    first.advance_key(&gone, 5);
    let second = with_keys(Some(&first), r#""t":{}"#, "", "");
    assert_eq!((second.known_targets(), second.next_key(&targets[0]), second.next_key(&gone)), (2, 4, 6));
    first.attempt_ended(&gone, NOW, &shared);
    let third = with_keys(Some(&second), r#""t":{}"#, "", "");
    assert_eq!((third.known_targets(), third.next_key(&targets[0])), (1, 4));
}

#[test]
fn ten_thousand_configurations_with_new_names_leave_nothing_of_theirs_in_a_worker() {
    let mut worker = worker("", "");
    let shared = Shared::default();
    for number in 0..1_000 {
        let file = format!(
            r#"{{"providers":{{"p{number}":{{"kind":"openai"}}}},
                "models":{{"chat":{{"targets":[{{"provider":"p{number}","model":"m{number}"}}]}}}},"teams":{{}},"keys":[]}}"#
        );
        worker = Rc::new(worker.succeeded_by(Rc::new(sluice_config::from_json(file.as_bytes()).unwrap())));
        let target = worker.config.models["chat"].targets[0].clone();
        worker.attempt_started(&target, true, NOW, &shared);
        worker.attempt_ended(&target, NOW, &shared);
    }
    assert_eq!(worker.known_targets(), 1);
}

#[test]
fn a_settlement_is_told_by_whoever_is_in_charge_and_a_late_answer_to_another_counts() {
    let first = worker(r#","limits":{"requests_per_minute":30}"#, REDIS);
    let grant = || [said(r#"{"EVALSHA":"G 0 1 5 60000000 0"}"#)];
    let through = |worker: &Rc<Worker>| {
        let envoy = Envoy::with(worker.clone(), Rc::default()).redis(grant());
        assert_eq!(envoy.chat(&ask(false), &[answer(1, 1)]).status, 200);
    };
    let later = NOW.after(Duration::from_secs(100));
    through(&first);
    assert!(first.tick(later).is_some());
    let second = next(&first, r#","limits":{"requests_per_minute":20}"#, REDIS);
    assert!(first.shares_outbox(&second) && second.has_unsettled());
    assert_eq!(second.tick(later), None, "the call of the first one is under way");
    through(&first);
    assert_eq!(first.on_reply(&said(r#"{"EVALSHA":1}"#), later, &mut Vec::new()), None);
    let call = second.tick(later).unwrap();
    assert_eq!(told(&call), 1, "the one that was confirmed is not told again");
    second.forget_call();
    assert_eq!(first.tick(later), Some(call), "without an answer it is told again");
    assert_eq!(second.on_reply(&said(r#"{"EVALSHA":1}"#), later, &mut Vec::new()), None);
    assert!(!first.has_unsettled() && !second.has_unsettled());
}

#[test]
fn of_another_redis_nothing_is_known_and_other_times_do_not_make_it_another() {
    let first = worker("", REDIS);
    let same = next(&first, "", &REDIS.replace(r#""when_down":"local""#, r#""when_down":"deny","timeout":"2s""#));
    let other = next(&first, "", &REDIS.replace("7379", "7380"));
    assert!(first.shares_outbox(&same) && !first.shares_outbox(&other));
    assert!(first.shares_outbox(&next(&same, "", REDIS)));
    assert!(!first.shares_outbox(&next(&first, "", "")) && worker("", "").shares_outbox(&first));
}

/// A key that only Redis knows.
fn stranger() -> (String, KeyHash) {
    use sha2::{Digest, Sha256};
    let text = format!("{}{}", sluice_core::keys::secret::PREFIX, "7".repeat(sluice_core::keys::secret::RANDOM_DIGITS));
    let sum = sluice_core::keys::secret::checksum(text.as_bytes());
    let key = format!("{text}{}", std::str::from_utf8(&sum).unwrap());
    let hash = KeyHash(Sha256::digest(&key).into());
    (key, hash)
}

#[test]
fn keys_that_redis_told_of_are_not_asked_for_again_and_mean_what_the_present_file_makes_of_them() {
    let (key, hash) = stranger();
    let teams = r#""t":{},"red":{"limits":{"requests_per_minute":10}}"#;
    let first = with_keys(None, teams, "", REDIS);
    assert!(matches!(first.find(key.as_bytes(), &hash, NOW), Lookup::Ask(..)));
    let record = format!(r#"{{"id":"r","team":"red","sha256":"{}","models":["chat"]}}"#, sha256(&key));
    let reply = said(&serde_json::json!({ "GET": record }).to_string());
    let shared = Shared::default();
    let mut effects = Vec::new();
    first.found(&hash, &reply, &mut StoreContext { now: NOW, shared: &shared, effects: &mut effects });
    let limit = |worker: &Worker| match worker.find(key.as_bytes(), &hash, NOW) {
        Lookup::Known(known) => known.map(|known| known.caller.rules.iter().map(|rule| rule.rule.limit).sum::<u64>()),
        other => panic!("{other:?}"),
    };
    assert_eq!(limit(&first), Some(10));
    let second = with_keys(Some(&first), &teams.replace("10", "20"), "", REDIS);
    assert_eq!((limit(&second), limit(&first), limit(&second)), (Some(20), Some(10), Some(20)));
    let third = with_keys(Some(&second), r#""t":{}"#, "", REDIS);
    assert_eq!(limit(&third), None, "its team has gone");
    assert_eq!(limit(&with_keys(Some(&third), teams, "", REDIS)), Some(10), "and is back");
    let unknown = KeyHash([9; 32]);
    let moment = &mut StoreContext { now: NOW, shared: &shared, effects: &mut effects };
    first.found(&unknown, &said(r#"{"GET":null}"#), moment);
    assert!(matches!(second.find(key.as_bytes(), &unknown, NOW), Lookup::Known(None)), "nobody's, and that is known");
}

#[test]
fn a_gateway_that_shuts_down_refuses_requests_and_still_says_that_it_lives() {
    let config = worker("", "").config.clone();
    let config = CompiledConfig { shuts_down: true, ..Rc::into_inner(config).unwrap() };
    let (worker, shared) = (Rc::new(Worker::new(Rc::new(config), [7; 16])), Rc::<Shared>::default());
    let seen = send(&worker, &shared);
    assert!(seen.status == 503 && seen.body.contains(r#""code":"gateway_shutting_down""#), "{}", seen.body);
    assert!(seen.received.is_empty());
    assert_eq!(Envoy::with(worker, shared).send("GET", "/health", &[], b"", &[]).status, 200);
}

#[test]
fn a_request_that_is_ended_at_shutdown_goes_to_no_other_target() {
    let shared = Rc::<Shared>::default();
    let (mut journey, now) = Envoy::with(worker("", ""), shared.clone()).departs("chat");
    let _ = journey.begin(now, &*shared);
    assert!(journey.is_unheard(1));
    journey.progress.shut_down = true;
    assert!(!journey.is_unheard(1), "Envoy reports its end as a lost connection");
}

#[test]
fn a_key_that_was_withdrawn_is_refused_and_one_that_came_is_served() {
    let shared = Rc::default();
    let own = r#"{"id":"k","team":"t","sha256":"HASH"}"#;
    let first = with_keys(None, r#""t":{}"#, own, "");
    assert_eq!(send(&first, &shared).status, 200);
    let second = with_keys(Some(&first), r#""t":{}"#, "", "");
    assert_eq!(send(&second, &shared).status, 401);
    assert_eq!(send(&with_keys(Some(&second), r#""t":{}"#, own, ""), &shared).status, 200);
}

/// The status of a request with these limits in the file.
fn under(before: &mut Rc<Worker>, shared: &Rc<Shared>, limits: &str) -> (u16, Option<String>) {
    *before = next(before, limits, "");
    let seen = send(before, shared);
    (seen.status, seen.headers.text("x-ratelimit-remaining-requests").map(str::to_owned))
}

#[test]
fn a_changed_limit_holds_for_what_is_counted_already() {
    let (mut worker, shared) = (worker("", ""), Rc::default());
    let per_minute = |limit: u32| format!(r#","limits":{{"requests_per_minute":{limit}}}"#);
    let left = |left: &str| (200, Some(left.to_owned()));
    assert_eq!(under(&mut worker, &shared, &per_minute(3)), left("2"));
    assert_eq!(under(&mut worker, &shared, &per_minute(3)), left("1"));
    assert_eq!(under(&mut worker, &shared, &per_minute(10)), left("7"), "up");
    assert_eq!(under(&mut worker, &shared, &per_minute(3)).0, 429, "down");
    assert_eq!(under(&mut worker, &shared, "").0, 200, "no limit, and nothing is counted");
    assert_eq!(under(&mut worker, &shared, &per_minute(5)), left("1"), "again");
    // The estimate of a request is 74 tokens; it uses 15.
    let both = r#","limits":{"requests_per_minute":9,"tokens_per_day":100}"#;
    assert_eq!(under(&mut worker, &shared, both), left("4"), "another window begins by itself");
    assert_eq!(under(&mut worker, &shared, both), left("3"));
    assert_eq!(under(&mut worker, &shared, both).0, 429, "30 of 100 are used");
    let more = r#","limits":{"tokens_per_day":200},"budget":{"total":0.001}"#;
    assert_eq!(under(&mut worker, &shared, more).0, 200);
    assert_eq!(under(&mut worker, &shared, &both.replace("100", "115")).0, 429, "45 are");
    assert_eq!(under(&mut worker, &shared, &both.replace("100", "119")).0, 200);
    let money = |total: &str| format!(r#","budget":{{"total":{total}}}"#);
    assert_eq!(
        under(&mut worker, &shared, &money("0.000088")).0,
        429,
        "15 micro-dollars are spent, and 74 are too many"
    );
    assert_eq!(under(&mut worker, &shared, &money("0.000089")).0, 200);
}

#[test]
fn what_a_request_holds_is_given_back_under_the_next_configuration() {
    let (first, shared) = (worker(r#","limits":{"concurrent_requests":1}"#, ""), Rc::<Shared>::default());
    let (journey, _) = Envoy::with(first.clone(), shared.clone()).departs("chat");
    let second = next(&first, r#","limits":{"concurrent_requests":1}"#, "");
    assert_eq!(send(&second, &shared).status, 429, "its place is taken");
    let third = next(&second, r#","limits":{"concurrent_requests":2}"#, "");
    assert_eq!(send(&third, &shared).status, 200);
    drop(journey);
}

#[test]
fn a_key_whose_team_has_changed_counts_for_the_new_one() {
    let shared = Rc::default();
    let limited = r#""red":{"limits":{"requests_per_minute":2}},"blue":{"limits":{"requests_per_minute":2}}"#;
    let key = |team: &str| format!(r#"{{"id":"k","team":"{team}","sha256":"HASH"}}"#);
    let red = with_keys(None, limited, &key("red"), "");
    assert_eq!([send(&red, &shared).status, send(&red, &shared).status, send(&red, &shared).status], [200, 200, 429]);
    let blue = with_keys(Some(&red), limited, &key("blue"), "");
    assert_eq!(
        [send(&blue, &shared).status, send(&blue, &shared).status, send(&blue, &shared).status],
        [200, 200, 429]
    );
    let again = with_keys(Some(&blue), limited, &key("red"), "");
    assert_eq!(send(&again, &shared).status, 429);
}

#[test]
fn targets_in_another_order_keep_what_is_known_of_them() {
    let shared: Rc<Shared> = Rc::default();
    let file = |targets: [&str; 2], failures: u32| {
        let targets = targets.map(|name| format!(r#"{{"provider":"{name}","model":"x"}}"#)).join(",");
        let text = format!(
            r#"{{"providers":{{"one":{{"kind":"openai"}},"two":{{"kind":"openai"}}}},
                "models":{{"chat":{{"targets":[{targets}]}}}},"circuit":{{"failures":{failures}}},
                "teams":{{"t":{{}}}},"keys":[{{"id":"k","team":"t","sha256":"{}"}}]}}"#,
            sha256(SECRET)
        );
        Rc::new(sluice_config::from_json(text.as_bytes()).unwrap())
    };
    let first = Rc::new(Worker::new(file(["one", "two"], 1), [7; 16]));
    let ask = |worker: &Rc<Worker>, scripts: &[crate::envoy::Script]| {
        let seen = Envoy::with(worker.clone(), shared.clone()).chat(&ask(false), scripts);
        seen.headers.text("x-sluice-provider").map(str::to_owned)
    };
    assert_eq!(ask(&first, &[json(503, "{}"), answer(1, 1)]).as_deref(), Some("two"), "one is open now");
    let second = Rc::new(first.succeeded_by(file(["two", "one"], 1)));
    assert_eq!(ask(&second, &[answer(1, 1)]).as_deref(), Some("two"));
    let third = Rc::new(second.succeeded_by(file(["one", "two"], 9)));
    assert_eq!(ask(&third, &[answer(1, 1)]).as_deref(), Some("two"), "it stays open until its time");
}
