//! Reads messages in Cohere's format. An assistant's parts are read in a fixed order: plan, content, calls.

use serde_json::value::RawValue;

use crate::conversation::{Message, Part, Role};
use crate::dialect::data_uri::source;
use crate::dialect::fields::{Fields, join, missing, nothing_left, object, required, wrong_word};
use crate::error::ApiError;

pub(super) fn read(raw: &RawValue, at: &str) -> Result<Message, ApiError> {
    let mut fields = object(raw, at)?;
    let (role, parts) = match required(&mut fields, at, "role")?.as_str() {
        "system" => (Role::System, content(&mut fields, at, Role::System)?),
        "user" => (Role::User, content(&mut fields, at, Role::User)?),
        "assistant" => (Role::Assistant, assistant(&mut fields, at)?),
        "tool" => {
            let call = required(&mut fields, at, "tool_call_id")?;
            let content = content(&mut fields, at, Role::Tool)?;
            (Role::Tool, vec![Part::ToolResult { call, content, is_error: false, cache: None }])
        }
        other => return Err(wrong_word(&join(at, "role"), other, "system, user, assistant, tool")),
    };
    nothing_left(&fields, at)?;
    Ok(Message { role, parts, name: None })
}

fn assistant(fields: &mut Fields<'_>, at: &str) -> Result<Vec<Part>, ApiError> {
    let plan: Option<String> = fields.take(at, "tool_plan")?;
    let mut parts: Vec<Part> = plan.map(|text| Part::Thinking { text, signature: None }).into_iter().collect();
    parts.extend(content(fields, at, Role::Assistant)?);
    let calls: Vec<&RawValue> = fields.take(at, "tool_calls")?.unwrap_or_default();
    for (index, raw) in calls.into_iter().enumerate() {
        let at = format!("{at}.tool_calls[{index}]");
        let mut call = object(raw, &at)?;
        let id = required(&mut call, &at, "id")?;
        let mut function = function(&mut call, &at)?;
        nothing_left(&call, &at)?;
        let place = join(&at, "function");
        let name = required(&mut function, &place, "name")?;
        let arguments = function.take(&place, "arguments")?.unwrap_or_default();
        nothing_left(&function, &place)?;
        parts.push(Part::ToolCall { id, name, arguments });
    }
    Ok(parts)
}

/// Takes `type`, which must be `function`, and `function`.
pub(super) fn function<'a>(fields: &mut Fields<'a>, at: &str) -> Result<Fields<'a>, ApiError> {
    match fields.take::<String>(at, "type")?.as_deref() {
        None | Some("function") => {}
        Some(other) => return Err(wrong_word(&join(at, "type"), other, "function")),
    }
    let place = join(at, "function");
    object(fields.take_raw("function").ok_or_else(|| missing(&place))?, &place)
}

/// Takes `content`, a text or an array of parts. If `content` is optional, an empty text counts as missing.
fn content(fields: &mut Fields<'_>, at: &str, role: Role) -> Result<Vec<Part>, ApiError> {
    let may_lack = matches!(role, Role::Assistant | Role::Tool);
    let place = join(at, "content");
    let Some(raw) = fields.take_raw("content") else {
        return if may_lack { Ok(Vec::new()) } else { Err(missing(&place)) };
    };
    let wrong = |error: serde_json::Error| ApiError::invalid(&place, format!("Invalid value for '{place}': {error}."));
    if raw.get().starts_with('"') {
        let text: String = serde_json::from_str(raw.get()).map_err(wrong)?;
        let silent = text.is_empty() && may_lack;
        return Ok(if silent { Vec::new() } else { vec![Part::Text { text, cache: None }] });
    }
    let parts: Vec<&RawValue> = serde_json::from_str(raw.get()).map_err(wrong)?;
    parts.into_iter().enumerate().map(|(index, raw)| part(raw, &format!("{place}[{index}]"), role)).collect()
}

fn part(raw: &RawValue, at: &str, role: Role) -> Result<Part, ApiError> {
    let mut fields = object(raw, at)?;
    let part = match (required(&mut fields, at, "type")?.as_str(), role) {
        ("text", _) => Part::Text { text: required(&mut fields, at, "text")?, cache: None },
        ("thinking", Role::Assistant) => {
            Part::Thinking { text: required(&mut fields, at, "thinking")?, signature: None }
        }
        ("image_url", Role::User) => {
            let place = join(at, "image_url");
            let mut image = object(fields.take_raw("image_url").ok_or_else(|| missing(&place))?, &place)?;
            let source = source(required(&mut image, &place, "url")?, &join(&place, "url"))?;
            let detail = image.take(&place, "detail")?;
            nothing_left(&image, &place)?;
            Part::Image { source, detail, cache: None }
        }
        (other, role) => {
            let words = match role {
                Role::User => "text, image_url",
                Role::Assistant => "text, thinking",
                _ => "text",
            };
            return Err(wrong_word(&join(at, "type"), other, words));
        }
    };
    nothing_left(&fields, at)?;
    Ok(part)
}
