//! The VM of a worker ends while requests have reservations open, which nobody will settle any more: when no request can
//! last that long, money, tokens and places are what they would be had those requests never come.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use sluice_tests::client::Open;
use sluice_tests::gateway::build::Build;
use sluice_tests::gateway::{Builder, KEY, Key};
use sluice_tests::redis::Store;
use sluice_tests::simulator::{Recorded, Simulator};
use sluice_tests::{eventually, until};
use tokio::task::JoinSet;

use crate::CHAT;
use crate::admin::site::Administered;
use crate::crowd::{self, Manner, PRICE};
use crate::money::dollars;
use crate::recovery::trap_module;

/// As many as may be under way at the same time.
const PLACES: usize = 3;
/// The longest that a request may take.
const TOTAL: Duration = Duration::from_secs(8);

/// What the key's counters have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Used {
    /// `None` where the store does not tell how many are under way.
    places: Option<u64>,
    micro_dollars: u64,
    tokens: u64,
}

/// A gateway that a request can bring down.
struct Scene {
    provider: Simulator,
    site: Administered,
    /// What is reserved for each request.
    cost: u64,
    /// Whether the store tells how many are under way.
    tells_places: bool,
}

impl Scene {
    async fn start(tells_places: bool, settings: impl FnOnce(Builder) -> Builder) -> Self {
        let provider = Simulator::start().await;
        let builder = crowd::gateway(&provider);
        let cost = crowd::reserved().await;
        let key = Key::new("test", KEY)
            .limits(json!({"concurrent_requests": PLACES, "tokens_per_day": 1_000_000}))
            .budget(json!({"total": dollars(100 * cost), "monthly": dollars(100 * cost)}));
        let module = trap_module();
        let builder = builder.key(key).timeout("total", &format!("{}s", TOTAL.as_secs())).module(&module);
        Self { site: Administered::start(settings(builder), json!({})).await, provider, cost, tells_places }
    }

    async fn send(&self, manner: Manner) -> Open {
        self.site.gateway.client().open("POST", CHAT, manner.body().to_string()).await.expect("an answer")
    }

    /// What the administrator sees of the key; nothing while the VM is made anew.
    async fn used(&self) -> Option<Used> {
        let answer = self.site.admin().request("GET", "/admin/v1/limits?of=key&name=test", "").await.ok()?;
        if answer.status >= 500 {
            return None;
        }
        let limits = answer.json();
        let used = |unit: &str, period: &str| {
            let shown = limits["limits"].as_array().into_iter().flatten();
            let mut shown = shown.filter(|limit| limit["unit"] == unit && limit["period"] == period);
            shown.next().and_then(|limit| limit["used"].as_u64()).unwrap_or_else(|| panic!("{unit} {period}: {limits}"))
        };
        let micro_dollars = used("micro_usd", "total");
        assert_eq!(micro_dollars, used("micro_usd", "month"));
        let places = self.tells_places.then(|| used("requests", "concurrent"));
        Some(Used { places, micro_dollars, tokens: used("tokens", "day") })
    }

    /// Nobody is under way, and this was used.
    fn at_rest(&self, requests: &[Recorded]) -> Used {
        let tokens = requests.iter().filter_map(|request| request.used).map(|used| used.input + used.output).sum();
        Used { places: self.tells_places.then_some(0), micro_dollars: PRICE.sum(requests), tokens }
    }

    /// Takes all places: a stream in its middle, and requests that wait for their provider. Then ends the VM, and with it
    /// whatever knew of them. Gives the stream, which goes on without a filter.
    async fn break_down(&self) -> Open {
        let mut stream = self.send(Manner::Leaves).await;
        stream.next().await.expect("no error yet").expect("a beginning");
        self.provider.hold();
        let mut waiting = JoinSet::new();
        for _ in 1..PLACES {
            waiting.spawn(Manner::Whole.send(self.site.gateway.client(), |_| ()));
        }
        until("all places to be taken", || (self.provider.count() == PLACES).then_some(())).await;
        eventually("the reservations to be seen", async || {
            self.used().await.is_some_and(|used| used.micro_dollars == PLACES as u64 * self.cost)
        })
        .await;
        let trap = self.site.gateway.client().header("x-sluice-trap", "1");
        let trapped = trap.request("POST", CHAT, Manner::Whole.body().to_string()).await;
        assert!(trapped.is_err() || trapped.is_ok_and(|answer| answer.status >= 500));
        // The provider's answers find nobody who would account for them.
        self.provider.release();
        assert!(waiting.join_all().await.iter().all(|status| *status != Some(200)));
        stream
    }

    /// Waits until nothing is held any more, which has to last as long as a request may.
    async fn recovers(&self, since: Instant) {
        eventually("all to come back", async || self.used().await == Some(self.at_rest(&[]))).await;
        assert!(since.elapsed() >= TOTAL, "{:?}", since.elapsed());
    }

    /// Whether as many as there are places are served at the same time: each reaches the provider before any is answered.
    async fn fills_all_places(&self) -> bool {
        let before = self.provider.count();
        self.provider.hold();
        let (mut clients, refused) = (JoinSet::new(), Arc::new(AtomicUsize::default()));
        for _ in 0..PLACES {
            let (client, refused) = (self.site.gateway.client(), Arc::clone(&refused));
            clients.spawn(Manner::Whole.send(client, move |status| {
                refused.fetch_add(usize::from(status != 200), Ordering::SeqCst);
            }));
        }
        let reached = || self.provider.count() - before;
        until("all to be decided", || (reached() + refused.load(Ordering::SeqCst) >= PLACES).then_some(())).await;
        self.provider.release();
        let statuses = clients.join_all().await;
        assert!(statuses.iter().all(|status| matches!(status, Some(200 | 429))), "{statuses:?}");
        statuses.iter().all(|status| *status == Some(200))
    }

    /// All of it: in the end the key has used what the provider says of the requests that came after the VM's end.
    async fn a_vm_ends(&self) {
        let began = Instant::now();
        let stream = self.break_down().await;
        self.recovers(began).await;
        drop(stream);
        eventually("all places to be free", async || self.fills_all_places().await).await;
        let lines: Vec<Value> = self.site.gateway.quiet().await;
        let ledger = self.provider.settled(PLACES).await;
        let (lost, since) = ledger.split_at(PLACES);
        assert!(PRICE.sum(lost) > 0 && PRICE.sum(since) > 0);
        let expected = Some(self.at_rest(since));
        eventually("the last to be settled", async || self.used().await == expected).await;
        assert_eq!(self.site.gateway.counter("sluice.store.unsettled").await, 0, "{lines:#?}");
    }
}

#[tokio::test]
async fn after_a_reload_all_that_was_reserved_comes_back() {
    if !Build::under_test().has_vms() {
        return;
    }
    Scene::start(true, |builder| builder).await.a_vm_ends().await;
}

#[tokio::test]
async fn after_a_reload_all_that_was_reserved_comes_back_in_redis() {
    if !Build::under_test().has_vms() {
        return;
    }
    let store = Store::lease().await;
    let patient = json!({"redis": {"timeout": "2s", "when_down": "deny"}});
    Scene::start(true, |builder| builder.store(&store).with(patient)).await.a_vm_ends().await;
}

#[tokio::test]
async fn after_a_reload_redis_hears_what_comes_back_in_relaxed_mode() {
    if !Build::under_test().has_vms() {
        return;
    }
    let store = Store::lease().await;
    let relaxed = json!({"redis": {"timeout": "2s", "mode": "relaxed", "sync": "100ms"}});
    Scene::start(false, |builder| builder.store(&store).with(relaxed)).await.a_vm_ends().await;
}
