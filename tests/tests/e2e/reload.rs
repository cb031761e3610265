//! The VM of a worker ends while requests have reservations open, which nobody will settle any more: the money stays charged
//! as it was reserved, and the places among concurrent requests come free again when no request can last that long.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use serde_json::json;
use sluice_tests::client::Open;
use sluice_tests::gateway::{Builder, Gateway, KEY, Key};
use sluice_tests::redis::{Redis, Webdis};
use sluice_tests::simulator::Simulator;
use sluice_tests::{eventually, until};
use tokio::task::JoinSet;

use crate::CHAT;
use crate::crowd::{self, Manner, PRICE};
use crate::money::{dollars, in_redis, spent};
use crate::recovery::trap_module;

/// As many as may be under way at the same time.
const PLACES: usize = 3;
/// The longest that a request may take.
const TOTAL: Duration = Duration::from_secs(8);

/// A gateway that a request can bring down.
struct Scene {
    provider: Simulator,
    gateway: Gateway,
    /// What is reserved for each request.
    cost: u64,
}

impl Scene {
    async fn start(settings: impl FnOnce(Builder) -> Builder) -> Self {
        let provider = Simulator::start().await;
        let builder = crowd::gateway(&provider);
        let cost = crowd::reserved().await;
        let key = Key::new("test", KEY)
            .limits(json!({"concurrent_requests": PLACES}))
            .budget(json!({"total": dollars(100 * cost)}));
        let module = trap_module().display().to_string();
        let builder =
            builder.key(key).timeout("total", &format!("{}s", TOTAL.as_secs())).argument("--wasm").argument(&module);
        Self { gateway: settings(builder).start().await, provider, cost }
    }

    async fn send(&self, manner: Manner) -> Open {
        self.gateway.client().open("POST", CHAT, manner.body().to_string()).await.expect("an answer")
    }

    /// Takes all places: a stream in its middle, and requests that wait for their provider. Then ends the VM, and with it
    /// whatever knew of them.
    async fn break_down(&self) {
        let mut stream = self.send(Manner::Leaves).await;
        stream.next().await.expect("no error yet").expect("a beginning");
        self.provider.hold();
        let mut waiting = JoinSet::new();
        for _ in 1..PLACES {
            waiting.spawn(Manner::Whole.send(self.gateway.client(), |_| ()));
        }
        until("all places to be taken", || (self.provider.count() == PLACES).then_some(())).await;
        let trap = self.gateway.client().header("x-sluice-trap", "1");
        let trapped = trap.request("POST", CHAT, Manner::Whole.body().to_string()).await;
        assert!(trapped.is_err() || trapped.is_ok_and(|answer| answer.status >= 500));
        // The provider's answers find nobody who would account for them.
        self.provider.release();
        assert!(waiting.join_all().await.iter().all(|status| *status != Some(200)));
        drop(stream);
        self.provider.settled(PLACES).await;
    }

    /// Waits until all places are free again, which none may be before its time.
    async fn recovers(&self, since: Instant) {
        eventually("all places to be free", async || self.fills_all_places().await).await;
        assert!(since.elapsed() >= TOTAL, "{:?}", since.elapsed());
    }

    /// Whether as many as there are places are served at the same time: each reaches the provider before any is answered.
    async fn fills_all_places(&self) -> bool {
        let before = self.provider.count();
        self.provider.hold();
        let (mut clients, refused) = (JoinSet::new(), Arc::new(AtomicUsize::default()));
        for _ in 0..PLACES {
            let (client, refused) = (self.gateway.client(), Arc::clone(&refused));
            clients.spawn(Manner::Whole.send(client, move |status| {
                refused.fetch_add(usize::from(status != 200), Ordering::SeqCst);
            }));
        }
        let reached = || self.provider.count() - before;
        until("all to be decided", || (reached() + refused.load(Ordering::SeqCst) >= PLACES).then_some(())).await;
        self.provider.release();
        let statuses = clients.join_all().await;
        let served = statuses.iter().filter(|status| **status == Some(200)).count();
        assert!(statuses.iter().all(|status| matches!(status, Some(200 | 429 | 500..))), "{statuses:?}");
        served == PLACES
    }

    /// What was reserved and never settled, and what the provider says of all requests since.
    async fn charged(&self) -> u64 {
        let ledger = self.provider.settled(PLACES).await;
        let (open, since) = ledger.split_at(PLACES);
        let charged = PLACES as u64 * self.cost + PRICE.sum(since);
        assert!(PRICE.sum(open) > 0 && PRICE.sum(&ledger) < charged);
        charged
    }
}

#[tokio::test]
async fn after_a_reload_places_come_free_and_money_stays_charged() {
    let scene = Scene::start(|builder| builder).await;
    let began = Instant::now();
    scene.break_down().await;
    scene.recovers(began).await;
    let lines = scene.gateway.quiet().await;
    let (charged, spent) = (scene.charged().await, spent(&scene.gateway, KEY, "reads").await);
    assert_eq!(spent, charged, "{lines:#?}");
}

#[tokio::test]
async fn after_a_reload_places_come_free_and_money_stays_charged_in_redis() {
    let redis = Redis::start().await;
    let webdis = Webdis::start(&redis).await;
    let strict = json!({"redis": {"when_down": "deny"}});
    let scene = Scene::start(|builder| builder.redis(&webdis).with(strict)).await;
    let began = Instant::now();
    scene.break_down().await;
    scene.recovers(began).await;
    scene.gateway.quiet().await;
    let charged = scene.charged().await;
    until("Redis to know what was spent", || (in_redis(&redis, "key=test") <= charged).then_some(())).await;
    assert_eq!(in_redis(&redis, "key=test"), charged);
}
