//! Relaxed mode: Envoys that count by themselves, and the keeper of each that exchanges counts through a real Redis.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use sluice_tests::gateway::{Gateway, Kind};
use sluice_tests::redis::{Redis, Webdis};
use sluice_tests::simulator::Simulator;
use sluice_tests::{PATIENCE, until};

use crate::{ask, refusal};

/// How often the keepers exchange counts here.
const SYNC: Duration = Duration::from_millis(200);
/// How long a keeper waits at most for Redis: the default.
const ROUND_TRIP: Duration = Duration::from_millis(250);
/// What one request costs, in micro-dollars.
const PRICE: u64 = 1_000_000;

/// Two gateways that share a Redis, a provider, and a team's budget.
struct Shared {
    redis: Redis,
    _webdis: Webdis,
    provider: Simulator,
    gateways: [Gateway; 2],
}

impl Shared {
    /// A budget for so many requests.
    async fn with(requests: u64) -> Self {
        let redis = Redis::start().await;
        let webdis = Webdis::start(&redis).await;
        let provider = Simulator::start().await;
        let gateway = async || {
            let redis = json!({"url": webdis.url(), "mode": "relaxed", "sync": format!("{}ms", SYNC.as_millis())});
            let price = json!({"input": 0, "output": 0, "per_request": 1});
            Gateway::builder()
                .provider("openai", Kind::OpenAi, &provider)
                .model("chat", &[("openai", "gpt-sim")])
                .with(json!({"teams": {"test": {"budget": {"total": requests}}}}))
                .with(json!({"prices": {"models": {"openai/gpt-sim": price}}}))
                .with(json!({"redis": redis}))
                .concurrency(2)
                .start()
                .await
        };
        let gateways = [gateway().await, gateway().await];
        Self { redis, _webdis: webdis, provider, gateways }
    }

    /// Whether a gateway lets a request pass.
    async fn passes(&self, gateway: usize) -> bool {
        let answer = self.gateways[gateway].chat(&ask("chat", "hi")).await;
        if answer.status == 200 {
            return true;
        }
        assert_eq!(refusal(&answer), (429, "insufficient_quota".to_owned()));
        false
    }

    /// How many requests the budget in Redis has paid for.
    fn paid(&self) -> u64 {
        let names = self.redis.command(&["KEYS", "*team=test/usd/total"]);
        let Some(name) = names[0].as_str() else { return 0 };
        let counts = self.redis.command(&["HVALS", name]);
        let counts = counts.as_array().into_iter().flatten().filter_map(Value::as_str);
        let paid: u64 = counts.map(|count| count.parse::<u64>().expect("a number")).sum();
        assert_eq!(paid % PRICE, 0);
        paid / PRICE
    }

    async fn paid_for(&self, requests: u64) {
        until(&format!("Redis to know of {requests} requests"), || (self.paid() == requests).then_some(())).await;
    }
}

#[tokio::test]
async fn what_one_envoy_used_up_the_other_refuses() {
    let shared = Shared::with(10).await;
    for _ in 0..10 {
        assert!(shared.passes(0).await);
    }
    assert!(!shared.passes(0).await);
    shared.paid_for(10).await;
    // The other has never counted on this budget, so it has not asked yet: what it lets pass till then is the overshoot.
    let started = Instant::now();
    let mut passed = 0;
    while shared.passes(1).await {
        passed += 1;
        assert!(started.elapsed() < PATIENCE, "the other never hears");
        shared.paid_for(10 + passed).await;
    }
    assert!((1..=3).contains(&passed), "{passed}: a few exchanges");
    shared.paid_for(10 + passed).await;
    assert_eq!(shared.provider.requests().len() as u64, 10 + passed);
}

/// From when to when a request was under way.
type Passed = (Instant, Instant);

/// Asks one gateway in several streams, until each was refused; gives the requests that passed.
async fn load(shared: &Shared, gateway: usize) -> Vec<Passed> {
    let stream = async || {
        let mut passed = Vec::new();
        loop {
            let sent = Instant::now();
            if !shared.passes(gateway).await {
                return passed;
            }
            passed.push((sent, Instant::now()));
        }
    };
    let (a, b, c) = tokio::join!(stream(), stream(), stream());
    [a, b, c].concat()
}

/// The most that can have been reserved within so long.
fn most_within(passed: &[Passed], time: Duration) -> usize {
    let within =
        |(from, _): &Passed| passed.iter().filter(|(sent, done)| done >= from && *sent <= *from + time).count();
    passed.iter().map(within).max().unwrap_or_default()
}

#[tokio::test]
async fn under_load_the_overshoot_is_what_the_other_reserves_within_two_exchanges() {
    const BUDGET: usize = 4_000;
    let shared = Shared::with(BUDGET as u64).await;
    let (one, other) = tokio::join!(load(&shared, 0), load(&shared, 1));
    let passed = one.len() + other.len();
    shared.paid_for(passed as u64).await;
    assert_eq!(shared.provider.requests().len(), passed);
    let bound = [&one, &other].map(|passed| most_within(passed, 2 * (SYNC + ROUND_TRIP)));
    println!("{passed} passed of {BUDGET}: {} and {}; the bounds are {bound:?}", one.len(), other.len());
    assert!(passed >= BUDGET, "{passed}: neither refuses before the budget is used up");
    assert!(passed - BUDGET <= bound[0].max(bound[1]), "{passed} passed of {BUDGET}; {bound:?}");
    assert!(!shared.passes(0).await && !shared.passes(1).await);
}

#[tokio::test]
async fn an_outage_of_redis_loses_nothing_and_stops_nobody() {
    let mut shared = Shared::with(20).await;
    for gateway in [0, 0, 1] {
        assert!(shared.passes(gateway).await);
    }
    shared.paid_for(3).await;
    shared.redis.kill();
    for gateway in [0, 1, 1, 0, 1] {
        assert!(shared.passes(gateway).await, "each decides by itself");
    }
    // Long enough for batches to be told to nobody.
    let silent = |gateway: &Gateway| gateway.errors().contains("Redis does not answer").then_some(());
    until("the keepers to notice", || silent(&shared.gateways[0]).and(silent(&shared.gateways[1]))).await;
    assert!(shared.passes(0).await);
    shared.redis.restart().await;
    shared.paid_for(9).await;
    let mut passed = 9;
    let started = Instant::now();
    while shared.passes(passed % 2).await {
        passed += 1;
        shared.paid_for(passed as u64).await;
        assert!(started.elapsed() < PATIENCE);
    }
    assert!((20..=21).contains(&passed), "{passed}: both know of all");
}
