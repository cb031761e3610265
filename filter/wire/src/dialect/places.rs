//! Where a client's own request has what its provider's format cannot take.
//!
//! Readers name what is wrong by the client's own fields. Writers know the conversation only, and name its places as chat
//! completions would: `messages[3].content[0]`. A client whose messages were split, joined or put before others has them elsewhere.
//! Its format finds them again in the body ([`ChatClient::place`](super::ChatClient::place)), which is done for an error and for nothing else.

use serde_json::value::RawValue;

use crate::conversation::{Part, Request};
use crate::error::ApiError;
use crate::json;

use super::Client;
use super::fields::Fields;

/// A place in a conversation.
#[derive(Debug, Clone, Copy)]
pub struct Place<'a> {
    /// The message.
    pub message: usize,
    /// The part of it that is meant; none if all of them are.
    pub part: Option<(usize, &'a Part)>,
    /// How many texts, pictures and documents stand before that part in the message.
    pub spoken: usize,
    /// How many calls do.
    pub calls: usize,
    /// What is meant of the message, or of the part.
    pub what: What,
}

/// What is meant of a message or a part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum What {
    /// Who speaks.
    Role,
    /// What is said: the part, or all of them.
    Content,
    /// What a function is called with.
    Arguments,
    /// The call that a result belongs to.
    Call,
}

impl<'a> Place<'a> {
    /// Reads a writer's name for a place.
    fn parse(path: &str, request: &'a Request) -> Option<Self> {
        let (message, rest) = numbered(path, "messages[")?;
        let parts = &request.messages.get(message)?.parts;
        let (what, part) = match rest {
            ".role" => (What::Role, None),
            ".content" => (What::Content, None),
            ".tool_call_id" => (What::Call, parts.iter().position(|part| matches!(part, Part::ToolResult { .. }))),
            _ => match numbered(rest, ".tool_calls[") {
                Some((call, ".function.arguments")) => {
                    let mut calls = (0..).zip(parts).filter(|(_, part)| matches!(part, Part::ToolCall { .. }));
                    (What::Arguments, Some(calls.nth(call)?.0))
                }
                Some(_) => return None,
                None => (What::Content, Some(numbered(rest, ".content[").filter(|(_, rest)| rest.is_empty())?.0)),
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
            what,
        })
    }
}

/// A number after `before` and before a bracket, and what follows.
fn numbered<'p>(path: &'p str, before: &str) -> Option<(usize, &'p str)> {
    let (number, rest) = path.strip_prefix(before)?.split_once(']')?;
    Some((number.parse().ok()?, rest))
}

/// The error, by the client's own names of the fields at fault. `request` was read from `body`.
pub(super) fn blaming(client: &Client, body: &[u8], request: &Request, error: ApiError) -> ApiError {
    let own = error.param.as_deref().and_then(|field| {
        let place = || (client.chat()?.place)(body, &Place::parse(field, request)?);
        own_name(client, field).or_else(place)
    });
    renamed(error, own)
}

/// The same of an error that has no place in a conversation.
pub fn by_name(client: &Client, error: ApiError) -> ApiError {
    let own = error.param.as_deref().and_then(|field| own_name(client, field));
    renamed(error, own)
}

/// What clients of this format call a field, or what stands in it: `text.format.schema.minimum`.
pub fn own_name(client: &Client, field: &str) -> Option<String> {
    let inside = |known: &str| field.strip_prefix(known).filter(|rest| rest.is_empty() || rest.starts_with('.'));
    let names = client.own_names.iter().filter_map(|(known, own)| Some((known.len(), own, inside(known)?)));
    names.max_by_key(|(length, ..)| *length).map(|(_, own, rest)| format!("{own}{rest}"))
}

/// The error, with `own` in the place of its field. Its text names the field too: not every format has another place for it.
fn renamed(error: ApiError, own: Option<String>) -> ApiError {
    let Some(field) = error.param.filter(|field| !field.is_empty()) else { return ApiError { param: None, ..error } };
    let own = own.unwrap_or_else(|| field.clone());
    let mut message = error.message.replace(&format!("'{field}'"), &format!("'{own}'"));
    if !message.contains(&format!("'{own}'")) {
        message = format!("'{own}': {message}");
    }
    ApiError { message, param: Some(own), ..error }
}

/// The elements of a list in `body`, and whether there is one.
pub(super) fn elements<'a>(body: &'a [u8], name: &str) -> Option<Vec<&'a RawValue>> {
    let raw = Fields::of(body).ok()?.take_raw(name)?;
    json::read(raw.get()).ok()
}

/// The content at `at` in an element of such a list: its part, where it is a list of them.
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
