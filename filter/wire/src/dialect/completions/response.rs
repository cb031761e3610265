//! Whole answers. Several texts of one answer become one.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::conversation::{Choice, Finish, Guises, Part, Response};
use crate::dialect::bare;
use crate::dialect::few::Few;
use crate::dialect::openai::loose::{Count, Text};
use crate::dialect::openai::{error, json, usage, words};
use crate::error::ApiError;
use crate::lenient::maybe;

/// The most choices of an answer: several to each of many prompts.
const MOST_CHOICES: usize = 4096;

#[derive(Deserialize)]
struct Seen<'a> {
    #[serde(borrow, default)]
    error: Option<&'a RawValue>,
    #[serde(borrow, default)]
    id: Text<'a>,
    #[serde(borrow, default)]
    model: Text<'a>,
    #[serde(default)]
    created: Count,
    #[serde(borrow, default)]
    choices: Option<Few<ChoiceSeen<'a>, MOST_CHOICES>>,
    #[serde(default, deserialize_with = "maybe")]
    usage: Option<usage::Seen>,
}

#[derive(Deserialize)]
struct ChoiceSeen<'a> {
    #[serde(borrow, default)]
    text: Text<'a>,
    #[serde(borrow, default)]
    finish_reason: Text<'a>,
}

/// Reads an answer; an error hidden in it is an error here.
pub(super) fn read(body: &[u8]) -> Result<Response, ApiError> {
    let seen: Seen<'_> = serde_json::from_slice(body)
        .map_err(|wrong| bare::error(body).unwrap_or_else(|| ApiError::unreadable(&wrong)))?;
    if let Some(raw) = seen.error {
        return Err(error::inside(raw.get().as_bytes()));
    }
    let choices = seen.choices.unwrap_or_default();
    if choices.is_empty() {
        let none = || ApiError::bad_answer("The provider's answer holds no choices.");
        return Err(bare::error(body).unwrap_or_else(none));
    }
    Ok(Response {
        id: seen.id.0.into_owned(),
        model: seen.model.0.into_owned(),
        created: seen.created.0,
        choices: choices.into_iter().map(choice).collect::<Result<_, _>>()?,
        usage: seen.usage.and_then(|usage| usage.read()),
        service_tier: None,
        guises: Guises::none(),
    })
}

fn choice(seen: ChoiceSeen<'_>) -> Result<Choice, ApiError> {
    let finish = words::finish(&seen.finish_reason.0)?;
    Ok(Choice { parts: vec![Part::Text { text: seen.text.0.into_owned(), cache: None }], finish })
}

#[derive(Serialize)]
struct Shown<'a> {
    id: &'a str,
    object: &'static str,
    created: u64,
    model: &'a str,
    choices: Vec<ChoiceShown<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    usage: Option<usage::Shown>,
}

#[derive(Serialize)]
struct ChoiceShown<'a> {
    text: Cow<'a, str>,
    index: usize,
    logprobs: Option<()>,
    finish_reason: &'static str,
}

/// The word that clients of this format know: it has none for calls.
pub(super) fn finish_reason(finish: Finish) -> &'static str {
    words::finish_reason(if finish == Finish::ToolCalls { Finish::Stop } else { finish })
}

/// Writes an answer; it is dated `now` unless the provider dated it.
pub(super) fn write(response: &Response, now: u64) -> Vec<u8> {
    let choices = response.choices.iter().enumerate().map(|(index, choice)| {
        let texts = choice.parts.iter().filter_map(|part| match part {
            Part::Text { text, .. } | Part::Refusal { text } => Some(text.as_str()),
            _ => None,
        });
        let text = json::joined(texts).unwrap_or_default();
        ChoiceShown { text, index, logprobs: None, finish_reason: finish_reason(choice.finish) }
    });
    json::body(&Shown {
        id: &response.id,
        object: "text_completion",
        created: response.created.unwrap_or(now),
        model: &response.model,
        choices: choices.collect(),
        usage: response.usage.map(usage::Shown::from),
    })
}
