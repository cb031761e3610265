//! The requests that the simulator rejects.

use serde_json::{Value, json};
use sluice_tests::client::Client;
use sluice_tests::simulator::Simulator;

use crate::{ANTHROPIC, OPENAI, anthropic, openai, start, with};

#[tokio::test]
async fn openai_refuses_wrong_requests() {
    let (_simulator, client) = start().await;
    let user = json!({"role": "user", "content": "hi"});
    for (body, says) in [
        (json!({"messages": [user]}), "model"),
        (json!({"model": "m", "messages": []}), "messages"),
        (json!({"model": "m", "messages": [{"role": "x", "content": "hi"}]}), "role"),
        (
            json!({"model": "m", "messages": [user, {"role": "tool", "tool_call_id": "1", "content": "x"}]}),
            "tool_calls",
        ),
        (with(openai("m", "hi"), json!({"stream_options": {}})), "stream_options"),
        (with(openai("m", "hi"), json!({"max_tokens": 1, "max_completion_tokens": 1})), "max_tokens"),
        (with(openai("m", "hi"), json!({"n": 129})), "<= 128"),
        (with(openai("m", "hi"), json!({"temperature": 2.5})), "'temperature'"),
        (with(openai("m", "hi"), json!({"presence_penalty": -3})), ">= -2"),
        (with(openai("m", "hi"), json!({"top_logprobs": 21})), "'top_logprobs'"),
        (openai("m+nonsense", "hi"), "nonsense"),
    ] {
        let answer = client.post(OPENAI, &body).await;
        assert_eq!(answer.status, 400, "{body}");
        assert_eq!(answer.json()["error"]["type"], "invalid_request_error");
        assert!(answer.text().contains(says), "{says}: {}", answer.text());
    }
    assert_eq!(client.post(OPENAI, &with(openai("m", "hi"), json!({"x_unknown": 1}))).await.status, 200);
}

#[tokio::test]
async fn anthropic_refuses_wrong_requests() {
    let (_simulator, client) = start().await;
    let user = json!({"role": "user", "content": "hi"});
    let call = json!({"role": "assistant", "content": [{"type": "tool_use", "id": "t1", "name": "f", "input": {}}]});
    let result = json!({"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t2", "content": "x"}]});
    let of = |messages: Value| with(anthropic("m", ""), json!({"messages": messages}));
    for (body, says) in [
        (json!({"model": "m", "messages": [user]}), "max_tokens"),
        (with(anthropic("m", "hi"), json!({"n": 1})), "n: Extra inputs"),
        (with(anthropic("m", "hi"), json!({"temperature": 1.5})), "temperature"),
        (with(anthropic("m", "hi"), json!({"stop_sequences": [" "]})), "whitespace"),
        (with(anthropic("m", "hi"), json!({"tools": [{"name": "f"}]})), "input_schema"),
        (with(anthropic("m", "hi"), json!({"tool_choice": {"type": "any"}})), "tools"),
        (with(anthropic("m", "hi"), json!({"thinking": {"type": "enabled", "budget_tokens": 10}})), "1024"),
        (of(json!([{"role": "assistant", "content": "hi"}])), "first message"),
        (of(json!([user, user])), "alternate"),
        (of(json!([{"role": "user", "content": [{"type": "text", "text": ""}]}])), "text content blocks"),
        (of(json!([{"role": "user", "content": []}])), "content"),
        (of(json!([user, call, user])), "without `tool_result`"),
        (of(json!([user, call])), "without `tool_result`"),
        (of(json!([user, call, result])), "unexpected `tool_use_id`"),
        (of(json!([{"role": "user", "name": "x", "content": "hi"}])), "Extra inputs"),
    ] {
        let answer = client.post(ANTHROPIC, &body).await;
        assert_eq!(answer.status, 400, "{body}");
        assert_eq!(answer.json()["error"]["type"], "invalid_request_error");
        assert!(answer.text().contains(says), "{says}: {}", answer.text());
    }
}

#[tokio::test]
async fn keys_and_the_version_are_required() {
    let simulator = Simulator::builder().key("sk-right").start().await.unwrap();
    let bare = Client::new(simulator.port());
    for client in [bare.clone(), bare.clone().bearer("sk-wrong").anthropic("sk-wrong")] {
        let answer = client.post(OPENAI, &openai("m", "hi")).await;
        assert_eq!((answer.status, &answer.json()["error"]["code"]), (401, &json!("invalid_api_key")));
        let answer = client.post(ANTHROPIC, &anthropic("m", "hi")).await;
        assert_eq!((answer.status, &answer.json()["error"]["type"]), (401, &json!("authentication_error")));
    }
    let versionless = bare.clone().header("x-api-key", "sk-right").post(ANTHROPIC, &anthropic("m", "hi")).await;
    assert_eq!(versionless.status, 400);
    let right = bare.bearer("sk-right").anthropic("sk-right");
    assert_eq!(right.post(ANTHROPIC, &anthropic("m", "hi")).await.status, 200);
    let models = right.request("GET", "/v1/models", "").await.unwrap();
    assert_eq!(models.json()["data"][0]["id"], "claude-sim");
}
