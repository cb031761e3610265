//! Checks requests from the client's bytes to the provider's, for models of every generation.
#![cfg(not(target_arch = "wasm32"))]
#![allow(clippy::indexing_slicing, clippy::unwrap_used, reason = "a test")]

use serde_json::{Value, json};
use sluice_wire::dialect::anthropic::hosted;
use sluice_wire::dialect::openai_chat::servers;
use sluice_wire::dialect::{
    Client, Id, Provider, anthropic, bedrock, completions, gemini, openai_chat, responses, translate,
};

/// The provider's request, and the dropped fields.
fn sent(client: &Client, provider: &Provider, model: &str, asked: &Value) -> (Value, Vec<String>) {
    let written = translate::request(client, provider, asked.to_string().as_bytes(), model).unwrap();
    (serde_json::from_slice(&written.body).unwrap(), written.dropped)
}

fn refused(client: &Client, provider: &Provider, model: &str, asked: &Value) -> String {
    let error = translate::request(client, provider, asked.to_string().as_bytes(), model).unwrap_err();
    assert_eq!(error.status, 400);
    error.param.unwrap_or_default()
}

/// A chat completions request with `more` fields.
fn chat(more: Value) -> Value {
    with(json!({"model": "m", "messages": [{"role": "user", "content": "x"}]}), more)
}

/// A messages request with `more` fields.
fn messages(more: Value) -> Value {
    with(json!({"model": "m", "max_tokens": 32000, "messages": [{"role": "user", "content": "x"}]}), more)
}

fn with(mut asked: Value, more: Value) -> Value {
    asked.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    asked
}

/// Anthropic's parameters, on every provider that serves Anthropic's models.
fn parameters(provider: &Provider, body: &Value) -> Value {
    if provider.id == Id::Bedrock { body["additionalModelRequestFields"].clone() } else { body.clone() }
}

const HOSTS: [&Provider; 4] = [&anthropic::PROVIDER, &hosted::BEDROCK, &hosted::VERTEX, &bedrock::PROVIDER];

#[test]
fn an_effort_for_a_newer_claude_is_adaptive_thinking_wherever_it_is_hosted() {
    let effort = json!({"effort": "high"});
    for provider in HOSTS {
        for (client, asked) in [
            (&openai_chat::CLIENT, chat(json!({"reasoning_effort": "high"}))),
            (&responses::CLIENT, json!({"model": "m", "input": "x", "reasoning": {"effort": "high"}})),
        ] {
            let (body, dropped) = sent(client, provider, "anthropic.claude-opus-4-7-v1:0", &asked);
            let given = parameters(provider, &body);
            assert_eq!(given["thinking"], json!({"type": "adaptive"}), "{} {body}", provider.id.name());
            assert_eq!(given["output_config"], effort, "{body}");
            assert_eq!(dropped, Vec::<String>::new());
        }
    }
    // The thinking options of coding agents.
    let asked = messages(json!({"thinking": {"type": "adaptive"}, "output_config": {"effort": "high"}}));
    let (body, _) = sent(&anthropic::CLIENT, &bedrock::PROVIDER, "anthropic.claude-opus-4-8", &asked);
    let expected = json!({"thinking": {"type": "adaptive"}, "output_config": effort});
    assert_eq!(body["additionalModelRequestFields"], expected);
    // An effort alone does not request thinking.
    let asked = messages(json!({"output_config": {"effort": "low"}}));
    let (body, _) = sent(&anthropic::CLIENT, &bedrock::PROVIDER, "anthropic.claude-opus-4-8", &asked);
    assert_eq!(body["additionalModelRequestFields"], json!({"output_config": {"effort": "low"}}));
}

