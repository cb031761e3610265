//! Errors name the client's own fields and paths.

use serde_json::{Value, json};
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use crate::dialect::halves::{
    ANTHROPIC, ANTHROPIC_ON_BEDROCK, BEDROCK, Both, COHERE, COHERE_EMBED, COMPLETIONS, GEMINI, GEMINI_EMBED,
    OPENAI_CHAT as CHAT, OPENAI_EMBEDDINGS, RESPONSES,
};
use crate::dialect::translate;

const EMBEDDINGS: Both = Both { client: OPENAI_EMBEDDINGS.client, provider: OPENAI_EMBEDDINGS.provider };
const COHERE_VECTORS: Both = Both { client: COHERE_EMBED.client, provider: COHERE_EMBED.provider };
const GEMINI_VECTORS: Both = Both { client: GEMINI_EMBED.client, provider: GEMINI_EMBED.provider };

/// A URL that no provider below fetches: Gemini does not know its media type, AWS fetches nothing, and OpenAI fetches no documents.
const PAGE: &str = "https://example.com/page";

/// A client, its request, a provider, and the expected result.
type Row<T> = (Both, Value, Both, T);

/// A client's request with `fields` added to the required ones.
fn ask(client: Both, fields: Value) -> Value {
    let mut body = match client.name() {
        "openai_chat" => json!({"model": "m", "messages": [{"role": "user", "content": "Hi"}]}),
        "responses" => json!({"model": "m", "input": "Hi"}),
        "anthropic" => json!({"model": "m", "max_tokens": 99, "messages": [{"role": "user", "content": "Hi"}]}),
        "completions" => json!({"model": "m", "prompt": "Hi"}),
        _ => json!({"model": "m", "input": "Hi"}),
    };
    for (name, value) in fields.as_object().unwrap() {
        body[name] = value.clone();
    }
    body
}

fn blamed(client: Both, provider: Both, model: &str, body: &Value) -> String {
    let error = translate::request(client.client, provider.provider, body.to_string().as_bytes(), model)
        .expect_err(&body.to_string());
    assert_eq!(error.status, 400, "{error:?}");
    let param = error.param.unwrap_or_default();
    assert!(error.message.contains(&format!("'{param}'")), "{param}: {}", error.message);
    param
}

