//! Reads a request to Anthropic's messages, and rejects it where Anthropic would: unknown fields, roles that do not
//! alternate, empty texts, results without a tool call.

use serde_json::{Map, Value};

use super::answer::SIGNATURE;
use crate::simulator::prompt::{Prompt, Tool, ToolChoice, image};
use crate::simulator::reply::Refusal;
use crate::simulator::wire::generation;

const FIELDS: [&str; 19] = [
    "model",
    "messages",
    "max_tokens",
    "system",
    "metadata",
    "stop_sequences",
    "stream",
    "temperature",
    "top_k",
    "top_p",
    "tools",
    "tool_choice",
    "thinking",
    "service_tier",
    "output_config",
    "container",
    "context_management",
    "mcp_servers",
    "cache_control",
];

/// Reads a request's body.
pub fn read(body: &Value) -> Result<Prompt, Refusal> {
    let Some(fields) = body.as_object() else { return Err(invalid("body", "Input should be an object")) };
    only(fields, &FIELDS, "")?;
    let model = body["model"].as_str().ok_or_else(|| invalid("model", "Field required"))?;
    generation::claude(model, body, &body["output_config"]["format"]["schema"])?;
    let max_tokens = body.get("max_tokens").ok_or_else(|| invalid("max_tokens", "Field required"))?;
    let max_tokens = max_tokens.as_u64().filter(|most| *most >= 1);
    let max_tokens = max_tokens.ok_or_else(|| invalid("max_tokens", "Input should be greater than or equal to 1"))?;
    let messages = body["messages"].as_array().ok_or_else(|| invalid("messages", "Field required"))?;
    if messages.is_empty() {
        return Err(invalid("messages", "at least one message is required"));
    }
    let mut prompt = Prompt {
        model: model.to_owned(),
        stream: body["stream"] == true,
        choices: 1,
        messages: messages.len(),
        max_tokens: Some(max_tokens),
        parallel: body["tool_choice"]["disable_parallel_tool_use"] != true,
        ..Prompt::default()
    };
    if let Some(temperature) = body["temperature"].as_f64()
        && !(0.0..=1.0).contains(&temperature)
    {
        return Err(invalid("temperature", "range: 0..1"));
    }
    for stop in body["stop_sequences"].as_array().into_iter().flatten() {
        let stop = stop.as_str().filter(|stop| !stop.trim().is_empty());
        prompt.stop.push(
            stop.ok_or_else(|| invalid("stop_sequences", "each stop sequence must contain non-whitespace"))?.into(),
        );
    }
    if body["output_config"]["format"]["type"] == "json_schema" {
        prompt.schema = Some(body["output_config"]["format"]["schema"].clone());
    }
    (prompt.tools, prompt.tool_choice) = tools(body)?;
    prompt.thinking = thinking(body, max_tokens)?;
    prompt.adaptive = body["thinking"]["type"] == "adaptive";
    system(&body["system"], &mut prompt)?;
    read_messages(messages, &mut prompt)?;
    Ok(prompt)
}

/// Reads a request's body on a host that puts the model in the path and the version in the body.
pub fn hosted(mut body: Value, model: &str, version: &str, stream: bool) -> Result<Prompt, Refusal> {
    let Some(fields) = body.as_object_mut() else { return Err(invalid("body", "Input should be an object")) };
    if fields.contains_key("model") {
        return Err(invalid("model", "Extra inputs are not permitted"));
    }
    match fields.remove("anthropic_version") {
        None => return Err(invalid("anthropic_version", "Field required")),
        Some(given) if given != version => {
            return Err(invalid("anthropic_version", &format!("Input should be '{version}'")));
        }
        Some(_) => {}
    }
    fields.remove("anthropic_beta");
    fields.insert("model".to_owned(), model.into());
    Ok(Prompt { stream, ..read(&body)? })
}

fn invalid(place: &str, message: &str) -> Refusal {
    Refusal::invalid(format!("{place}: {message}"))
}

fn only(fields: &Map<String, Value>, known: &[&str], place: &str) -> Result<(), Refusal> {
    match fields.keys().find(|name| !known.contains(&name.as_str())) {
        Some(name) => Err(invalid(&format!("{place}{name}"), "Extra inputs are not permitted")),
        None => Ok(()),
    }
}