#[test]
fn older_claudes_are_given_budgets() {
    for model in ["claude-sonnet-4-5", "claude-opus-4-1", "claude-3-7-sonnet-20250219"] {
        let (body, dropped) =
            sent(&openai_chat::CLIENT, &anthropic::PROVIDER, model, &chat(json!({"reasoning_effort": "high"})));
        assert_eq!(body["thinking"], json!({"type": "enabled", "budget_tokens": 16384}), "{model}");
        assert!(body.get("output_config").is_none() && dropped.is_empty());
    }
    let (body, dropped) = sent(
        &openai_chat::CLIENT,
        &anthropic::PROVIDER,
        "claude-3-5-haiku-latest",
        &chat(json!({"reasoning_effort": "high"})),
    );
    assert!(body.get("thinking").is_none());
    assert_eq!(dropped, ["reasoning_effort"]);
    // A parameter that an older model does not support is translated to the older form.
    let (body, dropped) = sent(
        &openai_chat::CLIENT,
        &anthropic::PROVIDER,
        "claude-sonnet-4-5",
        &chat(json!({"thinking": {"type": "adaptive"}})),
    );
    assert_eq!(body["thinking"], json!({"type": "enabled", "budget_tokens": 8192}));
    assert_eq!(dropped, ["thinking"]);
}

#[test]
fn a_budget_for_a_claude_that_takes_none_is_an_effort_and_named() {
    let asked = chat(json!({"thinking": {"type": "enabled", "budget_tokens": 9000}}));
    let (body, dropped) = sent(&openai_chat::CLIENT, &anthropic::PROVIDER, "claude-opus-5", &asked);
    assert_eq!(body["thinking"], json!({"type": "adaptive"}));
    assert_eq!(body["output_config"], json!({"effort": "medium"}));
    assert_eq!(dropped, ["thinking"]);
}

#[test]
fn every_effort_of_openais_is_one_that_the_claude_knows() {
    for (model, word, effort, named) in [
        ("claude-opus-4-8", "minimal", "low", true),
        ("claude-opus-4-8", "xhigh", "xhigh", false),
        ("claude-opus-4-8", "max", "max", false),
        ("claude-sonnet-4-6", "xhigh", "high", true),
        ("claude-sonnet-4-6", "max", "max", false),
    ] {
        let (body, dropped) =
            sent(&openai_chat::CLIENT, &anthropic::PROVIDER, model, &chat(json!({"reasoning_effort": word})));
        assert_eq!(body["output_config"]["effort"], effort, "{model} {word}");
        assert_eq!(dropped.is_empty(), !named, "{model} {word}");
    }
    for provider in [&anthropic::PROVIDER, &gemini::PROVIDER, &bedrock::PROVIDER, &openai_chat::PROVIDER] {
        let clients = [&openai_chat::CLIENT, &responses::CLIENT];
        for client in clients.into_iter().filter(|client| client.id() != provider.id) {
            let asked = match client.id() {
                Id::Responses => json!({"model": "m", "input": "x", "reasoning": {"effort": "max"}}),
                _ => chat(json!({"reasoning_effort": "max"})),
            };
            sent(client, provider, "m", &asked);
        }
    }
}

#[test]
fn no_thinking_is_said_where_it_can_be_had() {
    let none = chat(json!({"reasoning_effort": "none"}));
    for model in ["claude-opus-4-8", "claude-sonnet-5", "claude-sonnet-4-5"] {
        let (body, dropped) = sent(&openai_chat::CLIENT, &anthropic::PROVIDER, model, &none);
        assert_eq!(body["thinking"], json!({"type": "disabled"}), "{model}");
        assert!(dropped.is_empty());
    }
    for model in ["claude-fable-5", "claude-mythos-preview", "claude-opus-5-5"] {
        let (body, dropped) = sent(&openai_chat::CLIENT, &anthropic::PROVIDER, model, &none);
        assert!(body.get("thinking").is_none(), "{model}");
        assert_eq!(dropped, ["reasoning_effort"]);
    }
}

