//! Reads whole responses. Cohere names no model in them.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::conversation::{Choice, Finish, Part, Response};
use crate::dialect::functions::made_up_id;
use crate::error::ApiError;
use crate::json;
use crate::lenient::{Text, maybe};

use super::seen::Message;
use super::{error, usage, words};

#[derive(Deserialize)]
pub(super) struct ResponseIn<'a> {
    #[serde(borrow, default)]
    id: Text<'a>,
    #[serde(borrow, default)]
    message: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub finish_reason: Text<'a>,
    #[serde(default, deserialize_with = "maybe")]
    pub usage: Option<usage::UsageIn>,
}

impl<'a> ResponseIn<'a> {
    /// Reads the outer object of a response. A `message` that is a string is an error's.
    pub fn of(body: &'a [u8]) -> Result<(Self, &'a RawValue), ApiError> {
        let seen: Self = json::from_slice(body).map_err(|error| ApiError::unreadable(&error))?;
        let Some(message) = seen.message else {
            return Err(ApiError::bad_answer("The provider's answer contains no message."));
        };
        match json::read::<Text<'_>>(message.get()) {
            Ok(text) if message.get().starts_with('"') => Err(error::of(None, &text.0)),
            _ => Ok((seen, message)),
        }
    }
}

/// Reads a response; an error inside it is returned as one.
pub(super) fn read(body: &[u8]) -> Result<Response, ApiError> {
    let (seen, message) = ResponseIn::of(body)?;
    let message: Message<'_> = json::read(message.get()).map_err(|error| ApiError::unreadable(&error))?;
    let id = seen.id.0.into_owned();
    let mut parts = Vec::new();
    let thought = |text: Cow<'_, str>| Part::Thinking { text: text.into_owned(), signature: None };
    if !message.tool_plan.is_empty() {
        parts.push(thought(message.tool_plan.0));
    }
    for piece in message.content.unwrap_or_default() {
        if !piece.thinking.is_empty() {
            parts.push(thought(piece.thinking.0));
        }
        if !piece.text.is_empty() {
            parts.push(Part::Text { text: piece.text.0.into_owned(), cache: None });
        }
    }
    let calls = message.tool_calls.unwrap_or_default();
    let called = !calls.is_empty();
    for (index, call) in calls.into_iter().enumerate() {
        let (name, arguments) = (call.function.name.0.into_owned(), call.function.arguments.0.into_owned());
        let id = if call.id.is_empty() { made_up_id(&id, 0, index) } else { call.id.0.into_owned() };
        parts.push(Part::ToolCall { id, name, arguments });
    }
    let finish = match &*seen.finish_reason.0 {
        "" if called => Finish::ToolCalls,
        word => words::finish(word)?,
    };
    let usage = seen.usage.and_then(|usage| usage.read());
    Ok(Response { id, choices: vec![Choice { parts, finish }], usage, ..Response::default() })
}
