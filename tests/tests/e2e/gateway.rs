//! The gateway's own responses: keys, models, paths, and the result of a plain request.

use serde_json::{Value, json};
use sluice_tests::client::Client;
use sluice_tests::gateway::{Key, Kind};
use sluice_tests::shared::Shared;

use crate::{CHAT, Pair, ask, refusal, said, with};

#[tokio::test]
async fn an_answer_says_who_gave_it_and_under_which_id() {
    let pair = Pair::lease().await;
    for provider in ["openai", "anthropic"] {
        for stream in [false, true] {
            let answer = pair.gateway.chat(&with(pair.ask(provider, "say hello"), json!({"stream": stream}))).await;
            assert_eq!((answer.status, &*said(&answer), answer.complete), (200, "hello", true));
            assert_eq!(answer.header("x-sluice-provider"), Some(provider));
            assert_eq!(answer.header("x-sluice-model"), Some(&*pair.model_of(provider)));
            assert_eq!(answer.header("x-sluice-attempts"), Some("1"));
            assert_eq!(answer.header("x-request-id").map(str::len), Some(36));
            let kind = answer.header("content-type").unwrap_or_default();
            assert!(kind.starts_with(if stream { "text/event-stream" } else { "application/json" }), "{kind}");
            let length = answer.body.len().to_string();
            assert_eq!(answer.header("content-length"), (!stream).then_some(&*length));
        }
    }
}

/// A gateway with keys of all kinds and the models of a single turn: the tests here use their plain names, and fail no target.
static KEYED: Shared<Pair> = Shared::new(1, || {
    Box::pin(Pair::of(1, |builder| {
        builder
            .key(Key::new("all", "sk-all"))
            .key(Key::new("few", "sk-few").models(&["openai", "anthropic-first"]))
            .key(Key::new("old", "sk-old").expires("2020-01-01T00:00:00Z"))
            .key(Key::new("long", "sk-long").expires("2090-01-01T00:00:00Z"))
    }))
});

#[tokio::test]
async fn a_key_is_accepted_wherever_clients_send_it_and_nothing_else_is() {
    let pair = KEYED.lease().await;
    let anonymous = pair.gateway.anonymous();
    for (header, value) in [
        ("authorization", "Bearer sk-all"),
        ("authorization", "bearer  sk-all "),
        ("x-api-key", "sk-all"),
        ("api-key", "sk-all"),
        ("authorization", "Bearer sk-long"),
    ] {
        let answer = anonymous.clone().header(header, value).post(CHAT, &ask("openai", "hi")).await;
        assert_eq!(answer.status, 200, "{header}: {value}: {}", answer.text());
    }
    let asked = pair.openai.count();
    for (header, value) in [
        ("x-nothing", "1"),
        ("authorization", ""),
        ("authorization", "Bearer"),
        ("authorization", "Bearer "),
        ("authorization", "Basic c2stYWxs"),
        ("authorization", "sk-all"),
        ("authorization", "Bearer sk-unknown"),
        ("authorization", "Bearer sk-all sk-all"),
        ("authorization", "Bearer sk-openai"),
        ("authorization", "Bearer sk-old"),
        ("x-api-key", "sk-al"),
        ("api-key", "SK-ALL"),
    ] {
        for (method, path) in [("POST", CHAT), ("GET", "/v1/models")] {
            let client = anonymous.clone().header(header, value);
            let answer = client.request(method, path, ask("openai", "hi").to_string()).await.expect("an answer");
            assert_eq!(refusal(&answer), (401, "invalid_api_key".to_owned()), "{header}: {value}");
            assert_eq!(answer.header("x-sluice-attempts"), None);
            let word = value.rsplit(' ').next().unwrap_or_default();
            assert!(!word.starts_with("sk-") || !answer.text().contains(word), "{}", answer.text());
        }
    }
    assert_eq!(pair.openai.count(), asked);
}

