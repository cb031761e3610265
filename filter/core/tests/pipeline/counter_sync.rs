use std::time::Duration;

#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use crate::shared::Shared;
use sluice_background::{BackgroundTask as _, CounterSync};
use sluice_config::file::Background;
use sluice_core::callout::{Call, Called};
use sluice_core::pipeline::Effect;
use sluice_core::pipeline::metric;
use sluice_core::store::embedded::{self, CounterScope, ShardId};
use sluice_core::store::{Counter, Debit, LimitWindow, ReserveRequest};
use sluice_wire::time::Time;

const NOON: Time = Time(1_801_396_800_000_000_000);

fn counter_sync(mode: &str) -> Option<CounterSync> {
    let written = format!(r#"{{"url":"http://127.0.0.1:7379","mode":"{mode}","sync":"2s"}}"#);
    let written: Background = serde_json::from_str(&format!(r#"{{"redis":{written}}}"#)).unwrap();
    CounterSync::new(sluice_config::compile_background(written).unwrap().redis.unwrap(), [7; 16])
}

fn counter(shard: &str) -> Counter {
    Counter { name: "requests/total".into(), shard_key: shard.into(), kind: LimitWindow::Total }
}

fn take(shared: &Shared, shard: &str, amount: u64) {
    let take = Debit { counter: counter(shard), amount, limit: 1_000, hard: true };
    let reserve_request =
        ReserveRequest { id: "o".into(), lease: Duration::from_secs(60), alternatives: vec![vec![take]] };
    embedded::reserve(shared, &reserve_request, CounterScope::Replicated, NOON).unwrap();
}

fn used(shared: &Shared, shard: &str) -> u64 {
    embedded::read(shared, &[counter(shard)], NOON).unwrap()[0].used
}

fn after(seconds: u64) -> Time {
    Time(NOON.0 + seconds * 1_000_000_000)
}

fn body(call: &Call) -> String {
    String::from_utf8(call.body.clone()).unwrap()
}

fn says(reply: &str) -> Called {
    Called { status: Some(200), body: format!(r#"{{"EVALSHA":{reply}}}"#).into_bytes() }
}

const SILENCE: Called = Called { status: None, body: Vec::new() };

#[test]
fn there_is_one_in_relaxed_mode_only() {
    assert_eq!(counter_sync("relaxed").unwrap().period(), Duration::from_secs(2));
    assert!(counter_sync("strict").is_none());
}

#[test]
fn a_round_tells_one_shard_after_another() {
    let (counter_sync, shared, mut effects) = (counter_sync("relaxed").unwrap(), Shared::default(), Vec::new());
    assert_eq!(counter_sync.tick(NOON, &shared, &mut effects), None, "nothing was counted");
    take(&shared, "", 3);
    take(&shared, "red", 4);
    let first = body(&counter_sync.tick(NOON, &shared, &mut effects).unwrap());
    assert!(first.ends_with("/T/0/3"), "{first}");
    assert_eq!(counter_sync.tick(after(2), &shared, &mut effects), None, "the round is not over");
    let second = body(&counter_sync.on_reply(&says(r#""30 0""#), NOON, &shared, &mut effects).unwrap());
    assert!(second.ends_with("/T/0/4"), "{second}");
    assert_eq!(counter_sync.on_reply(&says(r#""40 0""#), NOON, &shared, &mut effects), None);
    assert_eq!((used(&shared, ""), used(&shared, "red"), effects), (30, 40, Vec::new()));
}

#[test]
fn a_redis_that_does_not_know_the_script_is_told_it() {
    let (counter_sync, shared, mut effects) = (counter_sync("relaxed").unwrap(), Shared::default(), Vec::new());
    take(&shared, "red", 1);
    counter_sync.tick(NOON, &shared, &mut effects).unwrap();
    let unknown = says(r#"[false,"NOSCRIPT No matching script."]"#);
    let whole = counter_sync.on_reply(&unknown, NOON, &shared, &mut effects).unwrap();
    assert!(body(&whole).starts_with("EVAL/") && body(&whole).ends_with("/T/0/1"));
    assert_eq!(counter_sync.on_reply(&says(r#""1 0""#), NOON, &shared, &mut effects), None);
    assert_eq!(used(&shared, "red"), 1);
}

#[test]
fn what_silence_swallowed_is_told_again_and_then_what_came_meanwhile() {
    let (counter_sync, shared, mut effects) = (counter_sync("relaxed").unwrap(), Shared::default(), Vec::new());
    take(&shared, "red", 5);
    let first = counter_sync.tick(NOON, &shared, &mut effects).unwrap();
    assert_eq!(counter_sync.on_reply(&SILENCE, NOON, &shared, &mut effects), None);
    assert_eq!(effects.iter().filter(|effect| **effect == Effect::Count(metric::REDIS_DOWN)).count(), 1);
    take(&shared, "red", 6);
    assert_eq!(counter_sync.tick(NOON, &shared, &mut effects), None, "it is left alone for a moment");
    assert_eq!(counter_sync.tick(after(2), &shared, &mut effects), Some(first));
    counter_sync.on_reply(&says(r#""5 0""#), after(2), &shared, &mut effects);
    assert_eq!(used(&shared, "red"), 11);
    let next = body(&counter_sync.tick(after(4), &shared, &mut effects).unwrap());
    assert!(next.ends_with("/T/0/6"), "{next}");
}

#[test]
fn a_shard_that_redis_refuses_does_not_keep_the_others_waiting() {
    let (counter_sync, shared, mut effects) = (counter_sync("relaxed").unwrap(), Shared::default(), Vec::new());
    let mut teams = ["blue", "red"];
    teams.sort_by_key(|team| ShardId::of(team));
    take(&shared, teams[0], 1);
    take(&shared, teams[1], 2);
    for round in 0..3 {
        let refused = counter_sync.tick(after(round * 2), &shared, &mut effects).unwrap();
        assert!(body(&refused).ends_with("/T/0/1"));
        let wrong = says(r#"[false,"WRONGTYPE Operation against a key"]"#);
        let next = counter_sync.on_reply(&wrong, after(round * 2), &shared, &mut effects).unwrap();
        assert!(body(&next).ends_with("/T/0/2"), "{}", body(&next));
        assert_eq!(counter_sync.on_reply(&SILENCE, after(round * 2), &shared, &mut effects), None);
    }
    let warnings = effects.iter().filter(|effect| matches!(effect, Effect::Warn(text) if text.contains("WRONGTYPE")));
    assert_eq!(warnings.count(), 1);
}

#[test]
fn a_team_that_came_after_the_start_is_told_of_and_one_that_went_until_nothing_is_left_to_tell() {
    let (counter_sync, shared, mut effects) = (counter_sync("relaxed").unwrap(), Shared::default(), Vec::new());
    // Neither team is in the file that counter sync started with. The one with the lower shard id stays.
    let mut teams = ["one", "other"];
    teams.sort_by_key(|team| ShardId::of(team));
    let [new, gone] = teams;
    embedded::announce(&shared, [new, gone].into_iter());
    take(&shared, new, 1);
    take(&shared, gone, 2);
    let mut told = |now: Time, shared: &Shared, answers: &[&str]| {
        let mut call = counter_sync.tick(now, shared, &mut effects);
        let mut amounts = Vec::new();
        for answer in answers {
            let Some(asked) = call.take() else { break };
            amounts.push(body(&asked).rsplit('/').next().unwrap().to_owned());
            call = counter_sync.on_reply(&says(answer), now, shared, &mut effects);
        }
        assert_eq!(call, None);
        amounts.sort();
        amounts
    };
    assert_eq!(told(NOON, &shared, &[r#""1 0""#, r#""2 0""#]), ["1", "2"]);
    assert_eq!(told(after(2), &shared, &[r#""1 0""#, r#""2 0""#]), ["0", "0"], "what the others have is asked");
    embedded::announce(&shared, [new].into_iter());
    assert_eq!(told(after(4), &shared, &[r#""1 0""#]), ["0"], "of a team that went it is not");
    take(&shared, gone, 5);
    assert_eq!(told(after(6), &shared, &[r#""1 0""#, r#""7 0""#]), ["0", "5"], "a request of its that ended late");
    assert_eq!(told(after(8), &shared, &[r#""1 0""#]), ["0"]);
    assert_eq!((used(&shared, new), used(&shared, gone)), (1, 7));
}
