//! Reads the turns of a request: lists of blocks, each an object with one member that names its kind.

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::conversation::{CacheMark, Message, Part, Request, Role, Source};
use crate::dialect::fields::{Fields, join, needed, refuse_rest};
use crate::error::ApiError;

use super::super::response::ReasoningIn;
use super::words::{document_type, image_type};

/// The position of a block. A tool result allows fewer kinds, and no result: blocks nest at most two deep.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum BlockPosition {
    Turn,
    Result,
    System,
}

impl BlockPosition {
    fn takes(self, kind: &str) -> bool {
        match self {
            Self::Turn => kind != "json",
            Self::Result => matches!(kind, "text" | "json" | "image" | "document"),
            Self::System => kind == "text",
        }
    }
}

/// Reads `system` as the first message.
pub(super) fn system(raw: &[&RawValue], request: &mut Request) -> Result<(), ApiError> {
    let parts = blocks(raw, BlockPosition::System, "system")?;
    if !parts.is_empty() {
        request.messages.push(Message { role: Role::System, parts, name: None });
    }
    Ok(())
}

/// Reads one turn into messages. Tool results become messages of their own, before the rest of the turn.
pub(super) fn message(raw: &RawValue, at: &str, request: &mut Request) -> Result<(), ApiError> {
    let mut fields = Fields::parse(raw.get(), at)?;
    let place = join(at, "role");
    let role = match needed(fields.take::<String>(at, "role")?, &place)?.as_str() {
        "user" => Role::User,
        "assistant" => Role::Assistant,
        _ => return Err(ApiError::invalid(&*place, format!("'{place}' must be one of user, assistant."))),
    };
    let place = join(at, "content");
    let raw: Vec<&RawValue> = needed(fields.take(at, "content")?, &place)?;
    refuse_rest(&fields, at)?;
    let mut parts = Vec::with_capacity(raw.len());
    for part in blocks(&raw, BlockPosition::Turn, &place)? {
        if matches!(part, Part::ToolResult { .. }) {
            request.messages.push(Message { role: Role::Tool, parts: vec![part], name: None });
        } else {
            parts.push(part);
        }
    }
    if !parts.is_empty() {
        request.messages.push(Message { role, parts, name: None });
    }
    Ok(())
}

/// Reads blocks, and the cache points behind them.
fn blocks(raw: &[&RawValue], place: BlockPosition, at: &str) -> Result<Vec<Part>, ApiError> {
    let mut parts: Vec<Part> = Vec::with_capacity(raw.len());
    for (index, raw) in raw.iter().enumerate() {
        let at = format!("{at}[{index}]");
        let mut fields = Fields::parse(raw.get(), &at)?;
        if let Some(raw) = fields.take_raw("cachePoint").filter(|_| place != BlockPosition::Result) {
            let mark = cache_point(raw, &join(&at, "cachePoint"))?;
            match parts.last_mut() {
                Some(
                    Part::Text { cache, .. }
                    | Part::Image { cache, .. }
                    | Part::Document { cache, .. }
                    | Part::ToolResult { cache, .. },
                ) => *cache = Some(mark),
                _ => {
                    let message = format!("'{at}': the provider does not support a cache point after this block.");
                    return Err(ApiError::unsupported(at, message));
                }
            }
        } else {
            parts.push(block(&mut fields, place, &at)?);
        }
        refuse_rest(&fields, &at)?;
    }
    Ok(parts)
}

