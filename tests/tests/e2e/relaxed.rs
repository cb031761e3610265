//! Relaxed mode: each Envoy counts locally, and its background role exchanges counts through a real Redis.

use std::cell::RefCell;
use std::ops::Deref;
use std::time::Instant;

use serde_json::{Value, json};
use sluice_core::store::embedded::ShardId;
use sluice_tests::gateway::{Builder, Gateway, Key, Kind};
use sluice_tests::redis::{Connection, Redis, Webdis};
use sluice_tests::shared::{self, Fixture, Lease, Shared};
use sluice_tests::simulator::Simulator;
use sluice_tests::{PATIENCE, until};

use crate::{CHAT, ask, refusal};

/// The sync interval of the background roles.
const SYNC: &str = "100ms";
/// The cost of one request in micro-dollars.
const PRICE: u64 = 1_000_000;

/// The teams of the tests here, and the number of requests that each budget covers. Each test counts on its own team, and a background
/// role keeps the teams that it started with. So all tests share the same gateways in turn.
const TEAMS: [(&str, u64); 3] = [("uses-up", 10), ("loads", 3_000), ("loses", 20)];

/// Two gateways that share a Redis, and a provider.
struct Both {
    redis: Redis,
    _webdis: Webdis,
    provider: Simulator,
    gateways: [Gateway; 2],
}

static BOTH: Shared<Both> = Shared::new(1, || Box::pin(Both::start()));

impl Both {
    async fn start() -> Self {
        let redis = Redis::start().await;
        let webdis = Webdis::start(&redis).await;
        let provider = Simulator::start().await;
        let gateway = async || {
            let redis = json!({"url": webdis.url(), "mode": "relaxed", "sync": SYNC, "timeout": "10s"});
            let price = json!({"input": 0, "output": 0, "per_request": 1});
            let builder = Gateway::builder()
                .provider("openai", Kind::OpenAi, &provider)
                .model("chat", &[("openai", "gpt-sim")])
                .with(json!({"prices": {"models": {"openai/gpt-sim": price}}}))
                .with(json!({"redis": redis}))
                .concurrency(2);
            let with_team = |builder: Builder, (team, requests)| {
                let builder = builder.key(Key::new(team, team).team(team));
                builder.with(json!({"teams": {team: {"budget": {"total": requests}}}}))
            };
            TEAMS.into_iter().fold(builder, with_team).start().await
        };
        let gateways = [gateway().await, gateway().await];
        Self { redis, _webdis: webdis, provider, gateways }
    }
}

impl Fixture for Both {
    async fn renew(&mut self) -> bool {
        for gateway in &mut self.gateways {
            shared::renew(gateway, &[&self.provider]).await;
        }
        true
    }
}

/// The gateways, and the team of one test.
struct Scene {
    both: Lease<Both>,
    team: &'static str,
}

impl Deref for Scene {
    type Target = Both;

    fn deref(&self) -> &Both {
        &self.both
    }
}

impl Scene {
    async fn of(team: &'static str) -> Self {
        Self { both: BOTH.lease().await, team }
    }

    /// Whether a gateway admits a request.
    async fn passes(&self, gateway: usize) -> bool {
        let answer = self.gateways[gateway].with_key(self.team).post(CHAT, &ask("chat", "hi")).await;
        if answer.status == 200 {
            return true;
        }
        assert_eq!(refusal(&answer), (429, "insufficient_quota".to_owned()));
        false
    }

    /// The number of requests that Redis has counted on the budget.
    fn paid(&self) -> u64 {
        let names = self.redis.command(&["KEYS", &format!("*team={}/usd/total", self.team)]);
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
    let scene = Scene::of("uses-up").await;
    for _ in 0..10 {
        assert!(scene.passes(0).await);
    }
    assert!(!scene.passes(0).await);
    scene.paid_for(10).await;
    // The other gateway has never counted on this budget, so it has not asked for it. The requests it admits until then are the overshoot.
    let started = Instant::now();
    let mut passed = 0;
    while scene.passes(1).await {
        passed += 1;
        assert!(started.elapsed() < PATIENCE, "the other never hears");
        scene.paid_for(10 + passed).await;
    }
    assert!((1..=3).contains(&passed), "{passed}: a few exchanges");
    scene.paid_for(10 + passed).await;
    assert_eq!(scene.provider.count() as u64, 10 + passed);
}

/// The number of exchanges that each gateway has begun, from Redis.
type Exchanges = [u64; 2];

/// An admitted request, and the number of exchanges when it was sent and when it completed.
#[derive(Debug, Clone, Copy)]
struct Passed {
    sent: Exchanges,
    done: Exchanges,
}

/// The Redis names with the number of each gateway's last exchange.
struct Rounds {
    redis: RefCell<Connection>,
    names: [String; 2],
}

impl Rounds {
    /// Makes each gateway exchange something, to learn its name.
    async fn of(scene: &Scene) -> Self {
        let mut names: Vec<String> = Vec::new();
        for gateway in [0, 1] {
            assert!(scene.passes(gateway).await);
            scene.paid_for(gateway as u64 + 1).await;
            let all = scene.redis.command(&["KEYS", &format!("*:b:*:{}", ShardId::of(scene.team).number())]);
            let new = |name: &&str| !names.iter().any(|known| known == name);
            let name = all.as_array().into_iter().flatten().filter_map(Value::as_str).find(new).expect("a new one");
            names.push(name.to_owned());
        }
        let redis = Connection::open(scene.redis.port()).expect("a connection to Redis");
        Self { redis: RefCell::new(redis), names: names.try_into().expect("one of each gateway") }
    }

