//! Reads the parameters of a request in Cohere's format. Messages are in [`read_message`](super::read_message).
//!
//! Fields that the conversation does not have (documents and citations, a safety mode, log probabilities) are rejected by name.

use serde_json::value::RawValue;

use crate::conversation::{Json, OutputFormat, Reasoning, Request, Tool, ToolChoice};
use crate::dialect::fields::{Fields, missing, nothing_left, object, required, wrong_word};
use crate::error::ApiError;

use super::read_message;

/// The name of a schema; the format has none.
pub(in super::super) const SCHEMA_NAME: &str = "answer";

pub(super) fn read(body: &[u8]) -> Result<Request, ApiError> {
    let mut fields = Fields::of(body)?;
    let messages: Vec<&RawValue> = fields.take("", "messages")?.ok_or_else(|| missing("messages"))?;
    let messages = messages.into_iter().enumerate();
    let request = Request {
        model: required(&mut fields, "", "model")?,
        messages: messages
            .map(|(index, raw)| read_message::read(raw, &format!("messages[{index}]")))
            .collect::<Result<_, _>>()?,
        tools: tools(&mut fields)?,
        tool_choice: match fields.take::<String>("", "tool_choice")?.as_deref() {
            None => None,
            Some("REQUIRED") => Some(ToolChoice::Required),
            Some("NONE") => Some(ToolChoice::None),
            Some(other) => return Err(wrong_word("tool_choice", other, "REQUIRED, NONE")),
        },
        output: output(&mut fields)?,
        max_tokens: fields.take("", "max_tokens")?,
        stop: fields.take("", "stop_sequences")?.unwrap_or_default(),
        temperature: fields.take("", "temperature")?,
        top_p: fields.take("", "p")?,
        top_k: fields.take("", "k")?,
        seed: fields.take("", "seed")?,
        frequency_penalty: fields.take("", "frequency_penalty")?,
        presence_penalty: fields.take("", "presence_penalty")?,
        reasoning: thinking(&mut fields)?,
        stream: fields.take("", "stream")?.unwrap_or_default(),
        // Cohere's streams always report usage.
        include_usage: true,
        ..Request::default()
    };
    nothing_left(&fields, "")?;
    Ok(request)
}

fn tools(fields: &mut Fields<'_>) -> Result<Vec<Tool>, ApiError> {
    let tools: Vec<&RawValue> = fields.take("", "tools")?.unwrap_or_default();
    let strict: Option<bool> = fields.take("", "strict_tools")?;
    tools.into_iter().enumerate().map(|(index, raw)| tool(raw, &format!("tools[{index}]"), strict)).collect()
}

fn tool(raw: &RawValue, at: &str, strict: Option<bool>) -> Result<Tool, ApiError> {
    let mut tool = object(raw, at)?;
    let mut function = read_message::function(&mut tool, at)?;
    nothing_left(&tool, at)?;
    let place = format!("{at}.function");
    let read = Tool {
        name: required(&mut function, &place, "name")?,
        description: function.take(&place, "description")?,
        parameters: function.take::<Json>(&place, "parameters")?,
        strict,
        cache: None,
    };
    nothing_left(&function, &place)?;
    Ok(read)
}

fn output(fields: &mut Fields<'_>) -> Result<Option<OutputFormat>, ApiError> {
    let at = "response_format";
    let Some(raw) = fields.take_raw(at) else { return Ok(None) };
    let mut format = object(raw, at)?;
    let schema = format.take::<Json>(at, "json_schema")?;
    let output = match (required(&mut format, at, "type")?.as_str(), schema) {
        ("text", None) => None,
        ("json_object", None) => Some(OutputFormat::JsonObject),
        ("json_object", Some(schema)) => Some(OutputFormat::JsonSchema {
            name: SCHEMA_NAME.to_owned(),
            description: None,
            schema,
            strict: Some(true),
        }),
        (other, _) => return Err(wrong_word("response_format.type", other, "text, json_object")),
    };
    nothing_left(&format, at)?;
    Ok(output)
}

fn thinking(fields: &mut Fields<'_>) -> Result<Option<Reasoning>, ApiError> {
    let at = "thinking";
    let Some(raw) = fields.take_raw(at) else { return Ok(None) };
    let mut thinking = object(raw, at)?;
    let budget: Option<u64> = thinking.take(at, "token_budget")?;
    let read = match (required(&mut thinking, at, "type")?.as_str(), budget) {
        ("enabled", Some(budget)) => Reasoning::Budget(budget),
        ("enabled", None) => Reasoning::Adaptive,
        ("disabled", _) => Reasoning::Disabled,
        (other, _) => return Err(wrong_word("thinking.type", other, "enabled, disabled")),
    };
    nothing_left(&thinking, at)?;
    Ok(Some(read))
}
