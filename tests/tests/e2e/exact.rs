//! A budget that covers exactly k of N concurrent requests admits exactly k. Afterwards its count equals the provider's ledger to the
//! micro-dollar: with one Envoy's workers, and with three Envoys on one Redis.
//!
//! The provider responds only when all N are decided, so only reservations decide. Some admitted requests are streams whose clients
//! disconnect in the middle: see [`crowd`](crate::crowd).

use serde_json::{Value, json};
use sluice_tests::gateway::{Builder, Gateway, Key, Kind};
use sluice_tests::redis::Store;
use sluice_tests::simulator::{Outcome, Recorded, Simulator};
use sluice_tests::wrk::Wrk;
use sluice_tests::{eventually, until};

use crate::crowd::{self, Manner, PRICE, SEEN};
use crate::money::{all_settled, dollars, in_accounts, in_redis, logged, spent};
use crate::{CHAT, with};

const ROUNDS: usize = 50;
const REQUESTS: usize = 25;
/// The number of concurrent requests of `wrk`.
const CONNECTIONS: usize = 6;
/// The key of `wrk`, in the same team as all others.
const BUSY: &str = "sk-busy";
/// The response to `wrk` has a delay, so that `wrk` does not use up a small machine's time.
const LOAD: &str = "claude-sim+wait=5+burst";
/// A model that costs more than the team's budget.
const DEAR: &str = "claude-dear";

/// The key of a round, which has its own budget.
fn secret(round: usize) -> String {
    format!("sk-round-{round}")
}

/// The number of a round's requests that its budget covers.
fn covered(round: usize) -> usize {
    1 + round * 7 % (REQUESTS - 1)
}

/// A gateway with a provider for the rounds, and one for the load.
fn gateway(provider: &Simulator, busy: &Simulator) -> Builder {
    let price = json!({"input": 0, "output": 0, "per_request": 10_000});
    crowd::gateway(provider)
        .provider("busy", Kind::Anthropic, busy)
        .model("load", &[("busy", LOAD)])
        .model("dear", &[("busy", DEAR)])
        .price(&format!("busy/{LOAD}"), PRICE.input, PRICE.output)
        .with(json!({"prices": {"models": {format!("busy/{DEAR}"): price}}}))
        .with(json!({"teams": {"test": {"budget": {"total": 1000}}}}))
}

/// Adds a key for each round. Its budget covers exactly the round's requests; in every other round it has a rest that covers no further
/// request.
async fn with_keys(gateway: Builder) -> Builder {
    let cost = crowd::reserved().await;
    let with_key = |gateway: Builder, round: usize| {
        let budget = covered(round) as u64 * cost + if round.is_multiple_of(2) { 0 } else { cost - 1 };
        gateway.key(Key::new(&format!("r{round}"), &secret(round)).budget(json!({"total": dollars(budget)})))
    };
    // Its requests count on the same team, but never reach a limit.
    let busy = Key::new("busy", BUSY).limits(json!({"requests_per_minute": 1_000_000_000}));
    (0..ROUNDS).fold(gateway, with_key).key(busy)
}

/// Load by `wrk` on every gateway, from the first round to the last.
struct Load {
    wrks: Vec<Wrk>,
}

impl Load {
    fn start(gateways: &[Gateway]) -> Self {
        let body = with(Manner::Stream.body(), json!({"model": "load"}));
        let wrk = |gateway: &Gateway| Wrk::start(&gateway.with_key(BUSY), CHAT, &body, CONNECTIONS / gateways.len());
        Self { wrks: gateways.iter().map(wrk).collect() }
    }

    /// Stops the load in the middle: every connection's last stream has received as much as a disconnecting client reads. Returns the
    /// number of complete responses.
    async fn leave(self, gateways: &[Gateway], provider: &Simulator) -> u64 {
        provider.always("tokens=9+stall-after=8+burst");
        let stalled = |request: &Recorded| {
            request.outcome == Outcome::Answering && request.used.is_some_and(|used| used.output == SEEN)
        };
        let all = || provider.latest().iter().filter(|request| stalled(request)).count() == CONNECTIONS;
        until("all of wrk's streams to stall", || all().then_some(())).await;
        for gateway in gateways {
            // The gateway holds a response until its first content, and this one arrives in one piece.
            eventually("wrk to have what the provider sent", async || {
                let sent = gateway.statistic("http.sluice.downstream_rq_completed").await;
                sent == gateway.statistic("http.sluice.downstream_rq_total").await
            })
            .await;
        }
        let mut answered = 0;
        for wrk in self.wrks {
            let report = wrk.stop().await;
            assert_eq!((report.refused, report.broken), (0, 0));
            answered += report.answered;
        }
        println!("wrk has read {answered} answers, and left {CONNECTIONS}");
        answered
    }
}

