//! Request bodies as clients send them: compressed, with a byte order mark, or hostile in one of these ways.

use std::io::Write as _;

use flate2::Compression;
use flate2::write::GzEncoder;
use ruzstd::encoding::{CompressionLevel, compress_to_vec};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use sluice_tests::client::Answer;
use sluice_tests::gateway::{Gateway, KEY, Key, Kind};
use sluice_tests::shared::{self, Fixture, Shared};
use sluice_tests::simulator::Simulator;
use sluice_tests::standin::StandIn;

use crate::{CHAT, refusal, said, together};

const KIB: usize = 1 << 10;
const MIB: usize = 1 << 20;

/// A gateway with one worker. Its provider's responses are digests of the received bodies.
struct Site {
    gateway: Gateway,
    simulator: Simulator,
    _digests: StandIn,
}

static SITE: Shared<Site> = Shared::new(1, || Box::pin(Site::start()));

impl Site {
    async fn start() -> Self {
        let simulator = Simulator::start().await;
        let digests = StandIn::start(|request| {
            let message = json!({"role": "assistant", "content": digest(&request.body)});
            (200, json!({"choices": [{"index": 0, "message": message, "finish_reason": "stop"}]}))
        })
        .await;
        let target = |provider: &str, model: &str| json!({"targets": [{"provider": provider, "model": model}]});
        let gateway = Gateway::builder()
            .provider("simulated", Kind::OpenAi, &simulator)
            .with(json!({
                "providers": {"digests": {"kind": "openai", "url": digests.url()}},
                "models": {
                    "digest": target("digests", "digest"),
                    "gpt": target("simulated", "gpt-sim"),
                    "omni-moderation-latest": target("simulated", "omni-moderation-latest"),
                },
            }))
            .key(Key::new("test", KEY))
            .concurrency(1)
            .start()
            .await;
        Self { gateway, simulator, _digests: digests }
    }

    async fn post(&self, path: &str, encoding: &str, body: Vec<u8>) -> Answer {
        let client = self.gateway.client().header("content-encoding", encoding);
        client.request("POST", path, body).await.expect("an answer")
    }

    /// Asserts that the gateway is alive and that its VM never restarted.
    async fn is_well(&self) {
        assert!(self.gateway.alive(), "{}", self.gateway.errors());
        assert_eq!(self.gateway.statistic("wasm.gateway.vm_reload_success").await, 0, "{}", self.gateway.errors());
    }
}

impl Fixture for Site {
    async fn renew(&mut self) -> bool {
        shared::renew(&mut self.gateway, &[&self.simulator]).await;
        true
    }
}

