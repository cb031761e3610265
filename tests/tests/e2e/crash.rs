//! Redis, Webdis and Envoy die under load. Spending is never lost: it is exact again as soon as Redis responds. After an Envoy's death it
//! is higher by at most the Envoy's unsettled reservations.

use std::collections::BTreeMap;

use serde_json::json;
use sluice_tests::gateway::build::Build;
use sluice_tests::gateway::{Gateway, KEY, Key};
use sluice_tests::redis::Store;
use sluice_tests::simulator::Simulator;
use sluice_tests::{eventually, until};

use crate::crowd::{self, Crowd, Manner, PRICE};
use crate::money::{all_settled, in_redis, open_reservations};
use crate::recovery::trap_module;
use crate::{CHAT, ask, refusal, with};

/// A gateway that keeps its counters in Redis, for a crowd that never pauses.
struct Scene {
    store: Store,
    provider: Simulator,
    gateway: Gateway,
}

impl Scene {
    async fn start(when_down: &str) -> Self {
        let store = Store::lease().await;
        let provider = Simulator::start().await;
        let gateway = crowd::gateway(&provider)
            .key(Key::new("test", KEY).budget(json!({"total": 1000})))
            .store(&store)
            .with(json!({"redis": {"when_down": when_down}}))
            .concurrency(2)
            .start()
            .await;
        Self { store, provider, gateway }
    }

    fn crowd(&self) -> Crowd {
        Crowd::start(8, &[self.gateway.client()])
    }

    /// The provider's usage, after all its responses have ended.
    async fn ledger(&self) -> u64 {
        PRICE.total(&self.provider.used().await)
    }

    /// Waits until Redis has every request exactly once.
    async fn becomes_exact(&self) {
        let ledger = self.ledger().await;
        let lines = self.gateway.log().len();
        self.gateway.log_lines(lines).await;
        until("Redis to know what was spent", || (in_redis(self.store.redis(), "key=test") == ledger).then_some(()))
            .await;
        all_settled(self.store.redis()).await;
        assert_eq!(in_redis(self.store.redis(), "key=test"), ledger);
        assert_eq!(self.gateway.counter("sluice.store.unsettled").await, 0);
    }
}

/// Waits until a gateway notices that its Redis responds again.
pub async fn found_again(gateway: &Gateway, model: &str, secret: &str) {
    eventually("Redis to be found again", async || {
        gateway.with_key(secret).post(CHAT, &ask(model, "hi")).await;
        gateway.errors().contains("Redis answers again")
    })
    .await;
}

#[tokio::test]
async fn a_killed_redis_comes_back_to_what_was_spent_before_during_and_after() {
    for when_down in ["local", "allow", "deny"] {
        let scene = Scene::start(when_down).await;
        let crowd = scene.crowd();
        crowd.served(60).await;
        scene.store.redis().kill();
        if when_down == "deny" {
            crowd.turned_away(40).await
        } else {
            crowd.served(60).await
        }
        assert!(scene.gateway.counter("sluice.redis.unavailable").await > 0);
        assert!(scene.gateway.errors().contains("Redis does not answer"), "{}", scene.gateway.errors());
        scene.store.redis().restart().await;
        until("the gateway to find Redis again", || {
            scene.gateway.errors().contains("Redis answers again").then_some(())
        })
        .await;
        crowd.served(60).await;
        let others = crowd.leave().await;
        assert!(others.iter().all(|status| when_down == "deny" && *status == Some(503)), "{when_down}: {others:?}");
        scene.becomes_exact().await;
    }
}

#[tokio::test]
async fn a_killed_webdis_loses_nothing_and_charges_nothing_twice() {
    let scene = Scene::start("local").await;
    let crowd = scene.crowd();
    for _ in 0..3 {
        crowd.served(40).await;
        scene.store.webdis().kill();
        crowd.served(40).await;
        scene.store.webdis().restart().await;
    }
    crowd.served(40).await;
    assert_eq!(crowd.leave().await, []);
    scene.becomes_exact().await;
}

#[tokio::test]
async fn a_killed_envoy_leaves_at_most_what_it_had_reserved() {
    let mut scene = Scene::start("deny").await;
    let mut left = BTreeMap::new();
    for round in 0..3 {
        let crowd = scene.crowd();
        crowd.served(60).await;
        scene.gateway.kill_envoy().await;
        // Long enough for the last settlements to reach Redis.
        crowd.turned_away(40).await;
        left.extend(open_reservations(scene.store.redis()));
        scene.gateway.restart().await;
        crowd.served(60).await;
        let others = crowd.leave().await;
        assert!(others.iter().all(Option::is_none), "only connections may break: {others:?}");

        let ledger = scene.ledger().await;
        let settled =
            || open_reservations(scene.store.redis()).keys().all(|order| left.contains_key(order)).then_some(());
        until("the living Envoy to settle", settled).await;
        let (spent, most) = (in_redis(scene.store.redis(), "key=test"), ledger + left.values().sum::<u64>());
        assert!((ledger..=most).contains(&spent), "{spent} is not within {ledger} and {most} in round {round}");
    }
    assert!(!left.is_empty(), "the Envoys died in the middle of something");
}

