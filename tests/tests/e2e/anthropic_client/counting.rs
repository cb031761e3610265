//! Requests besides messages: token counts and the model list.

use serde_json::{Value, json};

use super::refusal;
use crate::{Pair, with};

const COUNT: &str = "/v1/messages/count_tokens";

fn question(pair: &Pair, model: &str, text: &str) -> Value {
    json!({"model": pair.name(model), "messages": [{"role": "user", "content": text}]})
}

#[tokio::test]
async fn tokens_are_counted_by_a_provider_that_can_and_estimated_otherwise() {
    let pair = Pair::lease().await;
    let client = pair.gateway.anthropic_client();
    let text = "twelve words of English are about as many tokens and some more ".repeat(50);
    for model in ["anthropic", "anthropic-first", "openai-first"] {
        let answer = client.post("/v1/messages/count_tokens?beta=true", &question(&pair, model, &text)).await;
        assert_eq!((answer.status, answer.json()), (200, json!({"input_tokens": text.len().div_ceil(4)})), "{model}");
        let asked = pair.anthropic.requests().pop().expect("a request");
        assert_eq!(
            (&*asked.path, asked.json()),
            (COUNT, with(question(&pair, model, &text), json!({"model": pair.model_of("anthropic")})))
        );
    }
    assert_eq!(pair.openai.count(), 0);
    let estimated = client.post(COUNT, &question(&pair, "openai", &text)).await;
    let count = estimated.json()["input_tokens"].as_u64().expect("a count");
    let exact = text.len().div_ceil(4) as u64;
    assert!((exact / 2..exact * 2).contains(&count), "{count} of {exact}");
    assert_eq!(pair.openai.count(), 0);
    assert_eq!(
        refusal(&client.post(COUNT, &question(&pair, "nowhere", "hi")).await),
        (404, "not_found_error".to_owned())
    );
    assert_eq!(refusal(&client.post(COUNT, &json!({"model": pair.name("openai")})).await).0, 400);
}

#[tokio::test]
async fn models_are_listed_as_anthropic_lists_them() {
    let pair = Pair::lease().await;
    let client = pair.gateway.anthropic_client();
    let list = client.request("GET", "/v1/models?limit=1000", "").await.expect("an answer").json();
    let ids: Vec<&str> =
        list["data"].as_array().expect("models").iter().filter_map(|model| model["id"].as_str()).collect();
    assert!(ids.contains(&&*pair.name("openai")) && ids.contains(&&*pair.name("anthropic-first")), "{list}");
    assert_eq!((&list["has_more"], &list["first_id"]), (&json!(false), &json!(ids[0])));
    let name = pair.name("openai");
    let one = client.request("GET", &format!("/v1/models/{name}"), "").await.expect("an answer").json();
    assert_eq!((&one["type"], &one["id"], &one["display_name"]), (&json!("model"), &json!(name), &json!(name)));
    let none = client.request("GET", "/v1/models/nowhere", "").await.expect("an answer");
    assert_eq!(refusal(&none), (404, "not_found_error".to_owned()));
}
