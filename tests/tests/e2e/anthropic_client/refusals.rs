//! Errors of the gateway in Anthropic's format: body, messages and statuses.

use serde_json::json;

use super::{KEYED, MESSAGES, ask, refusal, streamed};
use crate::{Pair, with};

fn error(status: u16, word: &str) -> (u16, String) {
    (status, word.to_owned())
}

#[tokio::test]
async fn keys_models_and_paths_that_are_wrong() {
    let pair = KEYED.lease().await;
    let gateway = &pair.gateway;
    let ask_as = async |key: &str, model: &str| {
        refusal(&gateway.anonymous().anthropic(key).post(MESSAGES, &ask(&pair, model, "hi")).await)
    };
    assert_eq!(ask_as("sk-wrong", "openai").await, error(401, "authentication_error"));
    assert_eq!(
        refusal(&gateway.anonymous().post(MESSAGES, &ask(&pair, "openai", "hi")).await),
        error(401, "authentication_error")
    );
    assert_eq!(ask_as("sk-narrow", "anthropic").await, error(403, "permission_error"));
    assert_eq!(refusal(&gateway.message(&ask(&pair, "nowhere", "hi")).await), error(404, "not_found_error"));
    let client = gateway.anthropic_client();
    for path in ["/v1/messages/batches", "/v1/messages/count", "/v1/skills"] {
        assert_eq!(
            refusal(&client.post(path, &ask(&pair, "openai", "hi")).await),
            error(404, "not_found_error"),
            "{path}"
        );
    }
    for body in ["", "{", "[]", r#"{"model":"openai","max_tokens":9,"messages":[]}"#] {
        let answer = client.request("POST", MESSAGES, body).await.expect("an answer");
        assert_eq!(refusal(&answer), error(400, "invalid_request_error"), "{body}");
    }
    assert_eq!((pair.openai.count(), pair.anthropic.count()), (0, 0));
}

#[tokio::test]
async fn what_the_provider_cannot_be_told_is_named() {
    let pair = Pair::lease().await;
    for (more, named) in [
        (json!({"container": {"skills": []}}), "container"),
        (json!({"mcp_servers": [{"type": "url", "url": "https://m.test", "name": "m"}]}), "mcp_servers"),
        (json!({"tools": [{"type": "web_search_20250305", "name": "web_search"}]}), "tools[0].type"),
        (json!({"invented": 1}), "invented"),
    ] {
        let answer = pair.gateway.message(&with(ask(&pair, "openai", "hi"), more.clone())).await;
        assert_eq!(refusal(&answer), error(400, "invalid_request_error"));
        assert!(answer.text().contains(named), "{named}: {}", answer.text());
        // The gateway tries the next target, which supports the feature.
        if named != "invented" {
            let answer = pair.gateway.message(&with(ask(&pair, "openai-first", "hi"), more)).await;
            assert_eq!(
                answer.header("x-sluice-provider").or(Some("anthropic")),
                Some("anthropic"),
                "{}",
                answer.text()
            );
        }
    }
}

#[tokio::test]
async fn a_providers_failures() {
    let pair = Pair::lease().await;
    for (fault, status, word) in [
        ("context", 400, "invalid_request_error"),
        ("status=429", 429, "rate_limit_error"),
        ("quota", 429, "rate_limit_error"),
        ("status=401", 502, "api_error"),
    ] {
        for stream in [false, true] {
            pair.openai.clear();
            pair.openai.always(fault);
            let answer = pair.gateway.message(&with(ask(&pair, "openai", "hi"), json!({"stream": stream}))).await;
            assert_eq!(refusal(&answer), error(status, word), "{fault}");
        }
    }
    pair.openai.always("status=503");
    let answer = pair.gateway.message(&streamed(&pair, "openai", "hi")).await;
    assert!(matches!(refusal(&answer).0, 503 | 529), "{}", answer.text());
}

#[tokio::test]
async fn limits_may_be_tried_again_and_budgets_may_not() {
    let pair = KEYED.lease().await;
    let client = |key: &str| pair.gateway.anonymous().anthropic(key);
    assert_eq!(client("sk-slow").post(MESSAGES, &ask(&pair, "openai", "hi")).await.status, 200);
    let limited = client("sk-slow").post(MESSAGES, &ask(&pair, "openai", "hi")).await;
    assert_eq!(refusal(&limited), error(429, "rate_limit_error"));
    assert!(limited.header("retry-after").is_some() && limited.header("x-should-retry").is_none());
    let poor = client("sk-poor").post(MESSAGES, &ask(&pair, "openai", "hi")).await;
    assert_eq!(refusal(&poor), error(429, "rate_limit_error"));
    assert_eq!((poor.header("retry-after"), poor.header("x-should-retry")), (None, Some("false")));
}
