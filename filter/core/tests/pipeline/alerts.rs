//! Alerts about budgets, as the background role sends them.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use sluice_background::{Alerted, BackgroundTask, tasks};
use sluice_core::callout::{ALERTS_CLUSTER, Call, Called, Endpoint};
use sluice_core::metrics::instruments::{BUDGET, budget};
use sluice_core::metrics::{Background, Recorder};
use sluice_core::pipeline::Effect;
use sluice_core::store::redis::settings::{Mode, Protocol, Redis, WhenDown};
use sluice_wire::time::Time;
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use crate::shared::Shared;

const MONTH_ENDS: u64 = 1_801_440_000;

fn at(seconds: u64) -> Time {
    Time((1_801_396_800 + seconds) * 1_000_000_000)
}

fn alerts(redis: Option<Redis>) -> Box<dyn BackgroundTask> {
    alerts_after(redis, Rc::default())
}

fn alerts_after(redis: Option<Redis>, alerted: Rc<Alerted>) -> Box<dyn BackgroundTask> {
    let endpoint = Endpoint { authority: "hooks.test".to_owned(), tls: true, path: "/budgets".to_owned() };
    let background = Background { redis, export: None, shared_cache: false, alerts: Some(endpoint), key_label: false };
    tasks(&background, [7; 16], None, alerted).pop().unwrap()
}

fn redis() -> Redis {
    Redis {
        protocol: Protocol::Webdis,
        authority: "redis:7379".to_owned(),
        tls: false,
        base_path: String::new(),
        prefix: "p".to_owned(),
        mode: Mode::Strict,
        when_down: WhenDown::Deny,
        timeout: Duration::from_secs(1),
        sync: Duration::from_secs(1),
        key_cache: Duration::from_secs(1),
    }
}

/// The budget's use in percent, as a request leaves it.
fn used(shared: &Shared, percent: u64, resets_at: u64, now: Time) {
    let recorder = Arc::new(Recorder::new("1".to_owned()));
    recorder.configure(10_000, None);
    recorder.record(&BUDGET, &["team=red", "month"], |values| {
        values.set(budget::USED, percent * 1_000_000);
        values.set(budget::LIMIT, 100_000_000);
        values.set(budget::RATIO, percent * 10_000);
        values.set(budget::RESETS_AT, resets_at);
    });
    recorder.flush(0, shared, now);
}

fn reply(status: u16, body: &str) -> Called {
    Called { status: Some(status), body: body.as_bytes().to_vec() }
}

/// Ticks, and accepts each alert; returns their bodies.
fn sent(alerts: &dyn BackgroundTask, shared: &Shared, now: Time) -> Vec<Value> {
    let mut effects = Vec::new();
    let mut bodies = Vec::new();
    let mut call = alerts.tick(now, shared, &mut effects);
    while let Some(next) = call.take() {
        assert_eq!(next.cluster, ALERTS_CLUSTER);
        assert_eq!(next.headers.text(":path"), Some("/budgets"));
        bodies.push(serde_json::from_slice(&next.body).unwrap());
        call = alerts.on_reply(&reply(200, "ok"), now, shared, &mut effects);
    }
    assert_eq!(effects, []);
    bodies
}

#[test]
fn each_threshold_is_reported_once_a_period() {
    let (alerts, shared) = (alerts(None), Shared::default());
    used(&shared, 79, MONTH_ENDS, at(0));
    assert_eq!(sent(&*alerts, &shared, at(1)), [] as [Value; 0]);
    used(&shared, 81, MONTH_ENDS + 1, at(2));
    assert_eq!(
        sent(&*alerts, &shared, at(3)),
        [json!({
            "type": "budget", "budget": "team=red", "period": "month", "threshold": 80, "percent": 81,
            "used_usd": 81.0, "limit_usd": 100.0, "resets_at": MONTH_ENDS, "time": 1_801_396_803_u64,
            "text": "Budget team=red (month): 81% used, $81.00 of $100.00.",
        })]
    );
    used(&shared, 95, MONTH_ENDS, at(4));
    assert_eq!(sent(&*alerts, &shared, at(5)), [] as [Value; 0]);
    used(&shared, 100, MONTH_ENDS, at(6));
    let thresholds = |bodies: Vec<Value>| bodies.iter().map(|body| body["threshold"].clone()).collect::<Vec<_>>();
    assert_eq!(thresholds(sent(&*alerts, &shared, at(7))), [100]);
    assert_eq!(sent(&*alerts, &shared, at(8)), [] as [Value; 0]);
    // The next month, at once beyond both.
    used(&shared, 120, MONTH_ENDS + 30 * 86_400, at(50_000));
    assert_eq!(thresholds(sent(&*alerts, &shared, at(50_001))), [80, 100]);
}

