//! Virtual keys: admission, and the reasons for rejections, which only the log has.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use sluice_tests::client::Answer;
use sluice_tests::gateway::{Builder, KEY, Key};
use sluice_tests::redis::{Redis, Store};
use sluice_tests::shared::Shared;
use sluice_tests::until;

use crate::crash::found_again;
use crate::{CHAT, Single, ask, refusal};

/// Well-formed keys with valid checksums: the gateway looks up no others in Redis.
const FIRST: &str = "sk-sluice-EndToEndTestsFirstKey0000000qB1EH";
const SECOND: &str = "sk-sluice-EndToEndTestsSecondKey0000022Afvh";
const PAST: &str = "2020-01-01T00:00:00Z";
const FUTURE: &str = "2999-01-01T00:00:00Z";

fn models(builder: Builder) -> Builder {
    let models = ["gpt-4", "gpt-5", "other"];
    models.iter().fold(builder, |builder, model| builder.model(model, &[("openai", "gpt-sim")]))
}

/// A gateway with the keys of all tests that need no Redis.
static KEYED: Shared<Single> = Shared::new(1, || {
    let keys = [
        Key::new("test", KEY),
        Key::new("revoked", "sk-revoked").set("revoked", json!(true)),
        Key::new("expired", "sk-expired").expires(PAST),
        Key::new("rotated", "sk-new").previous("sk-old", PAST),
        Key::new("both", "sk-both").set("revoked", json!(true)).expires(PAST),
        Key::new("twice", "sk-newer").previous("sk-older", FUTURE).limits(json!({"requests_per_minute": 2})),
        Key::new("here", "sk-here").set("sources", json!(["10.0.0.0/8", "127.0.0.0/8"])),
        Key::new("there", "sk-there").set("sources", json!(["10.0.0.0/8", "::1"])),
        Key::new("lists", "sk-lists").set("endpoints", json!(["/v1/models"])),
        Key::new("chats", "sk-chats").set("endpoints", json!(["/v1/chat/*"])),
        Key::new("some", "sk-some").models(&["gpt-*"]),
    ];
    Box::pin(Single::with(|builder| keys.into_iter().fold(models(builder), Builder::key)))
});

#[tokio::test]
async fn the_log_tells_apart_what_clients_are_not_told() {
    let keyed = KEYED.lease().await;
    let gateway = &keyed.gateway;
    let mut told: Vec<Answer> = Vec::new();
    for (number, (secret, word)) in [
        ("sk-nobodys", "unknown_api_key"),
        (FIRST, "unknown_api_key"),
        ("sk-sluice-mistyped", "malformed_api_key"),
        ("sk-revoked", "revoked_api_key"),
        ("sk-both", "revoked_api_key"),
        ("sk-expired", "expired_api_key"),
        ("sk-old", "expired_api_key"),
    ]
    .into_iter()
    .enumerate()
    {
        let answer = gateway.with_key(secret).post(CHAT, &ask("gpt-4", "hi")).await;
        assert_eq!(refusal(&answer), (401, "invalid_api_key".to_owned()), "{secret}");
        assert_eq!(gateway.log_lines(number + 1).await[number]["error"], word, "{secret}");
        told.push(answer);
    }
    assert!(told.iter().all(|answer| answer.body == told[0].body), "all are told the same: {told:?}");
    assert_eq!(gateway.with_key("sk-new").post(CHAT, &ask("gpt-4", "hi")).await.status, 200);
    assert_eq!(keyed.provider.count(), 1);
}

#[tokio::test]
async fn a_rotated_key_has_two_secrets_until_its_date() {
    let keyed = KEYED.lease().await;
    let gateway = &keyed.gateway;
    for secret in ["sk-newer", "sk-older"] {
        assert_eq!(gateway.with_key(secret).post(CHAT, &ask("gpt-4", "hi")).await.status, 200, "{secret}");
    }
    assert!(gateway.log_lines(2).await.iter().all(|line| line["key"] == "twice"));
    // Both secrets are one key, with one count.
    let third = gateway.with_key("sk-older").post(CHAT, &ask("gpt-4", "hi")).await;
    assert_eq!(refusal(&third), (429, "rate_limit_exceeded".to_owned()));
}

