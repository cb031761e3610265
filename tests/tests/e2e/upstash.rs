//! A real Envoy with Upstash's REST protocol: a stand-in for that service in front of a real Redis. Envoy adds the token.

use serde_json::{Value, json};
use sluice_tests::gateway::{A_KEY, Builder, KEY, Key};
use sluice_tests::redis::Store;
use sluice_tests::simulator::Simulator;
use sluice_tests::until;
use sluice_tests::upstash::Upstash;
use tempfile::NamedTempFile;

use crate::crowd::{self, Manner, PRICE};
use crate::money::{all_settled, dollars, in_redis, logged};
use crate::{CHAT, ask, refusal};

/// A well-formed key that is not in the gateway file, so the gateway looks it up in Redis.
const OTHER: &str = "sk-sluice-EndToEndTestsFirstKey0000000qB1EH";
/// A well-formed key that does not exist.
const NOBODY: &str = "sk-sluice-EndToEndTestsSecondKey0000022Afvh";

/// A gateway whose counters are behind a stand-in.
struct Scene {
    store: Store,
    upstash: Upstash,
    provider: Simulator,
    /// The token's location.
    token: Value,
}

impl Scene {
    /// Starts one with the right token.
    async fn start() -> Self {
        Self::with(json!({"env": A_KEY.0})).await
    }

    async fn with(token: Value) -> Self {
        let store = Store::lease().await;
        let upstash = Upstash::start(store.redis()).await;
        Self { store, upstash, provider: Simulator::start().await, token }
    }

    fn gateway(&self, when_down: &str) -> Builder {
        let redis = json!({
            "url": self.upstash.url(), "protocol": "upstash", "token": self.token, "when_down": when_down,
        });
        crowd::gateway(&self.provider).store(&self.store).with(json!({ "redis": redis })).concurrency(2)
    }

    /// Writes a key's record.
    fn write(&self, key: &Key) {
        let redis = self.store.redis();
        redis.command(&["SET", &redis.name(&format!("key:{}", key.sha256())), &key.record().to_string()]);
    }
}

#[tokio::test]
async fn over_upstash_limits_hold_for_two_envoys_together() {
    let scene = Scene::start().await;
    let key = Key::new("test", KEY).limits(json!({"requests_per_minute": 3}));
    let gateway = scene.gateway("deny").key(key);
    let gateways = [gateway.clone().start().await, gateway.start().await];
    for number in 0..3 {
        let answer = gateways[number % 2].chat(&ask("reads", "hi")).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        let left = answer.header("x-ratelimit-remaining-requests").map(str::to_owned);
        assert_eq!(left, Some((2 - number).to_string()));
    }
    for gateway in &gateways {
        assert_eq!(refusal(&gateway.chat(&ask("reads", "hi")).await), (429, "rate_limit_exceeded".to_owned()));
        assert_eq!(gateway.counter("sluice.redis.unavailable").await, 0, "{}", gateway.errors());
    }
    assert_eq!(scene.provider.count(), 3);
}

#[tokio::test]
async fn over_upstash_a_budget_is_reserved_and_settled_with_what_was_used() {
    let scene = Scene::start().await;
    let cost = crowd::reserved().await;
    let key = Key::new("test", KEY).budget(json!({"total": dollars(3 * cost)}));
    let gateway = scene.gateway("deny").key(key).start().await;
    scene.provider.hold();
    let fourth = async {
        until("three to pass", || (scene.provider.count() == 3).then_some(())).await;
        let answer = gateway.chat(&Manner::Whole.body()).await;
        scene.provider.release();
        answer
    };
    let [whole, stream, leaves] =
        [Manner::Whole, Manner::Stream, Manner::Leaves].map(|manner| manner.send(gateway.client(), |_| ()));
    let (refused, ..) = tokio::join!(fourth, whole, stream, leaves);
    assert_eq!(refusal(&refused), (429, "insufficient_quota".to_owned()));
    let lines = gateway.quiet().await;
    all_settled(scene.store.redis()).await;
    let ledger = PRICE.sum(&scene.provider.settled(3).await);
    assert_eq!((in_redis(scene.store.redis(), "key=test"), logged(&lines, "test")), (ledger, ledger));
    assert!((1..3 * cost).contains(&ledger), "less than was reserved");
    assert_eq!(gateway.chat(&Manner::Whole.body()).await.status, 200);
}

#[tokio::test]
async fn over_upstash_a_key_in_redis_is_found() {
    let scene = Scene::start().await;
    let gateway = scene.gateway("deny").start().await;
    let key = Key::new("other", OTHER).models(&["reads"]);
    scene.write(&key);
    let client = gateway.with_key(OTHER);
    assert_eq!(client.post(CHAT, &ask("reads", "hi")).await.status, 200);
    assert_eq!(client.post(CHAT, &ask("stops", "hi")).await.status, 403);
    let stranger = gateway.with_key(NOBODY).post(CHAT, &ask("reads", "hi")).await;
    assert_eq!(refusal(&stranger), (401, "invalid_api_key".to_owned()));
    assert_eq!(gateway.quiet().await[0]["key"], "other");
}

#[tokio::test]
async fn with_a_token_that_upstash_refuses_the_policy_for_no_redis_holds() {
    let file = NamedTempFile::new().expect("a temporary file");
    std::fs::write(file.path(), "a-token-of-yesterday").expect("a file that can be written");
    let scene = Scene::with(json!({"file": file.path()})).await;
    let key = Key::new("test", KEY).limits(json!({"requests_per_minute": 2}));
    scene.write(&Key::new("other", OTHER));
    for when_down in ["local", "allow", "deny"] {
        let gateway = scene.gateway(when_down).concurrency(1).key(key.clone()).start().await;
        let mut answers = Vec::new();
        for _ in 0..4 {
            let answer = gateway.chat(&ask("reads", "hi")).await;
            answers.push(if answer.status == 200 { (200, String::new()) } else { refusal(&answer) });
        }
        let passes = || (200, String::new());
        let (limited, denied) = ((429, "rate_limit_exceeded".to_owned()), (503, "limits_unavailable".to_owned()));
        let expected = match when_down {
            "local" => [passes(), passes(), limited.clone(), limited],
            "allow" => [passes(), passes(), passes(), passes()],
            _ => [denied.clone(), denied.clone(), denied.clone(), denied],
        };
        assert_eq!(answers, expected, "{when_down}");
        let unknown = gateway.with_key(OTHER).post(CHAT, &ask("reads", "hi")).await;
        assert_eq!(refusal(&unknown), (503, "key_store_unavailable".to_owned()), "{when_down}");
        assert!(gateway.counter("sluice.redis.unavailable").await > 0, "{when_down}");
        until("Envoy to say why", || gateway.errors().contains("401").then_some(())).await;
    }
}