#[test]
fn a_changed_configuration_repeats_no_alert_and_drops_none() {
    let (shared, alerted) = (Shared::default(), Rc::<Alerted>::default());
    let task = || alerts_after(None, alerted.clone());
    let thresholds = |bodies: Vec<Value>| bodies.iter().map(|body| body["threshold"].clone()).collect::<Vec<_>>();
    used(&shared, 81, MONTH_ENDS, at(0));
    assert_eq!(thresholds(sent(&*task(), &shared, at(1))), [80]);
    used(&shared, 100, MONTH_ENDS, at(2));
    assert!(task().tick(at(3), &shared, &mut Vec::new()).is_some(), "a call without a reply");
    assert_eq!(thresholds(sent(&*task(), &shared, at(4))), [100]);
    assert_eq!(sent(&*task(), &shared, at(5)), [] as [Value; 0]);
}

#[test]
fn a_webhook_that_fails_is_called_again_later_and_at_last_given_up() {
    let (alerts, shared) = (alerts(None), Shared::default());
    used(&shared, 85, MONTH_ENDS, at(0));
    let (mut effects, mut times) = (Vec::new(), Vec::new());
    for second in 0..3_000 {
        if alerts.tick(at(second), &shared, &mut effects).is_some() {
            times.push(second);
            assert_eq!(alerts.on_reply(&reply(500, ""), at(second), &shared, &mut effects), None);
        }
    }
    assert_eq!(times, [0, 4, 12, 28, 60, 124, 252, 508]);
    let warned = |effect: &Effect| matches!(effect, Effect::Warn(text) if text.contains("team=red/month at 80%"));
    assert!(effects.len() == 1 && effects.iter().all(warned), "{effects:?}");
}

#[test]
fn with_redis_the_first_envoy_to_claim_an_alert_sends_it() {
    let (alerts, shared) = (alerts(Some(redis())), Shared::default());
    used(&shared, 100, MONTH_ENDS, at(0));
    let mut effects = Vec::new();
    let claim = alerts.tick(at(1), &shared, &mut effects).unwrap();
    assert_eq!(claim.cluster, "sluice-redis");
    let words = String::from_utf8(claim.body).unwrap();
    assert!(words.contains("alert") && words.ends_with("%2F80/1/EX/900/NX"), "{words}");
    // Another Envoy has claimed the first; the second is granted.
    let claim = alerts.on_reply(&reply(200, r#"{"SET":null}"#), at(1), &shared, &mut effects).unwrap();
    assert!(String::from_utf8(claim.body).unwrap().ends_with("%2F100/1/EX/900/NX"));
    let send = alerts.on_reply(&reply(200, r#"{"SET":[true,"OK"]}"#), at(1), &shared, &mut effects).unwrap();
    assert_eq!(send.cluster, ALERTS_CLUSTER);
    assert_eq!(serde_json::from_slice::<Value>(&send.body).unwrap()["threshold"], 100);
    // While a call is in flight, a tick does nothing.
    assert_eq!(alerts.tick(at(3), &shared, &mut effects), None);
    let confirm = alerts.on_reply(&reply(204, ""), at(4), &shared, &mut effects).unwrap();
    let words = String::from_utf8(confirm.body).unwrap();
    assert!(words.ends_with("%2F100/1/EX/129596"), "{words}");
    assert_eq!(alerts.on_reply(&reply(200, r#"{"SET":[true,"OK"]}"#), at(4), &shared, &mut effects), None);
    assert_eq!(effects, []);
}

#[test]
fn if_the_envoy_that_claimed_an_alert_ends_another_one_sends_it() {
    for granted in [true, false] {
        let (alerts, shared) = (alerts(Some(redis())), Shared::default());
        used(&shared, 80, MONTH_ENDS, at(0));
        let mut effects = Vec::new();
        let claims = |call: &Call| String::from_utf8_lossy(&call.body).ends_with("%2F80/1/EX/900/NX");
        assert!(claims(&alerts.tick(at(1), &shared, &mut effects).unwrap()));
        let taken = reply(200, r#"{"SET":null}"#);
        assert_eq!(alerts.on_reply(&taken, at(1), &shared, &mut effects), None);
        assert_eq!(alerts.tick(at(900), &shared, &mut effects), None, "the other one may still send it");
        assert!(claims(&alerts.tick(at(901), &shared, &mut effects).unwrap()));
        if granted {
            let send = alerts.on_reply(&reply(200, r#"{"SET":[true,"OK"]}"#), at(901), &shared, &mut effects).unwrap();
            assert_eq!(send.cluster, ALERTS_CLUSTER);
        } else {
            // It was sent.
            assert_eq!(alerts.on_reply(&taken, at(901), &shared, &mut effects), None);
            assert_eq!(alerts.tick(at(2_000), &shared, &mut effects), None);
        }
    }
}

#[test]
fn without_a_reply_of_redis_the_alert_is_sent() {
    let (alerts, shared) = (alerts(Some(redis())), Shared::default());
    used(&shared, 80, MONTH_ENDS, at(0));
    let mut effects = Vec::new();
    alerts.tick(at(1), &shared, &mut effects).unwrap();
    let nothing = Called { status: None, body: Vec::new() };
    let send = alerts.on_reply(&nothing, at(2), &shared, &mut effects).unwrap();
    assert_eq!(send.cluster, ALERTS_CLUSTER);
}