#[tokio::test]
async fn a_key_admits_from_its_addresses_to_its_paths_and_for_its_models() {
    let keyed = KEYED.lease().await;
    let gateway = &keyed.gateway;
    let chat = async |secret: &str, model: &str| gateway.with_key(secret).post(CHAT, &ask(model, "hi")).await;
    let list = async |secret: &str| gateway.with_key(secret).request("GET", "/v1/models", "").await.expect("an answer");
    for (secret, model) in [("sk-here", "other"), ("sk-chats", "other"), ("sk-some", "gpt-4"), ("sk-some", "gpt-5")] {
        assert_eq!(chat(secret, model).await.status, 200, "{secret} {model}");
    }
    assert_eq!(list("sk-lists").await.status, 200);
    for (answer, status, code) in [
        (chat("sk-there", "other").await, 401, "ip_not_authorized"),
        (chat("sk-lists", "other").await, 403, "endpoint_not_allowed"),
        (list("sk-chats").await, 403, "endpoint_not_allowed"),
        (chat("sk-some", "other").await, 403, "model_not_allowed"),
    ] {
        assert_eq!(refusal(&answer), (status, code.to_owned()));
    }
    let names = |answer: Answer| {
        let listed = answer.json()["data"].as_array().cloned().unwrap_or_default();
        listed.into_iter().map(|model| model["id"].clone()).collect::<Vec<Value>>()
    };
    assert_eq!(names(list("sk-some").await), ["gpt-4", "gpt-5"]);
    assert_eq!(names(list("sk-here").await), ["gpt-4", "gpt-5", "other"]);
    // A client cannot forge its address with a header.
    let forged = gateway.with_key("sk-there").header("x-forwarded-for", "10.0.0.1");
    assert_eq!(forged.post(CHAT, &ask("gpt-4", "hi")).await.status, 401);
}

fn write(redis: &Redis, key: &Key) {
    redis.command(&["SET", &redis.name(&format!("key:{}", key.sha256())), &key.record().to_string()]);
}

#[tokio::test]
async fn keys_in_redis_come_change_and_go_without_a_restart() {
    let store = Store::lease().await;
    let redis = store.redis();
    let single = Single::with(|builder| {
        models(builder)
            .store(&store)
            .with(json!({"redis": {"key_cache": "1s"}}))
            .price("openai/gpt-sim", 1.0, 1.0)
            .model("unpriced", &[("openai", "gpt-new")])
    })
    .await;
    let gateway = &single.gateway;
    let chat = async |secret: &str| gateway.with_key(secret).post(CHAT, &ask("gpt-4", "hi")).await;
    let becomes = async |secret: &str, status: u16| {
        let trying = async { while chat(secret).await.status != status {} };
        tokio::time::timeout(sluice_tests::PATIENCE, trying).await.expect("the change to be seen");
    };
    assert_eq!(refusal(&chat(FIRST).await), (401, "invalid_api_key".to_owned()));
    let key = Key::new("first", FIRST).models(&["gpt-4", "unpriced"]).budget(json!({"total": 1}));
    write(redis, &key);
    becomes(FIRST, 200).await;
    assert_eq!(gateway.with_key(FIRST).post(CHAT, &ask("gpt-5", "hi")).await.status, 403);
    // The same error that the file check reports for a key in the file.
    let unpriced = gateway.with_key(FIRST).post(CHAT, &ask("unpriced", "hi")).await;
    assert_eq!(refusal(&unpriced), (403, "model_not_priced".to_owned()));
    write(redis, &key.set("revoked", json!(true)));
    becomes(FIRST, 401).await;
    until("the log to tell why", || gateway.log().into_iter().find(|line| line["error"] == "revoked_api_key")).await;
    // The file's keys need no Redis.
    assert_eq!(chat(KEY).await.status, 200);
}

#[tokio::test]
async fn without_redis_keys_that_were_seen_go_on() {
    let store = Store::lease().await;
    let redis = store.redis();
    let cache = json!({"redis": {"key_cache": "1s"}});
    let single = Single::with(|builder| models(builder).store(&store).with(cache)).await;
    let gateway = &single.gateway;
    write(redis, &Key::new("first", FIRST));
    write(redis, &Key::new("second", SECOND));
    let chat = async |secret: &str| gateway.with_key(secret).post(CHAT, &ask("gpt-4", "hi")).await;
    assert_eq!(chat(FIRST).await.status, 200);
    redis.kill();
    // Waits beyond the lifetime of a cached record while Redis responds.
    let killed = Instant::now();
    let mut late = false;
    while !late {
        late = killed.elapsed() > Duration::from_millis(1500);
        assert_eq!(chat(FIRST).await.status, 200);
        assert_eq!(refusal(&chat(SECOND).await), (503, "key_store_unavailable".to_owned()));
        assert_eq!(chat(KEY).await.status, 200);
    }
    redis.restart().await;
    found_again(gateway, "gpt-4", FIRST).await;
}