    fn now(&self) -> Exchanges {
        let [one, other] = &self.names;
        let numbers = self.redis.borrow_mut().command(&["MGET", one, other]).expect("an answer").expect("no error");
        [0, 1].map(|gateway| numbers[gateway].as_str().and_then(|number| number.parse().ok()).expect("a number"))
    }
}

/// The maximum number of a stream's requests between two exchanges.
const BETWEEN: usize = 50;

/// Sends several streams of requests to one gateway until each is rejected; returns the admitted requests, by stream and in order.
async fn load(scene: &Scene, rounds: &Rounds, gateway: usize) -> [Vec<Passed>; 3] {
    let stream = async || {
        let mut passed = Vec::new();
        loop {
            let sent = rounds.now();
            if !scene.passes(gateway).await {
                return passed;
            }
            passed.push(Passed { sent, done: rounds.now() });
            // Makes sure that exchanges happen meanwhile, even on a fast machine.
            if passed.len().is_multiple_of(BETWEEN) {
                until("an exchange", || (rounds.now()[gateway] > sent[gateway]).then_some(())).await;
            }
        }
    };
    let (a, b, c) = tokio::join!(stream(), stream(), stream());
    [a, b, c]
}

/// The number of the other gateway's requests that this one certainly knew when it last admitted a request.
///
/// A request is in the second exchange after its response at the latest, since the next may have been in flight. A gateway knows Redis's
/// state as of its last exchange but one, since the last reply may be in flight.
fn known(own: &[Vec<Passed>], other: &[Vec<Passed>], gateway: usize) -> usize {
    let last = own.iter().filter_map(|stream| stream.last()).map(|last| last.sent[gateway]).min();
    let known = last.unwrap_or_default().saturating_sub(1);
    // All observations, of either gateway.
    let seen: Vec<Exchanges> = [own, other].concat().concat().iter().flat_map(|one| [one.sent, one.done]).collect();
    let told = seen.iter().filter(|seen| seen[gateway] < known).map(|seen| seen[1 - gateway]).max().unwrap_or_default();
    other.iter().flatten().filter(|passed| passed.done[1 - gateway] + 2 <= told).count()
}

#[tokio::test]
async fn under_load_the_overshoot_is_what_the_other_reserves_within_two_exchanges() {
    const BUDGET: usize = 3_000;
    let scene = Scene::of("loads").await;
    let rounds = Rounds::of(&scene).await;
    let (one, other) = tokio::join!(load(&scene, &rounds, 0), load(&scene, &rounds, 1));
    let counts = [&one, &other].map(|streams| 1 + streams.iter().map(Vec::len).sum::<usize>());
    let passed = counts[0] + counts[1];
    scene.paid_for(passed as u64).await;
    assert_eq!(scene.provider.count(), passed);
    let known = [1 + known(&one, &other, 0), 1 + known(&other, &one, 1)];
    println!(
        "{passed} passed of {BUDGET}: {counts:?}, in {:?} exchanges; of the other's were known {known:?}",
        rounds.now()
    );
    assert!(passed >= BUDGET, "{passed}: neither refuses before the budget is used up");
    assert!(counts[0] + known[0] <= BUDGET, "{counts:?}; the first knew of {known:?}");
    assert!(counts[1] + known[1] <= BUDGET, "{counts:?}; the second knew of {known:?}");
    assert!(known.iter().all(|known| *known > BUDGET / 10), "{known:?}: nothing would be found out");
    assert!(!scene.passes(0).await && !scene.passes(1).await);
}

#[tokio::test]
async fn an_outage_of_redis_loses_nothing_and_stops_nobody() {
    let scene = Scene::of("loses").await;
    for gateway in [0, 0, 1] {
        assert!(scene.passes(gateway).await);
    }
    scene.paid_for(3).await;
    scene.redis.kill();
    for gateway in [0, 1, 1, 0, 1] {
        assert!(scene.passes(gateway).await, "each decides by itself");
    }
    // Long enough for batches to get no reply.
    let silent = |gateway: &Gateway| gateway.errors().contains("Redis does not answer").then_some(());
    until("the background roles to notice", || silent(&scene.gateways[0]).and(silent(&scene.gateways[1]))).await;
    assert!(scene.passes(0).await);
    scene.redis.restart().await;
    scene.paid_for(9).await;
    let mut passed = 9;
    let started = Instant::now();
    while scene.passes(passed % 2).await {
        passed += 1;
        scene.paid_for(passed as u64).await;
        assert!(started.elapsed() < PATIENCE);
    }
    assert!((20..=22).contains(&passed), "{passed}: both know of all, one of them a request or two later");
}
