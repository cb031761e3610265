//! The wall clock is set forward and back by hours while requests run, as after a wrong start or by a mistake: the gateway's, and Redis's.

use std::time::UNIX_EPOCH;

use serde_json::json;
use sluice_tests::clock::Clock;
use sluice_tests::gateway::{Gateway, KEY, Key, Kind};
use sluice_tests::redis::{Redis, Webdis};
use sluice_tests::simulator::Simulator;
use sluice_tests::{eventually, until};
use sluice_wire::calendar::moment;

use crate::crowd::{self, Manner, PRICE};
use crate::money::{all_settled, in_accounts, in_redis, logged, spent};
use crate::{CHAT, ask};

const HOUR: i64 = 3_600;
/// A limit that lets one more request pass every two seconds.
const PER_MINUTE: u64 = 30;
/// A key with that limit.
const LIMITED: &str = "sk-limited";
/// A key with one place.
const SINGLE: &str = "sk-single";
/// A key that expires in half an hour.
const EXPIRES: &str = "sk-expires";
/// A model that costs more than the budget.
const DEAR: &str = "claude-dear";

fn limited() -> Key {
    Key::new("limited", LIMITED).limits(json!({"requests_per_minute": PER_MINUTE}))
}

fn single() -> Key {
    Key::new("single", SINGLE).limits(json!({"concurrent_requests": 1})).budget(json!({"total": 1000}))
}

/// Uses up the limit of a minute, sets the clock, and waits until a request passes again.
async fn passes_again(gateway: &Gateway, set: impl FnOnce()) {
    let passes = async || gateway.with_key(LIMITED).post(CHAT, &Manner::Whole.body()).await.status == 200;
    eventually("the limit to be used up", async || !passes().await).await;
    set();
    eventually("a request to pass", passes).await;
}

/// Sets the clock while a key's only request runs; afterwards the place is free.
async fn step_during_a_request(gateway: &Gateway, provider: &Simulator, set: impl FnOnce()) {
    let before = provider.count();
    provider.hold();
    let client = gateway.with_key(SINGLE);
    // Redis may still count the last request for a moment.
    let running = tokio::spawn(async move {
        loop {
            let status = client.post(CHAT, &Manner::Whole.body()).await.status;
            if status != 429 {
                return status;
            }
        }
    });
    until("the request to be under way", || (provider.count() > before).then_some(())).await;
    set();
    provider.release();
    assert_eq!(running.await.expect("no panic"), 200);
    let is_free = async || gateway.with_key(SINGLE).post(CHAT, &Manner::Whole.body()).await.status == 200;
    eventually("the place to be free", is_free).await;
}

#[tokio::test]
async fn a_gateway_whose_clock_is_set_limits_as_before_and_charges_nothing_twice() {
    let clock = Clock::start();
    let (provider, other) = (Simulator::start().await, Simulator::start().await);
    let soon = moment(UNIX_EPOCH.elapsed().expect("a time after 1970").as_secs() + HOUR.unsigned_abs() / 2);
    let gateway = crowd::gateway(&provider)
        .clock(&clock)
        .provider("other", Kind::OpenAi, &other)
        .model("chat", &[("other", "gpt-sim"), ("anthropic", "claude-sim")])
        .model("dear", &[("anthropic", DEAR)])
        .with(json!({"prices": {"unpriced": {"input": 1, "output": 1}}}))
        .with(json!({"prices": {"models": {format!("anthropic/{DEAR}"): {"input": 0, "output": 0, "per_request": 10_000}}}}))
        .with(json!({"circuit": {"failures": 2, "open": "50m", "longest": "50m"}}))
        .key(Key::new("test", KEY))
        .key(limited())
        .key(single())
        .key(Key::new("expires", EXPIRES).expires(&soon))
        .start()
        .await;
    let by = async || gateway.chat(&ask("chat", "hi")).await.header("x-sluice-provider").map(str::to_owned);
    let accepted = async || gateway.with_key(EXPIRES).post(CHAT, &ask("reads", "hi")).await.status;
    assert_eq!(accepted().await, 200);
    let mut at = 0;
    for step in [-HOUR, HOUR, 2 * HOUR, -3 * HOUR] {
        // Another target serves while the circuit of the first is open.
        other.always("status=503");
        eventually("the circuit to open", async || {
            let before = other.count();
            assert_eq!(by().await.as_deref(), Some("anthropic"));
            other.count() == before
        })
        .await;
        other.clear();
        passes_again(&gateway, set_to(&clock, at + step)).await;
        at += step;
        // The circuit does not stay open longer because of the clock.
        eventually("the first target to be asked", async || by().await.as_deref() == Some("other")).await;
        assert_eq!(accepted().await, if at > 0 { 401 } else { 200 }, "at {at}");
        step_during_a_request(&gateway, &provider, set_to(&clock, at - step)).await;
        step_during_a_request(&gateway, &provider, set_to(&clock, at)).await;
    }
    let lines = gateway.quiet().await;
    assert_eq!(spent(&gateway, SINGLE, "dear").await, logged(&lines, "single"));
}

fn set_to(clock: &Clock, seconds: i64) -> impl FnOnce() + '_ {
    move || clock.set(seconds)
}

#[tokio::test]
async fn a_redis_whose_clock_is_set_limits_as_before_and_charges_nothing_twice() {
    let clock = Clock::start();
    let redis = Redis::with_clock(&clock).await;
    let webdis = Webdis::start(&redis).await;
    let provider = Simulator::start().await;
    let gateway = crowd::gateway(&provider)
        .key(Key::new("test", KEY))
        .key(limited())
        .key(single())
        .redis(&webdis)
        .with(json!({"redis": {"when_down": "deny"}}))
        .start()
        .await;
    let mut at = 0;
    for step in [-HOUR, HOUR, 2 * HOUR, -3 * HOUR] {
        passes_again(&gateway, set_to(&clock, at + step)).await;
        at += step;
        step_during_a_request(&gateway, &provider, set_to(&clock, at - step)).await;
        step_during_a_request(&gateway, &provider, set_to(&clock, at)).await;
    }
    let lines = gateway.quiet().await;
    all_settled(&redis).await;
    assert_eq!(in_redis(&redis, "key=single"), logged(&lines, "single"));
    assert_eq!(in_accounts(&redis, "single") + in_accounts(&redis, "limited"), PRICE.total(&provider.used().await));
    assert_eq!(gateway.counter("sluice.redis.unavailable").await, 0);
}
