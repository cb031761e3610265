//! Graceful shutdown: the readiness status, the requests that may finish, and the ones that are cut.

use serde_json::{Value, json};
use sluice_tests::client::{Client, Open};
use sluice_tests::gateway::build::Build;
use sluice_tests::gateway::{Gateway, KEY, Key, Signal};
use sluice_tests::redis::Store;
use sluice_tests::simulator::Simulator;
use sluice_tests::{eventually, until};
use tokio::task::JoinHandle;

use crate::crowd::{self, Manner, PRICE};
use crate::money::{in_redis, logged, open_reservations};
use crate::{CHAT, Pair, ask, refusal, with};

fn streamed(model: &str) -> String {
    with(ask(model, "say one two three four five six"), json!({"stream": true})).to_string()
}

async fn pair(drain: &'static str) -> Pair {
    Pair::with(|builder| builder.argument("--drain").argument(drain)).await
}

/// The status of `/ready`; `None` once the listener is closed.
async fn ready(gateway: &Gateway) -> Option<u16> {
    gateway.anonymous().request("GET", "/ready", "").await.ok().map(|answer| answer.status)
}

fn accepts(gateway: &Gateway) -> bool {
    std::net::TcpStream::connect(("127.0.0.1", gateway.port())).is_ok()
}

async fn finished(gateway: &Gateway) -> String {
    until("the command to end", || gateway.ended()).await
}

#[tokio::test]
async fn told_to_end_it_is_not_ready_at_once_and_ends_when_its_streams_have() {
    let pair = pair("60s").await;
    pair.openai.always("pause-after=3");
    let mut open = pair.gateway.client().open("POST", CHAT, streamed("openai")).await.expect("an answer");
    open.next().await.expect("a beginning");
    assert_eq!(ready(&pair.gateway).await, Some(200));

    pair.gateway.tell_to_end();
    until("the listener to close", || (!accepts(&pair.gateway)).then_some(())).await;
    assert!(pair.gateway.alive(), "a stream is under way");
    pair.openai.go_on();
    let answer = open.finish().await;
    assert!(answer.text().contains("[DONE]"), "{}", answer.text());
    assert_eq!(finished(&pair.gateway).await, "exit status 0", "{}", pair.gateway.errors());
    let lines = pair.gateway.log();
    assert_eq!((lines.len(), &lines[0]["error"]), (1, &Value::Null), "{lines:?}");
}

#[tokio::test]
async fn before_it_stops_accepting_it_says_that_it_is_not_ready_and_serves() {
    let pair = pair("60s").await;
    pair.gateway.tell_to_end();
    until("the end to be known", || pair.gateway.errors().contains("health checks fail from now on").then_some(()))
        .await;
    let answer = pair.gateway.anonymous().request("GET", "/ready", "").await.expect("an answer");
    assert_eq!((answer.status, answer.json()), (503, json!({"status": "draining"})));
    assert_eq!(pair.gateway.anonymous().request("GET", "/health", "").await.expect("an answer").status, 200);
    assert_eq!(pair.gateway.chat(&ask("openai", "hi")).await.status, 200);
    assert_eq!(finished(&pair.gateway).await, "exit status 0", "{}", pair.gateway.errors());
}

#[tokio::test]
async fn what_does_not_end_in_time_is_cut_and_logged_as_such() {
    for twice in [false, true] {
        let pair = pair(if twice { "60s" } else { "1s" }).await;
        pair.openai.always("stall-after=3");
        let mut open = pair.gateway.client().open("POST", CHAT, streamed("openai")).await.expect("an answer");
        open.next().await.expect("a beginning");
        pair.gateway.interrupt();
        if twice {
            until("the wait", || pair.gateway.errors().contains("for requests in progress").then_some(())).await;
            pair.gateway.tell_to_end();
        }
        assert_eq!(finished(&pair.gateway).await, "exit status 0", "{}", pair.gateway.errors());
        assert!(!open.finish().await.text().contains("[DONE]"));
        let lines = pair.gateway.log();
        assert_eq!(lines.len(), 1, "{lines:?}");
        assert_eq!((&lines[0]["error"], &lines[0]["abandoned"]), (&json!("shutdown"), &json!(null)), "{lines:?}");
        assert!(lines[0]["output_tokens"].as_u64().is_some_and(|tokens| tokens > 0), "{lines:?}");
    }
}

#[tokio::test]
async fn the_last_request_is_settled_before_the_gateway_ends() {
    settles_its_last_request(json!({"mode": "strict"})).await;
}

#[tokio::test]
async fn in_relaxed_mode_the_last_request_reaches_redis_before_the_gateway_ends() {
    // Without a wait for it, the last exchange would rarely come in time.
    settles_its_last_request(json!({"mode": "relaxed", "sync": "2s"})).await;
}

#[tokio::test]
async fn what_is_cut_is_charged_in_redis_as_in_the_log() {
    for (redis, drain) in [
        (json!({"mode": "strict"}), "1s"),
        (json!({"mode": "strict"}), "0s"),
        (json!({"mode": "relaxed", "sync": "500ms"}), "1s"),
    ] {
        let scene = Cut::begin(&redis, drain).await;
        scene.gateway.interrupt();
        assert_eq!(finished(&scene.gateway).await, "exit status 0", "{}", scene.gateway.errors());
        scene.assert_charged(&format!("{redis} {drain}")).await;
    }
}

