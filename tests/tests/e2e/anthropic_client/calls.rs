//! Tool calls between providers: the identifiers and names that each accepts, the stop reason of a response with a call, and responses in
//! another form than requested.

use serde_json::{Value, json};

use super::{ask, names, said, streamed};
use crate::{Pair, with};

/// A name in the style of clients that combine many servers' tools.
const LONG: &str = "mcp__claude_ai_company_weather_connector__report_the_weather_of_a_city_by_name";

fn weather(name: &str) -> Value {
    let schema = json!({"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"], "additionalProperties": false});
    json!({"name": name, "input_schema": schema})
}

/// A stream's tools: names and identifiers.
fn begun(events: &[Value]) -> Vec<(String, String)> {
    let blocks = events.iter().filter(|event| event["content_block"]["type"] == "tool_use");
    let text = |value: &Value| value.as_str().expect("a text").to_owned();
    blocks.map(|event| (text(&event["content_block"]["name"]), text(&event["content_block"]["id"]))).collect()
}

#[tokio::test]
async fn a_long_name_is_the_clients_again_in_whole_answers_and_in_streams() {
    let pair = Pair::lease().await;
    let tool = json!({"tools": [weather(LONG)], "tool_choice": {"type": "tool", "name": LONG}});
    let answer = pair.gateway.message(&with(ask(&pair, "openai", "the weather?"), tool.clone())).await;
    assert_eq!(answer.json()["content"][0]["name"], LONG, "{}", answer.text());

    let answer = pair.gateway.message(&with(streamed(&pair, "openai", "the weather?"), tool.clone())).await;
    let events: Vec<Value> = answer.events().iter().map(|event| event.json()).collect();
    let [(name, id)] = &begun(&events)[..] else { panic!("{}", answer.text()) };
    assert_eq!(name, LONG);
    let sent = pair.openai.requests().pop().expect("a request").json();
    let alias = sent["tools"][0]["function"]["name"].as_str().expect("a name").to_owned();
    assert!(alias.len() <= 64, "{alias}");

    // The next turn contains the call.
    let turns = json!({"tool_choice": null, "messages": [
        {"role": "user", "content": "the weather?"},
        {"role": "assistant", "content": [{"type": "tool_use", "id": id, "name": LONG, "input": {"city": "Oslo"}}]},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": id, "content": "cold"}]}]});
    let answer = pair.gateway.message(&with(with(ask(&pair, "openai", ""), tool), turns)).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let sent = pair.openai.requests().pop().expect("a request").json();
    assert_eq!(sent["messages"][1]["tool_calls"][0]["function"]["name"], alias.as_str());

    // An OpenAI client with names that are too long for Anthropic.
    let long = "weather_".repeat(20);
    let function = json!({"name": long, "parameters": weather("")["input_schema"]});
    let tools = json!({"stream": true, "tools": [{"type": "function", "function": function}]});
    let answer = pair.gateway.stream(&with(pair.ask("anthropic", "the weather?"), tools)).await;
    assert_eq!((answer.status, answer.text().contains(&long)), (200, true), "{}", answer.text());
}

#[tokio::test]
async fn identifiers_of_other_models_reach_anthropic_apart() {
    let pair = Pair::lease().await;
    let call = |id: &str| json!({"id": id, "type": "function", "function": {"name": "weather", "arguments": "{}"}});
    let result = |id: &str| json!({"role": "tool", "tool_call_id": id, "content": "cold"});
    let history = json!([
        {"role": "user", "content": "the weather?"},
        {"role": "assistant", "content": null, "tool_calls": [call("get:1"), call("get.1")]}, result("get:1"), result("get.1"),
        {"role": "assistant", "content": null, "tool_calls": [call("get:1")]}, result("get:1"),
    ]);
    let body = with(pair.ask("anthropic", ""), json!({"messages": history}));
    let answer = pair.gateway.chat(&body).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
}

#[tokio::test]
async fn an_answer_that_holds_a_call_waits_for_its_result() {
    let pair = Pair::lease().await;
    let tools = json!({"tools": [weather("weather")]});
    pair.openai.always("stop=stop");
    let answer = pair.gateway.message(&with(ask(&pair, "openai", "the weather?"), tools.clone())).await;
    assert_eq!(answer.json()["stop_reason"], "tool_use", "{}", answer.text());
    let answer = pair.gateway.message(&with(streamed(&pair, "openai", "the weather?"), tools)).await;
    assert!(answer.text().contains(r#""stop_reason":"tool_use""#), "{}", answer.text());

    pair.anthropic.always("stop=end_turn");
    let function = json!({"name": "weather", "parameters": weather("")["input_schema"]});
    let tools = json!({"tools": [{"type": "function", "function": function}]});
    for stream in [false, true] {
        let body = with(with(pair.ask("anthropic", "the weather?"), tools.clone()), json!({"stream": stream}));
        let answer = if stream { pair.gateway.stream(&body).await } else { pair.gateway.chat(&body).await };
        assert!(answer.text().contains(r#""finish_reason":"tool_calls""#), "{}", answer.text());
    }
}

#[tokio::test]
async fn an_answer_in_the_other_form_comes_in_the_one_that_was_asked_for() {
    let pair = Pair::lease().await;
    let (plain, tool) = (json!({}), json!({"tools": [weather("weather")]}));
    for provider in ["openai", "anthropic"] {
        for (more, text) in [(&plain, "say hi"), (&tool, "the weather?")] {
            let body = with(ask(&pair, provider, text), more.clone());
            let stream = with(streamed(&pair, provider, text), more.clone());
            pair.simulator(provider).always("ok");
            let (expected, events) = (pair.gateway.message(&body).await, pair.gateway.message(&stream).await);
            pair.simulator(provider).always("other-form");
            let answer = pair.gateway.message(&body).await;
            assert_eq!(answer.header("content-type"), Some("application/json"));
            assert_eq!(
                (said(&answer), &answer.json()["stop_reason"]),
                (said(&expected), &expected.json()["stop_reason"])
            );
            if provider == "anthropic" {
                // OpenAI counts the tokens of a stream only on request.
                assert_eq!(answer.json()["usage"]["output_tokens"], expected.json()["usage"]["output_tokens"]);
            }
            let answer = pair.gateway.message(&stream).await;
            assert_eq!(answer.header("content-type"), Some("text/event-stream"), "{}", answer.text());
            assert!(answer.complete, "{}", answer.text());
            assert_eq!(said(&answer), said(&events));
            assert_eq!(names(&answer).last().map(String::as_str), Some("message_stop"));
        }
        // Clients of OpenAI's format.
        let body = pair.ask(provider, "say hi");
        pair.simulator(provider).always("ok");
        let expected = pair.gateway.chat(&body).await.json()["choices"][0]["message"]["content"].clone();
        pair.simulator(provider).always("other-form");
        let answer = pair.gateway.chat(&body).await;
        assert_eq!(answer.json()["choices"][0]["message"]["content"], expected, "{}", answer.text());
        let answer = pair.gateway.stream(&body).await;
        assert_eq!((Value::from(answer.streamed_text()), answer.complete), (expected, true), "{}", answer.text());
        assert!(answer.text().ends_with("data: [DONE]\n\n"), "{}", answer.text());
    }
}
