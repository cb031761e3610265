//! Reads the items of `input`: what was said, called, returned and thought, oldest first.
//!
//! What the model said stands in items of its own (reasoning, message, each call); items that follow each other are one
//! turn of the assistant's, as other formats have it.

use serde_json::value::RawValue;

use super::content::{Allowed, content};
use super::origin::Origin;
use super::reasoning;
use super::table::{TABLE, hosted, stored};
use crate::conversation::{Message, Part, Role};
use crate::dialect::fields::missing;
use crate::dialect::fields::{Fields, join};
use crate::dialect::fields::{object, required, wrong_word};
use crate::error::ApiError;

/// A message of one text.
pub(super) fn say(role: Role, text: String) -> Message {
    Message { role, parts: vec![Part::Text { text, cache: None }], name: None }
}

/// Reads `input` onto the end of `messages`, and where each part of them came from onto that of `origins`.
pub(super) fn read(
    fields: &mut Fields<'_>,
    messages: &mut Vec<Message>,
    dropped: &mut Vec<String>,
    origins: &mut Vec<Vec<Origin>>,
) -> Result<(), ApiError> {
    let at = "input";
    let raw = fields.take_raw(at).ok_or_else(|| missing(at))?;
    let wrong = |_| ApiError::invalid(at, "Invalid value for 'input': a string or an array of items is needed.");
    if raw.get().starts_with('"') {
        messages.push(say(Role::User, serde_json::from_str(raw.get()).map_err(wrong)?));
        origins.push(Vec::new());
        return Ok(());
    }
    let items: Vec<&RawValue> = serde_json::from_str(raw.get()).map_err(wrong)?;
    if items.is_empty() {
        let message = "Invalid 'input': empty array. At least one item is needed.";
        return Err(ApiError::invalid(at, message).with_code("empty_array"));
    }
    for (index, raw) in items.into_iter().enumerate() {
        let (role, parts) = item(raw, &format!("input[{index}]"), dropped)?;
        let from = (0..parts.len()).map(|part| Origin { item: index, part });
        match (messages.last_mut(), origins.last_mut()) {
            (Some(last), Some(origin)) if role == Role::Assistant && last.role == role => {
                origin.extend(from);
                last.parts.extend(parts);
            }
            _ if role == Role::Assistant && parts.is_empty() => {}
            _ => {
                origins.push(from.collect());
                messages.push(Message { role, parts, name: None });
            }
        }
    }
    Ok(())
}

fn item(raw: &RawValue, at: &str, dropped: &mut Vec<String>) -> Result<(Role, Vec<Part>), ApiError> {
    let mut fields = object(raw, at)?;
    let place = join(at, "type");
    let word: Option<String> = fields.take(at, "type")?;
    // A message need not say that it is one; nor need a reference, which has nothing but its name.
    let role: Option<String> =
        if matches!(word.as_deref(), None | Some("message")) { fields.take(at, "role")? } else { None };
    let id: Option<String> = fields.take(at, "id")?;
    let read = match word.as_deref() {
        Some("message") => message(&mut fields, at, role, dropped)?,
        None if role.is_some() => message(&mut fields, at, role, dropped)?,
        Some("function_call") => (Role::Assistant, vec![call(&mut fields, at)?]),
        Some("function_call_output") => (Role::Tool, vec![result(&mut fields, at, dropped)?]),
        Some("reasoning") => {
            let part = reasoning::read(&mut fields, at, &id.unwrap_or_default())?;
            (Role::Assistant, part.into_iter().collect())
        }
        Some("item_reference") => return Err(stored(&place)),
        None if id.is_some() => return Err(stored(&place)),
        None => return Err(missing(&place)),
        Some(other) => return Err(hosted(&place, other)),
    };
    TABLE.settle(&fields, at, "input[].", dropped)?;
    Ok(read)
}

fn message(
    fields: &mut Fields<'_>,
    at: &str,
    role: Option<String>,
    dropped: &mut Vec<String>,
) -> Result<(Role, Vec<Part>), ApiError> {
    let place = join(at, "role");
    let (role, allowed) = match role.ok_or_else(|| missing(&place))?.as_str() {
        "system" => (Role::System, Allowed::Text),
        "developer" => (Role::Developer, Allowed::Text),
        "user" => (Role::User, Allowed::Media),
        "assistant" => (Role::Assistant, Allowed::Output),
        other => return Err(wrong_word(&place, other, "system, developer, user, assistant")),
    };
    let place = join(at, "content");
    let raw = fields.take_raw("content").ok_or_else(|| missing(&place))?;
    let parts = content(raw, &place, allowed, dropped)?;
    if parts.is_empty() && role != Role::Assistant {
        let message = format!("Invalid '{place}': empty array. At least one part is needed.");
        return Err(ApiError::invalid(place, message).with_code("empty_array"));
    }
    Ok((role, parts))
}

fn call(fields: &mut Fields<'_>, at: &str) -> Result<Part, ApiError> {
    Ok(Part::ToolCall {
        id: required(fields, at, "call_id")?,
        name: required(fields, at, "name")?,
        arguments: fields.take(at, "arguments")?.unwrap_or_default(),
    })
}

fn result(fields: &mut Fields<'_>, at: &str, dropped: &mut Vec<String>) -> Result<Part, ApiError> {
    let call = required(fields, at, "call_id")?;
    let place = join(at, "output");
    let raw = fields.take_raw("output").ok_or_else(|| missing(&place))?;
    let content = content(raw, &place, Allowed::Media, dropped)?;
    Ok(Part::ToolResult { call, content, is_error: false, cache: None })
}
