//! Reads a client's request: the top-level fields. [`input`](super::input) reads items; [`tools`](super::tools) reads the tool choice and
//! the output format.

use crate::conversation::{Message, Reasoning, Request, Role};
use crate::dialect::fields::Fields;
use crate::dialect::fields::object;
use crate::dialect::fields::{drop_hint, missing};
use crate::dialect::openai::carried;
use crate::dialect::openai::table::refused;
use crate::error::ApiError;

use super::origin::Origin;
use super::table::{TABLE, stored};
use super::toolbox::Toolbox;
use super::{input, tools};

pub(super) fn read(text: &[u8]) -> Result<Request, ApiError> {
    let mut fields = Fields::of(text)?;
    nothing_stored(&mut fields)?;
    let mut dropped = Vec::new();
    let model: String = fields.take("", "model")?.ok_or_else(|| missing("model"))?;
    let mut toolbox = Toolbox::default();
    toolbox.put_all(&mut fields, "", &mut dropped)?;
    let messages = messages(&mut fields, &mut toolbox, &mut dropped, &mut Vec::new())?;
    toolbox.leave_out_hosted(&mut dropped)?;
    let mut request = Request {
        model,
        messages,
        parallel_tool_calls: fields.take("", "parallel_tool_calls")?,
        max_tokens: fields.take("", "max_output_tokens")?,
        temperature: fields.take("", "temperature")?,
        top_p: fields.take("", "top_p")?,
        reasoning: reasoning(&mut fields, &mut dropped)?,
        user: fields.take("", "user")?,
        service_tier: fields.take("", "service_tier")?,
        stream: fields.take("", "stream")?.unwrap_or_default(),
        // Streams of this format always report it.
        include_usage: true,
        ..Request::default()
    };
    tools::read_text(&mut fields, &mut request)?;
    tools::read_choice(&mut fields, &mut toolbox, &mut request)?;
    (request.tools, request.guises) = (toolbox.tools, toolbox.guises);
    include(&mut fields, &mut dropped)?;
    request.dropped.append(&mut dropped);
    carried::read(&mut fields, &[], &mut request)?;
    TABLE.settle(&fields, "", "", &mut request.dropped)?;
    Ok(request)
}

/// Rejects fields that refer to stored state, before their absence from the conversation causes another error.
fn nothing_stored(fields: &mut Fields<'_>) -> Result<(), ApiError> {
    for name in ["previous_response_id", "conversation", "prompt"] {
        if fields.take_raw(name).is_some() {
            return Err(stored(name));
        }
    }
    match fields.take("", "background")? {
        Some(true) => Err(stored("background")),
        _ => Ok(()),
    }
}

/// The conversation, and the origins of each message's parts.
pub(super) fn messages(
    fields: &mut Fields<'_>,
    toolbox: &mut Toolbox,
    dropped: &mut Vec<String>,
    origins: &mut Vec<Vec<Origin>>,
) -> Result<Vec<Message>, ApiError> {
    let instructions: Option<String> = fields.take("", "instructions")?;
    let mut messages: Vec<Message> = instructions.map(|text| input::say(Role::System, text)).into_iter().collect();
    origins.extend(messages.iter().map(|_| vec![Origin::INSTRUCTIONS]));
    input::read(fields, &mut messages, toolbox, dropped, origins)?;
    Ok(messages)
}

fn reasoning(fields: &mut Fields<'_>, dropped: &mut Vec<String>) -> Result<Option<Reasoning>, ApiError> {
    let at = "reasoning";
    let Some(raw) = fields.take_raw(at) else { return Ok(None) };
    let mut reasoning = object(raw, at)?;
    let effort: Option<String> = reasoning.take(at, "effort")?;
    TABLE.settle(&reasoning, at, "reasoning.", dropped)?;
    Ok(effort.map(Reasoning::Effort))
}

/// Checks `include`. Encrypted reasoning is always included. The other values belong to tools that are rejected, except `logprobs`, which
/// would be missing from the response.
fn include(fields: &mut Fields<'_>, dropped: &mut Vec<String>) -> Result<(), ApiError> {
    let wanted: Vec<String> = fields.take("", "include")?.unwrap_or_default();
    for word in &wanted {
        match word.as_str() {
            "reasoning.encrypted_content" => {}
            "message.output_text.logprobs" => return Err(refused("include")),
            _ => drop_hint(dropped, "include"),
        }
    }
    Ok(())
}
