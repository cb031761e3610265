//! Reads the tool choice and the output format.

use serde_json::value::RawValue;

use crate::conversation::{Json, OutputFormat, Request, ToolChoice};
use crate::dialect::fields::{Fields, drop_hint};
use crate::dialect::fields::{missing, nothing_left};
use crate::dialect::fields::{object, required, wrong_word};
use crate::dialect::openai::carried::VERBOSITY;
use crate::error::ApiError;
use crate::json;

use super::table::{TABLE, hosted};
use super::toolbox::Toolbox;

/// Reads `tool_choice`. If it allows only some tools, the others are removed.
pub(super) fn read_choice(
    fields: &mut Fields<'_>,
    toolbox: &mut Toolbox,
    request: &mut Request,
) -> Result<(), ApiError> {
    let at = "tool_choice";
    let Some(raw) = fields.take_raw(at) else { return Ok(()) };
    if raw.get().starts_with('"') {
        let word: String = json::read(raw.get())
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
        "function" | "custom" => {
            request.tool_choice = Some(ToolChoice::Named(toolbox.chosen(&mut choice, at)?));
        }
        "allowed_tools" => request.tool_choice = Some(toolbox.allow(&mut choice)?),
        other => return Err(hosted("tool_choice.type", other)),
    }
    nothing_left(&choice, at)
}

/// Reads `text`: the format is mapped, the verbosity is OpenAI's own.
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
