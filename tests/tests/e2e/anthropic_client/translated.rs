//! Requests to a provider of OpenAI's format, and the responses that the client receives.

use serde_json::{Value, json};

use super::{ask, names, said, streamed};
use crate::{Pair, with};

fn weather() -> Value {
    json!({"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"], "additionalProperties": false})
}

fn tools() -> Value {
    json!({"tools": [{"name": "weather", "description": "Of a city.", "input_schema": weather()}]})
}

/// The fields that coding agents add to every request.
fn as_agents(body: Value) -> Value {
    with(
        body,
        json!({
            "system": [{"type": "text", "text": "You are an agent.", "cache_control": {"type": "ephemeral", "ttl": "1h"}}],
            "thinking": {"type": "adaptive", "display": "summarized"},
            "context_management": {"edits": [{"type": "clear_thinking_20251015", "keep": "all"}]},
            "metadata": {"user_id": json!({"device_id": "d".repeat(64), "session_id": "s"}).to_string()},
        }),
    )
}

#[tokio::test]
async fn a_rich_request_is_translated_exactly() {
    let pair = Pair::lease().await;
    let body = json!({
        "model": pair.name("openai"),
        "max_tokens": 256,
        "system": "Be brief.",
        "messages": [
            {"role": "user", "content": [
                {"type": "text", "text": "What is this?"},
                {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "iVBORw0KGgo="}},
                {"type": "document", "title": "Notes", "source": {"type": "text", "media_type": "text/plain", "data": "Snow."}},
            ]},
            {"role": "assistant", "content": [
                {"type": "thinking", "thinking": "Hm.", "signature": "s"},
                {"type": "text", "text": "Let me see."},
                {"type": "tool_use", "id": "toolu_1", "name": "weather", "input": {"city": "Oslo"}},
                {"type": "tool_use", "id": "toolu_2", "name": "weather", "input": {"city": "Tromsø"}},
            ]},
            {"role": "user", "content": [
                {"type": "tool_result", "tool_use_id": "toolu_1", "content": "3", "cache_control": {"type": "ephemeral"}},
                {"type": "tool_result", "tool_use_id": "toolu_2", "is_error": true, "content": [
                    {"type": "text", "text": "cold"},
                    {"type": "image", "source": {"type": "url", "url": "https://example.com/snow.png"}},
                ]},
                {"type": "text", "text": "And now?"},
            ]},
            {"role": "system", "content": "Be kind."},
        ],
        "tools": [{"name": "weather", "description": "Of a city.", "input_schema": weather(), "defer_loading": true}],
        "tool_choice": {"type": "auto", "disable_parallel_tool_use": true},
        "stop_sequences": ["END"],
        "temperature": 0.5,
        "metadata": {"user_id": "user-7"},
        "output_config": {"effort": "low", "format": {"type": "json_schema", "schema": weather()}},
    });
    let answer = pair.gateway.message(&body).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let call = |id: &str, city: &str| json!({"id": id, "type": "function", "function": {"name": "weather", "arguments": json!({"city": city}).to_string()}});
    assert_eq!(
        pair.openai.requests().pop().expect("a request").json(),
        json!({
            "model": pair.model_of("openai"),
            "max_completion_tokens": 256,
            "messages": [
                {"role": "system", "content": "Be brief."},
                {"role": "user", "content": [
                    {"type": "text", "text": "What is this?"},
                    {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}},
                    {"type": "text", "text": "Notes\n\nSnow."},
                ]},
                {"role": "assistant", "content": "Let me see.", "tool_calls": [call("toolu_1", "Oslo"), call("toolu_2", "Tromsø")]},
                {"role": "tool", "tool_call_id": "toolu_1", "content": "3"},
                {"role": "tool", "tool_call_id": "toolu_2", "content": "cold"},
                {"role": "user", "content": [
                    {"type": "text", "text": "From the result of tool call toolu_2:"},
                    {"type": "image_url", "image_url": {"url": "https://example.com/snow.png"}},
                ]},
                {"role": "user", "content": "And now?"},
                {"role": "system", "content": "Be kind."},
            ],
            "tools": [{"type": "function", "function": {"name": "weather", "description": "Of a city.", "parameters": weather()}}],
            "tool_choice": "auto",
            "parallel_tool_calls": false,
            "stop": ["END"],
            "temperature": 0.5,
            "user": "user-7",
            "reasoning_effort": "low",
            "response_format": {"type": "json_schema", "json_schema": {"name": "answer", "schema": weather(), "strict": true}},
        })
    );
    let dropped = answer.header("x-sluice-dropped").expect("hints");
    for hint in [
        "tools[].defer_loading",
        "messages[].content[].thinking",
        "cache_control",
        "messages[].content[].tool_result.is_error",
    ] {
        assert!(dropped.split(", ").any(|name| name == hint), "{hint} is not in {dropped}");
    }
}

