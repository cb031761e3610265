//! Weighted targets: each gets its share, and related requests stay together.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use sluice_tests::client::Client;
use sluice_tests::gateway::{Builder, Key};
use tokio::task::JoinSet;

use super::{Three, counts, model, server, target};
use crate::{CHAT, ask, with};

fn weighted(name: &str, weights: [u32; 3], more: Value) -> Value {
    let targets = ["a", "b", "c"].into_iter().zip(weights);
    let targets: Vec<Value> = targets.map(|(provider, weight)| target(provider, json!({"weight": weight}))).collect();
    model(name, &targets, with(json!({"strategy": "weighted"}), more))
}

/// The settings that the tests here share.
pub fn settings(builder: Builder) -> Builder {
    let models = [
        weighted("shared-out", [70, 20, 10], json!({})),
        weighted("by-header", [1, 1, 1], json!({"sticky": {"header": "X-Session"}})),
        weighted("by-user", [1, 1, 1], json!({"sticky": "user"})),
        weighted("by-key", [1, 1, 1], json!({"sticky": "key"})),
        weighted("comes-back", [1, 1, 1], json!({"sticky": {"header": "x-session"}})),
    ];
    let keys = (0..30).map(|key| Key::new(&format!("key-{key}"), &format!("sk-{key}")));
    keys.fold(models.into_iter().fold(builder, Builder::with), Builder::key)
}

/// Sends this many requests, eight at a time; returns the provider of each.
async fn servers(client: &Client, model: &'static str, count: usize) -> Vec<String> {
    let mut asking = JoinSet::new();
    for part in 0..8 {
        let client = client.clone();
        asking.spawn(async move {
            let mut servers = Vec::new();
            for _ in 0..count / 8 + usize::from(part < count % 8) {
                servers.push(server(&client.post(CHAT, &ask(model, "hi")).await));
            }
            servers
        });
    }
    asking.join_all().await.concat()
}

/// Each target's number of requests is within four and a half standard deviations of its share. A run exceeds that by chance once in some
/// fifty thousand.
#[tokio::test]
async fn each_target_gets_its_share() {
    const REQUESTS: usize = 600;
    let three = Three::lease().await;
    let counts = counts(servers(&three.gateway.client(), "shared-out", REQUESTS).await);
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
    let three = Three::start(|builder| builder.with(weighted("chat", [1, 0, 0], json!({}))).with(settings)).await;
    assert_eq!(counts(servers(&three.gateway.client(), "chat", 40).await), counts(vec!["a".to_owned(); 40]));
    three.a.always("status=503");
    let elsewhere = servers(&three.gateway.client(), "chat", 8).await;
    assert!(elsewhere.iter().all(|server| server != "a"), "{elsewhere:?}");
}

/// Sends requests for all these values in turn, several times. Each value has one provider, and all providers serve.
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
    let three = Three::lease().await;
    let client = |value: usize| three.gateway.client().header("x-session", &format!("session-{value}"));
    let requests: Vec<(Client, Value)> = (0..30).map(|value| (client(value), ask("by-header", "hi"))).collect();
    never_moves(&requests).await;
}

#[tokio::test]
async fn what_is_sticky_by_the_user_never_moves() {
    let three = Three::lease().await;
    let body = |user: usize| with(ask("by-user", "hi"), json!({"user": format!("user-{user}")}));
    let requests: Vec<(Client, Value)> = (0..30).map(|user| (three.gateway.client(), body(user))).collect();
    never_moves(&requests).await;
}

#[tokio::test]
async fn what_is_sticky_by_the_key_never_moves() {
    let three = Three::lease().await;
    let client = |key: usize| three.gateway.with_key(&format!("sk-{key}"));
    let requests: Vec<(Client, Value)> = (0..30).map(|key| (client(key), ask("by-key", "hi"))).collect();
    never_moves(&requests).await;
}

/// While a value's target fails, another serves; afterwards its own target serves again.
#[tokio::test]
async fn what_is_sticky_comes_back_to_its_own_target() {
    let three = Three::lease().await;
    let client = three.gateway.client().header("x-session", "one");
    let own = server(&client.post(CHAT, &ask("comes-back", "hi")).await);
    let simulator = match &*own {
        "a" => &three.a,
        "b" => &three.b,
        _ => &three.c,
    };
    simulator.script(&["status=503"; 4]);
    let mut others = BTreeSet::new();
    for _ in 0..4 {
        others.insert(server(&client.post(CHAT, &ask("comes-back", "hi")).await));
    }
    assert!(others.len() == 1 && !others.contains(&own), "to one other: {others:?}, not {own}");
    assert_eq!(server(&client.post(CHAT, &ask("comes-back", "hi")).await), own);
}
