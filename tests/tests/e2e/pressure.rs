//! Requests and responses that grow: their size is bounded, and the gateway stays healthy.

use std::collections::BTreeMap;

use serde_json::json;
use sluice_tests::eventually;
use sluice_tests::gateway::{Gateway, KEY, Key, Kind};
use sluice_tests::shared::{self, Fixture, Lease, Shared};
use sluice_tests::simulator::Simulator;
use sluice_tests::standin::StandIn;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

use crate::{CHAT, ask, refusal, said, together};

const MIB: usize = 1 << 20;

/// A gateway with one worker, a benign provider, and one whose response depends on the model's name.
struct Site {
    gateway: Gateway,
    good: Simulator,
    hostile: StandIn,
}

static SITE: Shared<Site> = Shared::new(1, || Box::pin(Site::start()));

impl Site {
    async fn lease() -> Lease<Self> {
        SITE.lease().await
    }

    async fn start() -> Self {
        let good = Simulator::start().await;
        let bodies: BTreeMap<&str, Vec<u8>> = [
            ("blocks", listed(BLOCKS, r#"{"type":"text","text":"x"}"#, 28 * MIB)),
            ("calls", listed(CALLS, r#"{"function":{}}"#, 31 * MIB)),
            ("vector", listed(r#"{"embeddings":[{"values":[ITEMS]}]}"#, "0", 25 * MIB)),
            ("text", listed(r#"{"choices":[{"index":0,"message":{"role":"assistant","content":"ITEMS"},"finish_reason":"stop"}]}"#, "\\u0001", 24 * MIB)),
        ]
        .into();
        let hostile = StandIn::serving(move |request| {
            let asked =
                format!("{} {}", request.path, String::from_utf8_lossy(&request.body[..request.body.len().min(4096)]));
            let body = bodies.iter().find_map(|(name, body)| asked.contains(*name).then(|| body.clone()));
            (200, body.unwrap_or_default().into())
        })
        .await;
        let provider = |kind: &str| json!({"kind": kind, "url": hostile.url()});
        let target = |provider: &str, model: &str| json!({"targets": [{"provider": provider, "model": model}]});
        let gateway = Gateway::builder()
            .provider("good", Kind::OpenAi, &good)
            .model("good", &[("good", "gpt-sim")])
            .with(json!({
                "providers": {"claude": provider("anthropic"), "gpt": provider("openai"), "gemini": provider("gemini")},
                "models": {
                    "blocks": target("claude", "blocks"),
                    "calls": target("gpt", "calls"),
                    "text": target("gpt", "text"),
                    "vector": target("gemini", "vector"),
                    "then-good": {"targets": [{"provider": "claude", "model": "blocks"}, {"provider": "good", "model": "gpt-sim"}]},
                },
            }))
            .key(Key::new("test", KEY))
            .key(Key::new("other", OTHER))
            .concurrency(1)
            .start()
            .await;
        Self { gateway, good, hostile }
    }

    /// Asserts that the gateway is alive and serves, and that its VM never restarted.
    async fn is_well(&self) {
        assert!(self.gateway.alive(), "{}", self.gateway.errors());
        assert_eq!(said(&self.gateway.chat(&ask("good", "say hi")).await), "hi");
        assert_eq!(self.gateway.statistic("wasm.gateway.vm_reload_success").await, 0, "{}", self.gateway.errors());
        assert_eq!(self.gateway.statistic("wasm.provider.vm_reload_success").await, 0);
    }
}

impl Fixture for Site {
    async fn renew(&mut self) -> bool {
        shared::renew(&mut self.gateway, &[&self.good]).await;
        true
    }
}

const OTHER: &str = "sk-sluice-other";

const BLOCKS: &str = r#"{"id":"m","type":"message","role":"assistant","model":"x","stop_reason":"end_turn","usage":{"input_tokens":1,"output_tokens":1},"content":[ITEMS]}"#;
const CALLS: &str =
    r#"{"choices":[{"index":0,"message":{"role":"assistant","tool_calls":[ITEMS]},"finish_reason":"tool_calls"}]}"#;

/// A body with enough of `item` to reach this size.
fn listed(body: &str, item: &str, size: usize) -> Vec<u8> {
    let separator = if item.starts_with('\\') { "" } else { "," };
    let count = size / (item.len() + separator.len());
    body.replace("ITEMS", &vec![item; count].join(separator)).into_bytes()
}

#[tokio::test]
async fn an_answer_that_would_grow_past_what_envoy_takes_is_a_bad_answer() {
    let site = Site::lease().await;
    for (path, body) in [
        ("/v1/responses", json!({"model": "blocks", "input": "hi"})),
        ("/v1/messages", json!({"model": "calls", "max_tokens": 5, "messages": [{"role": "user", "content": "hi"}]})),
        ("/v1/messages", json!({"model": "text", "max_tokens": 5, "messages": [{"role": "user", "content": "hi"}]})),
        ("/v1/embeddings", json!({"model": "vector", "input": "hi", "encoding_format": "base64"})),
    ] {
        let answer = site.gateway.client().post(path, &body).await;
        // A text of control characters has the same length in both formats.
        let status = if body["model"] == "text" { 200 } else { 502 };
        assert_eq!((answer.status, answer.complete), (status, true), "{path} {body}: {:?}", answer.body.len());
        site.is_well().await;
    }
    // Such a response makes the gateway try the next target.
    let answer = site.gateway.client().post("/v1/responses", &json!({"model": "then-good", "input": "say hi"})).await;
    assert_eq!((answer.status, answer.header("x-sluice-provider")), (200, Some("good")));
    site.is_well().await;
}

#[tokio::test]
async fn a_request_that_would_grow_twentyfold_is_refused_before_it_does() {
    let site = Site::lease().await;
    for (size, status) in [(3 * 101, 400), (3 * 2049, 400), (12 * MIB, 413), (14 * MIB, 413), (31 * MIB, 413)] {
        let body = listed(r#"{"model":"vector","input":[ITEMS]}"#, r#""""#, size);
        let answer = site.gateway.client().request("POST", "/v1/embeddings", body).await.expect("an answer");
        let (refused, _) = refusal(&answer);
        assert!([status, 400].contains(&refused), "{size}: {}", answer.text());
        site.is_well().await;
    }
    let turns = listed(r#"{"model":"blocks","messages":[ITEMS]}"#, r#"{"role":"user","content":""}"#, 31 * MIB);
    let answer = site.gateway.client().request("POST", CHAT, turns).await.expect("an answer");
    assert_eq!(refusal(&answer), (413, "request_too_large".to_owned()));
    site.is_well().await;
    assert!(site.hostile.requests().iter().all(|request| request.body.len() < MIB), "nothing of it has left");
}

#[tokio::test]
async fn one_key_cannot_fill_a_worker_with_bodies() {
    let site = Site::lease().await;
    let client = site.gateway.client();
    let head = |key: &str| {
        format!(
            "POST {CHAT} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {key}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{{",
            31 * MIB
        )
    };
    // Each sends its headers and one byte, and then nothing. The admitted ones wait for the rest.
    let mut waiting = Vec::new();
    for count in 1..=2 {
        let mut stream = TcpStream::connect(("127.0.0.1", site.gateway.port())).await.expect("a connection");
        stream.write_all(head(KEY).as_bytes()).await.expect("an open connection");
        waiting.push(stream);
        eventually("the request to be let in", async || {
            site.gateway.statistic("http.sluice.downstream_rq_active").await == count
        })
        .await;
    }
    let refused = head(KEY);
    for answer in together((0..38).map(|_| client.raw(refused.as_bytes()))).await {
        let answer = String::from_utf8_lossy(&answer).into_owned();
        assert!(answer.starts_with("HTTP/1.1 503") && answer.contains("\r\nretry-after: 1\r\n"), "{answer}");
        assert!(answer.contains("gateway_overloaded"), "{answer}");
    }
    assert_eq!(site.gateway.counter("sluice.refused.memory").await, 38);
    // Another key has its own share.
    let answer = site.gateway.with_key(OTHER).post(CHAT, &ask("good", "say hi")).await;
    assert_eq!(said(&answer), "hi");
    drop(waiting);
    site.gateway.quiet().await;
    // The memory of their requests is free again.
    let large = ask("good", &"0123456789abcdef".repeat(30 << 16));
    assert_eq!(site.gateway.chat(&large).await.status, 200);
    site.is_well().await;
}