#[tokio::test]
async fn a_native_envoy_that_is_told_to_end_charges_what_it_cuts() {
    // A wasm module cannot do this: the reservations expire with their lease.
    if Build::under_test().has_vms() {
        return;
    }
    let scene = Cut::begin(&json!({"mode": "strict"}), "60s").await;
    scene.gateway.signal_envoy(Signal::TERM).await;
    scene.assert_charged("without the command").await;
}

#[tokio::test]
async fn while_redis_is_told_of_the_last_requests_new_ones_are_refused_until_another_signal() {
    let (store, provider) = (Store::lease().await, Simulator::start().await);
    let gateway = crowd::gateway(&provider)
        .key(Key::new("test", KEY))
        .store(&store)
        .with(json!({"redis": {"mode": "relaxed", "sync": "10s"}}))
        .argument("--drain")
        .argument("0s")
        .start()
        .await;
    gateway.interrupt();
    let shuts_down = (503, "gateway_shutting_down".to_owned());
    eventually("a refusal", async || {
        let answer = gateway.chat(&Manner::Whole.body()).await;
        answer.status != 200 && refusal(&answer) == shuts_down
    })
    .await;
    assert_eq!(gateway.anonymous().request("GET", "/health", "").await.expect("an answer").status, 200);
    gateway.interrupt();
    assert_eq!(finished(&gateway).await, "exit status 0", "{}", gateway.errors());
}

/// A gateway with two requests in flight: a stream that has begun and does not end, and one whose provider has not responded.
struct Cut {
    store: Store,
    gateway: Gateway,
    stream: Open,
    silent: JoinHandle<bool>,
    _provider: Simulator,
}

impl Cut {
    async fn begin(redis: &Value, drain: &'static str) -> Self {
        let store = Store::lease().await;
        let provider = Simulator::start().await;
        let gateway = crowd::gateway(&provider)
            .key(Key::new("test", KEY).budget(json!({"total": 1000})))
            .store(&store)
            .with(json!({"redis": redis}))
            .argument("--drain")
            .argument(drain)
            .start()
            .await;
        let client = gateway.client();
        let mut stream = client.open("POST", CHAT, Manner::Leaves.body().to_string()).await.expect("an answer");
        stream.next().await.expect("a beginning");
        provider.hold();
        let silent = tokio::spawn(async move {
            let answer = client.request("POST", CHAT, Manner::Whole.body().to_string()).await;
            answer.is_ok_and(|answer| answer.complete)
        });
        until("both requests to reach the provider", || (provider.count() == 2).then_some(())).await;
        Self { store, gateway, stream, silent, _provider: provider }
    }

    async fn assert_charged(self, case: &str) {
        assert!(!self.stream.finish().await.complete, "{case}");
        assert!(!self.silent.await.expect("no panic"), "{case}");
        let lines = self.gateway.log();
        assert_eq!(lines.len(), 2, "{case}: {lines:?}");
        for line in &lines {
            assert_eq!((&line["error"], &line["abandoned"]), (&json!("shutdown"), &json!(null)), "{case}: {lines:?}");
            assert!(line["input_tokens"].as_u64().is_some_and(|tokens| tokens > 0), "{case}: {lines:?}");
        }
        assert!(open_reservations(self.store.redis()).is_empty(), "{case}");
        assert_eq!(in_redis(self.store.redis(), "key=test"), logged(&lines, "test"), "{case}: {lines:?}");
    }
}

async fn settles_its_last_request(redis: Value) {
    let store = Store::lease().await;
    let provider = Simulator::start().await;
    let mut gateway = crowd::gateway(&provider)
        .key(Key::new("test", KEY).budget(json!({"total": 1000})))
        .store(&store)
        .with(json!({"redis": redis}))
        .argument("--drain")
        .argument("60s")
        .start()
        .await;
    for round in 0..3 {
        if round > 0 {
            gateway.restart().await;
        }
        provider.always("pause-after=4");
        let mut open = gateway.client().open("POST", CHAT, Manner::Stream.body().to_string()).await.expect("an answer");
        open.next().await.expect("a beginning");
        gateway.interrupt();
        until("the wait", || gateway.errors().contains("for requests in progress").then_some(())).await;
        provider.go_on();
        assert!(open.finish().await.complete);
        assert_eq!(finished(&gateway).await, "exit status 0", "{}", gateway.errors());
        assert!(open_reservations(store.redis()).is_empty(), "in round {round}");
        assert_eq!(in_redis(store.redis(), "key=test"), PRICE.total(&provider.used().await), "in round {round}");
        provider.clear();
        store.redis().command(&["FLUSHALL"]);
    }
}

#[tokio::test]
async fn a_hang_up_ends_nothing_and_a_killed_command_takes_envoy_with_it() {
    let pair = pair("60s").await;
    pair.gateway.signal(Signal::HUP);
    assert_eq!(pair.gateway.chat(&ask("openai", "hi")).await.status, 200);
    pair.gateway.signal(Signal::KILL);
    until("the port to be free", || (!accepts(&pair.gateway)).then_some(())).await;
    let client = Client::new(pair.gateway.port());
    assert!(client.request("GET", "/health", "").await.is_err());
}