fn block(fields: &mut Fields<'_>, place: BlockPosition, at: &str) -> Result<Part, ApiError> {
    let kinds = ["text", "json", "image", "document", "toolUse", "toolResult", "reasoningContent"];
    let found =
        kinds.into_iter().filter(|kind| place.takes(kind)).find_map(|kind| Some((kind, fields.take_raw(kind)?)));
    let Some((kind, raw)) = found else {
        let message =
            format!("'{at}': the gateway cannot translate this kind of block for the provider that serves this model.");
        return Err(ApiError::unsupported(at, message));
    };
    let at = &join(at, kind);
    match kind {
        "text" => Ok(Part::Text { text: value(raw, at)?, cache: None }),
        // A JSON result is a text that holds JSON.
        "json" => Ok(Part::Text { text: raw.get().to_owned(), cache: None }),
        "image" => {
            let (source, _) = file(raw, image_type, at)?;
            Ok(Part::Image { source, detail: None, cache: None })
        }
        "document" => {
            let (source, name) = file(raw, document_type, at)?;
            Ok(Part::Document { source, name, cache: None })
        }
        "toolUse" => tool_use(raw, at),
        "toolResult" => tool_result(raw, at),
        _ => {
            let reasoning: ReasoningIn = value(raw, at)?;
            reasoning.part().ok_or_else(|| ApiError::invalid(at, format!("'{at}' contains no reasoning.")))
        }
    }
}

fn file(
    raw: &RawValue,
    type_of: fn(&str) -> Option<&'static str>,
    at: &str,
) -> Result<(Source, Option<String>), ApiError> {
    let mut fields = Fields::parse(raw.get(), at)?;
    let format: String = needed(fields.take(at, "format")?, &join(at, "format"))?;
    let media_type = type_of(&format)
        .ok_or_else(|| ApiError::unsupported(join(at, "format"), format!("'{at}.format' is not a known format.")))?;
    let place = join(at, "source");
    let raw = needed(fields.take_raw("source"), &place)?;
    let mut source = Fields::parse(raw.get(), &place)?;
    let data: Option<String> = source.take(&place, "bytes")?;
    refuse_rest(&source, &place)?;
    let data = needed(data, &join(&place, "bytes"))?;
    let name = fields.take(at, "name")?;
    refuse_rest(&fields, at)?;
    Ok((Source::Base64 { media_type: media_type.to_owned(), data }, name))
}

fn tool_use(raw: &RawValue, at: &str) -> Result<Part, ApiError> {
    let mut fields = Fields::parse(raw.get(), at)?;
    let place = join(at, "input");
    let input = needed(fields.take_raw("input"), &place)?;
    if !input.get().starts_with('{') {
        return Err(ApiError::invalid(&*place, format!("'{place}' must be an object.")));
    }
    let id = needed(fields.take(at, "toolUseId")?, &join(at, "toolUseId"))?;
    let name = needed(fields.take(at, "name")?, &join(at, "name"))?;
    refuse_rest(&fields, at)?;
    Ok(Part::ToolCall { id, name, arguments: input.get().to_owned() })
}

fn tool_result(raw: &RawValue, at: &str) -> Result<Part, ApiError> {
    let mut fields = Fields::parse(raw.get(), at)?;
    let call = needed(fields.take(at, "toolUseId")?, &join(at, "toolUseId"))?;
    let place = join(at, "content");
    let raw: Vec<&RawValue> = needed(fields.take(at, "content")?, &place)?;
    let content = blocks(&raw, BlockPosition::Result, &place)?;
    let status: Option<String> = fields.take(at, "status")?;
    refuse_rest(&fields, at)?;
    Ok(Part::ToolResult { call, content, is_error: status.as_deref() == Some("error"), cache: None })
}

/// Reads a cache mark.
pub(super) fn cache_point(raw: &RawValue, at: &str) -> Result<CacheMark, ApiError> {
    let mut fields = Fields::parse(raw.get(), at)?;
    let place = join(at, "type");
    let kind: String = needed(fields.take(at, "type")?, &place)?;
    if kind != "default" {
        return Err(ApiError::invalid(&*place, format!("'{place}' must be default.")));
    }
    let ttl = fields.take(at, "ttl")?;
    refuse_rest(&fields, at)?;
    Ok(CacheMark { ttl })
}

fn value<'a, T: Deserialize<'a>>(raw: &'a RawValue, at: &str) -> Result<T, ApiError> {
    crate::json::read(raw.get()).map_err(|error| ApiError::invalid(at, format!("Invalid value for '{at}': {error}.")))
}
