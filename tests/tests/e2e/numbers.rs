//! Numbers beyond a provider's bounds: clamped, dropped or rejected before the request leaves. The simulator rejects the same numbers as
//! the services.

use serde_json::{Value, json};
use sluice_tests::gateway::{Builder, Gateway};
use sluice_tests::simulator::Simulator;

use crate::{ask, with};

/// A gateway with a simulator for these kinds; each has a model of its name.
async fn kinds() -> (Gateway, Simulator) {
    let simulator = Simulator::start().await;
    let mut file = json!({"providers": {}, "models": {}});
    for (kind, path, model) in [
        ("cohere", "/v2", "command-sim"),
        ("mistral", "/mistral/v1", "m"),
        ("gemini", "/v1beta", "gemini-2.5-sim"),
        ("bedrock", "", "anthropic.claude-sim"),
    ] {
        file["providers"][kind] = json!({"kind": kind, "url": simulator.url() + path, "key": {"env": "A_KEY"}});
        file["models"][kind] = json!({"targets": [{"provider": kind, "model": model}]});
    }
    (Builder::default().with(file).start().await, simulator)
}

#[tokio::test]
async fn what_says_only_how_much_is_moved_and_named() {
    let (gateway, simulator) = kinds().await;
    for (kind, wish, sent) in [
        (
            "cohere",
            json!({"temperature": 1.9, "top_p": 1.0, "top_k": 900, "seed": -1}),
            json!({"temperature": 1.0, "p": 0.99, "k": 500}),
        ),
        ("mistral", json!({"temperature": 1.9, "seed": -1}), json!({"temperature": 1.5})),
        ("bedrock", json!({"temperature": 1.9, "top_k": 900}), json!({"inferenceConfig": {"temperature": 1.0}})),
    ] {
        let answer = gateway.chat(&with(ask(kind, "say hi"), wish.clone())).await;
        assert_eq!(answer.status, 200, "{kind} {}", answer.text());
        let mut dropped: Vec<&str> = answer.header("x-sluice-dropped").unwrap_or_default().split(", ").collect();
        dropped.sort_unstable();
        let asked: Vec<&String> = wish.as_object().expect("an object").keys().collect();
        assert_eq!(dropped, asked, "{kind}");
        let body = simulator.requests().pop().expect("a request").json();
        for (name, value) in sent.as_object().expect("an object") {
            assert_eq!(&body[name], value, "{kind} {body}");
        }
        assert!(body.get("seed").is_none() && body.get("random_seed").is_none(), "{kind} {body}");
    }
}

#[tokio::test]
async fn what_would_be_another_wish_is_refused_by_its_name_and_never_sent() {
    let (gateway, simulator) = kinds().await;
    for (kind, field, value) in [
        ("gemini", "presence_penalty", json!(0.5)),
        ("gemini", "n", json!(9)),
        ("cohere", "frequency_penalty", json!(-0.5)),
        ("mistral", "n", json!(0)),
        ("bedrock", "n", json!(2)),
    ] {
        let mut body = ask(kind, "say hi");
        body[field] = value;
        let answer = gateway.chat(&body).await;
        let error: Value = answer.json();
        assert_eq!((answer.status, &error["error"]["param"]), (400, &json!(field)), "{kind} {error}");
    }
    assert!(simulator.requests().is_empty());
    let answer = gateway.chat(&with(ask("gemini", "say hi"), json!({"presence_penalty": 0, "top_k": 0, "n": 2}))).await;
    assert_eq!((answer.status, answer.header("x-sluice-dropped")), (200, Some("top_k")), "{}", answer.text());
}
