//! The frame around the choices of whole responses, in chat completions and legacy completions. Writes OpenAI's format; reads it from
//! OpenAI and from compatible servers.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::conversation::{Choice, Guises, Response};
use crate::dialect::bare;
use crate::dialect::few::Few;
use crate::error::ApiError;
use crate::json::from_slice;
use crate::lenient::maybe;

use super::loose::{Count, MessageIn, Text};
use super::{error, json, usage};

/// The maximum number of choices in a response: several for each of many prompts.
pub(in crate::dialect) const MOST_CHOICES: usize = 4096;

#[derive(Deserialize)]
struct ResponseIn<'a> {
    #[serde(borrow, default)]
    error: Option<&'a RawValue>,
    #[serde(borrow, default)]
    id: Text<'a>,
    #[serde(borrow, default)]
    model: Text<'a>,
    #[serde(default)]
    created: Count,
    #[serde(borrow, default)]
    choices: Option<Few<ChoiceIn<'a>, MOST_CHOICES>>,
    #[serde(default, deserialize_with = "maybe")]
    usage: Option<usage::UsageIn>,
    #[serde(borrow, default)]
    service_tier: Text<'a>,
}

/// A choice: chat completions have a message, legacy completions a text.
#[derive(Deserialize)]
pub(in crate::dialect) struct ChoiceIn<'a> {
    #[serde(borrow, default)]
    pub message: Option<MessageIn<'a>>,
    #[serde(borrow, default)]
    pub text: Text<'a>,
    #[serde(borrow, default)]
    pub finish_reason: Text<'a>,
}

/// Reads a response of at most `most` choices. `choice` reads each, given the response's id and the choice's number, and adds
/// tools of other forms. An error hidden in a 200 is returned as an error.
pub(in crate::dialect) fn read(
    body: &[u8],
    most: usize,
    choice: fn(ChoiceIn<'_>, &str, u32, &mut Guises) -> Result<Choice, ApiError>,
) -> Result<Response, ApiError> {
    let seen: ResponseIn<'_> =
        from_slice(body).map_err(|wrong| bare::error(body).unwrap_or_else(|| ApiError::unreadable(&wrong)))?;
    if let Some(raw) = seen.error {
        return Err(error::inside(raw.get().as_bytes()));
    }
    let id = seen.id.0.into_owned();
    let choices = seen.choices.unwrap_or_default();
    if choices.is_empty() {
        let none = || ApiError::bad_answer("The provider's answer contains no choices.");
        return Err(bare::error(body).unwrap_or_else(none));
    }
    if choices.len() > most {
        return Err(ApiError::bad_answer("The provider's answer contains too many choices."));
    }
    let mut guises = Guises::none();
    let choices = (0..).zip(choices).map(|(index, seen)| choice(seen, &id, index, &mut guises));
    let choices = choices.collect::<Result<_, _>>()?;
    Ok(Response {
        id,
        model: seen.model.0.into_owned(),
        created: seen.created.0,
        choices,
        usage: seen.usage.and_then(|usage| usage.read()),
        service_tier: (!seen.service_tier.is_empty()).then(|| seen.service_tier.0.into_owned()),
        guises,
    })
}

/// A response whose choices `C` are the format's own.
#[derive(Serialize)]
struct Shown<'a, C> {
    id: &'a str,
    object: &'static str,
    created: u64,
    model: &'a str,
    choices: Vec<C>,
    #[serde(skip_serializing_if = "Option::is_none")]
    usage: Option<usage::Shown>,
    #[serde(skip_serializing_if = "Option::is_none")]
    service_tier: Option<&'a str>,
}

/// Writes a response; `choice` writes each choice. The creation time is the provider's, or else `now`.
pub(in crate::dialect) fn write<'a, C: Serialize>(
    response: &'a Response,
    now: u64,
    object: &'static str,
    service_tier: Option<&'a str>,
    choice: fn(usize, &'a Choice, &Guises) -> C,
) -> Vec<u8> {
    json::body(&Shown {
        id: &response.id,
        object,
        created: response.created.unwrap_or(now),
        model: &response.model,
        choices: (0..).zip(&response.choices).map(|(index, said)| choice(index, said, &response.guises)).collect(),
        usage: response.usage.map(usage::Shown::from),
        service_tier,
    })
}