#[test]
fn a_refusal_of_content_names_the_clients_own_place() {
    // Indexes differ from the conversation's: messages are moved to the front, split, joined or skipped.
    let chat = |last: Value| {
        json!({"messages": [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": "Hi"},
            {"role": "assistant", "reasoning_content": "Hm", "content": [{"type": "text", "text": "a"}],
                "tool_calls": [{"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}}]},
            {"role": "tool", "tool_call_id": "c1", "content": "ok"},
            last,
        ]})
    };
    let image = json!({"type": "image_url", "image_url": {"url": PAGE}});
    let responses = |last: Value| {
        json!({"instructions": "Be brief.", "input": [
            {"role": "user", "content": "Hi"},
            {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "a"}]},
            {"type": "function_call", "call_id": "c1", "name": "f", "arguments": "{}"},
            {"type": "function_call_output", "call_id": "c1", "output": "ok"},
            last,
        ]})
    };
    let anthropic = |last: Value| {
        json!({"system": "Be brief.", "messages": [
            {"role": "user", "content": "Hi"},
            {"role": "assistant", "content": [{"type": "text", "text": "a"}, {"type": "tool_use", "id": "c1", "name": "f", "input": {}}]},
            {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "c1", "content": "ok"}, {"type": "text", "text": "b"}]},
            {"role": "assistant", "content": "c"},
            last,
        ]})
    };
    let picture = json!({"type": "image", "source": {"type": "url", "url": PAGE}});
    let paper = json!({"type": "document", "source": {"type": "url", "url": PAGE}});
    let notes = json!({"type": "document", "title": "t", "source": {"type": "content", "content": [{"type": "text", "text": "n"}]}});
    let user = |content: Value| json!({"role": "user", "content": content});
    let text = |kind: &str| json!({"type": kind, "text": "x"});
    let rows: Vec<Row<&str>> = vec![
        (CHAT, chat(user(json!([text("text"), image]))), GEMINI, "messages[4].content[1]"),
        (CHAT, chat(user(json!([text("text"), image]))), BEDROCK, "messages[4].content[1]"),
        (CHAT, chat(user(json!([text("text"), image]))), ANTHROPIC_ON_BEDROCK, "messages[4].content[1]"),
        (
            CHAT,
            chat(json!({"role": "tool", "tool_call_id": "c1", "content": [text("text"), image]})),
            COHERE,
            "messages[4].content",
        ),
        (CHAT, chat(json!({"role": "tool", "tool_call_id": "c9", "content": "x"})), GEMINI, "messages[4].tool_call_id"),
        (
            CHAT,
            chat(json!({"role": "assistant", "reasoning_content": "Hm", "tool_calls": [
            {"id": "c2", "type": "function", "function": {"name": "f", "arguments": "{}"}},
            {"id": "c3", "type": "function", "function": {"name": "f", "arguments": "[1]"}}]})),
            GEMINI,
            "messages[4].tool_calls[1].function.arguments",
        ),
        (CHAT, json!({"messages": [{"role": "system", "content": "Be brief."}]}), ANTHROPIC, "messages"),
        (CHAT, json!({"messages": [{"role": "user", "content": [image]}]}), COMPLETIONS, "messages[0].content"),
        (CHAT, json!({"messages": [{"role": "system", "content": "x"}]}), COMPLETIONS, "messages[0].role"),
        (
            RESPONSES,
            responses(user(json!([text("input_text"), {"type": "input_image", "image_url": PAGE}]))),
            GEMINI,
            "input[4].content[1]",
        ),
        (
            RESPONSES,
            responses(user(json!([{"type": "input_image", "image_url": PAGE}]))),
            BEDROCK,
            "input[4].content[0]",
        ),
        (
            RESPONSES,
            responses(user(json!([text("input_text"), {"type": "input_file", "file_url": PAGE}]))),
            CHAT,
            "input[4].content[1]",
        ),
        (
            RESPONSES,
            responses(user(json!([text("input_text"), {"type": "input_file", "file_url": PAGE}]))),
            COHERE,
            "input[4].content[1]",
        ),
        (
            RESPONSES,
            responses(
                json!({"type": "function_call_output", "call_id": "c1", "output": [{"type": "input_image", "image_url": PAGE}]}),
            ),
            COHERE,
            "input[4].output",
        ),
        (
            RESPONSES,
            responses(json!({"type": "function_call_output", "call_id": "c9", "output": "x"})),
            GEMINI,
            "input[4].call_id",
        ),
        (
            RESPONSES,
            json!({"input": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "a"},
            {"type": "function_call", "call_id": "c1", "name": "f", "arguments": "{}"},
            {"type": "function_call", "call_id": "c2", "name": "f", "arguments": "[1]"}]}),
            ANTHROPIC,
            "input[3].arguments",
        ),
        (RESPONSES, json!({"input": [{"role": "developer", "content": "Be brief."}]}), GEMINI, "input"),
        (RESPONSES, json!({"instructions": "Be brief."}), COMPLETIONS, "input"),
        (RESPONSES, json!({"input": [{"role": "developer", "content": "x"}]}), COMPLETIONS, "input[0].role"),
        (
            RESPONSES,
            json!({"input": [{"role": "user", "content": [text("input_text"), text("input_text")]}]}),
            COMPLETIONS,
            "input[0].content",
        ),
        (ANTHROPIC, anthropic(user(json!([text("text"), picture]))), GEMINI, "messages[4].content[1]"),
        (ANTHROPIC, anthropic(user(json!([notes, picture]))), GEMINI, "messages[4].content[1]"),
        (
            ANTHROPIC,
            anthropic(user(
                json!([{"type": "tool_result", "tool_use_id": "c1", "content": "ok"}, text("text"), picture]),
            )),
            BEDROCK,
            "messages[4].content[2]",
        ),
        (
            ANTHROPIC,
            anthropic(user(json!([text("text"), {"type": "tool_result", "tool_use_id": "c1", "content": [picture]}]))),
            COHERE,
            "messages[4].content[1]",
        ),
        (
            ANTHROPIC,
            anthropic(user(json!([text("text"), {"type": "tool_result", "tool_use_id": "c9", "content": "x"}]))),
            GEMINI,
            "messages[4].content[1].tool_use_id",
        ),
        (ANTHROPIC, anthropic(user(json!([text("text"), paper]))), CHAT, "messages[4].content[1]"),
        (ANTHROPIC, anthropic(user(json!([text("text"), paper]))), COHERE, "messages[4].content[1]"),
        // Removing a system message shifts those after it.
        (
            ANTHROPIC,
            json!({"messages": [{"role": "user", "content": "Hi"}, {"role": "system", "content": "x", "clear_at": "next_user_message"},
            user(json!([text("text"), picture]))]}),
            GEMINI,
            "messages[2].content[1]",
        ),
        (ANTHROPIC, json!({"messages": [{"role": "system", "content": "x"}]}), GEMINI, "messages"),
        (ANTHROPIC, json!({"messages": [{"role": "system", "content": "x"}]}), COMPLETIONS, "messages[0].role"),
        (ANTHROPIC, json!({"messages": [{"role": "user", "content": [picture]}]}), COMPLETIONS, "messages[0].content"),
        (COMPLETIONS, json!({"prompt": ""}), GEMINI, "prompt"),
        (COMPLETIONS, json!({"prompt": [""]}), ANTHROPIC, "prompt"),
        (EMBEDDINGS, json!({"input": [1, 2]}), COHERE_VECTORS, "input"),
        (EMBEDDINGS, json!({"input": ["a", [3]]}), COHERE_VECTORS, "input[1]"),
        (EMBEDDINGS, json!({"input": [[1, 2], [3]]}), COHERE_VECTORS, "input[0]"),
        (EMBEDDINGS, json!({"input": [[1, 2], [3]]}), GEMINI_VECTORS, "input[0]"),
    ];
    for (client, fields, provider, place) in rows {
        let body = ask(client, fields);
        assert_eq!(blamed(client, provider, "m", &body), place, "{} {body}", provider.name());
    }
}

