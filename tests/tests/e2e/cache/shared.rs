//! The cache that Envoys share in Redis.

use sluice_tests::redis::Store;
use sluice_tests::until;

use super::*;
use crate::admin::site::{Administered, builder, file};

const SECRET: &str = "0123456789abcdef0123456789abcdef";

/// Gateways that share a Redis, and their providers.
struct Site {
    store: Store,
    providers: [Simulator; 2],
}

impl Site {
    async fn new() -> Self {
        Self { store: Store::lease().await, providers: [Simulator::start().await, Simulator::start().await] }
    }

    /// Another Envoy with this secret. The machine is busy, so a lookup has its longest time.
    async fn envoy(&self, secret: &str) -> Administered {
        let cache = json!({"ttl": "1h"});
        let cache = json!({"models": {"gpt": {"cache": cache}, "claude": {"cache": cache}},
            "cache": {"shared": true, "shared_timeout": "1s"}});
        let builder = builder(&self.providers).store(&self.store).concurrency(2);
        Administered::start(builder.with(cache).environment("SLUICE_CACHE_KEY", secret), file(json!({}))).await
    }

    /// Waits until Redis has this many responses. Returns their names.
    async fn has(&self, count: usize) -> Vec<String> {
        let pattern = self.store.redis().name("c:*");
        let purges = self.store.redis().name("c:purges");
        until("Redis to have the responses", || {
            let names = self.store.redis().command(&["KEYS", &pattern]);
            let names = names.as_array().into_iter().flatten().filter_map(|name| Some(name.as_str()?.to_owned()));
            let names: Vec<String> = names.filter(|name| *name != purges).collect();
            (names.len() == count).then_some(names)
        })
        .await
    }

    fn asked(&self) -> usize {
        self.providers.iter().map(Simulator::count).sum()
    }
}

async fn said(envoy: &Administered, model: &str, stream: bool) -> Answer {
    envoy.gateway.chat(&with(ask(model, "say a tale of two cities"), json!({"stream": stream}))).await
}

#[tokio::test]
async fn what_one_envoy_was_answered_serves_the_others_and_a_restarted_one() {
    let site = Site::new().await;
    let [one, two, stranger] =
        [site.envoy(SECRET).await, site.envoy(SECRET).await, site.envoy("another secret of 32 bytes or more").await];
    for (count, (model, stream)) in
        [("gpt", false), ("gpt", true), ("claude", false), ("claude", true)].into_iter().enumerate()
    {
        // The providers' streams have an obfuscation that a conversion would lose, or none: a form may serve the other.
        let first = said(&one, model, stream).await;
        if word(&first) == "hit" {
            continue;
        }
        assert_eq!(word(&first), "miss", "{model} {stream}");
        let before = site.asked();
        until("Redis to have the response", || {
            let names = site.store.redis().command(&["KEYS", &site.store.redis().name("c:*")]);
            names.as_array().is_some_and(|names| names.len() > count / 2).then_some(())
        })
        .await;
        let shared = said(&two, model, stream).await;
        assert_eq!((word(&shared), &shared.body), ("shared", &first.body), "{model} {stream}");
        assert_eq!(shared.header("x-sluice-provider"), first.header("x-sluice-provider"));
        assert_eq!(word(&said(&two, model, stream).await), "hit");
        assert_eq!(site.asked(), before);
    }
    // Another secret has entries of its own.
    assert_eq!(word(&said(&stranger, "gpt", false).await), "miss");
    let lines = two.gateway.quiet().await;
    assert!(lines.iter().any(|line| line["cache"] == "shared" && line["cost_usd"] == "0.000000"), "{lines:?}");
    // An Envoy that starts later begins with what Redis has.
    let third = site.envoy(SECRET).await;
    assert_eq!(word(&said(&third, "gpt", false).await), "shared");
    // A reader of Redis sees no text, and entries expire.
    let pattern = site.store.redis().name("c:*");
    let names = site.store.redis().command(&["KEYS", &pattern]);
    for name in names.as_array().into_iter().flatten().filter_map(Value::as_str) {
        let value = site.store.redis().command(&["GET", name]).to_string();
        assert!(!["tale", "cities", "gpt-sim", "choices"].iter().any(|text| value.contains(text)), "{value}");
        let left = site.store.redis().command(&["PTTL", name]).as_i64().unwrap_or_default();
        assert!((3_000_000..=3_600_000).contains(&left), "{left}");
    }
}

#[tokio::test]
async fn a_purge_at_one_envoy_reaches_redis_at_once_and_the_others_soon() {
    let site = Site::new().await;
    let [one, two] = [site.envoy(SECRET).await, site.envoy(SECRET).await];
    for model in ["gpt", "claude"] {
        assert_eq!(word(&said(&one, model, false).await), "miss");
    }
    site.has(2).await;
    for model in ["gpt", "claude"] {
        assert_eq!(word(&said(&two, model, false).await), "shared");
    }
    let purged = one.json(&["cache", "purge", "--model", "gpt"]).await;
    assert_eq!(purged, json!({"purged": 1, "covers": "envoys"}));
    let told = one.does(&["cache", "purge", "--team", "nobody"]).await;
    assert!(told.contains("Redis is purged too"), "{told}");
    // A new Envoy has nothing in its memory, and does not get the purged response from Redis.
    let third = site.envoy(SECRET).await;
    assert_eq!(
        [word(&said(&third, "gpt", false).await), word(&said(&third, "claude", false).await)],
        ["miss", "shared"]
    );
    eventually("the purge to reach the other Envoy", async || {
        let only = two.gateway.client().header("cache-control", "only-if-cached");
        let answer = only.post(CHAT, &ask("gpt", "say a tale of two cities")).await;
        // If the third Envoy took more than five seconds to start, Redis has its new response.
        answer.status == 504 || answer.header("x-sluice-cache") == Some("shared")
    })
    .await;
    assert_eq!(word(&said(&two, "claude", false).await), "hit");
}

#[tokio::test]
async fn without_redis_a_lookup_is_a_counted_miss_and_nothing_waits_for_it() {
    let site = Site::new().await;
    let one = site.envoy(SECRET).await;
    assert_eq!(word(&said(&one, "gpt", false).await), "miss");
    let [name] = &site.has(1).await[..] else { panic!("one response") };
    // Damage is a miss, and is replaced.
    let two = site.envoy(SECRET).await;
    site.store.redis().command(&["SET", name, "damaged"]);
    assert_eq!(word(&said(&two, "gpt", false).await), "miss");
    until("the damaged entry to be replaced", || {
        (site.store.redis().command(&["GET", name]) != "damaged").then_some(())
    })
    .await;
    site.store.webdis().kill();
    for number in 0..20 {
        let answer = two.gateway.chat(&ask("gpt", &format!("say {number}"))).await;
        assert_eq!(word(&answer), "miss");
    }
    assert!(two.gateway.counter("sluice.cache.shared_failed").await >= 20);
    site.store.webdis().restart().await;
    let tries = Cell::new(0);
    eventually("the Envoys to share again", async || {
        tries.set(tries.get() + 1);
        let body = ask("gpt", &format!("say again {}", tries.get()));
        assert_eq!(word(&one.gateway.chat(&body).await), "miss");
        // Until Redis has it, this asks a provider.
        word(&two.gateway.chat(&body).await) == "shared"
    })
    .await;
}
