//! What tests of budgets share: prices, costs as a reader of the price list would work them out, and sums of money as the
//! gateway and Redis tell them.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use sluice_tests::client::Answer;
use sluice_tests::gateway::{Builder, Gateway};
use sluice_tests::redis::Redis;
use sluice_tests::simulator::{Recorded, Usage};
use sluice_tests::until;

use crate::{ask, model_of, numbered, with};

/// US dollars for a million tokens. Odd ones, so that every cost is rounded.
#[derive(Debug, Clone, Copy)]
pub struct Price {
    pub input: f64,
    pub output: f64,
}

impl Price {
    /// Micro-dollars for one answer, rounded up once.
    pub fn cost(self, used: &Usage) -> u64 {
        assert_eq!((used.cached, used.cache_written), (0, 0), "nothing here is cached");
        // A dollar for a million tokens is a million picodollars for one.
        let pico = |dollars: f64| (dollars * 1e6).round() as u64;
        (used.input * pico(self.input) + used.output * pico(self.output)).div_ceil(1_000_000)
    }

    /// What answers cost, of which so many used the same.
    pub fn total(self, used: &[(Usage, u64)]) -> u64 {
        used.iter().map(|(used, count)| self.cost(used) * count).sum()
    }

    /// What all these answers cost.
    pub fn sum(self, requests: &[Recorded]) -> u64 {
        requests.iter().filter_map(|request| request.used).map(|used| self.cost(&used)).sum()
    }
}

/// What the models of a pair cost in so many turns.
pub fn priced(builder: Builder, turns: usize, openai: Price, anthropic: Price) -> Builder {
    (0..turns).fold(builder, |builder, turn| {
        let target = |provider| format!("{provider}/{}", numbered(model_of(provider), turn));
        let builder = builder.price(&target("openai"), openai.input, openai.output);
        builder.price(&target("anthropic"), anthropic.input, anthropic.output)
    })
}

/// `$0.001234` in micro-dollars.
pub fn micro(dollars: &str) -> u64 {
    let (whole, decimals) = dollars.trim_start_matches('$').split_once('.').expect("a decimal point");
    format!("{whole}{decimals:0<6}").parse().unwrap_or_else(|_| panic!("{dollars} is no money"))
}

/// Micro-dollars as the gateway file has them.
pub fn dollars(micro: u64) -> f64 {
    micro as f64 / 1e6
}

/// What the refusal of a budget says behind a word: `Limit`, `Used`, `may cost`.
pub fn said(refusal: &Answer, word: &str) -> u64 {
    let body = refusal.json();
    let message = body["error"]["message"].as_str().unwrap_or_default();
    assert_eq!(body["error"]["code"], "insufficient_quota", "{}", refusal.text());
    let (_, rest) = message.split_once(&format!("{word} ")).unwrap_or_else(|| panic!("no `{word}` in {message}"));
    micro(rest.split([',', ' ']).next().unwrap_or_default().trim_end_matches('.'))
}

/// What is reserved for a request: a gateway like this one, with a budget that covers nothing, tells it.
pub async fn reserved_for(gateway: Builder, body: &Value) -> u64 {
    let gateway = gateway.with(json!({"teams": {"test": {"budget": {"total": 0.000_001}}}})).start().await;
    said(&gateway.chat(body).await, "may cost")
}

/// What a key's budget has counted, told by the refusal of a request that is dearer than the whole budget.
pub async fn spent(gateway: &Gateway, secret: &str, model: &str) -> u64 {
    let dear = with(ask(model, "hi"), json!({"max_tokens": 4096}));
    said(&gateway.with_key(secret).post(crate::CHAT, &dear).await, "Used")
}

/// What requests of a key cost, as the log has it.
pub fn logged(lines: &[Value], key: &str) -> u64 {
    lines.iter().filter(|line| line["key"] == key).filter_map(|line| line["cost_usd"].as_str()).map(micro).sum()
}

/// What Redis has counted on a total budget: of `key=alice`, `team=research`.
pub fn in_redis(redis: &Redis, whose: &str) -> u64 {
    let names = redis.command(&["KEYS", &format!("{{sluice}}:m:{whose}[,/]*usd/total")]);
    let Some(name) = names[0].as_str() else { return 0 };
    redis.command(&["HGET", name, "0"]).as_str().map_or(0, |used| used.parse().expect("a number"))
}

/// Orders that Redis has granted and that are not settled, and the micro-dollars each has reserved.
pub fn open_orders(redis: &Redis) -> BTreeMap<String, u64> {
    let orders = redis.command(&["KEYS", "{sluice}:r:*"]);
    let orders = orders.as_array().expect("a list").iter().map(|order| order.as_str().expect("a name").to_owned());
    let record = |order: &str| redis.command(&["GET", order]).as_str().filter(|text| *text != "S").map(str::to_owned);
    orders.filter_map(|order| record(&order).map(|record| (order, reserved(&record)))).collect()
}

/// Of a record's lines, `gauge amount window level name`, those of total budgets.
fn reserved(record: &str) -> u64 {
    let amounts = record.lines().filter_map(|line| line.strip_prefix("T ")?.split(' ').next()?.parse::<u64>().ok());
    amounts.sum()
}

/// Waits until Redis was told of everything.
pub async fn all_settled(redis: &Redis) {
    until("every order in Redis to be settled", || open_orders(redis).is_empty().then_some(())).await;
}
