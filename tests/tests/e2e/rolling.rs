//! Gateways that share a Redis are replaced while clients send requests: one after the other, as in a rolling restart, or because one was
//! killed.
//!
//! `SLUICE_OLD_WASM` or `SLUICE_OLD_NATIVE` names an earlier version of the module, which the replaced gateways then run. Without it, old
//! and new gateways differ in their gateway files only.

use serde_json::{Value, json};
use sluice_tests::client::Client;
use sluice_tests::gateway::build::Build;
use sluice_tests::gateway::{Builder, Gateway, KEY, Key};
use sluice_tests::redis::Store;
use sluice_tests::simulator::Simulator;
use sluice_tests::{eventually, until};

use crate::crowd::{self, Crowd, Manner, PRICE};
use crate::money::{all_settled, dollars, in_accounts, in_redis, logged, open_reservations};
use crate::{CHAT, SHORT, refusal, with};

/// A key whose budget covers all of the test.
const MANY: &str = "sk-many";
/// A key whose budget is used up during the test.
const FEW: &str = "sk-few";
/// The number of reservations that the small budget has room for.
const ROOM: u64 = 150;
/// The provider's model whose streams wait in the middle.
const WAITS: &str = "claude-sim+pause-after=4";

fn clients(gateways: &[&Gateway], secret: &str) -> Vec<Client> {
    gateways.iter().map(|gateway| gateway.with_key(secret)).collect()
}

/// The gateways of a rolling restart, and the clients of both keys.
struct Restart {
    gateways: Vec<Gateway>,
    many: Crowd,
    few: Crowd,
    provider: Simulator,
}