#[tokio::test]
async fn a_key_sees_and_uses_its_own_models_only() {
    let pair = KEYED.lease().await;
    let client = pair.gateway.anonymous().bearer("sk-few");
    let models = async |client: &Client| -> Vec<String> {
        let answer = client.request("GET", "/v1/models", "").await.expect("an answer");
        assert_eq!((answer.status, answer.header("content-type")), (200, Some("application/json")));
        assert_eq!(answer.json()["object"], "list");
        let listed = answer.json()["data"].as_array().cloned().unwrap_or_default();
        assert!(listed.iter().all(|model| model["object"] == "model" && model["created"].is_u64()));
        listed.iter().filter_map(|model| model["id"].as_str().map(str::to_owned)).collect()
    };
    assert_eq!(models(&client).await, ["anthropic-first", "openai"]);
    let all = models(&pair.gateway.client()).await;
    assert_eq!(all, ["anthropic", "anthropic-first", "openai", "openai-first"]);

    assert_eq!(client.post(CHAT, &ask("openai", "hi")).await.status, 200);
    let refused = client.post(CHAT, &ask("anthropic", "hi")).await;
    assert_eq!(refusal(&refused), (403, "model_not_allowed".to_owned()));
    assert_eq!(refused.json()["error"]["param"], "model");
    for unknown in ["gpt-sim", "claude-sim", "OPENAI", "openai ", "", "none", "a\u{7f}\n\"b\""] {
        let refused = client.post(CHAT, &ask(unknown, "hi")).await;
        assert_eq!(refusal(&refused), (404, "model_not_found".to_owned()), "{unknown:?}");
    }
    assert_eq!((pair.openai.count(), pair.anthropic.count()), (1, 0));
}

#[tokio::test]
async fn a_query_on_the_path_is_the_clients_business() {
    let pair = Pair::lease().await;
    let answer =
        pair.gateway.client().post("/v1/chat/completions?api-version=2024-10-21", &pair.ask("openai", "hi")).await;
    assert_eq!(answer.status, 200);
    assert_eq!(pair.openai.requests()[0].path, CHAT);
}

#[tokio::test]
async fn a_request_that_a_provider_cannot_express_is_refused_naming_the_field() {
    let pair = Pair::lease().await;
    let answer = pair.gateway.chat(&with(pair.ask("anthropic", "hi"), json!({"n": 2}))).await;
    assert_eq!(refusal(&answer), (400, "unsupported_parameter".to_owned()));
    assert_eq!((&answer.json()["error"]["param"], answer.header("x-sluice-attempts")), (&json!("n"), None));
    // A target that can take the request comes first, wherever it is in the list.
    let answer = pair.gateway.chat(&with(pair.ask("anthropic-first", "say hi"), json!({"n": 2}))).await;
    assert_eq!((answer.status, answer.json()["choices"].as_array().map(Vec::len)), (200, Some(2)));
    assert_eq!((pair.anthropic.count(), pair.openai.count()), (0, 1));
    // A last resort that cannot take the request does not hide the first target's failure.
    pair.openai.always("status=503");
    let answer = pair.gateway.chat(&with(pair.ask("openai-first", "hi"), json!({"n": 2}))).await;
    assert_eq!(refusal(&answer).0, 503);
    assert!(pair.anthropic.requests().is_empty());
}

#[tokio::test]
async fn one_provider_may_serve_under_many_names() {
    let pair = Pair::with(|builder| {
        builder
            .provider("openai-again", Kind::OpenAi, "http://127.0.0.1:1/v1")
            .model("three", &[("openai-again", "x"), ("openai", "gpt-sim+status=500"), ("openai", "gpt-sim")])
    })
    .await;
    let answer = pair.gateway.chat(&pair.ask("three", "say third")).await;
    assert_eq!((answer.status, &*said(&answer)), (200, "third"));
    assert_eq!(answer.header("x-sluice-attempts"), Some("4"));
    let models: Vec<Value> = pair.openai.requests().iter().map(|request| request.json()["model"].clone()).collect();
    assert_eq!(models, ["gpt-sim+status=500", "gpt-sim+status=500", "gpt-sim"]);
}
