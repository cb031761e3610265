//! Reads a chat request with Cohere's checks: unknown fields, one form of tool choice, results for every call.

use serde_json::{Value, json};

use crate::simulator::prompt::{Prompt, Tool, ToolChoice, image_at};
use crate::simulator::reply::Refusal;

const FIELDS: [&str; 22] = [
    "model",
    "messages",
    "tools",
    "strict_tools",
    "tool_choice",
    "documents",
    "citation_options",
    "response_format",
    "safety_mode",
    "max_tokens",
    "stop_sequences",
    "temperature",
    "seed",
    "frequency_penalty",
    "presence_penalty",
    "k",
    "p",
    "logprobs",
    "thinking",
    "priority",
    "stream",
    "truncation_mode",
];

/// Reads a request's body.
pub fn read(body: &Value) -> Result<Prompt, Refusal> {
    let mut names = body.as_object().into_iter().flatten().map(|(name, _)| name);
    if let Some(name) = names.find(|name| !FIELDS.contains(&name.as_str())) {
        return Err(Refusal::new(422, format!("unknown field: parameter '{name}' is not a valid field")));
    }
    let model = body["model"].as_str().filter(|model| !model.is_empty());
    let model = model.ok_or_else(|| Refusal::invalid("invalid request: model is required"))?;
    let messages = body["messages"].as_array().filter(|messages| !messages.is_empty());
    let messages =
        messages.ok_or_else(|| Refusal::invalid("invalid request: messages must be at least 1 element long."))?;
    let thinking = &body["thinking"];
    let mut prompt = Prompt {
        model: model.to_owned(),
        stream: body["stream"] == true,
        choices: 1,
        messages: messages.len(),
        parallel: true,
        max_tokens: body["max_tokens"].as_u64(),
        thinking: thinking["type"] == "enabled" && thinking["token_budget"] != 0,
        ..Prompt::default()
    };
    numbers(body)?;
    let stops = body["stop_sequences"].as_array().map_or(&[][..], Vec::as_slice);
    if stops.len() > 5 {
        return Err(Refusal::invalid("invalid request: at most 5 stop_sequences are allowed."));
    }
    prompt.stop = stops.iter().filter_map(|stop| stop.as_str().map(str::to_owned)).collect();
    let format = &body["response_format"];
    prompt.schema = match format["type"].as_str() {
        Some("json_object") if format["json_schema"].is_object() => Some(format["json_schema"].clone()),
        Some("json_object") => Some(json!({"properties": {"answer": {"type": "string"}}})),
        None | Some("text") => None,
        Some(_) => return Err(Refusal::invalid("invalid request: response_format.type must be text or json_object.")),
    };
    (prompt.tools, prompt.tool_choice) = tools(body)?;
    history(messages, &mut prompt)?;
    Ok(prompt)
}

fn numbers(body: &Value) -> Result<(), Refusal> {
    for (name, range) in [
        ("temperature", 0.0..=1.0),
        ("p", 0.01..=0.99),
        ("k", 0.0..=500.0),
        ("seed", 0.0..=18446744073709552000.0),
        ("frequency_penalty", 0.0..=1.0),
        ("presence_penalty", 0.0..=1.0),
    ] {
        if body[name].as_f64().is_some_and(|value| !range.contains(&value)) {
            let (low, high) = (range.start(), range.end());
            return Err(Refusal::invalid(format!(
                "invalid request: {name} must be between {low} and {high} inclusive."
            )));
        }
    }
    Ok(())
}

fn tools(body: &Value) -> Result<(Vec<Tool>, ToolChoice), Refusal> {
    let mut tools = Vec::new();
    for tool in body["tools"].as_array().into_iter().flatten() {
        let name = tool["function"]["name"].as_str();
        let name = name.ok_or_else(|| Refusal::invalid("invalid request: tools must have a function with a name."))?;
        let letters = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
        if name.starts_with(|first: char| first.is_ascii_digit()) || !name.bytes().all(letters) {
            let rule = "names contain only the characters a-z, A-Z, 0-9, _ and must not begin with a digit.";
            return Err(Refusal::invalid(format!("invalid request: {rule}")));
        }
        tools.push(Tool { name: name.to_owned(), schema: tool["function"]["parameters"].clone(), ..Tool::default() });
    }
    let choice = match &body["tool_choice"] {
        Value::Null => return Ok((tools, ToolChoice::Auto)),
        Value::String(word) if word == "REQUIRED" => ToolChoice::Any,
        Value::String(word) if word == "NONE" => ToolChoice::None,
        _ => return Err(Refusal::invalid("invalid request: tool_choice must be one of REQUIRED, NONE.")),
    };
    if tools.is_empty() {
        return Err(Refusal::invalid("invalid request: cannot specify tool_choice without specifying tools."));
    }
    Ok((tools, choice))
}

fn history(messages: &[Value], prompt: &mut Prompt) -> Result<(), Refusal> {
    let mut open: Vec<&str> = Vec::new();
    for (index, message) in messages.iter().enumerate() {
        let role = message["role"].as_str().unwrap_or("");
        if role != "tool" && !open.is_empty() {
            return Err(Refusal::invalid(format!(
                "invalid request: no tool message for tool calls {}.",
                open.join(", ")
            )));
        }
        let text = text(index, &message["content"])?;
        prompt.text_bytes += text.len();
        match role {
            "system" => {}
            "user" => prompt.hear(text, images(&message["content"])),
            "assistant" => {
                let calls = message["tool_calls"].as_array().map_or(&[][..], Vec::as_slice);
                if calls.is_empty() && text.is_empty() {
                    return Err(Refusal::invalid(
                        "invalid request: an assistant message must have content or tool_calls.",
                    ));
                }
                open = calls.iter().map(|call| call["id"].as_str().unwrap_or("")).collect();
            }
            "tool" => {
                let id = message["tool_call_id"].as_str().unwrap_or("");
                let place = open.iter().position(|call| *call == id);
                open.remove(
                    place
                        .ok_or_else(|| Refusal::invalid(format!("invalid request: no tool call has the id '{id}'.")))?,
                );
                prompt.tool_results.push(text);
            }
            other => return Err(Refusal::invalid(format!("invalid request: role '{other}' is not known."))),
        }
    }
    if open.is_empty() {
        Ok(())
    } else {
        Err(Refusal::invalid("invalid request: the last tool calls have no results."))
    }
}

fn text(index: usize, content: &Value) -> Result<String, Refusal> {
    let known = ["text", "image_url", "thinking", "document"];
    match content {
        Value::String(text) => Ok(text.clone()),
        Value::Null => Ok(String::new()),
        Value::Array(parts) => match parts.iter().find(|part| !known.contains(&part["type"].as_str().unwrap_or(""))) {
            Some(other) => Err(Refusal::invalid(format!(
                "invalid request: messages[{index}] has content of the unknown type {}.",
                other["type"]
            ))),
            None => Ok(parts.iter().filter_map(said).collect()),
        },
        _ => Err(Refusal::invalid(format!("invalid request: messages[{index}].content is of an invalid type."))),
    }
}

/// The text of a part, or of a document in a tool result.
fn said(part: &Value) -> Option<&str> {
    part["text"].as_str().or_else(|| part["document"]["data"].as_str())
}

fn images(content: &Value) -> Vec<String> {
    let parts = content.as_array().into_iter().flatten();
    parts.filter_map(|part| part["image_url"]["url"].as_str().map(image_at)).collect()
}