/// Runs all rounds; returns the cost of each by the provider's ledger.
async fn play(gateways: &[Gateway], provider: &Simulator) -> Vec<u64> {
    let mut costs = Vec::new();
    for round in 0..ROUNDS {
        costs.push(play_round(round, gateways, provider).await);
    }
    costs
}

async fn play_round(round: usize, gateways: &[Gateway], provider: &Simulator) -> u64 {
    let client = |number: usize| gateways[number % gateways.len()].with_key(&secret(round));
    let send = |number, told| Manner::of(number + round).send(client(number), told);
    let (statuses, passed) = crowd::decided(provider, REQUESTS, send).await;
    assert!(statuses.iter().all(|status| matches!(status, Some(200 | 429))), "{statuses:?}");
    let answered = statuses.iter().filter(|status| **status == Some(200)).count();
    assert_eq!((passed, answered), (covered(round), covered(round)), "in round {round}");
    let ledger = provider.settled(passed).await;
    assert_eq!(ledger.len(), passed, "in round {round}");
    for request in ledger.iter().filter(|request| request.outcome == Outcome::Cancelled) {
        assert_eq!(request.used.map(|used| used.output), Some(SEEN), "{request:?}");
    }
    PRICE.sum(&ledger)
}

/// The log lines of all requests.
async fn log(gateways: &[Gateway]) -> Vec<Value> {
    let mut lines = Vec::new();
    for gateway in gateways {
        lines.extend(gateway.quiet().await);
    }
    lines
}

/// About a fifth of the admitted clients disconnected in the middle, and so did the requests of `wrk` in flight at its end.
fn check_leavers(lines: &[Value], answered: u64) {
    let (busy, rounds): (Vec<_>, Vec<_>) = lines.iter().partition(|line| line["key"] == "busy");
    let passed = |lines: &[&Value]| lines.iter().filter(|line| line["status"] == 200).count();
    let left = |lines: &[&Value]| lines.iter().filter(|line| line["error"] == "interrupted").count();
    let (of_rounds, of_load) = (left(&rounds), left(&busy));
    assert_eq!(rounds.len(), ROUNDS * REQUESTS);
    assert!((passed(&rounds) / 10..passed(&rounds) * 3 / 10).contains(&of_rounds), "{of_rounds} left");
    assert_eq!((of_load, passed(&busy), busy.len()), (CONNECTIONS, busy.len(), answered as usize + CONNECTIONS));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_many_at_once_as_many_pass_as_a_budget_covers_with_two_workers() {
    let (provider, busy) = (Simulator::start().await, Simulator::start().await);
    let gateway = [with_keys(gateway(&provider, &busy).concurrency(2)).await.start().await];
    let load = Load::start(&gateway);
    let costs = play(&gateway, &provider).await;
    let answered = load.leave(&gateway, &busy).await;
    let lines = log(&gateway).await;
    check_leavers(&lines, answered);
    let of_load = PRICE.total(&busy.used().await);
    assert_eq!(logged(&lines, "busy"), of_load);
    assert_eq!(spent(&gateway[0], BUSY, "dear").await, of_load + costs.iter().sum::<u64>(), "the team's");
    for (round, cost) in costs.into_iter().enumerate() {
        assert_eq!(logged(&lines, &format!("r{round}")), cost, "in round {round}");
        assert_eq!(spent(&gateway[0], &secret(round), "reads").await, cost, "in round {round}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_many_at_once_as_many_pass_as_a_budget_covers_with_three_envoys() {
    let store = Store::lease().await;
    let redis = store.redis();
    let (provider, busy) = (Simulator::start().await, Simulator::start().await);
    let strict = json!({"redis": {"when_down": "deny"}});
    let builder = with_keys(gateway(&provider, &busy)).await.store(&store).with(strict);
    let mut gateways = Vec::new();
    for _ in 0..3 {
        gateways.push(builder.clone().start().await);
    }
    let load = Load::start(&gateways);
    let costs = play(&gateways, &provider).await;
    let answered = load.leave(&gateways, &busy).await;
    let lines = log(&gateways).await;
    check_leavers(&lines, answered);
    all_settled(redis).await;
    let of_load = PRICE.total(&busy.used().await);
    assert_eq!((logged(&lines, "busy"), in_accounts(redis, "busy")), (of_load, of_load));
    assert_eq!(in_redis(redis, "team=test"), of_load + costs.iter().sum::<u64>(), "the team's");
    for (round, cost) in costs.into_iter().enumerate() {
        let key = format!("r{round}");
        assert_eq!((logged(&lines, &key), in_redis(redis, &format!("key={key}"))), (cost, cost), "in round {round}");
        assert_eq!(in_accounts(redis, &key), cost, "in round {round}");
    }
    for gateway in &gateways {
        assert_eq!(gateway.counter("sluice.redis.unavailable").await, 0);
    }
}