#[tokio::test]
async fn without_redis_the_policy_says_what_clients_see() {
    for when_down in ["local", "allow", "deny"] {
        let store = Store::lease().await;
        let provider = Simulator::start().await;
        let gateway = crowd::gateway(&provider)
            .key(Key::new("test", KEY).limits(json!({"requests_per_minute": 3})))
            .store(&store)
            .with(json!({"redis": {"when_down": when_down}}))
            .start()
            .await;
        let first = gateway.chat(&ask("reads", "hi")).await;
        assert_eq!(first.header("x-ratelimit-remaining-requests"), Some("2"));
        store.redis().kill();
        let killed = std::time::Instant::now();
        for number in 0..5 {
            let answer = gateway.chat(&ask("reads", "hi")).await;
            match when_down {
                // A local count, which begins when Redis is down.
                "local" if number >= 3 => {
                    assert_eq!(refusal(&answer), (429, "rate_limit_exceeded".to_owned()));
                }
                "deny" => assert_eq!(refusal(&answer), (503, "limits_unavailable".to_owned())),
                _ => assert_eq!(answer.status, 200, "{when_down} {number}: {}", answer.text()),
            }
        }
        let unchecked = if when_down == "allow" { 5 } else { 0 };
        assert_eq!(gateway.counter("sluice.store.unchecked").await, unchecked, "{when_down}");
        // At most one request a second waits for the failing Redis.
        let most = 4.max(2 + killed.elapsed().as_secs());
        assert!((1..=most).contains(&gateway.counter("sluice.redis.unavailable").await), "{when_down}");
        // Pending settlements are sent here.
        store.redis().restart().await;
        found_again(&gateway, "reads", KEY).await;
    }
}

#[tokio::test]
async fn what_redis_carries_out_too_late_is_given_back() {
    for when_down in ["local", "allow", "deny"] {
        let store = Store::lease().await;
        let redis = store.redis();
        let provider = Simulator::start().await;
        let rules = Key::new("test", KEY).budget(json!({"total": 1000})).limits(json!({"concurrent_requests": 1}));
        let gateway = crowd::gateway(&provider)
            .key(rules)
            .store(&store)
            .with(json!({"redis": {"when_down": when_down, "timeout": "2s"}}))
            .start()
            .await;
        assert_eq!(gateway.chat(&Manner::Whole.body()).await.status, 200);
        all_settled(redis).await;
        // Redis delays commands beyond the gateway's timeout.
        redis.command(&["CLIENT", "PAUSE", "4000", "ALL"]);
        let answer = gateway.chat(&Manner::Whole.body()).await;
        assert_eq!(answer.status, if when_down == "deny" { 503 } else { 200 }, "{when_down}: {}", answer.text());
        all_settled(redis).await;
        assert_eq!(in_redis(redis, "key=test"), PRICE.sum(&provider.settled(1).await), "{when_down}");
        // On a busy machine the gateway may consider Redis down once more, for a second.
        let is_free = async || gateway.chat(&Manner::Whole.body()).await.status == 200;
        eventually("the place to be free again", is_free).await;
    }
}

#[tokio::test]
async fn a_panic_on_envoys_main_thread_ends_no_other_work_there() {
    if Build::under_test().has_vms() {
        return;
    }
    let (store, provider) = (Store::lease().await, Simulator::start().await);
    let gateway = crowd::gateway(&provider)
        .key(Key::new("test", KEY).budget(json!({"total": 1000})))
        .store(&store)
        .module(&trap_module())
        .start()
        .await;
    let trap = gateway.client().header("x-sluice-trap", "gateway.request_headers=main-thread");
    assert_eq!(trap.post(CHAT, &Manner::Whole.body()).await.status, 200);
    until("the panic", || gateway.errors().contains("main_thread.rs").then_some(())).await;
    assert_eq!(gateway.chat(&Manner::Whole.body()).await.status, 200);
    all_settled(store.redis()).await;
    assert_eq!(in_redis(store.redis(), "key=test"), PRICE.total(&provider.used().await));
    assert_eq!(gateway.terminate().await, "exit status 0");
}

#[tokio::test]
async fn a_native_gateway_that_ends_tells_redis_what_it_owes() {
    // A wasm module cannot do this: its reservations expire with their lease.
    if Build::under_test().has_vms() {
        return;
    }
    let scene = Scene::start("local").await;
    scene.provider.always("pause-after=5");
    let body = with(ask("reads", "say one two three four five six"), json!({"stream": true}));
    let mut open = scene.gateway.client().open("POST", CHAT, body.to_string()).await.expect("an answer");
    open.next().await.expect("a beginning");
    scene.store.webdis().kill();
    scene.provider.go_on();
    assert!(open.finish().await.complete);
    // From now on the gateway does not call Redis for a second.
    until("Redis to be missed", || scene.gateway.errors().contains("Redis does not answer").then_some(())).await;
    let (end, ()) = tokio::join!(scene.gateway.terminate(), scene.store.webdis().restart());
    assert_eq!(end, "exit status 0");
    assert!(open_reservations(scene.store.redis()).is_empty());
    assert_eq!(in_redis(scene.store.redis(), "key=test"), scene.ledger().await);
}
