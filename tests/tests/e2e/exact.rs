//! A budget that covers exactly k of N requests at the same time lets exactly k pass, and what it has counted afterwards is
//! what the provider's own ledger says, to the micro-dollar: with one Envoy's workers, and with three Envoys on one Redis.
//!
//! The provider answers nobody until all N are decided, so that nothing but reservations can decide. A part of those who
//! pass are streams whose clients leave in the middle: see [`crowd`](crate::crowd).

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use serde_json::{Value, json};
use sluice_tests::client::Client;
use sluice_tests::gateway::{Builder, Gateway, Key, Kind};
use sluice_tests::redis::{Redis, Webdis};
use sluice_tests::simulator::{Outcome, Simulator};
use sluice_tests::until;
use tokio::task::JoinSet;

use crate::crowd::{self, Manner, PRICE, SEEN};
use crate::money::{all_settled, dollars, in_redis, logged, reserved_for, spent};
use crate::{CHAT, ask};

const ROUNDS: usize = 50;
const REQUESTS: usize = 25;

/// Every round has a key with a budget of its own.
fn secret(round: usize) -> String {
    format!("sk-round-{round}")
}

/// How many of a round's requests its budget covers.
fn covered(round: usize) -> usize {
    1 + round * 7 % (REQUESTS - 1)
}

/// The gateway before a provider that is asked for answers, and one that is only asked for load.
fn gateway(provider: &Simulator, idler: &Simulator) -> Builder {
    crowd::gateway(provider).provider("idler", Kind::OpenAi, idler).model("load", &[("idler", "gpt-sim")]).price(
        "idler/gpt-sim",
        1.0,
        1.0,
    )
}

/// With a key for each round, whose budget covers what it says and not a micro-dollar less; in every other round as much
/// more as covers nothing.
async fn with_keys(gateway: Builder) -> Builder {
    let cost = reserved_for(gateway.clone(), &Manner::Whole.body()).await;
    let with_key = |gateway: Builder, round: usize| {
        let budget = covered(round) as u64 * cost + if round.is_multiple_of(2) { 0 } else { cost - 1 };
        gateway.key(Key::new(&format!("r{round}"), &secret(round)).budget(json!({"total": dollars(budget)})))
    };
    // Counted in the same place as the budgets, and never in their way.
    let busy = Key::new("busy", "sk-busy").limits(json!({"requests_per_minute": 1_000_000_000}));
    (0..ROUNDS).fold(gateway, with_key).key(busy)
}

/// Requests of nobody's interest, until it is told to end.
async fn load(clients: Vec<Client>, end: Arc<AtomicBool>) {
    for client in clients.iter().cycle() {
        if end.load(Ordering::SeqCst) {
            return;
        }
        assert_eq!(client.post(CHAT, &ask("load", "hi")).await.status, 200);
    }
}

/// Plays all rounds, and gives back what each cost by the provider's ledger.
async fn play(gateways: &[Gateway], provider: &Simulator) -> Vec<u64> {
    let end = Arc::new(AtomicBool::default());
    let mut busy = JoinSet::new();
    for _ in 0..4 {
        let clients = gateways.iter().map(|gateway| gateway.with_key("sk-busy")).collect();
        busy.spawn(load(clients, Arc::clone(&end)));
    }
    let mut costs = Vec::new();
    for round in 0..ROUNDS {
        costs.push(play_round(round, gateways, provider).await);
    }
    end.store(true, Ordering::SeqCst);
    busy.join_all().await;
    costs
}

async fn play_round(round: usize, gateways: &[Gateway], provider: &Simulator) -> u64 {
    provider.clear();
    provider.hold();
    let refused = Arc::new(AtomicUsize::default());
    let mut clients = JoinSet::new();
    for number in 0..REQUESTS {
        let client = gateways[number % gateways.len()].with_key(&secret(round));
        let refused = Arc::clone(&refused);
        clients.spawn(Manner::of(number + round).send(client, move |status| {
            refused.fetch_add(usize::from(status == 429), Ordering::SeqCst);
        }));
    }
    let decided = || refused.load(Ordering::SeqCst) + provider.requests().len() >= REQUESTS;
    until("all requests to be decided", || decided().then_some(())).await;
    let passed = provider.requests().len();
    provider.release();
    let statuses = clients.join_all().await;
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

/// The log's lines of all rounds, once each request has one.
async fn log(gateways: &[Gateway]) -> Vec<Value> {
    let lines = || gateways.iter().flat_map(Gateway::log).filter(|line| line["key"] != "busy").collect::<Vec<_>>();
    until("a line for each request", || Some(lines()).filter(|lines| lines.len() >= ROUNDS * REQUESTS)).await
}

/// About a fifth of those who passed left in the middle.
fn check_leavers(lines: &[Value]) {
    let passed = lines.iter().filter(|line| line["status"] == 200).count();
    let left = lines.iter().filter(|line| line["error"] == "interrupted").count();
    assert!((passed / 10..passed * 3 / 10).contains(&left), "{left} of {passed} left");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_many_at_once_as_many_pass_as_a_budget_covers_with_two_workers() {
    let (provider, idler) = (Simulator::start().await, Simulator::start().await);
    let gateway = [with_keys(gateway(&provider, &idler).concurrency(2)).await.start().await];
    let costs = play(&gateway, &provider).await;
    let lines = log(&gateway).await;
    check_leavers(&lines);
    for (round, cost) in costs.into_iter().enumerate() {
        assert_eq!(logged(&lines, &format!("r{round}")), cost, "in round {round}");
        assert_eq!(spent(&gateway[0], &secret(round), "reads").await, cost, "in round {round}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_many_at_once_as_many_pass_as_a_budget_covers_with_three_envoys() {
    let redis = Redis::start().await;
    let webdis = Webdis::start(&redis).await;
    let (provider, idler) = (Simulator::start().await, Simulator::start().await);
    // On a busy machine Redis, which writes everything to the disk at once, takes its time.
    let patient = json!({"redis": {"timeout": "10s", "when_down": "deny"}});
    let builder = with_keys(gateway(&provider, &idler)).await.redis(&webdis).with(patient);
    let mut gateways = Vec::new();
    for _ in 0..3 {
        gateways.push(builder.clone().start().await);
    }
    let costs = play(&gateways, &provider).await;
    let lines = log(&gateways).await;
    check_leavers(&lines);
    all_settled(&redis).await;
    for (round, cost) in costs.into_iter().enumerate() {
        let key = format!("r{round}");
        assert_eq!((logged(&lines, &key), in_redis(&redis, &key)), (cost, cost), "in round {round}");
        assert_eq!(in_accounts(&redis, &key), cost, "in round {round}");
    }
    for gateway in &gateways {
        assert_eq!(gateway.counter("sluice.redis.unavailable").await, 0);
    }
}

/// What the accounts of the day, or of two days at midnight, say that a key spent.
fn in_accounts(redis: &Redis, key: &str) -> u64 {
    let names = redis.command(&["KEYS", &format!("{{sluice}}:a:key:*:{key}")]);
    let names = names.as_array().expect("a list").iter().filter_map(Value::as_str);
    let sum = |name| redis.command(&["HGET", name, "cost"]).as_str().and_then(|sum| sum.parse::<u64>().ok());
    names.map(|name| sum(name).expect("a sum")).sum()
}