fn tools(body: &Value) -> Result<(Vec<Tool>, ToolChoice), Refusal> {
    let mut tools = Vec::new();
    for (index, tool) in body["tools"].as_array().into_iter().flatten().enumerate() {
        let place = format!("tools.{index}.custom.");
        let Some(fields) = tool.as_object() else { return Err(invalid(&place, "Input should be an object")) };
        // A server tool.
        if tool["type"].as_str().is_some_and(|kind| kind.starts_with("web_search_")) {
            continue;
        }
        let known = [
            "name",
            "description",
            "input_schema",
            "strict",
            "cache_control",
            "type",
            "eager_input_streaming",
            "defer_loading",
        ];
        only(fields, &known, &place)?;
        let name = tool["name"].as_str().ok_or_else(|| invalid(&format!("{place}name"), "Field required"))?;
        if !identifier(name) || name.len() > 128 {
            return Err(invalid(&format!("{place}name"), "String should match pattern '^[a-zA-Z0-9_-]{1,128}$'"));
        }
        if tool["input_schema"]["type"] != "object" {
            return Err(invalid(&format!("{place}input_schema.type"), "Field required"));
        }
        tools.push(Tool { name: name.to_owned(), schema: tool["input_schema"].clone(), ..Tool::default() });
    }
    let choice = &body["tool_choice"];
    let choice = match choice["type"].as_str() {
        None if choice.is_null() => return Ok((tools, ToolChoice::Auto)),
        Some("auto") => ToolChoice::Auto,
        Some("none") => ToolChoice::None,
        Some("any") => ToolChoice::Any,
        Some("tool") => ToolChoice::Named(choice["name"].as_str().unwrap_or("").to_owned()),
        _ => return Err(invalid("tool_choice", "Input tag does not match any of: 'auto', 'any', 'tool', 'none'")),
    };
    match &choice {
        ToolChoice::None => Ok((tools, choice)),
        _ if tools.is_empty() => Err(invalid("tool_choice", "may only be specified while providing tools")),
        ToolChoice::Named(name) if !tools.iter().any(|tool| tool.name == *name) => {
            Err(invalid("tool_choice", &format!("Tool '{name}' not found in provided tools")))
        }
        _ => Ok((tools, choice)),
    }
}

fn thinking(body: &Value, max_tokens: u64) -> Result<bool, Refusal> {
    match body["thinking"]["type"].as_str() {
        None if body["thinking"].is_null() => return Ok(false),
        Some("disabled") => return Ok(false),
        Some("adaptive") => {}
        Some("enabled") => match body["thinking"]["budget_tokens"].as_u64() {
            None => return Err(invalid("thinking.enabled.budget_tokens", "Field required")),
            Some(..1024) => {
                return Err(invalid("thinking.enabled.budget_tokens", "Input should be greater than or equal to 1024"));
            }
            Some(budget) if budget >= max_tokens => {
                return Err(Refusal::invalid("`max_tokens` must be greater than `thinking.budget_tokens`."));
            }
            Some(_) => {}
        },
        _ => return Err(invalid("thinking", "Input tag does not match any of: 'enabled', 'disabled', 'adaptive'")),
    }
    if body["temperature"].as_f64().is_some_and(|temperature| temperature != 1.0) {
        return Err(Refusal::invalid("`temperature` may only be set to 1 when thinking is enabled."));
    }
    if matches!(body["tool_choice"]["type"].as_str(), Some("any" | "tool")) {
        return Err(Refusal::invalid("Thinking may not be enabled when tool_choice forces tool use."));
    }
    Ok(true)
}

fn system(system: &Value, prompt: &mut Prompt) -> Result<(), Refusal> {
    match system {
        Value::Null => {}
        Value::String(text) => prompt.text_bytes += text.len(),
        Value::Array(blocks) => {
            for (index, block) in blocks.iter().enumerate() {
                if block["type"] != "text" {
                    return Err(invalid(&format!("system.{index}.type"), "Input should be 'text'"));
                }
                text(block, &format!("system.{index}"), prompt)?;
            }
        }
        _ => return Err(invalid("system", "Input should be a valid string or a list of text blocks")),
    }
    Ok(())
}

fn text<'a>(block: &'a Value, place: &str, prompt: &mut Prompt) -> Result<&'a str, Refusal> {
    let text = block["text"].as_str().ok_or_else(|| invalid(&format!("{place}.text"), "Field required"))?;
    if text.trim().is_empty() {
        return Err(Refusal::invalid(format!("{place}: text content blocks must contain non-whitespace text")));
    }
    prompt.text_bytes += text.len();
    if block["cache_control"].is_object() {
        prompt.marked_bytes += text.len();
    }
    Ok(text)
}

fn read_messages(messages: &[Value], prompt: &mut Prompt) -> Result<(), Refusal> {
    let mut previous = "assistant";
    let mut open: Vec<String> = Vec::new();
    // The tool calls of all turns.
    let mut calls: Vec<String> = Vec::new();
    for (index, message) in messages.iter().enumerate() {
        let place = format!("messages.{index}");
        let Some(fields) = message.as_object() else { return Err(invalid(&place, "Input should be an object")) };
        only(fields, &["role", "content"], &format!("{place}."))?;
        let role = match message["role"].as_str() {
            Some(role @ ("user" | "assistant")) => role,
            // Claude Code requests this beta: a system message after a user turn.
            Some("system") if previous == "user" => {
                system(&message["content"], prompt)?;
                continue;
            }
            _ => return Err(invalid(&format!("{place}.role"), "Input should be 'user' or 'assistant'")),
        };
        if role == previous {
            return Err(match index {
                0 => invalid(&place, "first message must use the \"user\" role"),
                _ => invalid("messages", "roles must alternate between \"user\" and \"assistant\""),
            });
        }
        previous = role;
        let turn = Turn { user: role == "user", place };
        let called = std::mem::take(&mut open);
        open = turn.read(&message["content"], called, prompt)?;
        for id in &open {
            if calls.contains(id) {
                return Err(invalid("messages", "`tool_use` ids must be unique"));
            }
            calls.push(id.clone());
        }
    }
    unanswered(&open)
}

