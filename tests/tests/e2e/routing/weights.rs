//! Weighted targets: each gets its share, and what belongs together stays together.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use sluice_tests::client::Client;
use sluice_tests::gateway::Key;
use tokio::task::JoinSet;

use super::{Three, counts, model, server, target};
use crate::{CHAT, ask, with};

fn weighted(weights: [u32; 3], more: Value) -> Value {
    let targets = ["a", "b", "c"].into_iter().zip(weights);
    let targets: Vec<Value> = targets.map(|(provider, weight)| target(provider, json!({"weight": weight}))).collect();
    model("chat", json!(targets), with(json!({"strategy": "weighted"}), more))
}

/// Asks so often, eight requests at a time, and gives back who served each.
async fn servers(client: &Client, count: usize) -> Vec<String> {
    let mut asking = JoinSet::new();
    for part in 0..8 {
        let client = client.clone();
        asking.spawn(async move {
            let mut servers = Vec::new();
            for _ in 0..count / 8 + usize::from(part < count % 8) {
                servers.push(server(&client.post(CHAT, &ask("chat", "hi")).await));
            }
            servers
        });
    }
    asking.join_all().await.concat()
}

/// Of so many requests each target's number is within four and a half standard deviations of its share: by chance a run is
/// outside once in some fifty thousand.
#[tokio::test]
async fn each_target_gets_its_share() {
    const REQUESTS: usize = 600;
    let three = Three::start(|builder| builder.concurrency(2).with(weighted([70, 20, 10], json!({})))).await;
    let counts = counts(servers(&three.gateway.client(), REQUESTS).await);
    println!("of {REQUESTS} with weights 70, 20, 10: {counts:?}");
    for (provider, share) in [("a", 0.7), ("b", 0.2), ("c", 0.1)] {
        let count = counts.get(provider).copied().unwrap_or_default() as f64;
        let expected = REQUESTS as f64 * share;
        let deviation = (expected * (1.0 - share)).sqrt();
        assert!((count - expected).abs() <= 4.5 * deviation, "{provider}: {count}, not {expected}: {counts:?}");
    }
}

#[tokio::test]
async fn a_weight_of_zero_serves_only_when_the_others_fail() {
    let settings = json!({"circuit": {"failures": 1000}});
    let three = Three::start(|builder| builder.with(weighted([1, 0, 0], json!({}))).with(settings)).await;
    assert_eq!(counts(servers(&three.gateway.client(), 40).await), counts(vec!["a".to_owned(); 40]));
    three.a.always("status=503");
    let elsewhere = servers(&three.gateway.client(), 8).await;
    assert!(elsewhere.iter().all(|server| server != "a"), "{elsewhere:?}");
}

/// Asks for all these values, several times, in turn; each value is served by one provider, and all providers serve.
async fn never_moves(requests: &[(Client, Value)]) {
    let mut places = vec![BTreeSet::new(); requests.len()];
    for _ in 0..6 {
        for ((client, body), place) in requests.iter().zip(&mut places) {
            place.insert(server(&client.post(CHAT, body).await));
        }
    }
    assert!(places.iter().all(|place| place.len() == 1), "moved: {places:?}");
    let all: BTreeSet<&String> = places.iter().flatten().collect();
    assert_eq!(all.len(), 3, "all at the same: {places:?}");
}

#[tokio::test]
async fn what_is_sticky_by_a_header_never_moves() {
    let sticky = json!({"sticky": {"header": "X-Session"}});
    let three = Three::start(|builder| builder.concurrency(2).with(weighted([1, 1, 1], sticky))).await;
    let client = |value: usize| three.gateway.client().header("x-session", &format!("session-{value}"));
    let requests: Vec<(Client, Value)> = (0..30).map(|value| (client(value), ask("chat", "hi"))).collect();
    never_moves(&requests).await;
}

#[tokio::test]
async fn what_is_sticky_by_the_user_never_moves() {
    let three =
        Three::start(|builder| builder.concurrency(2).with(weighted([1, 1, 1], json!({"sticky": "user"})))).await;
    let body = |user: usize| with(ask("chat", "hi"), json!({"user": format!("user-{user}")}));
    let requests: Vec<(Client, Value)> = (0..30).map(|user| (three.gateway.client(), body(user))).collect();
    never_moves(&requests).await;
}

#[tokio::test]
async fn what_is_sticky_by_the_key_never_moves() {
    let three = Three::start(|builder| {
        let builder = builder.concurrency(2).with(weighted([1, 1, 1], json!({"sticky": "key"})));
        (0..30).fold(builder, |builder, key| builder.key(Key::new(&format!("key-{key}"), &format!("sk-{key}"))))
    })
    .await;
    let client = |key: usize| three.gateway.with_key(&format!("sk-{key}"));
    let requests: Vec<(Client, Value)> = (0..30).map(|key| (client(key), ask("chat", "hi"))).collect();
    never_moves(&requests).await;
}

/// While its own target fails a value is served elsewhere, and by its own again afterwards.
#[tokio::test]
async fn what_is_sticky_comes_back_to_its_own_target() {
    let sticky = json!({"sticky": {"header": "x-session"}});
    let settings = json!({"circuit": {"failures": 1000}});
    let three = Three::start(|builder| builder.with(weighted([1, 1, 1], sticky)).with(settings)).await;
    let client = three.gateway.client().header("x-session", "one");
    let own = server(&client.post(CHAT, &ask("chat", "hi")).await);
    let simulator = match &*own {
        "a" => &three.a,
        "b" => &three.b,
        _ => &three.c,
    };
    simulator.script(&["status=503"; 4]);
    let mut others = BTreeSet::new();
    for _ in 0..4 {
        others.insert(server(&client.post(CHAT, &ask("chat", "hi")).await));
    }
    assert!(others.len() == 1 && !others.contains(&own), "to one other: {others:?}, not {own}");
    assert_eq!(server(&client.post(CHAT, &ask("chat", "hi")).await), own);
}
