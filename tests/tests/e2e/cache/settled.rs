//! What a hit counts as: a request, and nothing else.

use sluice_tests::gateway::KEY;
use sluice_tests::redis::{Redis, Webdis};
use sluice_tests::simulator::Usage;

use super::*;
use crate::money::{Price, all_settled, in_redis, logged, spent};
use crate::refusal;

const PRICE: Price = Price { input: 1000.0, output: 2000.0 };

fn priced(builder: Builder, key: Value) -> Builder {
    let cost = json!({"input": PRICE.input, "output": PRICE.output});
    let key = key
        .as_object()
        .into_iter()
        .flatten()
        .fold(Key::new("test", KEY), |key, (name, value)| key.set(name, value.clone()));
    builder.with(json!({"prices": {"unpriced": cost}})).key(key)
}

fn body() -> Value {
    with(ask("chat", "say hi"), json!({"max_tokens": 4}))
}

/// What one answer to [`body`] costs.
fn cost() -> u64 {
    PRICE.cost(&Usage { input: 2, output: 1, ..Usage::default() })
}

#[tokio::test]
async fn a_hit_costs_nothing_and_what_was_reserved_for_it_is_given_back() {
    // Covers what is reserved for two requests, and not for three.
    let key = json!({"budget": {"total": 0.07}});
    let (gateway, openai, _anthropic) = start(|builder| priced(builder, key)).await;
    let first = gateway.chat(&body()).await;
    gateway.log_lines(1).await;
    for hits in 1..=5_usize {
        let hit = gateway.chat(&body()).await;
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
    assert_eq!((logged(&lines, "test"), spent(&gateway, KEY, "chat").await), (cost(), cost()));
    assert_eq!(openai.count(), 1);
}

#[tokio::test]
async fn who_is_over_a_budget_or_a_limit_is_refused_though_there_is_an_answer() {
    let budget = json!({"budget": {"total": 0.000_001}});
    let limits = json!({"limits": {"requests_per_minute": 2}});
    for (key, hits, code) in [(budget, 0, "insufficient_quota"), (limits, 2, "rate_limit_exceeded")] {
        let (gateway, openai, _anthropic) =
            start(|builder| priced(builder, key).key(Key::new("other", "sk-other"))).await;
        // Another key of the team has made it.
        let first = gateway.with_key("sk-other").post(CHAT, &body()).await;
        assert_eq!(word(&first), "miss");
        for _ in 0..hits {
            is_hit(&gateway.chat(&body()).await, &first);
        }
        let refused = gateway.chat(&body()).await;
        assert_eq!(refusal(&refused), (429, code.to_owned()));
        assert_eq!((refused.header("x-sluice-cache"), openai.count()), (None, 1));
    }
}

#[tokio::test]
async fn places_among_concurrent_requests_are_free_again_after_hits() {
    let key = json!({"limits": {"concurrent_requests": 1}});
    let (gateway, _openai, _anthropic) = start(|builder| priced(builder, key)).await;
    for number in 1..=10 {
        assert_eq!(gateway.chat(&body()).await.status, 200, "{number}");
        gateway.log_lines(number).await;
    }
}

#[tokio::test]
async fn with_redis_a_hit_is_settled_there_once_and_for_nothing() {
    let redis = Redis::start().await;
    let webdis = Webdis::start(&redis).await;
    let key = json!({"budget": {"total": 1}, "limits": {"requests_per_minute": 1000}});
    let (gateway, openai, _anthropic) = start(|builder| priced(builder, key).redis(&webdis)).await;
    let first = gateway.chat(&body()).await;
    for _ in 0..5 {
        is_hit(&gateway.chat(&body()).await, &first);
    }
    gateway.log_lines(6).await;
    all_settled(&redis).await;
    assert_eq!((in_redis(&redis, "key=test"), openai.count()), (cost(), 1));
    let names = redis.command(&["KEYS", "{sluice}:a:key:*:test"]);
    let accounts: Vec<&str> = names.as_array().expect("a list").iter().filter_map(Value::as_str).collect();
    let sum = |field: &str| -> u64 {
        let read = |name: &&str| redis.command(&["HGET", name, field]).as_str().and_then(|sum| sum.parse::<u64>().ok());
        accounts.iter().filter_map(read).sum()
    };
    assert_eq!((sum("requests"), sum("cost")), (6, cost()));
    assert_eq!(gateway.counter("sluice.redis.unavailable").await, 0);
}