fn unanswered(open: &[String]) -> Result<(), Refusal> {
    if open.is_empty() {
        return Ok(());
    }
    Err(Refusal::invalid(format!(
        "`tool_use` ids were found without `tool_result` blocks immediately after: {}",
        open.join(", ")
    )))
}

struct Turn {
    user: bool,
    place: String,
}

impl Turn {
    /// Reads one message; `called` lists the tool calls of the previous message. Returns the calls of this message.
    fn read(&self, content: &Value, mut called: Vec<String>, prompt: &mut Prompt) -> Result<Vec<String>, Refusal> {
        let mut calls = Vec::new();
        let (mut said, mut seen, mut results) = (Vec::new(), Vec::new(), Vec::new());
        match content {
            Value::String(text) if text.trim().is_empty() => {
                return Err(invalid(&self.place, "content must be non-empty"));
            }
            Value::String(text) => {
                prompt.text_bytes += text.len();
                said.push(text.as_str());
            }
            Value::Array(blocks) if !blocks.is_empty() => {
                for (index, block) in blocks.iter().enumerate() {
                    let place = format!("{}.content.{index}", self.place);
                    match block["type"].as_str() {
                        Some("text") => said.push(text(block, &place, prompt)?),
                        Some("image" | "document") if self.user => seen.push(source(block, &place)?),
                        Some("tool_result") if self.user && said.is_empty() => {
                            results.push(tool_result(block, &place, &mut called, prompt)?);
                        }
                        Some("tool_use") if !self.user => calls.push(tool_use(block, &place)?),
                        Some("thinking") if !self.user => {
                            if block["signature"] != SIGNATURE {
                                return Err(invalid(&place, "Invalid `signature` in `thinking` block"));
                            }
                        }
                        Some("redacted_thinking") if !self.user => {}
                        kind => return Err(invalid(&place, &format!("unexpected block {kind:?} here"))),
                    }
                }
                if prompt.thinking
                    && !prompt.adaptive
                    && !calls.is_empty()
                    && !matches!(blocks[0]["type"].as_str(), Some("thinking" | "redacted_thinking"))
                {
                    return Err(invalid(&self.place, "Expected `thinking` or `redacted_thinking` before `tool_use`"));
                }
            }
            _ => return Err(invalid(&format!("{}.content", self.place), "Field required")),
        }
        unanswered(&called)?;
        if self.user {
            if !said.is_empty() || !seen.is_empty() {
                prompt.hear(said.concat(), seen);
            }
            prompt.tool_results = results;
        }
        Ok(calls)
    }
}

/// The description of an image or a document, as it appears in an answer.
fn source(block: &Value, place: &str) -> Result<String, Refusal> {
    let source = &block["source"];
    let text = |name: &str| source[name].as_str();
    let seen = match text("type") {
        Some("base64") => text("media_type").zip(text("data")).map(|(media_type, data)| image(media_type, data)),
        Some("url") => text("url").map(str::to_owned),
        Some("text") => text("data").map(|data| format!("a text of {} bytes", data.len())),
        Some("file") => text("file_id").map(str::to_owned),
        _ => None,
    };
    seen.ok_or_else(|| invalid(&format!("{place}.source"), "Field required"))
}

fn tool_use(block: &Value, place: &str) -> Result<String, Refusal> {
    let id = block["id"].as_str().filter(|id| identifier(id));
    let id = id.ok_or_else(|| invalid(&format!("{place}.id"), "String should match pattern '^[a-zA-Z0-9_-]+$'"))?;
    if !block["name"].is_string() || !block["input"].is_object() {
        return Err(invalid(&format!("{place}.input"), "Input should be an object"));
    }
    Ok(id.to_owned())
}

fn tool_result(block: &Value, place: &str, called: &mut Vec<String>, prompt: &mut Prompt) -> Result<String, Refusal> {
    let known = ["type", "tool_use_id", "content", "is_error", "cache_control"];
    block.as_object().map_or(Ok(()), |fields| only(fields, &known, &format!("{place}.")))?;
    let id = block["tool_use_id"].as_str().unwrap_or("");
    let place_of = called.iter().position(|one| one == id);
    let place_of = place_of.ok_or_else(|| {
        invalid(place, &format!("unexpected `tool_use_id` found in `tool_result` blocks: {id}. Each `tool_result` block must have a corresponding `tool_use` block in the previous message."))
    })?;
    called.remove(place_of);
    let said: String = match &block["content"] {
        Value::String(text) => text.clone(),
        Value::Array(blocks) => blocks.iter().filter_map(|block| block["text"].as_str()).collect(),
        _ => String::new(),
    };
    prompt.text_bytes += said.len();
    Ok(said)
}

fn identifier(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte))
}
