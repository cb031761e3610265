//! The turns of a client's request. Content is a string or a list of blocks; each kind of block has its own fields.

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::conversation::{CacheMark, Message, Part, Request, Role};
use crate::dialect::fields::{Fields, drop_hint, join, needed, refuse_rest};
use crate::error::ApiError;
use crate::json;

use super::origin::Origin;
use super::read_document::{document, image, search_result};

/// The position of a block. A nested block allows fewer kinds, and none that nests again: blocks nest at most three deep.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum BlockPosition {
    Turn,
    Result,
    /// A document made of blocks.
    Document,
    /// `system`, and the texts of a search result.
    Text,
}

impl BlockPosition {
    fn takes(self, kind: &str) -> bool {
        match self {
            Self::Turn => kind != "tool_reference",
            Self::Result => matches!(kind, "text" | "image" | "document" | "search_result" | "tool_reference"),
            Self::Document => matches!(kind, "text" | "image"),
            Self::Text => kind == "text",
        }
    }
}

/// Reads turns, one after the other.
pub(super) struct Turns<'a> {
    request: &'a mut Request,
    /// Indices of the system messages that hold only until the next user message.
    fleeting: Vec<usize>,
    /// The origins of the messages.
    pub origins: Vec<Origin>,
}

impl<'a> Turns<'a> {
    /// Appends turns to `request`; `origins` are those of its existing messages.
    pub(super) fn of(request: &'a mut Request, origins: Vec<Origin>) -> Self {
        Self { request, fleeting: Vec::new(), origins }
    }

    /// Reads one turn into messages. Tool results become messages of their own, before the rest of the turn.
    pub(super) fn read(&mut self, raw: &RawValue, turn: usize) -> Result<(), ApiError> {
        let at = &format!("messages[{turn}]");
        let mut fields = Fields::parse(raw.get(), at)?;
        let role = role(&mut fields, at)?;
        let fleeting = role == Role::System && self.system_only(&mut fields, at)?;
        let Request { messages, dropped, .. } = &mut *self.request;
        if role == Role::User {
            for index in self.fleeting.drain(..).rev() {
                messages.remove(index);
                self.origins.remove(index);
            }
        }
        let content = join(at, "content");
        let raw = needed(fields.take_raw("content"), &content)?;
        refuse_rest(&fields, at)?;
        let (mut parts, mut blocks) = (Vec::new(), Vec::new());
        for (part, block) in numbered(raw, BlockPosition::Turn, &content, dropped)? {
            if matches!(part, Part::ToolResult { .. }) {
                self.origins.push(Origin { turn, blocks: vec![block] });
                messages.push(Message { role: Role::Tool, parts: vec![part], name: None });
            } else {
                parts.push(part);
                blocks.push(block);
            }
        }
        if !parts.is_empty() {
            if fleeting {
                self.fleeting.push(messages.len());
            }
            self.origins.push(Origin { turn, blocks });
            messages.push(Message { role, parts, name: None });
        }
        Ok(())
    }

    /// Reads the fields that only system messages have; returns whether the next user message clears this one.
    fn system_only(&mut self, fields: &mut Fields<'_>, at: &str) -> Result<bool, ApiError> {
        // An effort from this point on; our request has one effort for the whole conversation.
        if fields.take_raw("output_config").is_some() {
            drop_hint(&mut self.request.dropped, "messages[].output_config");
        }
        let at = join(at, "clear_at");
        match fields.take_raw("clear_at").map(|raw| value::<String>(raw, &at)).transpose()?.as_deref() {
            None | Some("never") => Ok(false),
            Some("next_user_message") => Ok(true),
            Some(_) => {
                let message = format!("'{at}' must be one of next_user_message, never.");
                Err(ApiError::invalid(at, message))
            }
        }
    }
}

