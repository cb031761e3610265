//! Hosts of other vendors' models, and the smaller services of OpenAI and Anthropic.

use serde_json::{Value, json};
use sluice_tests::client::Client;

use crate::{ANTHROPIC, anthropic, openai, start, streamed, with};

const AZURE: &str = "/openai/deployments/gpt-sim/chat/completions?api-version=2024-10-21";

#[tokio::test]
async fn azure_takes_the_deployment_for_the_model_and_tells_its_filters_verdicts() {
    let (_simulator, client) = start().await;
    let keyed = Client::new(client.port()).header("api-key", "k");
    let body = keyed.post(AZURE, &json!({"messages": [{"role": "user", "content": "say hello"}]})).await.json();
    assert_eq!((&body["model"], &body["choices"][0]["message"]["content"]), (&json!("gpt-sim"), &json!("hello")));
    assert!(body["choices"][0]["content_filter_results"].is_object() && body["prompt_filter_results"].is_array());
    let usage = json!({"stream_options": {"include_usage": true}});
    let stream = keyed.post(AZURE, &with(streamed(openai("other", "say hello")), usage)).await;
    let first = stream.events()[0].json();
    assert_eq!((&first["choices"], first["prompt_filter_results"].is_array()), (&json!([]), true));
    assert_eq!(stream.streamed_text(), "hello");
    let v1 = client.post("/openai/v1/chat/completions", &openai("gpt-sim", "say hello")).await;
    assert_eq!(v1.json()["model"], "gpt-sim");
    for (path, body) in [
        ("/openai/v1/embeddings", json!({"model": "m", "input": "a"})),
        ("/openai/responses?api-version=2025-04-01-preview", json!({"model": "m", "input": "a"})),
    ] {
        assert_eq!(client.post(path, &body).await.status, 200, "{path}");
    }
}

#[tokio::test]
async fn azure_refuses_in_its_own_shapes() {
    let (_simulator, client) = start().await;
    let code = async |client: &Client, path: &str| {
        let answer = client.post(path, &openai("m", "hi")).await;
        (answer.status, answer.json()["error"]["code"].as_str().unwrap_or("").to_owned())
    };
    let path = |faults: &str| AZURE.replace("gpt-sim", &format!("gpt-sim+{faults}"));
    assert_eq!(code(&client, "/openai/deployments/gpt-sim/chat/completions").await, (404, "404".into()));
    assert_eq!(code(&Client::new(client.port()), AZURE).await, (401, "401".into()));
    assert_eq!(code(&client, &path("status=404")).await, (404, "DeploymentNotFound".into()));
    assert_eq!(code(&client, &path("status=429")).await, (429, "429".into()));
    assert_eq!(code(&client, &path("context")).await, (400, "context_length_exceeded".into()));
    let filtered = client.post(&path("filter"), &openai("m", "hi")).await.json();
    assert_eq!(filtered["error"]["innererror"]["code"], "ResponsibleAIPolicyViolation");
}

#[tokio::test]
async fn vertex_hosts_both_formats() {
    let (_simulator, client) = start().await;
    let base = "/v1/projects/p/locations/europe-west4/publishers";
    let gemini = json!({"contents": [{"role": "user", "parts": [{"text": "say hello"}]}]});
    let whole = client.post(&format!("{base}/google/models/gemini-sim:generateContent"), &gemini).await.json();
    assert_eq!(whole["candidates"][0]["content"]["parts"][0]["text"], "hello");
    let path = format!("{base}/google/models/gemini-sim:streamGenerateContent?alt=sse");
    assert_eq!(client.post(&path, &gemini).await.events().len(), 2);
    let claude = json!({"anthropic_version": "vertex-2023-10-16", "max_tokens": 64,
                        "messages": [{"role": "user", "content": "say hello"}]});
    let path = format!("{base}/anthropic/models/claude-sim@20250101:rawPredict");
    assert_eq!(client.post(&path, &claude).await.json()["content"][0]["text"], "hello");
    let stream = format!("{base}/anthropic/models/claude-sim:streamRawPredict");
    assert_eq!(client.post(&stream, &streamed(claude.clone())).await.streamed_text(), "hello");
    let refused = client.post(&path, &with(claude.clone(), json!({"model": "m"}))).await;
    assert_eq!((refused.status, &refused.json()["error"]["type"]), (400, &json!("invalid_request_error")));
    let nobody = Client::new(client.port()).post(&path, &claude).await;
    assert_eq!((nobody.status, &nobody.json()["error"]["status"]), (401, &json!("UNAUTHENTICATED")));
}

#[tokio::test]
async fn anthropic_counts_tokens() {
    let (_simulator, client) = start().await;
    let mut body = anthropic("claude-sim", "12345678");
    let path = format!("{ANTHROPIC}/count_tokens");
    assert_eq!(client.post(&path, &body).await.status, 400, "it takes no max_tokens");
    body.as_object_mut().unwrap().remove("max_tokens");
    assert_eq!(client.post(&path, &body).await.json(), json!({"input_tokens": 2}));
    assert_eq!(client.post(&path, &with(body, json!({"model": "m+status=529"}))).await.status, 529);
}

#[tokio::test]
async fn openai_completes_texts() {
    let (_simulator, client) = start().await;
    let path = "/v1/completions";
    let body = json!({"model": "m", "prompt": "say a b"});
    let answer = client.post(path, &body).await.json();
    assert_eq!((&answer["object"], &answer["choices"][0]["text"]), (&json!("text_completion"), &json!("a b")));
    let options = json!({"stream_options": {"include_usage": true}});
    let events = client.post(path, &with(streamed(body.clone()), options)).await.events();
    let texts = events.iter().map(|event| event.json()["choices"][0]["text"].as_str().unwrap_or("").to_owned());
    assert_eq!(texts.collect::<String>(), "a b");
    assert_eq!(events[events.len() - 2].json()["usage"]["completion_tokens"], 1);
    let two = client.post(path, &with(body.clone(), json!({"prompt": ["say a", "b"]}))).await.json();
    assert_eq!(two["choices"].as_array().map(Vec::len), Some(2));
    for wrong in [json!({"prompt": Value::Null}), json!({"messages": []})] {
        assert_eq!(client.post(path, &with(body.clone(), wrong)).await.status, 400);
    }
}
