//! The turns of a client's request: content as a string or as blocks, each block by its own fields.

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::conversation::{CacheMark, Message, Part, Request, Role, Source};
use crate::dialect::fields::{Fields, drop_hint, join, needed, refuse_rest};
use crate::error::ApiError;

/// Where a block stands. A tool's result holds fewer kinds, and no result: so blocks nest twice at most, whatever a client
/// sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Turn,
    Result,
    System,
}

impl Place {
    fn takes(self, kind: &str) -> bool {
        match self {
            Self::Turn => true,
            Self::Result => matches!(kind, "text" | "image" | "document"),
            Self::System => kind == "text",
        }
    }
}

/// Reads one turn into messages: results of tools are messages of their own, before the rest of the turn.
pub(super) fn message(raw: &RawValue, at: &str, request: &mut Request) -> Result<(), ApiError> {
    let mut fields = Fields::parse(raw.get(), at)?;
    let role = match needed(fields.take::<String>(at, "role")?, &join(at, "role"))?.as_str() {
        "user" => Role::User,
        "assistant" => Role::Assistant,
        "system" => Role::System,
        _ => {
            let at = join(at, "role");
            let message = format!("'{at}' must be one of user, assistant.");
            return Err(ApiError::invalid(at, message));
        }
    };
    let content = join(at, "content");
    let raw = needed(fields.take_raw("content"), &content)?;
    refuse_rest(&fields, at)?;
    let mut parts = Vec::new();
    for part in blocks(raw, Place::Turn, &content, &mut request.dropped)? {
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

/// Content that may only be text: `system`.
pub(super) fn texts(raw: &RawValue, at: &str, dropped: &mut Vec<String>) -> Result<Vec<Part>, ApiError> {
    blocks(raw, Place::System, at, dropped)
}

/// Content: a string, or blocks.
fn blocks(raw: &RawValue, place: Place, at: &str, dropped: &mut Vec<String>) -> Result<Vec<Part>, ApiError> {
    if raw.get().starts_with('"') {
        return Ok(vec![Part::Text { text: value(raw, at)?, cache: None }]);
    }
    let raw: Vec<&RawValue> = value(raw, at)?;
    raw.into_iter().enumerate().map(|(index, raw)| block(raw, place, &format!("{at}[{index}]"), dropped)).collect()
}

fn block(raw: &RawValue, place: Place, at: &str, dropped: &mut Vec<String>) -> Result<Part, ApiError> {
    let mut fields = Fields::parse(raw.get(), at)?;
    let kind: String = needed(fields.take(at, "type")?, &join(at, "type"))?;
    if !place.takes(&kind) {
        let message = format!("'{at}': a block of type '{kind}' cannot stand here.");
        return Err(ApiError::invalid(at, message));
    }
    let fields = &mut fields;
    let part = match kind.as_str() {
        "text" => {
            // Citations of an answer that came earlier.
            hint(fields, "citations", dropped);
            Part::Text { text: take(fields, at, "text")?, cache: cache(fields, at)? }
        }
        "image" => {
            let source = source(fields, at)?;
            Part::Image { source, detail: None, cache: cache(fields, at)? }
        }
        "document" => document(fields, at)?,
        "tool_use" => tool_use(fields, at, dropped)?,
        "tool_result" => tool_result(fields, at, dropped)?,
        "thinking" => Part::Thinking {
            text: take(fields, at, "thinking")?,
            signature: fields.take::<String>(at, "signature")?.filter(|signature| !signature.is_empty()),
        },
        "redacted_thinking" => Part::RedactedThinking { data: take(fields, at, "data")? },
        _ => {
            let message = format!("'{at}': blocks of type '{kind}' have no equivalent at the provider.");
            return Err(ApiError::unsupported(at, message));
        }
    };
    refuse_rest(fields, at)?;
    Ok(part)
}

fn tool_use(fields: &mut Fields<'_>, at: &str, dropped: &mut Vec<String>) -> Result<Part, ApiError> {
    // The conversation has no marks on calls; who called matters to Anthropic's own tools only.
    hint(fields, "cache_control", dropped);
    hint(fields, "caller", dropped);
    let input = join(at, "input");
    let raw = needed(fields.take_raw("input"), &input)?;
    if !raw.get().starts_with('{') {
        let message = format!("'{input}' must be an object.");
        return Err(ApiError::invalid(input, message));
    }
    Ok(Part::ToolCall { id: take(fields, at, "id")?, name: take(fields, at, "name")?, arguments: raw.get().to_owned() })
}

fn tool_result(fields: &mut Fields<'_>, at: &str, dropped: &mut Vec<String>) -> Result<Part, ApiError> {
    let inner = join(at, "content");
    let content = match fields.take_raw("content") {
        None => Vec::new(),
        Some(raw) => blocks(raw, Place::Result, &inner, dropped)?,
    };
    Ok(Part::ToolResult {
        call: take(fields, at, "tool_use_id")?,
        content,
        is_error: fields.take(at, "is_error")?.unwrap_or_default(),
        cache: cache(fields, at)?,
    })
}

/// A document: where it is, or its plain text, which then is a text.
fn document(fields: &mut Fields<'_>, at: &str) -> Result<Part, ApiError> {
    #[derive(Deserialize)]
    struct Citations {
        #[serde(default)]
        enabled: bool,
    }
    if fields.take::<Citations>(at, "citations")?.is_some_and(|citations| citations.enabled) {
        let at = join(at, "citations");
        let message = format!("'{at}': the provider cannot cite documents.");
        return Err(ApiError::unsupported(at, message));
    }
    let name: Option<String> = fields.take(at, "title")?;
    let source_at = join(at, "source");
    let raw = needed(fields.take_raw("source"), &source_at)?;
    let mut source = Fields::parse(raw.get(), &source_at)?;
    let kind: String = take(&mut source, &source_at, "type")?;
    if kind == "text" {
        let _: Option<String> = source.take(&source_at, "media_type")?;
        let text: String = take(&mut source, &source_at, "data")?;
        refuse_rest(&source, &source_at)?;
        let text = match name {
            None => text,
            Some(name) => format!("{name}\n\n{text}"),
        };
        return Ok(Part::Text { text, cache: cache(fields, at)? });
    }
    let source = read_source(source, &kind, &source_at)?;
    Ok(Part::Document { source, name, cache: cache(fields, at)? })
}

fn source(fields: &mut Fields<'_>, at: &str) -> Result<Source, ApiError> {
    let at = join(at, "source");
    let raw = needed(fields.take_raw("source"), &at)?;
    let mut source = Fields::parse(raw.get(), &at)?;
    let kind: String = take(&mut source, &at, "type")?;
    read_source(source, &kind, &at)
}

fn read_source(mut fields: Fields<'_>, kind: &str, at: &str) -> Result<Source, ApiError> {
    let source = match kind {
        "url" => Source::Url(take(&mut fields, at, "url")?),
        "base64" => {
            Source::Base64 { media_type: take(&mut fields, at, "media_type")?, data: take(&mut fields, at, "data")? }
        }
        _ => {
            let message = format!("'{at}': sources of type '{kind}' have no equivalent at the provider.");
            return Err(ApiError::unsupported(at, message));
        }
    };
    refuse_rest(&fields, at)?;
    Ok(source)
}

/// A mark for the prompt cache.
pub(super) fn cache(fields: &mut Fields<'_>, at: &str) -> Result<Option<CacheMark>, ApiError> {
    #[derive(Deserialize)]
    struct Control {
        #[serde(default)]
        ttl: Option<String>,
    }
    Ok(fields.take::<Control>(at, "cache_control")?.map(|control| CacheMark { ttl: control.ttl }))
}

fn take<'a, T: Deserialize<'a>>(fields: &mut Fields<'a>, at: &str, name: &str) -> Result<T, ApiError> {
    needed(fields.take(at, name)?, &join(at, name))
}

fn hint(fields: &mut Fields<'_>, name: &str, dropped: &mut Vec<String>) {
    if fields.take_raw(name).is_some() {
        drop_hint(dropped, &format!("messages.{name}"));
    }
}

fn value<'a, T: Deserialize<'a>>(raw: &'a RawValue, at: &str) -> Result<T, ApiError> {
    serde_json::from_str(raw.get())
        .map_err(|error| ApiError::invalid(at, format!("Invalid value for '{at}': {error}.")))
}
