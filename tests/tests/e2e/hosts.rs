//! Hosts of other vendors' models: the path of each request, and its credential, which is a signature, a key or a token.

use serde_json::json;
use sluice_tests::gateway::{A_KEY, A_SECRET, AN_ID, ANOTHER_SECRET, Builder, Gateway, children};
use sluice_tests::shared::{self, Fixture, Shared};
use sluice_tests::simulator::Simulator;

use crate::{ask, said, with};

/// Models of Bedrock, each with its encoded form in a path.
const BEDROCK: [(&str, &str); 3] = [
    ("anthropic.claude-sim-v1:0", "anthropic.claude-sim-v1%3A0"),
    (
        "arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/claude-sim:0",
        "arn%3Aaws%3Abedrock%3Aus-east-1%3A123456789012%3Aapplication-inference-profile%2Fclaude-sim%3A0",
    ),
    ("us.anthropic.claude-sim", "us.anthropic.claude-sim"),
];

/// A gateway with hosts of all kinds. The models of a host `azure` are `azure-0`, `azure-1` and so on.
struct Hosts {
    gateway: Gateway,
    /// The simulator that checks signatures.
    amazon: Simulator,
    /// The simulator that checks keys.
    others: Simulator,
}

static HOSTS: Shared<Hosts> = Shared::new(1, || Box::pin(Hosts::start()));

impl Hosts {
    async fn start() -> Self {
        let amazon = Simulator::builder().aws(AN_ID.1, A_SECRET.1).start().await.expect("a simulator");
        let others = Simulator::builder().key(A_KEY.1).start().await.expect("a simulator");
        let signed = |kind: &str, secret: &str| {
            let secret = json!({"env": secret});
            let aws = json!({"region": "us-east-1", "access_key_id": {"env": AN_ID.0}, "secret_access_key": secret});
            json!({"kind": kind, "url": amazon.url(), "aws": aws})
        };
        let keyed = |kind: &str, base: &str| json!({"kind": kind, "url": others.url() + base, "key": {"env": A_KEY.0}});
        let bedrock = BEDROCK.map(|(model, _)| model);
        let mut file = json!({"providers": {}, "models": {}});
        for (host, provider, models) in [
            ("bedrock", signed("bedrock", A_SECRET.0), &bedrock[..]),
            ("bedrock-anthropic", signed("bedrock-anthropic", A_SECRET.0), &bedrock),
            ("wrong", signed("bedrock", ANOTHER_SECRET.0), &["claude-sim"]),
            ("azure", keyed("azure", ""), &["my.gpt@5"]),
            ("azure-dated", with(keyed("azure", ""), json!({"api_version": AZURES_VERSION})), &["my.gpt@5"]),
            ("vertex", keyed("vertex", &vertex("google")), &["gemini-2.5-sim"]),
            ("vertex-anthropic", keyed("vertex-anthropic", &vertex("anthropic")), &["claude-sim@20260101"]),
        ] {
            file["providers"][host] = provider;
            for (index, model) in models.iter().enumerate() {
                file["models"][format!("{host}-{index}")] = json!({"targets": [{"provider": host, "model": model}]});
            }
        }
        Self { gateway: Builder::default().with(file).start().await, amazon, others }
    }
}

impl Fixture for Hosts {
    async fn renew(&mut self) -> bool {
        shared::renew(&mut self.gateway, &[&self.amazon, &self.others]).await;
        true
    }
}

const AZURES_VERSION: &str = "2025-04-01-preview";

/// The path of a publisher's models.
fn vertex(publisher: &str) -> String {
    format!("/v1/projects/p-1/locations/europe-west1/publishers/{publisher}")
}

/// Sends a request to each of a host's models, streamed and not; returns the paths.
async fn paths(gateway: &Gateway, simulator: &Simulator, host: &str, models: usize) -> Vec<String> {
    for model in 0..models {
        for stream in [false, true] {
            let body = with(ask(&format!("{host}-{model}"), "say hello, wörld"), json!({"stream": stream}));
            let answer = gateway.chat(&body).await;
            assert_eq!((answer.status, &*said(&answer)), (200, "hello, wörld"), "{}", answer.text());
        }
    }
    simulator.requests().into_iter().map(|request| request.path).collect()
}