impl Restart {
    /// Adds a gateway, and then takes the one at this place out as Kubernetes does: SIGTERM, no further requests as soon as it is not ready,
    /// and the end when its requests have ended. One of them, a stream, ends long after the others.
    async fn replace(&mut self, old: usize, new: Builder) {
        self.gateways.push(new.start().await);
        let leaving = &self.gateways[old];
        let waits = with(Manner::Stream.body(), json!({"model": "waits"})).to_string();
        let mut last = leaving.with_key(MANY).open("POST", CHAT, waits).await.expect("an answer");
        last.next().await.expect("a beginning");
        leaving.tell_to_end();
        until("the end to be known", || leaving.errors().contains("health checks fail from now on").then_some(()))
            .await;
        let staying: Vec<_> = self.gateways[old + 1..].iter().collect();
        self.many.goes_to(&clients(&staying, MANY));
        self.few.goes_to(&clients(&staying, FEW));
        until("the wait", || leaving.errors().contains("for requests in progress").then_some(())).await;
        self.provider.go_on();
        assert!(last.finish().await.complete);
        let end = until("the old gateway to end", || leaving.ended()).await;
        assert_eq!(end, "exit status 0", "{}", leaving.errors());
        self.many.served(100).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn in_a_rolling_restart_counts_stay_exact_and_no_request_fails() {
    let (limit, used) = restarted(json!({"mode": "strict"})).await;
    assert!(used.iter().sum::<u64>() <= limit, "{used:?} of {limit}");
}

/// Each gateway knows at least of its own requests.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn in_a_rolling_restart_in_relaxed_mode_no_usage_is_lost_and_no_request_fails() {
    let (limit, used) = restarted(json!({"mode": "relaxed"})).await;
    assert!(used.iter().all(|used| *used <= limit), "{used:?} of {limit}");
}

/// Replaces two gateways under load. Returns the small budget, and what each of the gateways used of it.
async fn restarted(redis: Value) -> (u64, Vec<u64>) {
    let store = Store::lease().await;
    let provider = Simulator::start().await;
    let limit = ROOM * crowd::reserved().await;
    let new = crowd::gateway(&provider)
        .model("waits", &[("anthropic", WAITS)])
        .price(&format!("anthropic/{WAITS}"), PRICE.input, PRICE.output)
        .key(Key::new("many", MANY).budget(json!({"total": 1000})))
        .key(Key::new("few", FEW).budget(json!({"total": dollars(limit)})))
        .store(&store)
        .with(json!({"redis": {"when_down": "deny"}}))
        .with(json!({"redis": redis}))
        .argument("--drain")
        .argument("60s");
    let old = new.clone().module(&Build::under_test().older_module());
    let new = new.with(json!({"teams": {"later": {"budget": {"total": 1}}}}));
    let gateways = vec![old.clone().start().await, old.start().await];
    let both: Vec<_> = gateways.iter().collect();
    let (many, few) = (Crowd::start(6, &clients(&both, MANY)), Crowd::start(2, &clients(&both, FEW)));
    let mut restart = Restart { gateways, many, few, provider };
    restart.many.served(100).await;
    for old in [0, 1] {
        restart.replace(old, new.clone()).await;
    }
    // By now the small budget is used up.
    restart.few.turned_away(20).await;
    let Restart { gateways, many, few, provider } = restart;
    assert_eq!(many.leave().await, [], "requests that failed");
    let refused = few.leave().await;
    assert!(refused.iter().all(|status| *status == Some(429)), "{refused:?}");

    let mut logs: Vec<_> = gateways[..2].iter().map(Gateway::log).collect();
    for gateway in &gateways[2..] {
        logs.push(gateway.quiet().await);
        assert_eq!(gateway.counter("sluice.redis.unavailable").await, 0);
    }
    let lines = logs.concat();
    // A fifth of the clients disconnect in the middle of a stream.
    let failed = |line: &&Value| line["status"] != 429 && !line["error"].is_null() && line["error"] != "interrupted";
    assert_eq!(lines.iter().find(failed), None);
    let (redis, names) = (store.redis(), ["many", "few"]);
    all_settled(redis).await;
    let used = names.map(|key| logged(&lines, key));
    assert_eq!(used.iter().sum::<u64>(), PRICE.total(&provider.used().await), "the provider's ledger");
    println!("{} requests; of the small budget of {limit}, {} is used", provider.count(), used[1]);
    let counted =
        || [names.map(|key| in_redis(redis, &format!("key={key}"))), names.map(|key| in_accounts(redis, key))];
    // In relaxed mode the last exchange may be still to come.
    until("Redis to have all usage", || (counted() == [used; 2]).then_some(())).await;
    assert!(used[1] + crowd::reserved().await > limit, "{} of {limit}", used[1]);
    (limit, logs.iter().map(|lines| logged(lines, "few")).collect())
}

#[tokio::test]
async fn what_a_killed_gateway_had_reserved_serves_others_when_its_leases_end() {
    let store = Store::lease().await;
    let redis = store.redis();
    let provider = Simulator::start().await;
    let cost = crowd::reserved().await;
    let builder = crowd::gateway(&provider)
        .key(Key::new("test", KEY).budget(json!({"total": dollars(4 * cost)})))
        .store(&store)
        .with(json!({"redis": {"when_down": "deny"}}))
        // A lease is as long as this.
        .timeout("total", SHORT);
    let (mut first, second) = (builder.clone().start().await, builder.start().await);
    assert_eq!(first.chat(&Manner::Whole.body()).await.status, 200);
    let mut lines = first.quiet().await;
    all_settled(redis).await;
    let settled = in_redis(redis, "key=test");
    assert_eq!(settled, logged(&lines, "test"));

    provider.hold();
    let held = [(); 3].map(|()| tokio::spawn(Manner::Whole.send(first.client(), |_| ())));
    until("the requests to be under way", || (provider.count() == 4).then_some(())).await;
    assert_eq!(refusal(&second.chat(&Manner::Whole.body()).await), (429, "insufficient_quota".to_owned()));
    first.kill_envoy().await;
    for client in held {
        assert_eq!(client.await.expect("no panic"), None, "the connection breaks");
    }
    assert_eq!(in_redis(redis, "key=test"), settled + 3 * cost, "what was reserved is still held");
    provider.release();
    first.restart().await;
    eventually("the leases to end", async || second.chat(&Manner::Whole.body()).await.status == 200).await;
    assert_eq!(first.chat(&Manner::Whole.body()).await.status, 200);
    for gateway in [&first, &second] {
        lines.extend(gateway.quiet().await);
    }
    assert!(lines.iter().all(|line: &Value| line["status"] == 200 || line["status"] == 429), "{lines:?}");
    // What was settled before the kill is still there; the lost requests are counted nowhere.
    let expected = logged(&lines, "test");
    until("Redis to have what was served", || (in_redis(redis, "key=test") == expected).then_some(())).await;
    assert_eq!(in_accounts(redis, "test"), expected);
    assert_eq!(open_reservations(redis).values().sum::<u64>(), 0);
}
