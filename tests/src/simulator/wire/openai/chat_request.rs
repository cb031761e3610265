//! Reads a request for OpenAI's chat completions, with the checks that matter to a gateway. Unknown fields are
//! accepted, because OpenAI keeps adding fields.

use serde_json::{Value, json};

use crate::simulator::prompt::{Prompt, Tool, ToolChoice, image_at};
use crate::simulator::reply::Refusal;
use crate::simulator::wire::{bounds, generation};

/// Reads a request's body.
pub fn read(body: &Value) -> Result<Prompt, Refusal> {
    let model = body["model"].as_str().filter(|model| !model.is_empty());
    let model = model.ok_or_else(|| Refusal::invalid("you must provide a model parameter"))?;
    let messages = body["messages"].as_array().filter(|messages| !messages.is_empty());
    let messages = messages.ok_or_else(|| Refusal::invalid("Missing required parameter: 'messages'."))?;
    let stream = body["stream"].as_bool().unwrap_or(false);
    if !stream && body["stream_options"].is_object() {
        return Err(Refusal::invalid("The 'stream_options' parameter is only allowed when 'stream' is enabled."));
    }
    if body["max_tokens"].is_u64() && body["max_completion_tokens"].is_u64() {
        return Err(Refusal::invalid(
            "Setting 'max_tokens' and 'max_completion_tokens' at the same time is not supported.",
        ));
    }
    generation::gpt(model, body)?;
    bounds::openai(body)?;
    let mut prompt = Prompt {
        model: model.to_owned(),
        stream,
        stream_usage: body["stream_options"]["include_usage"] == true,
        choices: body["n"].as_u64().unwrap_or(1).clamp(1, 128) as usize,
        messages: messages.len(),
        parallel: body["parallel_tool_calls"] != false,
        max_tokens: body["max_completion_tokens"].as_u64().or(body["max_tokens"].as_u64()),
        thinking: !matches!(body["reasoning_effort"].as_str(), None | Some("none" | "minimal")),
        silent: true,
        ..Prompt::default()
    };
    prompt.stop = match &body["stop"] {
        Value::String(one) => vec![one.clone()],
        Value::Array(many) => many.iter().filter_map(|one| one.as_str().map(str::to_owned)).collect(),
        _ => Vec::new(),
    };
    prompt.schema = match body["response_format"]["type"].as_str() {
        Some("json_object") => Some(json!({"properties": {"answer": {"type": "string"}}})),
        Some("json_schema") => Some(schema(&body["response_format"]["json_schema"])?),
        _ => None,
    };
    (prompt.tools, prompt.tool_choice) = tools(body)?;
    read_messages(messages, &mut prompt)?;
    Ok(prompt)
}

fn schema(format: &Value) -> Result<Value, Refusal> {
    if !format["name"].is_string() {
        return Err(Refusal::invalid("Missing required parameter: 'response_format.json_schema.name'."));
    }
    Ok(format["schema"].clone())
}

fn tools(body: &Value) -> Result<(Vec<Tool>, ToolChoice), Refusal> {
    let listed = body["tools"].as_array().map_or(&[][..], Vec::as_slice);
    let tool = |(index, tool): (usize, &Value)| {
        let name = tool["function"]["name"].as_str();
        let name = name
            .ok_or_else(|| Refusal::invalid(format!("Missing required parameter: 'tools[{index}].function.name'.")))?;
        let letters = |byte: u8| byte.is_ascii_alphanumeric() || b"_-".contains(&byte);
        if !(1..=64).contains(&name.len()) || !name.bytes().all(letters) {
            return Err(Refusal::invalid(format!(
                "Invalid 'tools[{index}].function.name': string does not match pattern. Expected a string of at most 64 characters that matches the pattern '^[a-zA-Z0-9_-]+$'."
            )));
        }
        Ok(Tool { name: name.to_owned(), schema: tool["function"]["parameters"].clone(), ..Tool::default() })
    };
    let tools = listed.iter().enumerate().map(tool).collect::<Result<Vec<_>, _>>()?;
    let choice = match &body["tool_choice"] {
        Value::String(word) if word == "none" => ToolChoice::None,
        Value::String(word) if word == "required" => ToolChoice::Any,
        Value::Object(_) => {
            ToolChoice::Named(body["tool_choice"]["function"]["name"].as_str().unwrap_or("").to_owned())
        }
        _ => ToolChoice::Auto,
    };
    if tools.is_empty() && !body["tool_choice"].is_null() {
        return Err(Refusal::invalid("'tool_choice' is only allowed when 'tools' are specified."));
    }
    Ok((tools, choice))
}