fn role(fields: &mut Fields<'_>, at: &str) -> Result<Role, ApiError> {
    match needed(fields.take::<String>(at, "role")?, &join(at, "role"))?.as_str() {
        "user" => Ok(Role::User),
        "assistant" => Ok(Role::Assistant),
        "system" => Ok(Role::System),
        _ => {
            let at = join(at, "role");
            let message = format!("'{at}' must be one of user, assistant, system.");
            Err(ApiError::invalid(at, message))
        }
    }
}

/// Reads content that may only be text: `system`.
pub(super) fn texts(raw: &RawValue, at: &str, dropped: &mut Vec<String>) -> Result<Vec<(Part, usize)>, ApiError> {
    numbered(raw, BlockPosition::Text, at, dropped)
}

/// Reads content: a string or a list of blocks.
pub(super) fn blocks(
    raw: &RawValue,
    place: BlockPosition,
    at: &str,
    dropped: &mut Vec<String>,
) -> Result<Vec<Part>, ApiError> {
    Ok(numbered(raw, place, at, dropped)?.into_iter().map(|(part, _)| part).collect())
}

/// Reads content and pairs each part with the index of its block.
fn numbered(
    raw: &RawValue,
    place: BlockPosition,
    at: &str,
    dropped: &mut Vec<String>,
) -> Result<Vec<(Part, usize)>, ApiError> {
    if raw.get().starts_with('"') {
        return Ok(vec![(Part::Text { text: value(raw, at)?, cache: None }, 0)]);
    }
    let raw: Vec<&RawValue> = value(raw, at)?;
    let mut numbered = Vec::with_capacity(raw.len());
    let mut parts = Vec::with_capacity(1);
    for (index, raw) in raw.into_iter().enumerate() {
        block(raw, place, &format!("{at}[{index}]"), dropped, &mut parts)?;
        numbered.extend(parts.drain(..).map(|part| (part, index)));
    }
    Ok(numbered)
}

/// Types of blocks that record a tool that ran at Anthropic in an earlier turn, or its result. The text after them tells the outcome, so
/// they can be dropped.
const RAN_THERE: [&str; 9] = [
    "server_tool_use",
    "web_search_tool_result",
    "web_fetch_tool_result",
    "code_execution_tool_result",
    "bash_code_execution_tool_result",
    "text_editor_code_execution_tool_result",
    "tool_search_tool_result",
    "mcp_tool_use",
    "mcp_tool_result",
];

/// Reads a block. Most blocks become one part, some several or none.
fn block(
    raw: &RawValue,
    place: BlockPosition,
    at: &str,
    dropped: &mut Vec<String>,
    parts: &mut Vec<Part>,
) -> Result<(), ApiError> {
    let mut fields = Fields::parse(raw.get(), at)?;
    let kind: String = needed(fields.take(at, "type")?, &join(at, "type"))?;
    if !place.takes(&kind) {
        let message = format!("'{at}': a block of type '{kind}' is not allowed here.");
        return Err(ApiError::invalid(at, message));
    }
    if let Some(known) = RAN_THERE.iter().find(|known| **known == kind) {
        drop_hint(dropped, &format!("messages[].content[].{known}"));
        return Ok(());
    }
    let fields = &mut fields;
    match kind.as_str() {
        "text" => {
            // Citations of an earlier response.
            hint(fields, "text.citations", dropped);
            parts.push(Part::Text { text: take(fields, at, "text")?, cache: cache(fields, at)? });
        }
        "image" => parts.push(image(fields, at, dropped)?),
        "document" => document(fields, at, dropped, parts)?,
        "search_result" => parts.push(search_result(fields, at, dropped)?),
        "tool_use" => parts.push(tool_use(fields, at, dropped)?),
        "tool_result" => parts.push(tool_result(fields, at, dropped)?),
        "tool_reference" => {
            let name: String = take(fields, at, "tool_name")?;
            parts.push(Part::Text { text: format!("The tool {name} is available."), cache: cache(fields, at)? });
        }
        "thinking" => parts.push(Part::Thinking {
            text: take(fields, at, "thinking")?,
            signature: fields.take::<String>(at, "signature")?.filter(|signature| !signature.is_empty()),
        }),
        "redacted_thinking" => parts.push(Part::RedactedThinking { data: take(fields, at, "data")? }),
        "compaction" => compaction(fields, at, dropped, parts)?,
        // Marks the point where another of Anthropic's models took over; models never see it.
        "fallback" => {
            for name in ["from", "to", "trigger"] {
                let _ = fields.take_raw(name);
            }
        }
        _ => {
            let message = format!(
                "'{at}': the gateway cannot translate blocks of type '{kind}' for the provider that serves this model."
            );
            return Err(ApiError::unsupported(at, message));
        }
    }
    refuse_rest(fields, at)
}