#[test]
fn a_refusal_of_a_wish_names_the_clients_own_field() {
    let tool = |client: Both| match client.name() {
        "anthropic" => json!([{"name": "f", "input_schema": {"type": "object"}}]),
        "responses" => json!([{"type": "function", "name": "f", "parameters": {"type": "object"}}]),
        _ => json!([{"type": "function", "function": {"name": "f"}}]),
    };
    let stops: Vec<String> = (0..6).map(|index| format!("s{index}")).collect();
    let form = json!({"type": "object"});
    let rows: Vec<Row<&str>> = vec![
        (CHAT, json!({"stop": stops}), GEMINI, "stop"),
        (ANTHROPIC, json!({"stop_sequences": stops}), GEMINI, "stop_sequences"),
        (ANTHROPIC, json!({"stop_sequences": stops}), COHERE, "stop_sequences"),
        (COMPLETIONS, json!({"stop": stops}), COHERE, "stop"),
        (CHAT, json!({"n": 2}), ANTHROPIC, "n"),
        (COMPLETIONS, json!({"n": 2}), BEDROCK, "n"),
        (CHAT, json!({"temperature": 2.5}), GEMINI, "temperature"),
        (RESPONSES, json!({"temperature": 2.5}), GEMINI, "temperature"),
        (COMPLETIONS, json!({"presence_penalty": 1}), BEDROCK, "presence_penalty"),
        (ANTHROPIC, json!({"tool_choice": {"type": "any"}}), GEMINI, "tool_choice"),
        (RESPONSES, json!({"tool_choice": "required"}), ANTHROPIC, "tool_choice"),
        (CHAT, json!({"tools": tool(CHAT)}), COMPLETIONS, "tools"),
        (RESPONSES, json!({"tools": tool(RESPONSES)}), COMPLETIONS, "tools"),
        (ANTHROPIC, json!({"tools": tool(ANTHROPIC)}), COMPLETIONS, "tools"),
        (CHAT, json!({"response_format": {"type": "json_object"}}), COMPLETIONS, "response_format"),
        (RESPONSES, json!({"text": {"format": {"type": "json_object"}}}), COMPLETIONS, "text.format"),
        (
            ANTHROPIC,
            json!({"output_config": {"format": {"type": "json_schema", "schema": form}}}),
            COMPLETIONS,
            "output_config.format",
        ),
        (CHAT, json!({"reasoning_effort": "odd"}), GEMINI, "reasoning_effort"),
        (RESPONSES, json!({"reasoning": {"effort": "odd"}}), BEDROCK, "reasoning_effort"),
    ];
    for (client, fields, provider, field) in rows {
        let body = ask(client, fields);
        let model = if provider.name() == "bedrock" { "anthropic.claude-x" } else { "gemini-2.5-flash" };
        let field =
            if field == "reasoning_effort" && client.name() == "responses" { "reasoning.effort" } else { field };
        assert_eq!(blamed(client, provider, model, &body), field, "{} {body}", provider.name());
    }
}