#[tokio::test]
async fn bedrock_is_asked_with_signatures_whatever_its_models_are_called() {
    let hosts = HOSTS.lease().await;
    let (gateway, simulator) = (&hosts.gateway, &hosts.amazon);
    for (host, whole, stream) in
        [("bedrock", "converse", "converse-stream"), ("bedrock-anthropic", "invoke", "invoke-with-response-stream")]
    {
        simulator.clear();
        let expected: Vec<String> = BEDROCK
            .iter()
            .flat_map(|(_, path)| [whole, stream].map(|operation| format!("/model/{path}/{operation}")))
            .collect();
        assert_eq!(paths(gateway, simulator, host, BEDROCK.len()).await, expected);
        for request in simulator.requests() {
            assert!(request.header("authorization").is_some_and(|value| value.starts_with("AWS4-HMAC-SHA256 ")));
        }
        // Bedrock identifies an error by a header, signed or not.
        simulator.always("status=429");
        assert_eq!(gateway.chat(&ask(&format!("{host}-0"), "hi")).await.status, 429);
    }
}

#[tokio::test]
async fn envoy_knows_no_secret_by_a_variable() {
    let hosts = HOSTS.lease().await;
    let gateway = &hosts.gateway;
    let of = |process: u32| std::fs::read(format!("/proc/{process}/environ")).expect("its variables");
    let has = |bytes: &[u8], text: &str| bytes.windows(text.len()).any(|window| window == text.as_bytes());
    assert!(has(&of(gateway.process_id()), A_SECRET.1), "sluice has it");
    let envoy = of(*children(gateway.process_id()).first().expect("an Envoy"));
    assert!(has(&envoy, "PATH="), "{}", String::from_utf8_lossy(&envoy));
    for secret in [A_SECRET, AN_ID, A_KEY, ANOTHER_SECRET].map(|(_, value)| value) {
        assert!(!has(&envoy, secret), "{secret}");
    }
}

#[tokio::test]
async fn a_wrong_signature_is_the_gateways_trouble_and_not_the_clients() {
    let hosts = HOSTS.lease().await;
    let answer = hosts.gateway.chat(&ask("wrong-0", "hi")).await;
    assert_eq!(crate::refusal(&answer), (502, "provider_refused_credential".to_owned()));
    assert!(!answer.text().contains(AN_ID.1), "{}", answer.text());
}

#[tokio::test]
async fn azure_is_asked_on_both_of_its_surfaces() {
    let hosts = HOSTS.lease().await;
    let (gateway, simulator) = (&hosts.gateway, &hosts.others);
    for (host, expected) in [
        ("azure", ["/openai/v1/chat/completions", "/openai/v1/embeddings", "/openai/v1/responses"]),
        (
            "azure-dated",
            [
                "/openai/deployments/my.gpt%405/chat/completions?api-version=2025-04-01-preview",
                "/openai/deployments/my.gpt%405/embeddings?api-version=2025-04-01-preview",
                "/openai/responses?api-version=2025-04-01-preview",
            ],
        ),
    ] {
        simulator.clear();
        for path in paths(gateway, simulator, host, 1).await {
            assert_eq!(path, expected[0]);
        }
        simulator.clear();
        let model = format!("{host}-0");
        let embed = json!({"model": model, "input": "hello"});
        let respond = json!({"model": model, "input": "say hello", "store": false});
        for (path, body) in [("/v1/embeddings", &embed), ("/v1/responses", &respond)] {
            let answer = gateway.client().post(path, body).await;
            assert_eq!(answer.status, 200, "{path}: {}", answer.text());
        }
        let requests = simulator.requests();
        assert_eq!(requests.iter().map(|request| &*request.path).collect::<Vec<_>>(), expected[1..]);
        for request in requests {
            assert_eq!((request.header("api-key"), request.header("authorization")), (Some(A_KEY.1), None));
            assert_eq!(request.json()["model"], "my.gpt@5");
        }
        simulator.script(&["filter"]);
        let answer = gateway.chat(&ask(&model, "hi")).await;
        assert_eq!(
            (answer.status, &answer.json()["error"]["code"]),
            (400, &json!("content_filter")),
            "{}",
            answer.text()
        );
    }
}

#[tokio::test]
async fn vertex_is_asked_with_a_bearers_token() {
    let hosts = HOSTS.lease().await;
    let (gateway, simulator) = (&hosts.gateway, &hosts.others);
    for (host, publisher, model, operations) in [
        ("vertex", "google", "gemini-2.5-sim", ["generateContent", "streamGenerateContent?alt=sse"]),
        ("vertex-anthropic", "anthropic", "claude-sim@20260101", ["rawPredict", "streamRawPredict"]),
    ] {
        simulator.clear();
        let base = vertex(publisher);
        let expected = operations.map(|operation| format!("{base}/models/{model}:{operation}"));
        assert_eq!(paths(gateway, simulator, host, 1).await, expected);
        for request in simulator.requests() {
            assert_eq!(request.header("authorization"), Some("Bearer sk-theirs"));
            assert_eq!((request.header("x-goog-api-key"), request.header("x-api-key")), (None, None));
        }
    }
}
