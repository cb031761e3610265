//! Reads messages. Each role has its own fields; a field of another role is unknown.
//!
//! The parts of an assistant message have a fixed order, independent of the order of its fields: reasoning, content, refusal, tool calls.
//! An empty text is skipped in messages whose content is optional.

use serde_json::value::RawValue;

use crate::conversation::{Message, Part, Role};
use crate::dialect::field_paths::{self, FieldPosition, MessageField};
use crate::dialect::fields::{Fields, join};
use crate::dialect::fields::{drop_hint, missing, nothing_left};
use crate::dialect::fields::{object, required, wrong_word};
use crate::error::ApiError;

use super::parts::{Allowed, cache_mark, content, mark_last};
use super::replayed::{self, Details};
use super::table::TABLE;
use super::tools::only_functions;

/// Reads `messages`.
pub(super) fn read_all(fields: &mut Fields<'_>, dropped: &mut Vec<String>) -> Result<Vec<Message>, ApiError> {
    let messages: Vec<&RawValue> = fields.take("", "messages")?.ok_or_else(|| missing("messages"))?;
    if messages.is_empty() {
        let message = "Invalid 'messages': empty array. Send at least one message.";
        return Err(ApiError::invalid("messages", message).with_code("empty_array"));
    }
    messages.into_iter().enumerate().map(|(index, raw)| read(raw, &format!("messages[{index}]"), dropped)).collect()
}

fn read(raw: &RawValue, at: &str, dropped: &mut Vec<String>) -> Result<Message, ApiError> {
    let mut fields = object(raw, at)?;
    let role = match required(&mut fields, at, "role")?.as_str() {
        "system" => Role::System,
        "developer" => Role::Developer,
        "user" => Role::User,
        "assistant" => Role::Assistant,
        "tool" => Role::Tool,
        other => return Err(wrong_word(&join(at, "role"), other, "system, developer, user, assistant, tool")),
    };
    let name = fields.take(at, "name")?;
    let cache = cache_mark(&mut fields, at)?;
    let mut parts = match role {
        Role::System | Role::Developer => spoken(&mut fields, at, Allowed::TEXT, dropped)?,
        Role::User => spoken(&mut fields, at, Allowed::MEDIA, dropped)?,
        Role::Assistant => assistant(&mut fields, at, dropped)?,
        Role::Tool => vec![tool_result(&mut fields, at, dropped)?],
    };
    if cache.is_some() && !mark_last(&mut parts, cache) {
        drop_hint(dropped, "messages[].cache_control");
    }
    TABLE.settle(&fields, at, "messages[].", dropped)?;
    Ok(Message { role, parts, name })
}

/// Reads required content.
fn spoken(
    fields: &mut Fields<'_>,
    at: &str,
    allowed: Allowed,
    dropped: &mut Vec<String>,
) -> Result<Vec<Part>, ApiError> {
    let place = join(at, "content");
    let raw = fields.take_raw("content").ok_or_else(|| missing(&place))?;
    let parts = content(raw, &place, allowed, dropped)?;
    if parts.is_empty() {
        let message = format!("Invalid '{place}': empty array. Send at least one part.");
        return Err(ApiError::invalid(place, message).with_code("empty_array"));
    }
    Ok(parts)
}

/// Reads content that may be absent, `null` or empty.
fn optional(
    fields: &mut Fields<'_>,
    at: &str,
    allowed: Allowed,
    dropped: &mut Vec<String>,
) -> Result<Vec<Part>, ApiError> {
    match fields.take_raw("content") {
        Some(raw) if raw.get() != r#""""# => content(raw, &join(at, "content"), allowed, dropped),
        _ => Ok(Vec::new()),
    }
}

fn tool_result(fields: &mut Fields<'_>, at: &str, dropped: &mut Vec<String>) -> Result<Part, ApiError> {
    let call = required(fields, at, "tool_call_id")?;
    Ok(Part::ToolResult { call, content: optional(fields, at, Allowed::MEDIA, dropped)?, is_error: false, cache: None })
}

