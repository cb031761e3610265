//! Relaxed mode: Envoys that count by themselves, and the keeper of each that exchanges counts through a real Redis.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use sluice_tests::gateway::{Builder, Gateway, Kind};
use sluice_tests::redis::{Redis, Webdis};
use sluice_tests::simulator::Simulator;
use sluice_tests::{PATIENCE, until};

use crate::{ask, refusal};

/// How often the keepers exchange counts here.
const SYNC: &str = "200ms";

/// Two gateways that share a Redis and a provider.
struct Shared {
    redis: Redis,
    webdis: Webdis,
    provider: Simulator,
    gateways: Vec<Gateway>,
}

impl Shared {
    /// Whose team may do so much.
    async fn with(limits: Value) -> Self {
        let redis = Redis::start().await;
        let webdis = Webdis::start(&redis).await;
        let provider = Simulator::start().await;
        let mut gateways = Vec::new();
        for _ in 0..2 {
            gateways.push(builder(&provider, &webdis, &limits).start().await);
        }
        Self { redis, webdis, provider, gateways }
    }

    /// How many requests of this total Redis knows of.
    fn total(&self) -> u64 {
        let names = self.redis.command(&["KEYS", "*:m:*"]);
        let names: BTreeSet<&str> = names.as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        let month = names.iter().find(|name| name.ends_with("/requests/day"));
        let Some(name) = month else { return 0 };
        let counts = self.redis.command(&["HVALS", name]);
        counts.as_array().into_iter().flatten().filter_map(|count| count.as_str()?.parse::<u64>().ok()).sum()
    }
}

fn builder(provider: &Simulator, webdis: &Webdis, limits: &Value) -> Builder {
    let redis = json!({"url": webdis.url(), "mode": "relaxed", "sync": SYNC});
    Gateway::builder()
        .provider("openai", Kind::OpenAi, provider)
        .model("chat", &[("openai", "gpt-sim")])
        .set("teams", json!({"test": limits}))
        .set("redis", redis)
        .concurrency(2)
}
