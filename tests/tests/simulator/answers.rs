//! Responses to valid requests.

use serde_json::{Value, json};

use crate::{ANTHROPIC, OPENAI, anthropic, names, openai, start, streamed, with};

#[tokio::test]
async fn openai_answers_in_one_piece() {
    let (_simulator, client) = start().await;
    let answer = client.post(OPENAI, &openai("gpt-sim", "say hello")).await;
    assert_eq!((answer.status, answer.header("content-type")), (200, Some("application/json")));
    let body = answer.json();
    assert_eq!(body["object"], "chat.completion");
    assert_eq!(body["model"], "gpt-sim");
    assert_eq!(body["choices"][0]["message"]["content"], "hello");
    assert_eq!(body["choices"][0]["finish_reason"], "stop");
    assert_eq!(body["usage"]["prompt_tokens"], 3);
    assert_eq!(body["usage"]["total_tokens"], 5);
}

#[tokio::test]
async fn openai_streams_with_usage_only_when_asked() {
    let (_simulator, client) = start().await;
    let plain = client.post(OPENAI, &streamed(openai("gpt-sim", "say a b"))).await;
    assert_eq!(plain.streamed_text(), "a b");
    assert_eq!(plain.events().last().unwrap().data, "[DONE]");
    assert!(!plain.text().contains("usage"));

    let asked = with(streamed(openai("gpt-sim", "say a b")), json!({"stream_options": {"include_usage": true}}));
    let events = client.post(OPENAI, &asked).await.events();
    assert_eq!(events[0].json()["usage"], Value::Null);
    assert!(events[0].data.contains("\"usage\":null"));
    let last = events[events.len() - 2].json();
    assert_eq!((&last["choices"], &last["usage"]["prompt_tokens"]), (&json!([]), &json!(2)));
}

#[tokio::test]
async fn anthropic_answers_in_one_piece_with_thoughts() {
    let (_simulator, client) = start().await;
    let thinking = json!({"thinking": {"type": "enabled", "budget_tokens": 1024}});
    let body = client.post(ANTHROPIC, &with(anthropic("claude-sim", "say hello"), thinking)).await.json();
    assert_eq!(
        (&body["type"], &body["role"], &body["stop_reason"]),
        (&json!("message"), &json!("assistant"), &json!("end_turn"))
    );
    assert_eq!(body["content"][0]["type"], "thinking");
    assert!(body["content"][0]["signature"].is_string());
    assert_eq!(body["content"][1], json!({"type": "text", "text": "hello"}));
    assert!(body["usage"]["output_tokens_details"]["thinking_tokens"].as_u64() > Some(0));
}

#[tokio::test]
async fn anthropic_streams_in_the_documented_order() {
    let (_simulator, client) = start().await;
    let answer = client.post(ANTHROPIC, &streamed(anthropic("claude-sim", "say hello"))).await;
    let documented = [
        "message_start",
        "ping",
        "content_block_start",
        "content_block_delta",
        "content_block_stop",
        "message_delta",
        "message_stop",
    ];
    assert_eq!(names(&answer), documented);
    assert!(answer.events().iter().all(|event| event.json()["type"] == event.name.as_deref().unwrap()));
    assert_eq!(answer.streamed_text(), "hello");
}

