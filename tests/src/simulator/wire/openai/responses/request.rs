//! Reads the parameters of a request for a response. [`items`](super::items) reads the conversation.

use serde_json::{Value, json};

use super::items;
use crate::simulator::prompt::{Prompt, Tool, ToolChoice};
use crate::simulator::reply::Refusal;

const FIELDS: [&str; 29] = [
    "background",
    "client_metadata",
    "context_management",
    "conversation",
    "include",
    "input",
    "instructions",
    "max_output_tokens",
    "max_tool_calls",
    "metadata",
    "model",
    "parallel_tool_calls",
    "previous_response_id",
    "prompt",
    "prompt_cache_key",
    "prompt_cache_retention",
    "reasoning",
    "safety_identifier",
    "service_tier",
    "store",
    "stream",
    "stream_options",
    "temperature",
    "text",
    "tool_choice",
    "tools",
    "top_logprobs",
    "top_p",
    "truncation",
];

/// Removes unknown fields, and a length limit of zero.
pub fn known(mut body: Value) -> Value {
    if let Value::Object(fields) = &mut body {
        fields.retain(|name, value| FIELDS.contains(&name.as_str()) && (name != "max_output_tokens" || *value != 0));
    }
    body
}

/// Reads a request's body; `said` is the conversation, including this request's items.
pub fn read(body: &Value, said: &[Value]) -> Result<Prompt, Refusal> {
    let mut names = body.as_object().into_iter().flatten().map(|(name, _)| name);
    if let Some(name) = names.find(|name| !FIELDS.contains(&name.as_str()) && *name != "user") {
        let message = format!("Unknown parameter: '{name}'.");
        return Err(Refusal { code: Some("unknown_parameter"), ..Refusal::invalid(message) });
    }
    let model = body["model"].as_str().filter(|model| !model.is_empty());
    let model = model.ok_or_else(|| Refusal::invalid("Missing required parameter: 'model'."))?;
    if let Some(most @ ..16) = body["max_output_tokens"].as_u64() {
        return Err(Refusal::invalid(format!(
            "Invalid 'max_output_tokens': integer below minimum value. Expected a value >= 16, but got {most} instead."
        )));
    }
    let instructions = body["instructions"].as_str().map_or(0, str::len);
    let include = body["include"].as_array().map_or(&[][..], Vec::as_slice);
    let mut prompt = Prompt {
        model: model.to_owned(),
        stream: body["stream"] == true,
        choices: 1,
        messages: said.len(),
        text_bytes: instructions,
        parallel: body["parallel_tool_calls"] != false,
        max_tokens: body["max_output_tokens"].as_u64(),
        thinking: !matches!(body["reasoning"]["effort"].as_str(), None | Some("none" | "minimal")),
        silent: body["reasoning"]["summary"].is_null(),
        signed: include.iter().any(|one| one == "reasoning.encrypted_content"),
        echo: echo(body),
        ..Prompt::default()
    };
    prompt.schema = schema(&body["text"]["format"])?;
    (prompt.tools, prompt.tool_choice) = tools(body, said)?;
    items::read(said, body["store"] != false, &mut prompt)?;
    Ok(prompt)
}

/// The parameters that the response repeats.
fn echo(body: &Value) -> Value {
    let or = |name: &str, default: Value| body.get(name).cloned().unwrap_or(default);
    json!({
        "instructions": or("instructions", Value::Null),
        "max_output_tokens": or("max_output_tokens", Value::Null),
        "metadata": or("metadata", json!({})),
        "parallel_tool_calls": or("parallel_tool_calls", json!(true)),
        "previous_response_id": or("previous_response_id", Value::Null),
        "reasoning": {"effort": body["reasoning"]["effort"], "summary": body["reasoning"]["summary"]},
        "store": or("store", json!(true)),
        "temperature": or("temperature", json!(1.0)),
        "text": or("text", json!({"format": {"type": "text"}})),
        "tool_choice": or("tool_choice", json!("auto")),
        "tools": or("tools", json!([])),
        "top_p": or("top_p", json!(1.0)),
        "truncation": or("truncation", json!("disabled")),
    })
}

fn schema(format: &Value) -> Result<Option<Value>, Refusal> {
    match format["type"].as_str() {
        None | Some("text") => Ok(None),
        Some("json_object") => Ok(Some(json!({"properties": {"answer": {"type": "string"}}}))),
        Some("json_schema") if !format["name"].is_string() => {
            Err(Refusal::invalid("Missing required parameter: 'text.format.name'."))
        }
        Some("json_schema") => Ok(Some(format["schema"].clone())),
        Some(other) => Err(Refusal::invalid(format!("Invalid value: '{other}' for 'text.format.type'."))),
    }
}

/// The tools in the request and in its items.
fn tools(body: &Value, said: &[Value]) -> Result<(Vec<Tool>, ToolChoice), Refusal> {
    let mut tools = Vec::new();
    offered(&body["tools"], None, &mut tools)?;
    for item in said.iter().filter(|item| item["type"] == "additional_tools") {
        offered(&item["tools"], None, &mut tools)?;
    }
    let choice = match &body["tool_choice"] {
        Value::Null => ToolChoice::Auto,
        Value::String(word) if word == "none" => ToolChoice::None,
        Value::String(word) if word == "auto" => ToolChoice::Auto,
        Value::String(word) if word == "required" => ToolChoice::Any,
        choice => match choice["name"].as_str().filter(|name| tools.iter().any(|tool| tool.name == *name)) {
            Some(name) => ToolChoice::Named(name.to_owned()),
            None if choice["type"] == "function" => {
                return Err(Refusal::invalid("Tool choice 'function' not found in 'tools' parameter."));
            }
            None => ToolChoice::Auto,
        },
    };
    Ok((tools, choice))
}

fn offered(listed: &Value, namespace: Option<&str>, tools: &mut Vec<Tool>) -> Result<(), Refusal> {
    for (index, tool) in listed.as_array().into_iter().flatten().enumerate() {
        let kind = tool["type"].as_str().unwrap_or("");
        if !matches!(kind, "function" | "custom" | "namespace") {
            continue;
        }
        let name = tool["name"].as_str();
        let name =
            name.ok_or_else(|| Refusal::invalid(format!("Missing required parameter: 'tools[{index}].name'.")))?;
        if kind == "namespace" {
            offered(&tool["tools"], Some(name), tools)?;
            continue;
        }
        tools.push(Tool {
            name: name.to_owned(),
            schema: tool["parameters"].clone(),
            custom: kind == "custom",
            namespace: namespace.map(str::to_owned),
        });
    }
    Ok(())
}
