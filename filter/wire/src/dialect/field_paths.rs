//! Finds the field in a client's request that the provider's format does not support.
//!
//! Readers report errors by the client's own fields. Writers only know the conversation and report paths as chat completions would:
//! `messages[3].content[0]`. If the client's format splits, joins or reorders messages, its own path differs.
//! [`ChatClient::field_path`](super::ChatClient::field_path) finds that path in the body; it runs for errors only.

use serde_json::value::RawValue;

use crate::conversation::{Part, Request};
use crate::error::ApiError;
use crate::json;

use super::Client;
use super::fields::Fields;

/// The position of a field in a conversation.
#[derive(Debug, Clone, Copy)]
pub struct FieldPosition<'a> {
    /// The message's index.
    pub message: usize,
    /// The part's index and the part; `None` for all parts.
    pub part: Option<(usize, &'a Part)>,
    /// The number of texts, images and documents before that part in the message.
    pub spoken: usize,
    /// The number of tool calls before that part in the message.
    pub calls: usize,
    /// The field of the message or part.
    pub field: MessageField,
}

/// A field of a message or part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MessageField {
    /// The role.
    Role,
    /// The content: the part, or all parts.
    Content,
    /// A tool call's arguments.
    Arguments,
    /// A result's tool call id.
    Call,
}

impl<'a> FieldPosition<'a> {
    /// Parses a writer's path.
    fn parse(path: &str, request: &'a Request) -> Option<Self> {
        let (message, rest) = numbered(path, "messages[")?;
        let parts = &request.messages.get(message)?.parts;
        let (field, part) = match rest {
            ".role" => (MessageField::Role, None),
            ".content" => (MessageField::Content, None),
            ".tool_call_id" => {
                (MessageField::Call, parts.iter().position(|part| matches!(part, Part::ToolResult { .. })))
            }
            _ => match numbered(rest, ".tool_calls[") {
                Some((call, ".function.arguments")) => {
                    let mut calls = (0..).zip(parts).filter(|(_, part)| matches!(part, Part::ToolCall { .. }));
                    (MessageField::Arguments, Some(calls.nth(call)?.0))
                }
                Some(_) => return None,
                None => {
                    (MessageField::Content, Some(numbered(rest, ".content[").filter(|(_, rest)| rest.is_empty())?.0))
                }
            },
        };
        let before = part.and_then(|part| parts.get(..part)).unwrap_or_default();
        let count = |kind: fn(&Part) -> bool| before.iter().filter(|part| kind(part)).count();
        Some(Self {
            message,
            part: part.and_then(|index| Some((index, parts.get(index)?))),
            spoken: count(|part| {
                matches!(part, Part::Text { .. } | Part::Image { .. } | Part::Document { .. } | Part::Refusal { .. })
            }),
            calls: count(|part| matches!(part, Part::ToolCall { .. })),
            field,
        })
    }
}

/// Parses `before`, a number and a closing bracket; returns the number and the rest.
fn numbered<'p>(path: &'p str, before: &str) -> Option<(usize, &'p str)> {
    let (number, rest) = path.strip_prefix(before)?.split_once(']')?;
    Some((number.parse().ok()?, rest))
}

/// Renames the field in `error` to the client's own. `request` was read from `body`.
pub(super) fn blaming(client: &Client, body: &[u8], request: &Request, error: ApiError) -> ApiError {
    let own = error.param.as_deref().and_then(|field| {
        let path = || (client.chat()?.field_path)(body, &FieldPosition::parse(field, request)?);
        own_name(client, field).or_else(path)
    });
    renamed(error, own)
}

/// The same for an error without a position in a conversation.
pub fn by_name(client: &Client, error: ApiError) -> ApiError {
    let own = error.param.as_deref().and_then(|field| own_name(client, field));
    renamed(error, own)
}

/// The client's own name for a field or a path below it: `text.format.schema.minimum`.
pub fn own_name(client: &Client, field: &str) -> Option<String> {
    let inside = |known: &str| field.strip_prefix(known).filter(|rest| rest.is_empty() || rest.starts_with('.'));
    let names = client.own_names.iter().filter_map(|(known, own)| Some((known.len(), own, inside(known)?)));
    names.max_by_key(|(length, ..)| *length).map(|(_, own, rest)| format!("{own}{rest}"))
}

/// Replaces the field in the error by `own`. The message must name the field too: not every format has a separate place for it.
fn renamed(error: ApiError, own: Option<String>) -> ApiError {
    let Some(field) = error.param.filter(|field| !field.is_empty()) else { return ApiError { param: None, ..error } };
    let own = own.unwrap_or_else(|| field.clone());
    let mut message = error.message.replace(&format!("'{field}'"), &format!("'{own}'"));
    if !message.contains(&format!("'{own}'")) {
        message = format!("'{own}': {message}");
    }
    ApiError { message, param: Some(own), ..error }
}

/// The elements of the list `name` in `body`, if it is one.
pub(super) fn elements<'a>(body: &'a [u8], name: &str) -> Option<Vec<&'a RawValue>> {
    let raw = Fields::of(body).ok()?.take_raw(name)?;
    json::read(raw.get()).ok()
}

/// The path of an element's content at `at`, with the part's index if the content is a list.
pub(super) fn content(element: &RawValue, name: &str, at: &str, part: Option<usize>) -> String {
    let listed = Fields::parse(element.get(), "")
        .is_ok_and(|mut fields| fields.take_raw(name).is_some_and(|raw| raw.get().starts_with('[')));
    match part.filter(|_| listed) {
        Some(part) => format!("{at}.{name}[{part}]"),
        None => format!("{at}.{name}"),
    }
}

#[cfg(test)]
mod tests;