fn assistant(fields: &mut Fields<'_>, at: &str, dropped: &mut Vec<String>) -> Result<Vec<Part>, ApiError> {
    let blocks: Vec<&RawValue> = fields.take(at, "thinking_blocks")?.unwrap_or_default();
    let older: Option<String> = fields.take(at, "reasoning_content")?;
    let newer: Option<String> = fields.take(at, "reasoning")?;
    let mut parts = Vec::new();
    for (index, raw) in blocks.into_iter().enumerate() {
        parts.push(block(raw, &format!("{at}.thinking_blocks[{index}]"))?);
    }
    let mut details = Details::take(fields, dropped);
    if parts.is_empty() {
        parts.append(&mut details.thinking);
    }
    let signature = replayed::extra(fields, true, "messages[].extra_content", dropped);
    // The blocks repeat this text, with signatures.
    if let Some(text) = older.or(newer).filter(|text| parts.is_empty() && !text.is_empty()) {
        parts.push(Part::Thinking { text, signature: None });
    }
    parts.extend(signature);
    parts.extend(optional(fields, at, Allowed::REFUSAL, dropped)?);
    let refusal: Option<String> = fields.take(at, "refusal")?;
    parts.extend(refusal.map(|text| Part::Refusal { text }));
    let calls: Vec<&RawValue> = fields.take(at, "tool_calls")?.unwrap_or_default();
    for (index, raw) in calls.into_iter().enumerate() {
        call(raw, &format!("{at}.tool_calls[{index}]"), &mut details, &mut parts, dropped)?;
    }
    Ok(parts)
}

fn block(raw: &RawValue, at: &str) -> Result<Part, ApiError> {
    let mut fields = object(raw, at)?;
    // Clients that assemble a stream leave it in.
    fields.take_raw("index");
    let part = match required(&mut fields, at, "type")?.as_str() {
        "thinking" => {
            let signature = fields.take(at, "signature")?.filter(|signature: &String| !signature.is_empty());
            Part::Thinking { text: required(&mut fields, at, "thinking")?, signature }
        }
        "redacted_thinking" => Part::RedactedThinking { data: required(&mut fields, at, "data")? },
        other => return Err(wrong_word(&join(at, "type"), other, "thinking, redacted_thinking")),
    };
    nothing_left(&fields, at)?;
    Ok(part)
}

/// Reads a call, preceded by its signature.
fn call(
    raw: &RawValue,
    at: &str,
    details: &mut Details,
    parts: &mut Vec<Part>,
    dropped: &mut Vec<String>,
) -> Result<(), ApiError> {
    let mut fields = object(raw, at)?;
    only_functions(&mut fields, at)?;
    // Redundant with the array index; clients that assemble a stream leave it in.
    fields.take_raw("index");
    let id = required(&mut fields, at, "id")?;
    let place = join(at, "function");
    let function = fields.take_raw("function").ok_or_else(|| missing(&place))?;
    let extra = replayed::extra(&mut fields, false, "messages[].tool_calls[].extra_content", dropped);
    let path = "messages[].tool_calls[].provider_specific_fields";
    let specific = replayed::specific(&mut fields, path, dropped);
    TABLE.settle(&fields, at, "messages[].tool_calls[].", dropped)?;
    let mut function = object(function, &place)?;
    let name = required(&mut function, &place, "name")?;
    let arguments = function.take(&place, "arguments")?.unwrap_or_default();
    let within = replayed::specific(&mut function, path, dropped);
    nothing_left(&function, &place)?;
    // Alternative fields for the same signature.
    parts.extend(extra.or(specific).or(within).or_else(|| details.of_call(&id)));
    parts.push(Part::ToolCall { id, name, arguments });
    Ok(())
}

/// Finds a place of the conversation in the client's `body`: message indexes are the same.
pub(super) fn field_path(body: &[u8], position: &FieldPosition<'_>) -> Option<String> {
    let at = format!("messages[{}]", position.message);
    Some(match (position.field, position.part) {
        (MessageField::Role, _) => join(&at, "role"),
        (MessageField::Call, _) => join(&at, "tool_call_id"),
        (MessageField::Arguments, _) => format!("{at}.tool_calls[{}].function.arguments", position.calls),
        (MessageField::Content, Some((_, Part::ToolCall { .. }))) => format!("{at}.tool_calls[{}]", position.calls),
        (MessageField::Content, Some((_, Part::Thinking { .. } | Part::RedactedThinking { .. }))) => at,
        (MessageField::Content, Some((_, Part::ToolResult { .. })) | None) => join(&at, "content"),
        (MessageField::Content, Some(_)) => {
            let messages = field_paths::elements(body, "messages")?;
            field_paths::content(messages.get(position.message)?, "content", &at, Some(position.spoken))
        }
    })
}