/// Reads a summary of earlier turns; it is empty if Anthropic failed to make one.
fn compaction(
    fields: &mut Fields<'_>,
    at: &str,
    dropped: &mut Vec<String>,
    parts: &mut Vec<Part>,
) -> Result<(), ApiError> {
    for signature in ["encrypted_content", "signature"] {
        if fields.take_raw(signature).is_some() {
            drop_hint(dropped, "messages[].content[].compaction.signature");
        }
    }
    let mark = cache(fields, at)?;
    let summary = fields.take::<String>(at, "content")?;
    parts.extend(summary.map(|text| Part::Text { text, cache: mark }));
    Ok(())
}

fn tool_use(fields: &mut Fields<'_>, at: &str, dropped: &mut Vec<String>) -> Result<Part, ApiError> {
    // The conversation has no cache marks on calls. Caller and toolset matter only to Anthropic's own tools.
    for name in ["tool_use.cache_control", "tool_use.caller", "tool_use.toolset_name"] {
        hint(fields, name, dropped);
    }
    let input = join(at, "input");
    let raw = needed(fields.take_raw("input"), &input)?;
    if !raw.get().starts_with('{') {
        let message = format!("'{input}' must be an object.");
        return Err(ApiError::invalid(input, message));
    }
    Ok(Part::ToolCall { id: take(fields, at, "id")?, name: take(fields, at, "name")?, arguments: raw.get().to_owned() })
}

fn tool_result(fields: &mut Fields<'_>, at: &str, dropped: &mut Vec<String>) -> Result<Part, ApiError> {
    hint(fields, "tool_result.toolset_name", dropped);
    let inner = join(at, "content");
    let content = match fields.take_raw("content") {
        None => Vec::new(),
        Some(raw) => blocks(raw, BlockPosition::Result, &inner, dropped)?,
    };
    Ok(Part::ToolResult {
        call: take(fields, at, "tool_use_id")?,
        content,
        is_error: fields.take(at, "is_error")?.unwrap_or_default(),
        cache: cache(fields, at)?,
    })
}

/// Reads a cache mark.
pub(super) fn cache(fields: &mut Fields<'_>, at: &str) -> Result<Option<CacheMark>, ApiError> {
    #[derive(Deserialize)]
    struct Control {
        #[serde(default)]
        ttl: Option<String>,
    }
    Ok(fields.take::<Control>(at, "cache_control")?.map(|control| CacheMark { ttl: control.ttl }))
}

/// Takes a required field.
pub(super) fn take<'a, T: Deserialize<'a>>(fields: &mut Fields<'a>, at: &str, name: &str) -> Result<T, ApiError> {
    needed(fields.take(at, name)?, &join(at, name))
}

/// Drops the field at the end of `path`; `path` begins with the block's type.
pub(super) fn hint(fields: &mut Fields<'_>, path: &str, dropped: &mut Vec<String>) {
    let (_, name) = path.rsplit_once('.').unwrap_or(("", path));
    if fields.take_raw(name).is_some() {
        drop_hint(dropped, &format!("messages[].content[].{path}"));
    }
}

fn value<'a, T: Deserialize<'a>>(raw: &'a RawValue, at: &str) -> Result<T, ApiError> {
    json::read(raw.get()).map_err(|error| ApiError::invalid(at, format!("Invalid value for '{at}': {error}.")))
}