#[test]
fn drops_have_the_clients_own_names() {
    let schema = json!({"type": "object", "properties": {"a": {"type": "integer", "minimum": 1}}, "required": ["a"]});
    let rows: Vec<Row<&[&str]>> = vec![
        (
            RESPONSES,
            json!({"text": {"format": {"type": "json_schema", "name": "n", "schema": schema}}}),
            ANTHROPIC,
            &["text.format.schema.minimum"],
        ),
        (
            CHAT,
            json!({"response_format": {"type": "json_schema", "json_schema": {"name": "n", "schema": schema}}}),
            ANTHROPIC,
            &["response_format.json_schema.schema.minimum"],
        ),
        (
            RESPONSES,
            json!({"tools": [{"type": "function", "name": "f", "strict": true, "parameters": schema}]}),
            ANTHROPIC,
            &["tools[].parameters.minimum"],
        ),
        (
            ANTHROPIC,
            json!({"tools": [{"name": "f", "strict": true, "input_schema": schema}]}),
            CHAT,
            &["tools[].strict"],
        ),
        (
            ANTHROPIC,
            json!({"output_config": {"format": {"type": "json_schema", "schema": schema}}}),
            RESPONSES,
            &["output_config.format"],
        ),
        (
            ANTHROPIC,
            json!({"messages": [{"role": "user", "content": "Hi"},
            {"role": "assistant", "content": [{"type": "thinking", "thinking": "x", "signature": "abc"}, {"type": "text", "text": "a"}]},
            {"role": "user", "content": "And?"}]}),
            GEMINI,
            &["messages[].content[].thinking"],
        ),
        (
            RESPONSES,
            json!({"input": [{"role": "user", "content": [{"type": "input_image", "image_url": "data:image/png;base64,AAAA", "detail": "low"}]}]}),
            GEMINI,
            &["input[].content[].detail"],
        ),
        (
            ANTHROPIC,
            json!({"messages": [{"role": "user", "content": "Hi"},
            {"role": "assistant", "content": [{"type": "tool_use", "id": "c1", "name": "f", "input": {}}]},
            {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "c1", "content": "x", "is_error": true}]}]}),
            CHAT,
            &["messages[].content[].tool_result.is_error"],
        ),
    ];
    for (client, fields, provider, names) in rows {
        let body = ask(client, fields);
        let written = translate::request(client.client, provider.provider, body.to_string().as_bytes(), "m").unwrap();
        assert_eq!(written.dropped, names, "{} {body}", provider.name());
    }
}

#[test]
fn no_name_of_another_format_is_left_in_a_table_of_own_names() {
    for client in [RESPONSES, ANTHROPIC] {
        for (known, own) in client.client.own_names {
            let top = |path: &str| path.split(['.', '[']).next().unwrap_or_default().to_owned();
            let fields = client.fields();
            assert!(
                fields.iter().any(|(field, ..)| top(field) == top(own)),
                "{known}: {own} is no field of {}",
                client.name()
            );
        }
    }
}