#[test]
fn chance_is_left_out_where_a_claude_refuses_it() {
    let asked = chat(json!({"temperature": 0.2, "top_p": 0.9, "top_k": 5}));
    for provider in HOSTS {
        let (body, dropped) = sent(&openai_chat::CLIENT, provider, "anthropic.claude-opus-4-7", &asked);
        let text = body.to_string();
        assert!(!["temperature", "top_p", "topP", "top_k"].iter().any(|name| text.contains(name)), "{text}");
        assert_eq!(dropped, ["temperature", "top_p", "top_k"]);
    }
    let asked = chat(json!({"temperature": 1, "top_p": 1}));
    let (body, dropped) = sent(&openai_chat::CLIENT, &anthropic::PROVIDER, "claude-opus-5", &asked);
    assert!(body.get("temperature").is_none() && body.get("top_p").is_none() && dropped.is_empty());
    let both = chat(json!({"temperature": 0.2, "top_p": 0.9}));
    let (body, dropped) = sent(&openai_chat::CLIENT, &anthropic::PROVIDER, "claude-sonnet-4-5", &both);
    assert_eq!((body["temperature"].as_f64(), body.get("top_p")), (Some(0.2), None));
    assert_eq!(dropped, ["top_p"]);
    let (body, _) = sent(&openai_chat::CLIENT, &anthropic::PROVIDER, "claude-sonnet-4-20250514", &both);
    assert_eq!((body["temperature"].as_f64(), body["top_p"].as_f64()), (Some(0.2), Some(0.9)));
}

#[test]
fn a_model_that_thinks_by_itself_gets_room_for_it() {
    let (body, _) = sent(&openai_chat::CLIENT, &anthropic::PROVIDER, "claude-sonnet-5", &chat(json!({})));
    assert_eq!(body["max_tokens"], 16384 + 4096);
    let (body, _) = sent(&openai_chat::CLIENT, &anthropic::PROVIDER, "claude-opus-4-8", &chat(json!({})));
    assert_eq!(body["max_tokens"], 4096);
}

#[test]
fn what_a_newer_claude_refuses_outright_is_refused_by_name() {
    let tools = json!([{"type": "function", "function": {"name": "f"}}]);
    let forced = chat(json!({"tools": tools, "tool_choice": "required", "reasoning_effort": "high"}));
    for provider in HOSTS {
        assert_eq!(refused(&openai_chat::CLIENT, provider, "claude-opus-5-5", &forced), "tool_choice");
        let begun = json!([{"role": "user", "content": "x"}, {"role": "assistant", "content": "Well"}]);
        let begun = chat(json!({"messages": begun}));
        assert_eq!(refused(&openai_chat::CLIENT, provider, "claude-sonnet-4-6", &begun), "messages");
        sent(&openai_chat::CLIENT, provider, "claude-sonnet-4-5", &begun);
    }
    let (body, dropped) = sent(&openai_chat::CLIENT, &anthropic::PROVIDER, "claude-opus-4-8", &forced);
    assert_eq!((&body["thinking"]["type"], dropped.len()), (&json!("adaptive"), 0));
    let (body, dropped) = sent(&openai_chat::CLIENT, &anthropic::PROVIDER, "claude-opus-4-7", &forced);
    assert_eq!((body.get("thinking"), &body["output_config"]["effort"]), (None, &json!("high")));
    assert_eq!(dropped, ["reasoning_effort"]);
}