fn digest(body: &[u8]) -> String {
    Sha256::digest(body).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn gzip(body: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(body).expect("memory");
    encoder.finish().expect("memory")
}

fn zstd(body: &[u8]) -> Vec<u8> {
    compress_to_vec(body, CompressionLevel::Fastest)
}

fn brotli(body: &[u8]) -> Vec<u8> {
    let mut compressed = Vec::new();
    let mut encoder = brotli::CompressorWriter::new(&mut compressed, 64 * KIB, 2, 22);
    encoder.write_all(body).expect("memory");
    drop(encoder);
    compressed
}

type Compress = fn(&[u8]) -> Vec<u8>;

const ENCODINGS: [(&str, Compress); 3] = [("gzip", gzip), ("zstd", zstd), ("br", brotli)];

/// A request with a prompt of this size: random words, or one repeated letter.
fn request(size: usize, repeats: bool) -> Vec<u8> {
    let mut state = 1_u32;
    let mut text = String::with_capacity(size + 16);
    while text.len() < size {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        text += &if repeats { "aaaaaaaaaa".to_owned() } else { format!("{:x} ", state >> 8) };
    }
    json!({"model": "digest", "messages": [{"role": "user", "content": text}]}).to_string().into_bytes()
}

#[tokio::test]
async fn a_provider_is_sent_what_its_client_has_compressed() {
    let site = SITE.lease().await;
    for (size, repeats) in [(KIB, false), (100 * KIB, false), (5 * MIB, true), (20 * MIB, false), (20 * MIB, true)] {
        let body = request(size, repeats);
        for (encoding, compress) in ENCODINGS {
            let answer = site.post(CHAT, encoding, compress(&body)).await;
            assert_eq!(answer.status, 200, "{encoding} {size}: {}", answer.text());
            assert_eq!(said(&answer), digest(&body), "{encoding} {size}");
        }
    }
    // Envoy's own filter would not decompress it.
    let body = request(KIB, false);
    let client = site.gateway.client().header("content-encoding", "gzip").header("cache-control", "no-transform");
    assert_eq!(said(&client.request("POST", CHAT, gzip(&body)).await.expect("an answer")), digest(&body));
    site.is_well().await;
}

/// A gibibyte of zeros in each encoding.
fn bombs() -> [(&'static str, Vec<u8>); 3] {
    let zeros = vec![0; MIB];
    [
        ("gzip", gzip(&zeros).repeat(1024)),
        ("zstd", zstd(&zeros).repeat(1024)),
        ("br", include_bytes!("bodies/gibibyte.br").to_vec()),
    ]
}

#[tokio::test]
async fn a_body_that_would_become_a_gibibyte_is_too_large() {
    let site = SITE.lease().await;
    for (encoding, bomb) in bombs() {
        let size = bomb.len();
        let answer = site.post(CHAT, encoding, bomb).await;
        assert_eq!(refusal(&answer), (413, "request_too_large".to_owned()), "{encoding} {size}");
    }
    let (encoding, bomb) = &bombs()[1];
    let many = (0..40).map(|_| site.post(CHAT, encoding, bomb.clone()));
    for answer in together(many).await {
        assert!([413, 503].contains(&answer.status), "{}", answer.text());
    }
    let body = request(KIB, false);
    assert_eq!(said(&site.post(CHAT, "gzip", gzip(&body)).await), digest(&body));
    site.is_well().await;
    let peak = site.gateway.peak_memory();
    assert!(peak < 800 << 20, "{peak} bytes");
}

#[tokio::test]
async fn a_body_that_is_not_what_its_encoding_says_is_refused_in_the_clients_dialect() {
    let site = SITE.lease().await;
    let body = request(KIB, false);
    for (encoding, compress) in ENCODINGS {
        let whole = compress(&body);
        for damaged in [whole[..whole.len() / 2].to_vec(), body.clone()] {
            let answer = site.post(CHAT, encoding, damaged.clone()).await;
            assert_eq!(refusal(&answer), (400, "invalid_content_encoding".to_owned()), "{encoding}");
            let answer = site.post("/v1/messages", encoding, damaged).await;
            assert_eq!((answer.status, answer.json()["type"].as_str()), (400, Some("error")), "{encoding}");
        }
    }
    for encoding in ["deflate", "compress", "gzip, br", "\u{e4}"] {
        let answer = site.post(CHAT, encoding, gzip(&body)).await;
        assert_eq!(refusal(&answer), (415, "unsupported_content_encoding".to_owned()), "{encoding}");
        assert_eq!(answer.header("accept-encoding"), Some("gzip, zstd, br"));
    }
    site.is_well().await;
}

/// Bodies that expand to little or nothing, and would keep a worker busy for seconds, minutes or hours.
#[tokio::test]
async fn a_body_that_is_made_to_take_long_does_not() {
    let site = SITE.lease().await;
    let marks = b"\xef\xbb\xbf".repeat(10 * MIB);
    for (encoding, body) in [("identity", marks.clone()), ("gzip", gzip(&marks))] {
        let answer = site.post(CHAT, encoding, body).await;
        assert_eq!(refusal(&answer), (400, "invalid_json".to_owned()), "{encoding}");
    }
    let frame = [0x28, 0xb5, 0x2f, 0xfd, 0, 0, 1, 0, 0];
    for (encoding, part) in [("gzip", gzip(b"")), ("zstd", frame.to_vec())] {
        let answer = site.post(CHAT, encoding, part.repeat(30 * MIB / part.len())).await;
        assert_eq!(refusal(&answer), (400, "invalid_content_encoding".to_owned()), "{encoding}");
    }
    site.is_well().await;
}

#[tokio::test]
async fn what_clients_leave_out_or_put_before_a_body_is_no_obstacle() {
    let site = SITE.lease().await;
    let body = request(KIB, false);
    let marked = [b"\xef\xbb\xbf", body.as_slice()].concat();
    assert_eq!(said(&site.post(CHAT, "identity", marked.clone()).await), digest(&body));
    assert_eq!(said(&site.post(CHAT, "zstd", zstd(&marked)).await), digest(&body));

    let client = site.gateway.client();
    let moderated = client.post("/v1/moderations", &json!({"input": "a cat"})).await;
    assert_eq!((moderated.status, moderated.json()["model"].as_str()), (200, Some("omni-moderation-latest")));

    let asked = json!({"model": "gpt", "input": "twelve words of English are about as many tokens and some more"});
    let counted = client.post("/v1/responses/input_tokens", &asked).await;
    assert_eq!((counted.status, &counted.json()["object"]), (200, &json!("response.input_tokens")));
    let last = site.simulator.requests().pop().expect("a request");
    assert_eq!((&*last.path, &last.json()["model"]), ("/v1/responses/input_tokens", &json!("gpt-sim")));

    let moderated = client.post("/v1/moderations", &json!({"model": null, "input": "a cat"})).await;
    assert_eq!((moderated.status, moderated.json()["model"].as_str()), (200, Some("omni-moderation-latest")));

    for path in ["/v1/models", "/v1/models/gpt"] {
        let head = client.request("HEAD", path, "").await.expect("an answer");
        assert_eq!((head.status, head.body.len(), head.header("content-type")), (200, 0, Some("application/json")));
    }
    let listed: Value = client.request("GET", "/v1/models?limit=2", "").await.expect("an answer").json();
    assert_eq!((listed["data"].as_array().map(Vec::len), &listed["has_more"]), (Some(2), &json!(true)));
}
