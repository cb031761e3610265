//! Helpers for tests of budgets: prices, and sums of money from the gateway and Redis.

use serde_json::{Value, json};
use sluice_tests::client::Answer;
use sluice_tests::gateway::{Builder, Gateway};
pub use sluice_tests::money::{Price, micro};
use sluice_tests::redis::Redis;
pub use sluice_tests::redis::reservations::{all_settled, open_reservations};

use crate::{ask, model_of, numbered, with};

/// Sets the prices of a pair's models in all turns.
pub fn priced(builder: Builder, turns: usize, openai: Price, anthropic: Price) -> Builder {
    (0..turns).fold(builder, |builder, turn| {
        let target = |provider| format!("{provider}/{}", numbered(model_of(provider), turn));
        let builder = builder.price(&target("openai"), openai.input, openai.output);
        builder.price(&target("anthropic"), anthropic.input, anthropic.output)
    })
}

/// Micro-dollars in the gateway file's format.
pub fn dollars(micro: u64) -> f64 {
    micro as f64 / 1e6
}

/// The amount after a word in a budget's error: `Limit`, `Used`, `may cost`.
pub fn said(refusal: &Answer, word: &str) -> u64 {
    let body = refusal.json();
    let message = body["error"]["message"].as_str().unwrap_or_default();
    assert_eq!(body["error"]["code"], "insufficient_quota", "{}", refusal.text());
    let (_, rest) = message.split_once(&format!("{word} ")).unwrap_or_else(|| panic!("no `{word}` in {message}"));
    micro(rest.split([',', ' ']).next().unwrap_or_default().trim_end_matches('.'))
}

/// The reservation of a request: a gateway like this one with a zero budget states it in the error.
pub async fn reserved_for(gateway: Builder, body: &Value) -> u64 {
    let gateway = gateway.with(json!({"teams": {"test": {"budget": {"total": 0.000_001}}}})).start().await;
    said(&gateway.chat(body).await, "may cost")
}

/// The amount counted on a key's budget, from the error of a request that costs more than the whole budget.
pub async fn spent(gateway: &Gateway, secret: &str, model: &str) -> u64 {
    let dear = with(ask(model, "hi"), json!({"max_tokens": 4096}));
    said(&gateway.with_key(secret).post(crate::CHAT, &dear).await, "Used")
}

/// The cost of a key's requests in the log.
pub fn logged(lines: &[Value], key: &str) -> u64 {
    lines.iter().filter(|line| line["key"] == key).filter_map(|line| line["cost_usd"].as_str()).map(micro).sum()
}

/// Redis's count on a total budget, by `key=alice` or `team=research`.
pub fn in_redis(redis: &Redis, whose: &str) -> u64 {
    let names = redis.command(&["KEYS", &redis.name(&format!("m:{whose}[,/]*usd/total"))]);
    let Some(name) = names[0].as_str() else { return 0 };
    redis.command(&["HGET", name, "0"]).as_str().map_or(0, |used| used.parse().expect("a number"))
}

/// A key's spending in the accounts of the day, or of two days at midnight.
pub fn in_accounts(redis: &Redis, key: &str) -> u64 {
    let names = redis.command(&["KEYS", &redis.name(&format!("a:key:*:{key}"))]);
    let names = names.as_array().expect("a list").iter().filter_map(Value::as_str);
    let sum = |name| redis.command(&["HGET", name, "cost"]).as_str().and_then(|sum| sum.parse::<u64>().ok());
    names.map(|name| sum(name).expect("a sum")).sum()
}