#[tokio::test]
async fn openai_calls_tools_and_quotes_their_results() {
    let (_simulator, client) = start().await;
    let tool = json!({"type": "function", "function": {"name": "get_weather", "parameters":
        {"type": "object", "properties": {"city": {"type": "string"}}}}});
    let body = with(openai("gpt-sim", "the weather in both cities?"), json!({"tools": [tool]}));
    let message = client.post(OPENAI, &body).await.json()["choices"][0]["message"].clone();
    assert_eq!(message["content"], Value::Null);
    assert_eq!(message["tool_calls"][0]["function"]["arguments"], r#"{"city":"Oslo"}"#);
    assert_eq!(message["tool_calls"].as_array().unwrap().len(), 2);

    let stream = client.post(OPENAI, &streamed(body.clone())).await;
    let arguments: String = stream
        .events()
        .iter()
        .map(|event| event.json()["choices"][0]["delta"]["tool_calls"][0].clone())
        .filter(|call| call["index"] == 1)
        .map(|call| call["function"]["arguments"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(arguments, r#"{"city":"Tromsø"}"#);

    let mut messages = body["messages"].as_array().unwrap().clone();
    let ids = [0, 1].map(|index| message["tool_calls"][index]["id"].clone());
    messages.push(message);
    messages.extend(ids.map(|id| json!({"role": "tool", "tool_call_id": id, "content": "3°"})));
    let answer = client.post(OPENAI, &with(body, json!({"messages": messages}))).await.json();
    assert_eq!(answer["choices"][0]["message"]["content"], "The tool says: “3°” and “3°”.");
}

#[tokio::test]
async fn anthropic_calls_tools_and_quotes_their_results() {
    let (_simulator, client) = start().await;
    let tool =
        json!({"name": "get_weather", "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}}});
    let body = with(anthropic("claude-sim", "the weather?"), json!({"tools": [tool]}));
    let answer = client.post(ANTHROPIC, &body).await.json();
    assert_eq!(
        (&answer["stop_reason"], &answer["content"][1]["input"]),
        (&json!("tool_use"), &json!({"city": "Oslo"}))
    );

    let stream = client.post(ANTHROPIC, &streamed(body.clone())).await.events();
    let pieces = stream.iter().map(|event| event.json()["delta"]["partial_json"].as_str().unwrap_or("").to_owned());
    assert_eq!(pieces.collect::<String>(), r#"{"city":"Oslo"}"#);

    let result = json!({"type": "tool_result", "tool_use_id": answer["content"][1]["id"], "content": "3°"});
    let messages = json!([body["messages"][0], {"role": "assistant", "content": answer["content"]},
                          {"role": "user", "content": [result]}]);
    let answer = client.post(ANTHROPIC, &with(body, json!({"messages": messages}))).await.json();
    assert_eq!(answer["content"][0]["text"], "The tool says: “3°”.");
}

#[tokio::test]
async fn follows_a_schema() {
    let (_simulator, client) = start().await;
    let schema = json!({"type": "object", "properties": {"city": {"type": "string"}, "days": {"type": "integer"}}});
    let openai_format =
        json!({"response_format": {"type": "json_schema", "json_schema": {"name": "s", "schema": schema}}});
    let body = client.post(OPENAI, &with(openai("m", "hi"), openai_format)).await.json();
    assert_eq!(body["choices"][0]["message"]["content"], r#"{"city":"Oslo","days":3}"#);
    let format = json!({"output_config": {"format": {"type": "json_schema", "schema": schema}}});
    let body = client.post(ANTHROPIC, &with(anthropic("m", "hi"), format)).await.json();
    assert_eq!(body["content"][0]["text"], r#"{"city":"Oslo","days":3}"#);
}

#[tokio::test]
async fn usage_tells_of_caches() {
    let (_simulator, client) = start().await;
    let usage = client.post(OPENAI, &openai("m+cached=2", "say hello")).await.json()["usage"].clone();
    assert_eq!((&usage["prompt_tokens"], &usage["prompt_tokens_details"]["cached_tokens"]), (&json!(3), &json!(2)));
    let marked = json!([{"type": "text", "text": "x".repeat(400), "cache_control": {"type": "ephemeral"}}]);
    let usage =
        client.post(ANTHROPIC, &with(anthropic("m", "say 12345678"), json!({"system": marked}))).await.json()["usage"]
            .clone();
    let counts =
        ["input_tokens", "cache_read_input_tokens", "cache_creation_input_tokens"].map(|name| usage[name].as_u64());
    assert_eq!(counts, [Some(3), Some(50), Some(50)]);
}

#[tokio::test]
async fn every_answer_that_is_worked_out_is_counted_told_or_not() {
    let (_simulator, client) = start().await;
    let completion = |prompt: Value, more| with(json!({"model": "m+long=9", "prompt": prompt, "max_tokens": 7}), more);
    for (body, told, counted) in [
        (completion(json!("hi"), json!({})), 1, 7),
        (completion(json!(["hi", "ho", [1, 2]]), json!({})), 3, 21),
        (completion(json!([1, 2]), json!({"n": 2, "best_of": 5})), 2, 35),
        (completion(json!(["hi", "ho"]), json!({"n": 3, "best_of": 2, "max_tokens": 0})), 6, 54),
    ] {
        let answer = client.post("/v1/completions", &body).await.json();
        let choices = answer["choices"].as_array().map(Vec::len);
        assert_eq!((choices, &answer["usage"]["completion_tokens"]), (Some(told), &json!(counted)), "{body}");
    }
    let chat = client.post(OPENAI, &with(openai("m+long=9+bytewise", "say 🙂"), json!({"n": 3}))).await.json();
    assert_eq!((&chat["usage"]["prompt_tokens"], &chat["usage"]["completion_tokens"]), (&json!(8), &json!(27)));
}
