//! Batches: a created batch reserves the estimate of its file until a response reports its usage. The provider gets the same requests as
//! without the gateway.

use serde_json::{Value, json};
use sluice_tests::client::{Answer, Client};
use sluice_tests::gateway::{Builder, Key};
use sluice_tests::shared::Shared;
use sluice_tests::simulator::{BATCHED, Simulator};

use super::{EMBEDDED, STRICT, Till};
use crate::money::{dollars, logged};
use crate::{CHAT, refusal};

const BATCHES: &str = "/v1/batches";
const MODEL: &str = "gpt-sim";
/// Twice the batch price of a prompt token.
const INPUT: f64 = 2.0;
const OUTPUT: f64 = 20.0;
/// The longest response of each request of a batch.
const LONGEST: u64 = 1000;
/// The requests of a batch. The budget covers two batches, but not three.
const REQUESTS: u64 = 4;
const BUDGET: u64 = 100_000;

pub fn file(builder: Builder, simulator: &Simulator) -> Builder {
    let batch = json!({"input": INPUT / 2.0, "cache_write": INPUT / 2.0, "output": OUTPUT / 2.0});
    let price = json!({"input": INPUT, "output": OUTPUT, "service_tiers": {"batch": batch}});
    let provider = json!({"kind": "openai", "url": simulator.url() + "/v1", "key": {"env": "A_KEY"}});
    let base = json!({
        "providers": {"keeper": provider},
        "stored": "keeper",
        "models": {"kept": {"targets": [{"provider": "keeper", "model": MODEL}]}},
        "prices": {"models": {format!("keeper/{MODEL}"): price}},
    });
    let key = Key::new("batches", "batches").set("endpoints", json!(["/v1/*"]));
    builder.with(base).key(key.budget(json!({"total": dollars(BUDGET)})))
}

/// The cost of a batch with this many tokens per response.
fn cost(requests: u64, [input, output]: [u64; 2]) -> u64 {
    (requests as f64 * (input as f64 * INPUT + output as f64 * OUTPUT) / 2.0).ceil() as u64
}

fn lines(model: &str) -> String {
    let body =
        json!({"model": model, "max_completion_tokens": LONGEST, "messages": [{"role": "user", "content": "hi"}]});
    let line =
        |id| json!({"custom_id": format!("{id}"), "method": "POST", "url": CHAT, "body": body}).to_string() + "\n";
    (0..REQUESTS).map(line).collect()
}

/// A client of one gateway.
struct Desk<'a> {
    till: &'a Till,
    client: Client,
}

impl Desk<'_> {
    async fn send(&self, method: &str, path: &str, body: Value) -> Answer {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        self.client.request(method, path, body).await.expect("an answer")
    }

    async fn upload(&self, lines: &str) -> Answer {
        let part =
            |head: &str, value: &str| format!("--xYz\r\nContent-Disposition: form-data; {head}\r\n\r\n{value}\r\n");
        let body =
            part("name=\"purpose\"", "batch") + &part("name=\"file\"; filename=\"in.jsonl\"", lines) + "--xYz--\r\n";
        let client = self.till.gateway.with_key("batches").header("content-type", "multipart/form-data; boundary=xYz");
        client.request("POST", "/v1/files", body).await.expect("an answer")
    }

    async fn create(&self, file: &Value, metadata: Value) -> Answer {
        let body = json!({"input_file_id": file, "endpoint": CHAT, "completion_window": "24h", "metadata": metadata});
        self.send("POST", BATCHES, body).await
    }

    async fn spent(&self) -> u64 {
        // The usage of the last request is known once its log line is written.
        self.till.gateway.quiet().await;
        self.till.spent("batches").await
    }
}

async fn batches_are_reserved_and_settled(till: &'static Shared<Till>) {
    let till = &*till.lease().await;
    let desk = Desk { till, client: till.gateway.with_key("batches") };
    for model in ["kept", "another"] {
        let refused = desk.upload(&lines(model)).await;
        assert_eq!(refusal(&refused), (403, "model_not_allowed".to_owned()));
    }
    let unknown = desk.create(&json!("file-unheard-of"), Value::Null).await;
    assert_eq!(refusal(&unknown), (400, "unknown_batch_file".to_owned()));
    assert_eq!(till.provider.count(), 0);

    let file = desk.upload(&lines(MODEL)).await;
    assert_eq!(file.status, 200, "{}", file.text());
    let file = &file.json()["id"];
    let mut charged = desk.spent().await;
    for metadata in [json!({"tells": "usage"}), json!({"tells": "nothing"})] {
        let batch = desk.create(file, metadata.clone()).await;
        assert_eq!(batch.status, 200, "{}", batch.text());
        let most = cost(REQUESTS, [0, LONGEST]);
        let reserved = desk.spent().await - charged;
        assert!((most..most + BUDGET / 10).contains(&reserved), "{reserved} for {most}");
        let path = format!("{BATCHES}/{}", batch.json()["id"].as_str().expect("an id"));
        let working = desk.send("GET", &path, Value::Null).await.json();
        assert_eq!((&working["status"], desk.spent().await), (&json!("in_progress"), charged + reserved));
        // The reservation of one batch is not available to others.
        let others = desk.create(file, metadata.clone()).await;
        let third = desk.create(file, metadata.clone()).await;
        assert_eq!((others.status, refusal(&third)), (200, (429, "insufficient_quota".to_owned())));
        let other = format!("{BATCHES}/{}", others.json()["id"].as_str().expect("an id"));
        for path in [&other, &other, &path] {
            let seen = desk.send("GET", path, Value::Null).await.json();
            if metadata["tells"] == "nothing" && seen["status"] == "completed" {
                let before = desk.spent().await;
                let results = format!("/v1/files/{}/content", seen["output_file_id"].as_str().expect("results"));
                let fetched = desk.send("GET", &results, Value::Null).await;
                assert_eq!((fetched.status, fetched.text().lines().count() as u64), (200, REQUESTS));
                assert_eq!(before - desk.spent().await, reserved - cost(REQUESTS, BATCHED));
            }
        }
        charged += 2 * cost(REQUESTS, BATCHED);
        assert_eq!(desk.spent().await, charged);
        // The usage is charged only once.
        desk.send("GET", &path, Value::Null).await;
        assert_eq!(desk.spent().await, charged);
    }
    let lines = till.gateway.quiet().await;
    assert_eq!(logged(&lines, "batches"), charged, "the log says the same");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn batches_are_reserved_by_their_files_and_settled_by_their_results_in_envoys_memory() {
    batches_are_reserved_and_settled(&EMBEDDED).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn batches_are_reserved_by_their_files_and_settled_by_their_results_in_redis() {
    batches_are_reserved_and_settled(&STRICT).await;
}