fn read_messages(messages: &[Value], prompt: &mut Prompt) -> Result<(), Refusal> {
    let mut open: Vec<&str> = Vec::new();
    for (index, message) in messages.iter().enumerate() {
        let role = message["role"].as_str().unwrap_or("");
        if role != "tool" && !open.is_empty() {
            return Err(Refusal::invalid(format!(
                "An assistant message with 'tool_calls' must be followed by tool messages responding to each 'tool_call_id'. \
                 The following tool_call_ids did not have response messages: {}",
                open.join(", ")
            )));
        }
        let text = text(index, &message["content"])?;
        prompt.text_bytes += text.len();
        match role {
            "system" | "developer" => {}
            "user" => prompt.hear(text, images(&message["content"])),
            "assistant" => open = calls(index, message)?,
            "tool" => {
                let id = message["tool_call_id"].as_str().unwrap_or("");
                let place = open.iter().position(|one| *one == id).ok_or_else(|| {
                    Refusal::invalid(
                        "Invalid parameter: messages with role 'tool' must be a response to a preceeding message with 'tool_calls'.",
                    )
                })?;
                open.remove(place);
                prompt.tool_results.push(text);
            }
            other => return Err(Refusal::invalid(format!("Invalid value: '{other}' for 'messages[{index}].role'."))),
        }
    }
    if open.is_empty() { Ok(()) } else { Err(Refusal::invalid("The last tool_calls have no response messages.")) }
}

fn images(content: &Value) -> Vec<String> {
    let parts = content.as_array().into_iter().flatten();
    parts.filter_map(|part| part["image_url"]["url"].as_str().map(image_at)).collect()
}

fn calls(index: usize, message: &Value) -> Result<Vec<&str>, Refusal> {
    let listed = message["tool_calls"].as_array().map_or(&[][..], Vec::as_slice);
    if listed.is_empty() && message["content"].is_null() {
        return Err(Refusal::invalid(format!(
            "Invalid value for 'content' of messages[{index}]: expected a string, got null."
        )));
    }
    let id = |call: &'_ Value| -> Result<(), Refusal> {
        let function = &call["function"];
        if call["id"].as_str().is_some_and(|id| id.chars().count() > 40) {
            return Err(Refusal::invalid(format!(
                "Invalid 'messages[{index}].tool_calls[].id': string too long. Expected a string with maximum length 40."
            )));
        }
        if call["id"].is_string() && function["name"].is_string() && function["arguments"].is_string() {
            return Ok(());
        }
        Err(Refusal::invalid(format!("Missing required parameter in messages[{index}].tool_calls.")))
    };
    listed.iter().try_for_each(id)?;
    Ok(listed.iter().filter_map(|call| call["id"].as_str()).collect())
}

fn text(index: usize, content: &Value) -> Result<String, Refusal> {
    match content {
        Value::String(text) => Ok(text.clone()),
        Value::Null => Ok(String::new()),
        Value::Array(parts) => {
            let known = ["text", "image_url", "input_audio", "file", "refusal"];
            if let Some(other) = parts.iter().find(|part| !known.contains(&part["type"].as_str().unwrap_or(""))) {
                return Err(Refusal::invalid(format!(
                    "Invalid value: {} in 'messages[{index}].content'.",
                    other["type"]
                )));
            }
            Ok(parts.iter().filter_map(|part| part["text"].as_str()).collect())
        }
        _ => Err(Refusal::invalid(format!("Invalid type for 'messages[{index}].content'."))),
    }
}