#[tokio::test]
async fn an_agents_hints_never_keep_it_from_a_provider() {
    let pair = Pair::lease().await;
    for body in [ask(&pair, "openai", "say hi"), streamed(&pair, "openai", "say hi")] {
        let answer = pair.gateway.message(&as_agents(body)).await;
        assert_eq!((answer.status, &*said(&answer)), (200, "hi"), "{}", answer.text());
        let dropped = answer.header("x-sluice-dropped").expect("hints");
        assert!(dropped.contains("context_management") && dropped.contains("user"), "{dropped}");
    }
}

#[tokio::test]
async fn an_answer_has_anthropics_form_and_its_usage_what_was_not_cached() {
    let pair = Pair::lease().await;
    pair.openai.always("cached=1");
    let answer = pair.gateway.message(&ask(&pair, "openai", "say one two three")).await;
    let body = answer.json();
    assert_eq!(
        (&body["type"], &body["role"], &body["stop_reason"]),
        (&json!("message"), &json!("assistant"), &json!("end_turn"))
    );
    assert_eq!(body["content"], json!([{"type": "text", "text": "one two three"}]));
    assert_eq!((&body["model"], &body["stop_sequence"]), (&json!(pair.model_of("openai")), &Value::Null));
    let used = pair.openai.settled(1).await[0].used.expect("usage");
    let usage = &body["usage"];
    assert_eq!((&usage["input_tokens"], &usage["cache_read_input_tokens"]), (&json!(used.input - 1), &json!(1)));
    assert_eq!(usage["output_tokens"], used.output);
    assert_eq!(answer.header("request-id"), answer.header("x-request-id"));
    let short = pair.gateway.message(&with(ask(&pair, "openai", "say one two three"), json!({"max_tokens": 1}))).await;
    assert_eq!(short.json()["stop_reason"], "max_tokens");
}

#[tokio::test]
async fn a_stream_has_every_event_in_anthropics_order() {
    let pair = Pair::lease().await;
    let answer = pair.gateway.message(&streamed(&pair, "openai", "say one two")).await;
    assert!(answer.complete);
    assert_eq!(
        names(&answer),
        [
            "message_start",
            "content_block_start",
            "content_block_delta",
            "content_block_delta",
            "content_block_stop",
            "message_delta",
            "message_stop"
        ]
    );
    let events = answer.events();
    let used = pair.openai.settled(1).await[0].used.expect("usage");
    let last = events[events.len() - 2].json();
    assert_eq!(last["delta"], json!({"stop_reason": "end_turn", "stop_sequence": null}));
    assert_eq!(
        (&last["usage"]["input_tokens"], &last["usage"]["output_tokens"]),
        (&json!(used.input), &json!(used.output))
    );
}

#[tokio::test]
async fn tools_are_called_in_parallel_whole_and_streamed() {
    let pair = Pair::lease().await;
    for model in ["openai", "anthropic"] {
        let body = with(ask(&pair, model, "the weather in both?"), tools());
        let answer = pair.gateway.message(&body).await.json();
        assert_eq!(answer["stop_reason"], "tool_use");
        let calls: Vec<&Value> =
            answer["content"].as_array().expect("blocks").iter().filter(|block| block["type"] == "tool_use").collect();
        let inputs: Vec<&Value> = calls.iter().map(|call| &call["input"]).collect();
        assert_eq!(inputs, [&json!({"city": "Oslo"}), &json!({"city": "Tromsø"})], "{model}");
        let stream = pair.gateway.message(&with(body, json!({"stream": true}))).await;
        let mut streamed: Vec<(u64, String)> = Vec::new();
        for event in stream.events().iter().map(sluice_tests::client::Event::json) {
            let index = event["index"].as_u64().unwrap_or_default();
            if event["content_block"]["type"] == "tool_use" {
                assert_eq!(event["content_block"]["input"], json!({}));
                streamed.push((index, String::new()));
            }
            if let Some(piece) = event["delta"]["partial_json"].as_str() {
                streamed.iter_mut().find(|(known, _)| *known == index).expect("a block").1 += piece;
            }
        }
        let inputs: Vec<Value> = streamed.iter().map(|(_, text)| serde_json::from_str(text).expect("JSON")).collect();
        assert_eq!(inputs, [json!({"city": "Oslo"}), json!({"city": "Tromsø"})], "{model}");
    }
}
