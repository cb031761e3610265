//! OpenAI's Responses format.

use serde_json::{Value, json};

use crate::{names, start, streamed, with};

const PATH: &str = "/v1/responses";

fn asks(text: &str) -> Value {
    json!({"model": "gpt-sim", "input": text})
}

fn weather() -> Value {
    let schema = json!({"type": "object", "properties": {"city": {"type": "string"}}});
    let tool = json!({"type": "function", "name": "get_weather", "parameters": schema, "strict": true});
    with(asks("the weather in both cities?"), json!({"tools": [tool]}))
}

#[tokio::test]
async fn answers_in_one_piece() {
    let (simulator, client) = start().await;
    let more = json!({"reasoning": {"effort": "low", "summary": "auto"}, "include": ["reasoning.encrypted_content"]});
    let body = client.post(PATH, &with(asks("say hello"), more)).await.json();
    assert_eq!((&body["object"], &body["status"]), (&json!("response"), &json!("completed")));
    assert_eq!(body["output"][0]["type"], "reasoning");
    assert!(body["output"][0]["encrypted_content"].is_string());
    assert_eq!(body["output"][1]["content"][0]["text"], "hello");
    let used = simulator.requests()[0].used.expect("an answer");
    assert_eq!(body["usage"]["output_tokens"], json!(used.output));
    assert_eq!(body["usage"]["output_tokens_details"]["reasoning_tokens"], json!(used.thinking));
    let cut = client.post(PATH, &with(asks("say a b"), json!({"model": "m+stop=content_filter"}))).await.json();
    assert_eq!(
        (&cut["status"], &cut["incomplete_details"]["reason"]),
        (&json!("incomplete"), &json!("content_filter"))
    );
}

#[tokio::test]
async fn streams_in_the_documented_order() {
    let (_simulator, client) = start().await;
    let answer = client.post(PATH, &streamed(asks("say a b"))).await;
    let documented = [
        "response.created",
        "response.in_progress",
        "response.output_item.added",
        "response.content_part.added",
        "response.output_text.delta",
        "response.output_text.delta",
        "response.output_text.done",
        "response.content_part.done",
        "response.output_item.done",
        "response.completed",
    ];
    assert_eq!(names(&answer), documented);
    let numbers = answer.events().iter().map(|event| event.json()["sequence_number"].as_u64()).collect::<Vec<_>>();
    assert_eq!(numbers, (0..10).map(Some).collect::<Vec<_>>());
    assert_eq!(answer.events()[9].json()["response"]["usage"]["output_tokens"], 1);
    let calls = client.post(PATH, &streamed(weather())).await.events();
    let second = calls.iter().map(|event| event.json()).filter(|data| data["item_id"] == "fc_sim_1_1");
    let arguments = second.map(|data| data["delta"].as_str().unwrap_or("").to_owned());
    assert_eq!(arguments.collect::<String>(), r#"{"city":"Tromsø"}"#);
    let failed = client.post(PATH, &streamed(with(asks("hi"), json!({"model": "m+error-after=3"})))).await;
    assert_eq!(names(&failed).last().map(String::as_str), Some("error"));
}

#[tokio::test]
async fn goes_on_from_what_was_kept_or_given_back() {
    let (_simulator, client) = start().await;
    let first = client.post(PATH, &weather()).await.json();
    let output = |index: usize| json!({"type": "function_call_output", "call_id": first["output"][index]["call_id"], "output": "3°"});
    let outputs = json!([output(1), output(2)]);
    let kept = json!({"previous_response_id": first["id"], "input": outputs});
    let answer = client.post(PATH, &with(weather(), kept)).await.json();
    assert_eq!(answer["output"][0]["content"][0]["text"], "The tool says: “3°” and “3°”.");
    let missing = json!({"previous_response_id": first["id"], "input": [outputs[0]]});
    assert!(client.post(PATH, &with(weather(), missing)).await.text().contains("No tool output found"));

    let path = format!("{PATH}/{}", first["id"].as_str().unwrap());
    assert_eq!(client.request("GET", &path, "").await.unwrap().json()["output"], first["output"]);
    assert_eq!(client.request("DELETE", &path, "").await.unwrap().json()["deleted"], true);
    assert_eq!(client.request("GET", &path, "").await.unwrap().status, 404);
    let gone = client.post(PATH, &with(asks("hi"), json!({"previous_response_id": first["id"]}))).await;
    assert_eq!(gone.json()["error"]["code"], "previous_response_not_found");
    let unkept = client.post(PATH, &with(asks("hi"), json!({"store": false}))).await.json()["id"].clone();
    let path = format!("{PATH}/{}", unkept.as_str().unwrap());
    assert_eq!(client.request("GET", &path, "").await.unwrap().status, 404);
}

#[tokio::test]
async fn refuses_wrong_requests() {
    let (_simulator, client) = start().await;
    let of = |input: Value| json!({"model": "m", "input": input, "store": false});
    let user = json!({"role": "user", "content": "hi"});
    for (body, says) in [
        (json!({"model": "m"}), "input"),
        (with(asks("hi"), json!({"messages": []})), "Unknown parameter: 'messages'"),
        (with(asks("hi"), json!({"max_output_tokens": 8})), ">= 16"),
        (of(json!([{"role": "user", "content": [{"type": "text", "text": "hi"}]}])), "Supported values"),
        (of(json!([{"role": "assistant", "content": [{"type": "input_text", "text": "hi"}]}, user])), "output_text"),
        (of(json!([user, {"type": "function_call_output", "call_id": "c", "output": "x"}])), "No tool call found"),
        (
            of(json!([user, {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"}])),
            "No tool output",
        ),
        (
            of(json!([{"type": "reasoning", "id": "rs", "summary": [], "encrypted_content": "x"}, user])),
            "could not be verified",
        ),
        (with(asks("hi"), json!({"tools": [{"type": "function", "function": {"name": "f"}}]})), "tools[0].name"),
    ] {
        let answer = client.post(PATH, &body).await;
        assert_eq!((answer.status, &answer.json()["error"]["type"]), (400, &json!("invalid_request_error")), "{body}");
        assert!(answer.text().contains(says), "{says}: {}", answer.text());
    }
}
