//! Providers with variants of OpenAI's chat completions.

use serde_json::{Value, json};

use crate::{openai, start, streamed, with};

#[tokio::test]
async fn each_refuses_what_it_does_not_have() {
    let (_simulator, client) = start().await;
    let asked = json!({"role": "user", "content": "hi"});
    let silent = json!({"messages": [asked, {"role": "assistant", "content": "a"}, asked]});
    let named = json!({"messages": [{"role": "user", "name": "x", "content": "hi"}]});
    let developer = json!({"messages": [{"role": "developer", "content": "x"}, {"role": "user", "content": "hi"}]});
    for (base, more, status, says) in [
        ("/groq/openai/v1", json!({"logprobs": true}), 400, "'logprobs' is unsupported"),
        ("/groq/openai/v1", json!({"logit_bias": {}}), 400, "'logit_bias' is unsupported"),
        ("/groq/openai/v1", json!({"n": 2}), 400, "'n'"),
        ("/groq/openai/v1", named, 400, "'messages.0'"),
        ("/mistral/v1", json!({"seed": 1}), 422, "\"loc\":[\"body\",\"seed\"]"),
        ("/mistral/v1", json!({"stream_options": {}}), 422, "extra_forbidden"),
        ("/mistral/v1", json!({"random_seed": -1}), 422, "greater than or equal to 0"),
        ("/mistral/v1", json!({"temperature": 1.6}), 422, "less than or equal to 1.5"),
        ("/mistral/v1", developer.clone(), 422, "detail"),
        ("/deepseek", silent, 400, "`reasoning_content` in the thinking mode must be passed back"),
        ("/plain/v1", json!({"max_completion_tokens": 1}), 400, "max_completion_tokens"),
        ("/plain/v1", json!({"stream": true, "stream_options": {}}), 400, "stream_options"),
        ("/plain/v1", developer, 400, "developer"),
    ] {
        let answer = client.post(&format!("{base}/chat/completions"), &with(openai("m", "hi"), more)).await;
        assert_eq!(answer.status, status, "{base}: {}", answer.text());
        assert!(answer.text().contains(says), "{says}: {}", answer.text());
        let plain = client.post(&format!("{base}/chat/completions"), &openai("m", "say hi")).await.json();
        assert_eq!(plain["choices"][0]["message"]["content"], "hi", "{base}");
    }
    let messages = json!([asked, {"role": "assistant", "content": "a", "reasoning_content": ""}, {"role": "user", "content": "say hi"}]);
    let silent = json!([asked, {"role": "assistant", "content": "a"}, {"role": "user", "content": "say hi"}]);
    for more in [json!({"messages": messages}), json!({"messages": silent, "thinking": {"type": "disabled"}})] {
        let answer = client.post("/deepseek/chat/completions", &with(openai("m", "hi"), more)).await.json();
        assert_eq!(answer["choices"][0]["message"]["content"], "hi");
    }
    let tool = json!({"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}});
    let body = with(openai("m", "hi"), json!({"tools": [tool], "tool_choice": "any", "random_seed": 1}));
    let called = client.post("/mistral/v1/chat/completions", &body).await.json();
    assert_eq!(called["choices"][0]["finish_reason"], "tool_calls");
}

#[tokio::test]
async fn thoughts_are_told_in_fields_of_their_own() {
    let (_simulator, client) = start().await;
    for (base, field) in [("/deepseek", "reasoning_content"), ("/vllm/v1", "reasoning")] {
        let path = format!("{base}/chat/completions");
        let body = openai("sim-reasoner+cached=1", "say hello");
        let whole = client.post(&path, &body).await.json();
        let thoughts = whole["choices"][0]["message"][field].clone();
        assert!(thoughts.is_string());
        let answer = client.post(&path, &streamed(body)).await;
        let told = answer.events().into_iter().map(|event| event.json()["choices"][0]["delta"][field].clone());
        let told = told.filter_map(|piece| piece.as_str().map(str::to_owned)).collect::<String>();
        assert_eq!((json!(told), answer.streamed_text().as_str()), (thoughts, "hello"));
        assert_eq!(answer.text().contains(": keep-alive\n\n"), base == "/deepseek");
        let usage = &whole["usage"];
        let hits = [&usage["prompt_cache_hit_tokens"], &usage["prompt_cache_miss_tokens"]];
        let expected = if base == "/deepseek" { [json!(1), json!(2)] } else { [Value::Null, Value::Null] };
        assert_eq!(hits, [&expected[0], &expected[1]]);
    }
    let broke = client.post("/deepseek/chat/completions", &openai("m+quota", "hi")).await;
    assert_eq!((broke.status, &broke.json()["error"]["message"]), (402, &json!("Insufficient Balance")));
}
