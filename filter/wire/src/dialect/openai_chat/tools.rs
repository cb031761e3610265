//! Reads functions, the tool choice and the output format.

use serde_json::value::RawValue;

use crate::conversation::{Json, OutputFormat, Tool, ToolChoice};
use crate::dialect::fields::{Fields, join};
use crate::dialect::fields::{missing, nothing_left};
use crate::dialect::fields::{object, required, wrong_word};
use crate::dialect::openai::table::refused;
use crate::error::ApiError;
use crate::json;

use super::parts::cache_mark;
use super::table::TABLE;

/// Reads `tools`.
pub(super) fn read_all(fields: &mut Fields<'_>, dropped: &mut Vec<String>) -> Result<Vec<Tool>, ApiError> {
    let tools: Vec<&RawValue> = fields.take("", "tools")?.unwrap_or_default();
    tools.into_iter().enumerate().map(|(index, raw)| read(raw, &format!("tools[{index}]"), dropped)).collect()
}

fn read(raw: &RawValue, at: &str, dropped: &mut Vec<String>) -> Result<Tool, ApiError> {
    let mut fields = object(raw, at)?;
    let cache = cache_mark(&mut fields, at)?;
    only_functions(&mut fields, at)?;
    let place = join(at, "function");
    let function = fields.take_raw("function").ok_or_else(|| missing(&place))?;
    TABLE.settle(&fields, at, "tools[].", dropped)?;
    let mut function = object(function, &place)?;
    let tool = Tool {
        name: required(&mut function, &place, "name")?,
        description: function.take(&place, "description")?,
        parameters: function.take::<Json>(&place, "parameters")?,
        strict: function.take(&place, "strict")?,
        cache,
    };
    nothing_left(&function, &place)?;
    Ok(tool)
}

/// Takes `type`, which must be `function`; absent means a function too.
pub(super) fn only_functions(fields: &mut Fields<'_>, at: &str) -> Result<(), ApiError> {
    match fields.take::<String>(at, "type")?.as_deref() {
        None | Some("function") => Ok(()),
        Some("custom" | "allowed_tools") => Err(refused(&join(at, "type"))),
        Some(other) => Err(wrong_word(&join(at, "type"), other, "function")),
    }
}

/// Reads `tool_choice`.
pub(super) fn read_choice(fields: &mut Fields<'_>) -> Result<Option<ToolChoice>, ApiError> {
    let at = "tool_choice";
    let Some(raw) = fields.take_raw(at) else { return Ok(None) };
    if raw.get().starts_with('"') {
        let word: String = json::read(raw.get())
            .map_err(|error| ApiError::invalid(at, format!("Invalid value for 'tool_choice': {error}.")))?;
        return match word.as_str() {
            "auto" => Ok(Some(ToolChoice::Auto)),
            "none" => Ok(Some(ToolChoice::None)),
            "required" => Ok(Some(ToolChoice::Required)),
            other => Err(wrong_word(at, other, "none, auto, required")),
        };
    }
    let mut choice = object(raw, at)?;
    only_functions(&mut choice, at)?;
    let place = "tool_choice.function";
    let function = choice.take_raw("function").ok_or_else(|| missing(place))?;
    TABLE.settle(&choice, at, "tool_choice.", &mut Vec::new())?;
    let mut function = object(function, place)?;
    let name = required(&mut function, place, "name")?;
    nothing_left(&function, place)?;
    Ok(Some(ToolChoice::Named(name)))
}

/// Reads `response_format`.
pub(super) fn read_output(fields: &mut Fields<'_>) -> Result<Option<OutputFormat>, ApiError> {
    let at = "response_format";
    let Some(raw) = fields.take_raw(at) else { return Ok(None) };
    let mut format = object(raw, at)?;
    let output = match required(&mut format, at, "type")?.as_str() {
        "text" => None,
        "json_object" => Some(OutputFormat::JsonObject),
        "json_schema" => {
            let place = "response_format.json_schema";
            let inner = format.take_raw("json_schema").ok_or_else(|| missing(place))?;
            let mut inner = object(inner, place)?;
            let schema = inner.take::<Json>(place, "schema")?;
            let output = OutputFormat::JsonSchema {
                name: required(&mut inner, place, "name")?,
                description: inner.take(place, "description")?,
                schema: schema.ok_or_else(|| missing("response_format.json_schema.schema"))?,
                strict: inner.take(place, "strict")?,
            };
            nothing_left(&inner, place)?;
            Some(output)
        }
        other => return Err(wrong_word("response_format.type", other, "text, json_object, json_schema")),
    };
    nothing_left(&format, at)?;
    Ok(output)
}
