//! Reads the items of `input`, oldest first: messages, calls, results and reasoning; and the tools among them.
//!
//! The model's output consists of separate items (reasoning, message, each call); successive ones form a single assistant message, as in
//! other formats.

use std::collections::BTreeSet;

use serde_json::value::RawValue;

use crate::conversation::{Json, Message, Part, Role};
use crate::dialect::fields::missing;
use crate::dialect::fields::{Fields, join};
use crate::dialect::fields::{drop_hint, object, required, wrong_word};
use crate::dialect::text_argument;
use crate::error::ApiError;
use crate::json;

use super::content::{Allowed, content};
use super::origin::Origin;
use super::reasoning;
use super::table::{TABLE, hosted, referred};
use super::toolbox::{SEARCH, Toolbox};

/// A message with one text.
pub(super) fn say(role: Role, text: String) -> Message {
    Message { role, parts: vec![Part::Text { text, cache: None }], name: None }
}

/// Types of items for tools that ran at the provider in an earlier turn. They can be dropped, since the following message contains their
/// outcome.
const RAN_THERE: [&str; 6] = [
    "web_search_call",
    "file_search_call",
    "code_interpreter_call",
    "image_generation_call",
    "mcp_call",
    "mcp_list_tools",
];

/// Reads `input` and appends to `messages`, and the origin of each part to `origins`. Tools among the items are added to the `toolbox`.
pub(super) fn read(
    fields: &mut Fields<'_>,
    messages: &mut Vec<Message>,
    toolbox: &mut Toolbox,
    dropped: &mut Vec<String>,
    origins: &mut Vec<Vec<Origin>>,
) -> Result<(), ApiError> {
    let at = "input";
    let raw = fields.take_raw(at).ok_or_else(|| missing(at))?;
    let wrong = |_| ApiError::invalid(at, "Invalid value for 'input': expected a string or an array of items.");
    if raw.get().starts_with('"') {
        messages.push(say(Role::User, json::read(raw.get()).map_err(wrong)?));
        origins.push(Vec::new());
        return Ok(());
    }
    let items: Vec<&RawValue> = json::read(raw.get()).map_err(wrong)?;
    if items.is_empty() {
        let message = "Invalid 'input': empty array. Send at least one item.";
        return Err(ApiError::invalid(at, message).with_code("empty_array"));
    }
    let mut reader = Items { toolbox, dropped, seen: BTreeSet::new() };
    for (index, raw) in items.into_iter().enumerate() {
        let (role, parts) = reader.item(raw, &format!("input[{index}]"))?;
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

/// The state while items are read.
struct Items<'t> {
    toolbox: &'t mut Toolbox,
    dropped: &'t mut Vec<String>,
    /// Ids of items that are included in full.
    seen: BTreeSet<String>,
}

/// An item of the model without content.
fn nothing() -> (Role, Vec<Part>) {
    (Role::Assistant, Vec::new())
}

impl Items<'_> {
    fn item(&mut self, raw: &RawValue, at: &str) -> Result<(Role, Vec<Part>), ApiError> {
        let mut fields = object(raw, at)?;
        let place = join(at, "type");
        let word: Option<String> = fields.take(at, "type")?;
        // A message need not have a type; nor need a reference, which only has an id.
        let role: Option<String> =
            if matches!(word.as_deref(), None | Some("message")) { fields.take(at, "role")? } else { None };
        let id: Option<String> = fields.take(at, "id")?;
        let read = match word.as_deref() {
            Some("message") => message(&mut fields, at, role, self.dropped)?,
            None if role.is_some() => message(&mut fields, at, role, self.dropped)?,
            Some("reasoning") => {
                let part = reasoning::read(&mut fields, at, id.as_deref().unwrap_or_default())?;
                (Role::Assistant, part.into_iter().collect())
            }
            Some("item_reference") => self.reference(id.as_deref(), &place)?,
            None if id.is_some() => self.reference(id.as_deref(), &place)?,
            None => return Err(missing(&place)),
            Some(word) => match RAN_THERE.iter().find(|known| **known == word) {
                Some(known) => {
                    drop_hint(self.dropped, &format!("input[].{known}"));
                    return Ok(nothing());
                }
                None => self.of_tools(word, &mut fields, at)?,
            },
        };
        self.seen.extend(id);
        TABLE.settle(&fields, at, "input[].", self.dropped)?;
        Ok(read)
    }

    /// A reference to an item that is also included in full is skipped.
    fn reference(&self, id: Option<&str>, place: &str) -> Result<(Role, Vec<Part>), ApiError> {
        if id.is_some_and(|id| self.seen.contains(id)) { Ok(nothing()) } else { Err(referred(place)) }
    }

    /// Reads calls, results, and tools that are added later.
    fn of_tools(&mut self, word: &str, fields: &mut Fields<'_>, at: &str) -> Result<(Role, Vec<Part>), ApiError> {
        let called = |part| (Role::Assistant, vec![part]);
        Ok(match word {
            "function_call" => called(self.call(fields, at)?),
            "custom_tool_call" => called(self.text_call(fields, at)?),
            "tool_search_call" if is_clients(fields, at)? => called(self.search(fields, at)?),
            "function_call_output" => (Role::Tool, vec![result(fields, at, self.dropped)?]),
            "custom_tool_call_output" => {
                let _: Option<String> = fields.take(at, "name")?;
                (Role::Tool, vec![result(fields, at, self.dropped)?])
            }
            "tool_search_output" if is_clients(fields, at)? => (Role::Tool, vec![self.found(fields, at)?]),
            "additional_tools" => {
                let _: Option<String> = fields.take(at, "role")?;
                self.toolbox.put_all(fields, at, self.dropped)?;
                nothing()
            }
            other => return Err(hosted(&join(at, "type"), other)),
        })
    }

    fn call(&self, fields: &mut Fields<'_>, at: &str) -> Result<Part, ApiError> {
        Ok(Part::ToolCall {
            id: required(fields, at, "call_id")?,
            name: self.function(fields, at)?,
            arguments: fields.take(at, "arguments")?.unwrap_or_default(),
        })
    }

    fn text_call(&self, fields: &mut Fields<'_>, at: &str) -> Result<Part, ApiError> {
        let (id, name) = (required(fields, at, "call_id")?, self.function(fields, at)?);
        let input: String = fields.take(at, "input")?.unwrap_or_default();
        Ok(Part::ToolCall { id, name, arguments: text_argument::wrap(&input) })
    }

    /// The name of the called function.
    fn function(&self, fields: &mut Fields<'_>, at: &str) -> Result<String, ApiError> {
        let (namespace, name): (Option<String>, String) =
            (fields.take(at, "namespace")?, required(fields, at, "name")?);
        Ok(self.toolbox.function(namespace.as_deref(), &name))
    }

    /// A tool search to be executed by the client.
    fn search(&self, fields: &mut Fields<'_>, at: &str) -> Result<Part, ApiError> {
        Ok(Part::ToolCall {
            id: required(fields, at, "call_id")?,
            name: self.toolbox.function(None, SEARCH),
            arguments: fields.take::<Json>(at, "arguments")?.map(|json| json.text().to_owned()).unwrap_or_default(),
        })
    }

    /// The result of a tool search: from here on the model may call these tools.
    fn found(&mut self, fields: &mut Fields<'_>, at: &str) -> Result<Part, ApiError> {
        let call = required(fields, at, "call_id")?;
        // The number of other matches.
        let _ = fields.take_raw("omitted_result_count");
        let found = self.toolbox.put_all(fields, at, self.dropped)?;
        let text =
            if found.is_empty() { "No tools found.".to_owned() } else { format!("Tools found: {}", found.join(", ")) };
        Ok(Part::ToolResult { call, content: vec![Part::Text { text, cache: None }], is_error: false, cache: None })
    }
}

/// Whether the client itself executes the item's call.
fn is_clients(fields: &mut Fields<'_>, at: &str) -> Result<bool, ApiError> {
    Ok(fields.take::<String>(at, "execution")?.as_deref() == Some("client"))
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
        let message = format!("Invalid '{place}': empty array. Send at least one part.");
        return Err(ApiError::invalid(place, message).with_code("empty_array"));
    }
    Ok((role, parts))
}

fn result(fields: &mut Fields<'_>, at: &str, dropped: &mut Vec<String>) -> Result<Part, ApiError> {
    let call = required(fields, at, "call_id")?;
    let place = join(at, "output");
    let raw = fields.take_raw("output").ok_or_else(|| missing(&place))?;
    let content = content(raw, &place, Allowed::Media, dropped)?;
    Ok(Part::ToolResult { call, content, is_error: false, cache: None })
}
