//! Reads the functions a model may call, whether it must, and what its answer must look like.

use std::collections::BTreeSet;

use serde_json::value::RawValue;

use super::table::{TABLE, hosted};
use crate::conversation::{Json, OutputFormat, Request, Tool, ToolChoice};
use crate::dialect::fields::{Fields, drop_hint, join};
use crate::dialect::fields::{missing, nothing_left};
use crate::dialect::fields::{object, required, wrong_word};
use crate::dialect::openai::carried::VERBOSITY;
use crate::error::ApiError;

/// Reads `tools`.
pub(super) fn read_all(fields: &mut Fields<'_>, dropped: &mut Vec<String>) -> Result<Vec<Tool>, ApiError> {
    let tools: Vec<&RawValue> = fields.take("", "tools")?.unwrap_or_default();
    tools.into_iter().enumerate().map(|(index, raw)| read(raw, &format!("tools[{index}]"), dropped)).collect()
}

fn read(raw: &RawValue, at: &str, dropped: &mut Vec<String>) -> Result<Tool, ApiError> {
    let mut fields = object(raw, at)?;
    only_functions(&mut fields, at)?;
    let tool = Tool {
        name: required(&mut fields, at, "name")?,
        description: fields.take(at, "description")?,
        parameters: fields.take::<Json>(at, "parameters")?,
        strict: fields.take(at, "strict")?,
        cache: None,
    };
    TABLE.settle(&fields, at, "tools[].", dropped)?;
    Ok(tool)
}

/// Takes `type`, which only a function may have: whatever else there is, and there will be more of it, runs at OpenAI or
/// speaks another language than JSON.
fn only_functions(fields: &mut Fields<'_>, at: &str) -> Result<(), ApiError> {
    match required(fields, at, "type")?.as_str() {
        "function" => Ok(()),
        other => Err(hosted(&join(at, "type"), other)),
    }
}

/// Reads `tool_choice`. Of tools of which only some are allowed, the others are left out.
pub(super) fn read_choice(fields: &mut Fields<'_>, request: &mut Request) -> Result<(), ApiError> {
    let at = "tool_choice";
    let Some(raw) = fields.take_raw(at) else { return Ok(()) };
    if raw.get().starts_with('"') {
        let word: String = serde_json::from_str(raw.get())
            .map_err(|error| ApiError::invalid(at, format!("Invalid value for 'tool_choice': {error}.")))?;
        request.tool_choice = Some(match word.as_str() {
            "auto" => ToolChoice::Auto,
            "none" => ToolChoice::None,
            "required" => ToolChoice::Required,
            other => return Err(wrong_word(at, other, "none, auto, required")),
        });
        return Ok(());
    }
    let mut choice = object(raw, at)?;
    match required(&mut choice, at, "type")?.as_str() {
        "function" => request.tool_choice = Some(ToolChoice::Named(required(&mut choice, at, "name")?)),
        "allowed_tools" => allowed(&mut choice, request)?,
        other => return Err(hosted("tool_choice.type", other)),
    }
    nothing_left(&choice, at)
}

fn allowed(choice: &mut Fields<'_>, request: &mut Request) -> Result<(), ApiError> {
    let at = "tool_choice";
    request.tool_choice = Some(match required(choice, at, "mode")?.as_str() {
        "auto" => ToolChoice::Auto,
        "required" => ToolChoice::Required,
        other => return Err(wrong_word("tool_choice.mode", other, "auto, required")),
    });
    let tools: Vec<&RawValue> = choice.take(at, "tools")?.ok_or_else(|| missing("tool_choice.tools"))?;
    let known: BTreeSet<&str> = request.tools.iter().map(|tool| tool.name.as_str()).collect();
    let mut names = BTreeSet::new();
    for (index, raw) in tools.into_iter().enumerate() {
        let at = format!("tool_choice.tools[{index}]");
        let mut tool = object(raw, &at)?;
        only_functions(&mut tool, &at)?;
        let name = required(&mut tool, &at, "name")?;
        nothing_left(&tool, &at)?;
        if !known.contains(name.as_str()) {
            let message = format!("'{at}.name' names a function that is not in 'tools'.");
            return Err(ApiError::invalid(join(&at, "name"), message));
        }
        names.insert(name);
    }
    request.tools.retain(|tool| names.contains(&tool.name));
    Ok(())
}

/// Reads `text`: the format is mapped, how much to say is OpenAI's own.
pub(super) fn read_text(fields: &mut Fields<'_>, request: &mut Request) -> Result<(), ApiError> {
    let at = "text";
    let Some(raw) = fields.take_raw(at) else { return Ok(()) };
    let mut text = object(raw, at)?;
    request.output = text.take_raw("format").map(read_format).transpose()?.flatten();
    if let Some(verbosity) = text.take::<Json>(at, "verbosity")? {
        request.carried.push((VERBOSITY.1, verbosity));
        drop_hint(&mut request.dropped, VERBOSITY.1);
    }
    TABLE.settle(&text, at, "text.", &mut request.dropped)
}

fn read_format(raw: &RawValue) -> Result<Option<OutputFormat>, ApiError> {
    let at = "text.format";
    let mut format = object(raw, at)?;
    let output = match required(&mut format, at, "type")?.as_str() {
        "text" => None,
        "json_object" => Some(OutputFormat::JsonObject),
        "json_schema" => Some(OutputFormat::JsonSchema {
            name: required(&mut format, at, "name")?,
            description: format.take(at, "description")?,
            schema: format.take::<Json>(at, "schema")?.ok_or_else(|| missing("text.format.schema"))?,
            strict: format.take(at, "strict")?,
        }),
        other => return Err(wrong_word("text.format.type", other, "text, json_object, json_schema")),
    };
    nothing_left(&format, at)?;
    Ok(output)
}
