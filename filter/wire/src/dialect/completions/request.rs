//! Reads a client's request.

use crate::conversation::{Message, Part, Request, Role};
use crate::dialect::fields::Fields;
use crate::dialect::fields::missing;
use crate::dialect::openai::request::{count, include_usage, stop};
use crate::error::ApiError;
use crate::json;

use super::table::{DEFAULT_MAX_TOKENS, TABLE};

pub(super) fn read(text: &[u8]) -> Result<Request, ApiError> {
    let mut fields = Fields::of(text)?;
    let mut dropped = Vec::new();
    let request = Request {
        model: fields.take("", "model")?.ok_or_else(|| missing("model"))?,
        messages: vec![prompt(&mut fields)?],
        max_tokens: fields.take("", "max_tokens")?.or(Some(DEFAULT_MAX_TOKENS)),
        temperature: fields.take("", "temperature")?,
        top_p: fields.take("", "top_p")?,
        stop: stop(&mut fields)?,
        seed: fields.take("", "seed")?,
        frequency_penalty: fields.take("", "frequency_penalty")?,
        presence_penalty: fields.take("", "presence_penalty")?,
        n: count(&mut fields)?,
        user: fields.take("", "user")?,
        stream: fields.take("", "stream")?.unwrap_or_default(),
        include_usage: include_usage(&mut fields, &TABLE, &mut dropped)?,
        ..Request::default()
    };
    TABLE.settle(&fields, "", "", &mut dropped)?;
    Ok(Request { dropped, ..request })
}

/// One text, or an array of one.
fn prompt(fields: &mut Fields<'_>) -> Result<Message, ApiError> {
    let at = "prompt";
    let raw = fields.take_raw(at).ok_or_else(|| missing(at))?;
    let text = if raw.get().starts_with('"') {
        json::read::<String>(raw.get()).ok()
    } else {
        match json::read::<[String; 1]>(raw.get()) {
            Ok([text]) => Some(text),
            Err(_) => None,
        }
    };
    let text = text.ok_or_else(|| {
        let message = "'prompt' must be a single text for the provider that serves this model. Several prompts, or \
                       tokens instead of text, need a provider with its own completions API.";
        ApiError::unsupported(at, message)
    })?;
    Ok(Message { role: Role::User, parts: vec![Part::Text { text, cache: None }], name: None })
}
