//! The race of [`exact`](crate::exact) for requests with multipliers: 200 concurrent requests on a budget that covers 37, in Envoy's
//! memory, and with two Envoys in Redis. The charge equals the provider's ledger.

use serde_json::{Value, json};
use sluice_tests::gateway::{Builder, Gateway, Key};
use sluice_tests::redis::Store;
use sluice_tests::simulator::{Recorded, Simulator};
use tokio::sync::OnceCell;

use super::{COMPLETIONS, DEAR, EMBEDDINGS, IMAGES, at_once};
use crate::money::{Price, all_settled, dollars, in_redis, logged, said, spent};
use crate::{CHAT, ask, with};

const REQUESTS: usize = 200;
const FIT: usize = 37;

const PRICE: Price = Price { input: 3.33, output: 14.77 };
/// The price of an image request besides its tokens, in micro-dollars.
const PER_REQUEST: u64 = 40_000;
/// The price of each image, in micro-dollars.
const PER_IMAGE: u64 = 30_000;
/// The images per request.
const EACH: u64 = 3;

/// A kind of request with several results: its name, its path, and its body.
fn rows() -> [(&'static str, &'static str, Value); 6] {
    let prompts = json!({"model": "text", "prompt": ["say hi", "say ho", [1, 2, 3]], "max_tokens": 7});
    let best = json!({"model": "text", "prompt": "say hi", "best_of": 5, "n": 2, "max_tokens": 7});
    let lists = json!({"model": "text", "prompt": ["say hi", "say ho"], "n": 2, "best_of": 3, "max_tokens": 7});
    [
        ("prompts", COMPLETIONS, prompts),
        ("best-of", COMPLETIONS, best),
        ("prompts-and-best-of", COMPLETIONS, lists),
        ("n", CHAT, with(ask("text", "say hi"), json!({"n": 3, "max_tokens": 7}))),
        ("embeddings", EMBEDDINGS, json!({"model": "vectors", "input": ["one", "two", [1, 2, 3, 4, 5]]})),
        ("images", IMAGES, json!({"model": "images", "prompt": "a cat", "n": EACH})),
    ]
}

/// The cost by the provider's ledger.
fn cost(row: &str, ledger: &[Recorded]) -> u64 {
    let each = if row == "images" { PER_REQUEST + EACH * PER_IMAGE } else { 0 };
    PRICE.sum(ledger) + ledger.len() as u64 * each
}

fn gateway(provider: &Simulator) -> Builder {
    const TEXT: &str = "gpt-sim+long=5";
    let openai = json!({"kind": "openai", "url": provider.base_url(), "key": {"env": "A_KEY"},
                        "speaks": ["chat", "completions", "embeddings"]});
    let per_request = json!({"models": {"openai/image-sim": {"per_request": dollars(PER_REQUEST), "per_image": dollars(PER_IMAGE)}, "openai/dear": {"per_request": 10_000}}});
    let models = [("text", TEXT), ("vectors", "embed-sim"), ("images", "image-sim"), (DEAR, "dear")];
    let builder = Builder::default().with(json!({"providers": {"openai": openai}}));
    let builder = models.into_iter().fold(builder, |builder, (name, model)| {
        builder.model(name, &[("openai", model)]).price(&format!("openai/{model}"), PRICE.input, PRICE.output)
    });
    builder.with(json!({"prices": per_request}))
}

/// The reservation of a request of each row.
async fn reserved() -> &'static [u64] {
    static RESERVED: OnceCell<Vec<u64>> = OnceCell::const_new();
    let asked = async || {
        let provider = Simulator::start().await;
        let gateway =
            gateway(&provider).key(Key::new("poor", "poor").budget(json!({"total": 0.000_001}))).start().await;
        let mut costs = Vec::new();
        for (_, path, body) in rows() {
            costs.push(said(&gateway.client().post(path, &body).await, "may cost"));
        }
        costs
    };
    RESERVED.get_or_init(asked).await
}

/// Adds a key for each row. Its budget covers 37 requests, and a rest that covers no further request.
async fn with_keys(builder: Builder) -> Builder {
    let with_key = |builder: Builder, ((name, ..), cost): ((&str, &str, Value), &u64)| {
        let budget = FIT as u64 * cost + cost - 1;
        builder.key(Key::new(name, name).budget(json!({"total": dollars(budget)})))
    };
    rows().into_iter().zip(reserved().await).fold(builder, with_key)
}

/// Runs all rows in order; returns the cost of each by the ledger.
async fn race(gateways: &[Gateway], provider: &Simulator) -> Vec<u64> {
    let mut costs = Vec::new();
    for ((name, path, body), reserved) in rows().iter().zip(reserved().await) {
        let client = |number: usize| gateways[number % gateways.len()].with_key(name);
        let (answers, passed) = at_once(provider, REQUESTS, client, path, body).await;
        let answered = answers.iter().filter(|answer| answer.status == 200 && answer.complete).count();
        let refused = answers.iter().filter(|answer| answer.status == 429).count();
        assert_eq!((passed, answered, refused), (FIT, FIT, REQUESTS - FIT), "{name}");
        let cost = cost(name, &provider.settled(passed).await);
        assert!(cost <= FIT as u64 * reserved, "{name}: {cost}, of which {reserved} were reserved for each");
        costs.push(cost);
    }
    costs
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_200_that_multiply_37_pass_in_envoys_memory() {
    let provider = Simulator::start().await;
    let gateways = [with_keys(gateway(&provider).concurrency(2)).await.start().await];
    let costs = race(&gateways, &provider).await;
    let lines = gateways[0].quiet().await;
    for ((name, ..), cost) in rows().into_iter().zip(costs) {
        assert_eq!((logged(&lines, name), spent(&gateways[0], name, DEAR).await), (cost, cost), "{name}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_200_that_multiply_37_pass_in_redis() {
    let store = Store::lease().await;
    let provider = Simulator::start().await;
    let builder = with_keys(gateway(&provider)).await.store(&store).with(json!({"redis": {"when_down": "deny"}}));
    let gateways = [builder.clone().start().await, builder.start().await];
    let costs = race(&gateways, &provider).await;
    let lines = [gateways[0].quiet().await, gateways[1].quiet().await].concat();
    all_settled(store.redis()).await;
    for ((name, ..), cost) in rows().into_iter().zip(costs) {
        assert_eq!((logged(&lines, name), in_redis(store.redis(), &format!("key={name}"))), (cost, cost), "{name}");
    }
}
