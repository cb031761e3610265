//! Hosts of others' models: what is asked of them at which path, and who says so: signatures, keys and tokens.

use serde_json::{Value, json};
use sluice_tests::gateway::{Builder, Gateway};
use sluice_tests::simulator::Simulator;

use crate::{ask, said, with};

const ID: &str = "AKIDSIMULATOR";
const SECRET: &str = "secret/of+the=simulator";

/// Models of Bedrock, each with the text that stands for it in a path.
const BEDROCK: [(&str, &str); 3] = [
    ("anthropic.claude-sim-v1:0", "anthropic.claude-sim-v1%3A0"),
    (
        "arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/claude-sim:0",
        "arn%3Aaws%3Abedrock%3Aus-east-1%3A123456789012%3Aapplication-inference-profile%2Fclaude-sim%3A0",
    ),
    ("us.anthropic.claude-sim", "us.anthropic.claude-sim"),
];

/// A gateway before one provider, with the models `0`, `1` and so on.
async fn gateway(provider: Value, models: &[&str]) -> Gateway {
    let model = |(index, model): (usize, &&str)| {
        (index.to_string(), json!({"targets": [{"provider": "host", "model": model}]}))
    };
    let models: serde_json::Map<_, _> = models.iter().enumerate().map(model).collect();
    let file = json!({"providers": {"host": provider}, "models": models});
    Builder::default()
        .environment("A_KEY", "sk-host")
        .environment("A_SECRET", SECRET)
        .environment("AN_ID", ID)
        .with(file)
        .start()
        .await
}

/// Asks each of the models, in one piece and streamed, and gives back the paths that were asked.
async fn paths(gateway: &Gateway, simulator: &Simulator, models: usize) -> Vec<String> {
    for model in 0..models {
        for stream in [false, true] {
            let body = with(ask(&model.to_string(), "say hello, wörld"), json!({"stream": stream}));
            let answer = gateway.chat(&body).await;
            assert_eq!((answer.status, &*said(&answer)), (200, "hello, wörld"), "{}", answer.text());
        }
    }
    simulator.requests().into_iter().map(|request| request.path).collect()
}

#[tokio::test]
async fn bedrock_is_asked_with_signatures_whatever_its_models_are_called() {
    let simulator = Simulator::builder().aws(ID, SECRET).start().await.expect("a simulator");
    for (kind, whole, stream) in
        [("bedrock", "converse", "converse-stream"), ("bedrock-anthropic", "invoke", "invoke-with-response-stream")]
    {
        simulator.clear();
        let aws =
            json!({"region": "us-east-1", "access_key_id": {"env": "AN_ID"}, "secret_access_key": {"env": "A_SECRET"}});
        let host = json!({"kind": kind, "url": simulator.url(), "aws": aws});
        let gateway = gateway(host, &BEDROCK.map(|(model, _)| model)).await;
        let expected: Vec<String> = BEDROCK
            .iter()
            .flat_map(|(_, path)| [whole, stream].map(|operation| format!("/model/{path}/{operation}")))
            .collect();
        assert_eq!(paths(&gateway, &simulator, BEDROCK.len()).await, expected);
        for request in simulator.requests() {
            assert!(request.header("authorization").is_some_and(|value| value.starts_with("AWS4-HMAC-SHA256 ")));
        }
        // An error of Bedrock's is known by its header, signed or not.
        simulator.always("status=429");
        assert_eq!(gateway.chat(&ask("0", "hi")).await.status, 429);
    }
}

#[tokio::test]
async fn a_wrong_signature_is_the_gateways_trouble_and_not_the_clients() {
    let simulator = Simulator::builder().aws(ID, "another").start().await.expect("a simulator");
    let aws =
        json!({"region": "us-east-1", "access_key_id": {"env": "AN_ID"}, "secret_access_key": {"env": "A_SECRET"}});
    let gateway = gateway(json!({"kind": "bedrock", "url": simulator.url(), "aws": aws}), &["claude-sim"]).await;
    let answer = gateway.chat(&ask("0", "hi")).await;
    assert_eq!(crate::refusal(&answer), (502, "provider_refused_credential".to_owned()));
    assert!(!answer.text().contains(ID), "{}", answer.text());
}

#[tokio::test]
async fn azure_is_asked_on_both_of_its_surfaces() {
    let simulator = Simulator::builder().key("sk-host").start().await.expect("a simulator");
    let embed = json!({"model": "0", "input": "hello"});
    let respond = json!({"model": "0", "input": "say hello", "store": false});
    for (version, expected) in [
        (None, ["/openai/v1/chat/completions", "/openai/v1/embeddings", "/openai/v1/responses"]),
        (
            Some("2025-04-01-preview"),
            [
                "/openai/deployments/my.gpt%405/chat/completions?api-version=2025-04-01-preview",
                "/openai/deployments/my.gpt%405/embeddings?api-version=2025-04-01-preview",
                "/openai/responses?api-version=2025-04-01-preview",
            ],
        ),
    ] {
        simulator.clear();
        let mut host = json!({"kind": "azure", "url": simulator.url(), "key": {"env": "A_KEY"}});
        if let Some(version) = version {
            host["api_version"] = json!(version);
        }
        let gateway = gateway(host, &["my.gpt@5"]).await;
        for path in paths(&gateway, &simulator, 1).await {
            assert_eq!(path, expected[0]);
        }
        simulator.clear();
        for (path, body) in [("/v1/embeddings", &embed), ("/v1/responses", &respond)] {
            let answer = gateway.client().post(path, body).await;
            assert_eq!(answer.status, 200, "{path}: {}", answer.text());
        }
        let requests = simulator.requests();
        assert_eq!(requests.iter().map(|request| &*request.path).collect::<Vec<_>>(), expected[1..]);
        for request in requests {
            assert_eq!((request.header("api-key"), request.header("authorization")), (Some("sk-host"), None));
            assert_eq!(request.json()["model"], "my.gpt@5");
        }
        simulator.script(&["filter"]);
        let answer = gateway.chat(&ask("0", "hi")).await;
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
    let simulator = Simulator::builder().key("sk-host").start().await.expect("a simulator");
    for (kind, publisher, model, operations) in [
        ("vertex", "google", "gemini-2.5-sim", ["generateContent", "streamGenerateContent?alt=sse"]),
        ("vertex-anthropic", "anthropic", "claude-sim@20260101", ["rawPredict", "streamRawPredict"]),
    ] {
        simulator.clear();
        let base = format!("/v1/projects/p-1/locations/europe-west1/publishers/{publisher}");
        let host = json!({"kind": kind, "url": simulator.url() + &base, "key": {"env": "A_KEY"}});
        let gateway = gateway(host, &[model]).await;
        let expected = operations.map(|operation| format!("{base}/models/{model}:{operation}"));
        assert_eq!(paths(&gateway, &simulator, 1).await, expected);
        for request in simulator.requests() {
            assert_eq!(request.header("authorization"), Some("Bearer sk-host"));
            assert_eq!((request.header("x-goog-api-key"), request.header("x-api-key")), (None, None));
        }
    }
}
