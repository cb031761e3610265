//! A hit counts as a request, and as nothing else.

use sluice_tests::redis::Store;
use sluice_tests::simulator::Usage;

use super::*;
use crate::money::{Price, all_settled, in_redis, logged, spent};
use crate::refusal;

const PRICE: Price = Price { input: 1000.0, output: 2000.0 };

/// The price of all models.
fn priced(builder: Builder) -> Builder {
    builder.with(json!({"prices": {"unpriced": {"input": PRICE.input, "output": PRICE.output}}}))
}

/// The tests here share keys with limits and budgets; each key belongs to one test.
pub fn settings(builder: Builder) -> Builder {
    priced(builder)
        // Covers the reservations of two requests, but not of three.
        .key(Key::new("pays", "pays").budget(json!({"total": 0.07})))
        .key(Key::new("poor", "poor").budget(json!({"total": 0.000_001})))
        .key(Key::new("slow", "slow").limits(json!({"requests_per_minute": 2})))
        .key(Key::new("alone", "alone").limits(json!({"concurrent_requests": 1})))
}

fn body(cached: &Cached) -> Value {
    with(cached.ask("chat", "say hi"), json!({"max_tokens": 4}))
}

/// The cost of one response to [`body`].
fn cost() -> u64 {
    PRICE.cost(&Usage { input: 2, output: 1, ..Usage::default() })
}

#[tokio::test]
async fn a_hit_costs_nothing_and_what_was_reserved_for_it_is_given_back() {
    let cached = CACHED.lease().await;
    let (gateway, client, body) = (&cached.gateway, cached.gateway.with_key("pays"), body(&cached));
    let first = client.post(CHAT, &body).await;
    gateway.log_lines(1).await;
    for hits in 1..=5_usize {
        let hit = client.post(CHAT, &body).await;
        is_hit(&hit, &first);
        gateway.log_lines(1 + hits).await;
    }
    let lines = gateway.log_lines(6).await;
    let hits: Vec<_> = lines.iter().filter(|line| line["cache"] == "hit").collect();
    assert_eq!(hits.len(), 5);
    for line in hits {
        assert_eq!(
            (&line["cost_usd"], &line["input_tokens"], &line["output_tokens"]),
            (&json!("0.000000"), &json!(0), &json!(0))
        );
        assert_eq!(
            (&line["served_provider"], &line["attempts"], &line["status"]),
            (&json!("openai"), &json!(0), &json!(200))
        );
    }
    let spent = spent(gateway, "pays", &cached.name("chat")).await;
    assert_eq!((logged(&lines, "pays"), spent), (cost(), cost()));
    assert_eq!(cached.asked(), 1);
}

#[tokio::test]
async fn who_is_over_a_budget_or_a_limit_is_refused_though_there_is_an_answer() {
    for (key, hits, code) in [("poor", 0, "insufficient_quota"), ("slow", 2, "rate_limit_exceeded")] {
        let cached = CACHED.lease().await;
        let (client, body) = (cached.gateway.with_key(key), body(&cached));
        // Another key of the team filled the cache.
        let first = cached.gateway.chat(&body).await;
        assert_eq!(word(&first), "miss");
        for _ in 0..hits {
            is_hit(&client.post(CHAT, &body).await, &first);
        }
        let refused = client.post(CHAT, &body).await;
        assert_eq!(refusal(&refused), (429, code.to_owned()));
        assert_eq!((refused.header("x-sluice-cache"), cached.asked()), (None, 1));
    }
}

#[tokio::test]
async fn places_among_concurrent_requests_are_free_again_after_hits() {
    let cached = CACHED.lease().await;
    let client = cached.gateway.with_key("alone");
    for number in 1..=10 {
        assert_eq!(client.post(CHAT, &body(&cached)).await.status, 200, "{number}");
        cached.gateway.log_lines(number).await;
    }
}

#[tokio::test]
async fn with_redis_a_hit_is_settled_there_once_and_for_nothing() {
    let store = Store::lease().await;
    let redis = store.redis();
    let key = Key::new("test", KEY).budget(json!({"total": 1})).limits(json!({"requests_per_minute": 1000}));
    let cached = Cached::with(|builder| priced(builder).key(key).store(&store)).await;
    let (gateway, body) = (&cached.gateway, body(&cached));
    let first = gateway.chat(&body).await;
    for _ in 0..5 {
        is_hit(&gateway.chat(&body).await, &first);
    }
    gateway.log_lines(6).await;
    all_settled(redis).await;
    assert_eq!((in_redis(redis, "key=test"), cached.asked()), (cost(), 1));
    let names = redis.command(&["KEYS", &redis.name("a:key:*:test")]);
    let accounts: Vec<&str> = names.as_array().expect("a list").iter().filter_map(Value::as_str).collect();
    let sum = |field: &str| -> u64 {
        let read = |name: &&str| redis.command(&["HGET", name, field]).as_str().and_then(|sum| sum.parse::<u64>().ok());
        accounts.iter().filter_map(read).sum()
    };
    assert_eq!((sum("requests"), sum("cost")), (6, cost()));
    assert_eq!(gateway.counter("sluice.redis.unavailable").await, 0);
}
