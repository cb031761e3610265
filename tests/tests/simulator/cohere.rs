//! Cohere's format.

use serde_json::{Value, json};

use crate::{names, start, streamed, with};

const PATH: &str = "/v2/chat";

fn asks(text: &str) -> Value {
    json!({"model": "command-sim", "messages": [{"role": "user", "content": text}]})
}

fn weather() -> Value {
    let schema = json!({"type": "object", "properties": {"city": {"type": "string"}}});
    let tool = json!({"type": "function", "function": {"name": "get_weather", "parameters": schema}});
    with(asks("the weather in both cities?"), json!({"tools": [tool]}))
}

#[tokio::test]
async fn answers_in_one_piece() {
    let (simulator, client) = start().await;
    let body = client.post(PATH, &with(asks("say hello"), json!({"thinking": {"type": "enabled"}}))).await.json();
    assert_eq!((&body["finish_reason"], &body["message"]["content"][1]["text"]), (&json!("COMPLETE"), &json!("hello")));
    let used = simulator.requests()[0].used.expect("an answer");
    assert_eq!(body["usage"]["tokens"]["output_tokens"].as_f64(), Some(used.output as f64));
}

#[tokio::test]
async fn streams_in_the_documented_order() {
    let (_simulator, client) = start().await;
    let text = client.post(PATH, &streamed(asks("say a b"))).await;
    let documented = ["message-start", "content-start", "content-delta", "content-delta", "content-end", "message-end"];
    assert_eq!(names(&text), documented);
    assert_eq!(text.events()[5].json()["delta"]["usage"]["tokens"]["output_tokens"], json!(1.0));
    let calls = client.post(PATH, &streamed(weather())).await;
    assert!(names(&calls).contains(&"tool-plan-delta".to_owned()));
    let second = calls.events().into_iter().map(|event| event.json()).filter(|data| data["index"] == 1);
    let arguments = second
        .map(|data| data["delta"]["message"]["tool_calls"]["function"]["arguments"].as_str().unwrap_or("").to_owned());
    assert_eq!(arguments.collect::<String>(), r#"{"city":"Tromsø"}"#);
    let failed = client.post(PATH, &streamed(with(asks("hi"), json!({"model": "m+error-after=2"})))).await;
    assert_eq!(failed.events()[2].json()["delta"]["finish_reason"], "ERROR");
}

#[tokio::test]
async fn quotes_the_results_of_tools() {
    let (_simulator, client) = start().await;
    let said = client.post(PATH, &weather()).await.json()["message"].clone();
    let result = |index: usize| {
        let document = json!({"type": "document", "document": {"data": "3°"}});
        json!({"role": "tool", "tool_call_id": said["tool_calls"][index]["id"], "content": [document]})
    };
    let back = |results: [Value; 2]| {
        let [first, second] = results;
        with(weather(), json!({"messages": [weather()["messages"][0], said, first, second]}))
    };
    let answer = client.post(PATH, &back([result(0), result(1)])).await.json();
    assert_eq!(answer["message"]["content"][0]["text"], "The tool says: “3°” and “3°”.");
    assert_eq!(client.post(PATH, &back([result(0), result(0)])).await.status, 400);
}

#[tokio::test]
async fn refuses_wrong_requests() {
    let (_simulator, client) = start().await;
    for (more, status, says) in [
        (json!({"messages": []}), 400, "messages"),
        (json!({"top_p": 0.5}), 422, "'top_p'"),
        (json!({"temperature": 1.5}), 400, "temperature"),
        (json!({"tool_choice": "REQUIRED"}), 400, "without specifying tools"),
        (with(weather(), json!({"tool_choice": "auto"})), 400, "REQUIRED, NONE"),
        (json!({"stop_sequences": ["1", "2", "3", "4", "5", "6"]}), 400, "at most 5"),
        (json!({"response_format": {"type": "json_schema"}}), 400, "json_object"),
    ] {
        let answer = client.post(PATH, &with(asks("hi"), more)).await;
        assert_eq!(answer.status, status, "{}", answer.text());
        assert!(answer.json()["message"].as_str().unwrap().contains(says), "{says}: {}", answer.text());
    }
}

#[tokio::test]
async fn embeds_in_the_types_asked_for() {
    let (simulator, client) = start().await;
    let body = json!({"model": "embed-sim", "input_type": "search_query", "texts": ["hello", "you"],
                      "embedding_types": ["float", "base64"], "output_dimension": 3});
    let answer = client.post("/v2/embed", &body).await.json();
    assert_eq!(answer["embeddings"]["float"][1].as_array().map(Vec::len), Some(3));
    assert!(answer["embeddings"]["base64"][0].is_string());
    assert_eq!(answer["meta"]["billed_units"]["input_tokens"], json!(2.0));
    assert_eq!(simulator.requests()[0].used.map(|used| used.input), Some(2));
    assert_eq!(client.post("/v2/embed", &with(body, json!({"input_type": null}))).await.status, 400);
}