#[test]
fn adaptive_thinking_goes_on_after_calls_whose_thoughts_were_lost() {
    let asked = chat(json!({
        "reasoning_effort": "high",
        "messages": [
            {"role": "user", "content": "x"},
            {"role": "assistant", "tool_calls": [{"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}]},
            {"role": "tool", "tool_call_id": "c", "content": "1"}
        ],
        "tools": [{"type": "function", "function": {"name": "f"}}]
    }));
    let (body, dropped) = sent(&openai_chat::CLIENT, &anthropic::PROVIDER, "claude-opus-4-8", &asked);
    assert_eq!((&body["thinking"]["type"], dropped.len()), (&json!("adaptive"), 0));
}

#[test]
fn openais_models_get_what_they_take() {
    let effort = |effort: &str| messages(json!({"output_config": {"effort": effort}, "temperature": 0.2}));
    let (body, dropped) = sent(&anthropic::CLIENT, &openai_chat::PROVIDER, "gpt-4o", &effort("high"));
    assert!(body.get("reasoning_effort").is_none());
    assert_eq!(body["temperature"], 0.2);
    assert_eq!(dropped, ["output_config.effort", "max_tokens"]);
    let (body, dropped) = sent(&anthropic::CLIENT, &openai_chat::PROVIDER, "gpt-5-mini", &effort("max"));
    assert_eq!((&body["reasoning_effort"], body.get("temperature")), (&json!("high"), None));
    assert_eq!((&body["max_completion_tokens"], body.get("max_tokens")), (&json!(32000), None));
    assert_eq!(dropped, ["output_config.effort", "temperature"]);
    let (body, _) = sent(&anthropic::CLIENT, &responses::PROVIDER, "gpt-5.6", &effort("max"));
    assert_eq!((&body["reasoning"]["effort"], body.get("temperature")), (&json!("max"), None));
    let stop = messages(json!({"stop_sequences": ["END"]}));
    assert_eq!(refused(&anthropic::CLIENT, &openai_chat::PROVIDER, "o4-mini", &stop), "stop_sequences");
}

#[test]
fn a_function_without_arguments_is_one_that_openai_takes() {
    let asked = messages(json!({"tools": [{"name": "ping", "input_schema": {"type": "object"}}]}));
    let empty = json!({"type": "object", "properties": {}});
    let (body, dropped) = sent(&anthropic::CLIENT, &openai_chat::PROVIDER, "m", &asked);
    assert_eq!(body["tools"][0]["function"]["parameters"], empty);
    let (body, _) = sent(&anthropic::CLIENT, &responses::PROVIDER, "m", &asked);
    assert_eq!(body["tools"][0]["parameters"], empty);
    assert!(dropped.is_empty());
}

#[test]
fn schemas_are_in_words_that_the_provider_takes() {
    let schema = json!({
        "type": "object",
        "properties": {"score": {"type": "integer", "minimum": 1, "maximum": 10}, "note": {"type": "string", "maxLength": 80}},
        "required": ["score", "note"]
    });
    let asked =
        chat(json!({"response_format": {"type": "json_schema", "json_schema": {"name": "n", "schema": schema}},
        "tools": [{"type": "function", "function": {"name": "f", "parameters": schema, "strict": true}},
            {"type": "function", "function": {"name": "g", "parameters": schema}}]}));
    let fitted = json!({
        "type": "object",
        "properties": {
            "score": {"type": "integer", "description": "{maximum: 10, minimum: 1}"},
            "note": {"type": "string", "description": "{maxLength: 80}"}
        },
        "required": ["score", "note"],
        "additionalProperties": false
    });
    for provider in [&anthropic::PROVIDER, &hosted::BEDROCK, &hosted::VERTEX] {
        let (body, dropped) = sent(&openai_chat::CLIENT, provider, "claude-opus-5", &asked);
        assert_eq!(body["output_config"]["format"]["schema"], fitted);
        assert_eq!((&body["tools"][0]["input_schema"], &body["tools"][1]["input_schema"]), (&fitted, &schema));
        assert!(dropped.contains(&"response_format.json_schema.schema.minimum".to_owned()), "{dropped:?}");
        assert!(dropped.contains(&"tools[].function.parameters.maxLength".to_owned()), "{dropped:?}");
    }
    let (body, _) = sent(&openai_chat::CLIENT, &bedrock::PROVIDER, "anthropic.claude-opus-5", &asked);
    let text = body["outputConfig"]["textFormat"]["structure"]["jsonSchema"]["schema"].as_str().unwrap();
    assert_eq!(serde_json::from_str::<Value>(text).unwrap(), fitted);

    let owned = json!({"type": "object", "properties": {"owner": {"$ref": "#/$defs/P", "description": "Who"}},
        "$defs": {"P": {"type": "object"}}});
    let asked = chat(json!({"response_format": {"type": "json_schema", "json_schema": {"name": "n", "schema": owned}},
        "tools": [{"type": "function", "function": {"name": "f", "parameters": owned}}]}));
    let (body, _) = sent(&openai_chat::CLIENT, &gemini::PROVIDER, "gemini-2.5-flash", &asked);
    let inlined = json!({"type": "object", "description": "Who"});
    assert_eq!(body["generationConfig"]["responseJsonSchema"]["properties"]["owner"], inlined);
    let function = &body["tools"][0]["functionDeclarations"][0];
    assert_eq!(function["parametersJsonSchema"]["properties"]["owner"], inlined);
}

#[test]
fn what_anthropic_keeps_to_and_openai_cannot_is_not_strict() {
    let schema = json!({"type": "object", "properties": {"a": {"type": "string"}}, "additionalProperties": false});
    let asked = messages(json!({"output_config": {"format": {"type": "json_schema", "schema": schema}}}));
    let (body, dropped) = sent(&anthropic::CLIENT, &openai_chat::PROVIDER, "gpt-4o", &asked);
    assert_eq!(body["response_format"]["json_schema"]["strict"], false);
    assert_eq!(dropped, ["max_tokens", "output_config.format"]);
}

#[test]
fn what_does_not_change_stands_before_what_does() {
    let asked = chat(json!({"messages": [{"role": "system", "content": "s"}, {"role": "user", "content": "x"}],
        "tools": [{"type": "function", "function": {"name": "f"}}]}));
    let body = translate::request(&openai_chat::CLIENT, &hosted::VERTEX, asked.to_string().as_bytes(), "claude-x")
        .unwrap()
        .body;
    let body = String::from_utf8(body).unwrap();
    let at = |name: &str| body.find(&format!("\"{name}\":")).unwrap();
    assert!(at("tools") < at("system") && at("system") < at("messages"), "{body}");
}

#[test]
fn hints_of_openais_are_carried_where_they_are_known_and_named_elsewhere() {
    let hints = json!({"metadata": {"a": "b"}, "store": true, "prompt_cache_key": "k", "safety_identifier": "s",
        "verbosity": "low"});
    let (body, dropped) = sent(&openai_chat::CLIENT, &responses::PROVIDER, "gpt-5.2", &chat(hints.clone()));
    assert_eq!(dropped, Vec::<String>::new());
    for name in ["metadata", "store", "prompt_cache_key", "safety_identifier"] {
        assert_eq!(body[name], hints[name], "{name}");
    }
    assert_eq!(body["text"], json!({"verbosity": "low"}));
    let (body, dropped) = sent(&openai_chat::CLIENT, &responses::PROVIDER, "gpt-4o", &chat(hints.clone()));
    assert_eq!((body.get("text"), dropped), (None, vec!["verbosity".to_owned()]));
    for (provider, model) in [(&responses::PROVIDER, "m"), (&anthropic::PROVIDER, "m"), (&gemini::PROVIDER, "m")] {
        let (body, mut dropped) = sent(&openai_chat::CLIENT, provider, model, &chat(hints.clone()));
        dropped.sort_unstable();
        assert_eq!(dropped, ["metadata", "prompt_cache_key", "safety_identifier", "store", "verbosity"]);
        assert!(body.get("prompt_cache_key").is_none());
    }
    let asked = json!({"model": "m", "input": "x", "metadata": {"a": "b"}, "store": true, "prompt_cache_key": "k",
        "text": {"verbosity": "low"}});
    let (body, dropped) = sent(&responses::CLIENT, &openai_chat::PROVIDER, "gpt-5.2", &asked);
    assert_eq!(
        (&body["metadata"], &body["store"], &body["verbosity"]),
        (&json!({"a": "b"}), &json!(true), &json!("low"))
    );
    assert_eq!((&body["prompt_cache_key"], dropped.len()), (&json!("k"), 0));
    let asked = json!({"model": "m", "input": "x", "metadata": {"a": "b"}, "text": {"verbosity": "low"}});
    let (body, mut dropped) = sent(&responses::CLIENT, &openai_chat::PROVIDER, "gpt-4.1", &asked);
    dropped.sort_unstable();
    assert_eq!((body.get("metadata"), dropped), (None, vec!["metadata".to_owned(), "text.verbosity".to_owned()]));
}

#[test]
fn what_a_clients_reader_left_out_is_named_before_every_provider() {
    let asked = messages(json!({"speed": "fast", "workspace_id": "w", "context_management": {"edits": []}}));
    let (_, mut dropped) = sent(&anthropic::CLIENT, &responses::PROVIDER, "m", &asked);
    dropped.sort_unstable();
    assert_eq!(dropped, ["context_management", "speed", "workspace_id"]);
    let (_, dropped) = sent(&openai_chat::CLIENT, &completions::PROVIDER, "m", &chat(json!({"verbosity": "low"})));
    assert_eq!(dropped, ["verbosity"]);
    let part = json!({"type": "text", "text": "x", "prompt_cache_breakpoint": {"mode": "explicit"}});
    let asked = chat(json!({"prompt_cache_options": {"mode": "explicit"}, "moderation": {"model": "m"},
        "messages": [{"role": "user", "content": [part]}]}));
    let (_, mut dropped) = sent(&openai_chat::CLIENT, &anthropic::PROVIDER, "m", &asked);
    dropped.sort_unstable();
    assert_eq!(dropped, ["messages[].content[].prompt_cache_breakpoint", "moderation", "prompt_cache_options"]);
    let long = chat(json!({"user": "u".repeat(65)}));
    let (body, dropped) = sent(&openai_chat::CLIENT, &responses::PROVIDER, "m", &long);
    assert_eq!((body.get("user"), dropped), (None, vec!["user".to_owned()]));
}

#[test]
fn numbers_stay_within_what_a_model_takes() {
    let asked = messages(json!({}));
    for (model, most) in [("gpt-4o", 16_384), ("gpt-4.1-mini", 32_000), ("gpt-5", 32_000)] {
        let (body, dropped) = sent(&anthropic::CLIENT, &openai_chat::PROVIDER, model, &asked);
        assert_eq!(body["max_completion_tokens"], most, "{model}");
        assert_eq!(dropped.len(), usize::from(most < 32_000));
    }
    let asked = chat(json!({"max_tokens": 200_000}));
    for (model, most) in
        [("claude-opus-4-1", 32_000), ("claude-sonnet-4-5", 64_000), ("claude-opus-5", 128_000), ("claude-x", 200_000)]
    {
        let (body, dropped) = sent(&openai_chat::CLIENT, &anthropic::PROVIDER, model, &asked);
        assert_eq!(body["max_tokens"], most, "{model}");
        assert_eq!(dropped.len(), usize::from(most < 200_000));
    }
    // A request that coding agents send to probe a server.
    let (body, dropped) = sent(&openai_chat::CLIENT, &responses::PROVIDER, "m", &chat(json!({"max_tokens": 1})));
    assert_eq!((&body["max_output_tokens"], dropped), (&json!(16), vec!["max_completion_tokens".to_owned()]));
    let hot = json!({"model": "m", "input": "x", "temperature": 2});
    let mistral = &servers::MISTRAL;
    let (body, dropped) = sent(&responses::CLIENT, mistral, "mistral-large", &hot);
    assert_eq!((body["temperature"].as_f64(), dropped), (Some(1.5), vec!["temperature".to_owned()]));
}

#[test]
fn more_than_a_provider_takes_is_refused_by_its_name() {
    let stop = messages(json!({"stop_sequences": ["a", "b", "c", "d", "e"]}));
    assert_eq!(refused(&anthropic::CLIENT, &openai_chat::PROVIDER, "gpt-4o", &stop), "stop_sequences");
    let groq = &servers::GROQ;
    assert_eq!(refused(&anthropic::CLIENT, groq, "llama", &stop), "stop_sequences");
    assert_eq!(sent(&anthropic::CLIENT, &openai_chat::PROVIDER, "m", &stop).0["stop"].as_array().unwrap().len(), 5);
    let tools: Vec<Value> = (0..129).map(|index| json!({"name": format!("f{index}"), "input_schema": {}})).collect();
    assert_eq!(
        refused(&anthropic::CLIENT, &openai_chat::PROVIDER, "gpt-4o", &messages(json!({"tools": tools}))),
        "tools"
    );
}
