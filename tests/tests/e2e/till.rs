//! The maximum cost of a request, and its accounting: a gateway with providers that count more than expected, and a key for each way to
//! exceed a budget or a limit. The tests run with Envoy's memory, and with Redis in strict mode.

mod batches;
mod counts;
mod escapes;
mod multiplied;

use serde_json::{Value, json};
use sluice_tests::client::{Answer, Client};
use sluice_tests::gateway::{Builder, Gateway};
use sluice_tests::redis::{Redis, Webdis};
use sluice_tests::shared::{self, Fixture, Shared};
use sluice_tests::simulator::Simulator;

use crate::crowd::{Told, decided};
use crate::money::{all_settled, in_redis, spent};

const COMPLETIONS: &str = "/v1/completions";
const EMBEDDINGS: &str = "/v1/embeddings";
const IMAGES: &str = "/v1/images/generations";
const MESSAGES: &str = "/v1/messages";
const RESPONSES: &str = "/v1/responses";

/// A gateway with one simulator for all its providers, and its store.
pub struct Till {
    pub gateway: Gateway,
    pub provider: Simulator,
    /// `None` with Envoy's memory.
    redis: Option<(Webdis, Redis)>,
}

/// With Envoy's memory and two workers.
static EMBEDDED: Shared<Till> = Shared::new(1, || {
    Box::pin(async {
        let provider = Simulator::start().await;
        Till { gateway: file(&provider).concurrency(2).start().await, provider, redis: None }
    })
});

/// With Redis.
static STRICT: Shared<Till> = Shared::new(1, || {
    Box::pin(async {
        let (provider, redis) = (Simulator::start().await, Redis::start().await);
        let webdis = Webdis::start(&redis).await;
        let builder = file(&provider).concurrency(2).redis(&webdis).with(json!({"redis": {"when_down": "deny"}}));
        Till { gateway: builder.start().await, provider, redis: Some((webdis, redis)) }
    })
});

/// Costs more than any budget here.
const DEAR: &str = "dear";

fn file(provider: &Simulator) -> Builder {
    let dear = json!({"targets": [{"provider": "vllm", "model": DEAR}]});
    let base = json!({
        "models": {DEAR: dear},
        "prices": {"models": {"vllm/dear": {"input": 0, "output": 0, "per_request": 10_000}}},
        "circuit": {"failures": 100_000},
    });
    let base = Builder::default().with(base);
    batches::file(counts::file(escapes::file(base, provider), provider), provider)
}

impl Till {
    /// The amount counted on a key's budget.
    async fn spent(&self, key: &str) -> u64 {
        let Some((_, redis)) = &self.redis else { return spent(&self.gateway, key, DEAR).await };
        all_settled(redis).await;
        in_redis(redis, &format!("key={key}"))
    }
}

impl Fixture for Till {
    async fn renew(&mut self) -> bool {
        shared::renew(&mut self.gateway, &[&self.provider]).await;
        true
    }
}

/// A client of this path, with a key whose id is its secret.
fn client(gateway: &Gateway, path: &str, key: &str) -> Client {
    if path == MESSAGES { gateway.anonymous().anthropic(key) } else { gateway.with_key(key) }
}

/// Sends this many equal requests at once; returns all responses, and the number of requests that reached the provider.
async fn at_once(
    provider: &Simulator,
    requests: usize,
    client: impl Fn(usize) -> Client,
    path: &'static str,
    body: &Value,
) -> (Vec<Answer>, usize) {
    let ask = |number, told: Told| {
        let (client, body) = (client(number), body.to_string());
        async move {
            let open = client.open("POST", path, body).await.expect("an answer");
            told(open.status());
            open.finish().await
        }
    };
    decided(provider, requests, ask).await
}
