//! Reads and writes whole responses. Several texts of one choice are joined.

use std::borrow::Cow;

use serde::Serialize;

use crate::conversation::{Choice, Finish, Guises, Part, Response};
use crate::dialect::openai::answer::{self, ChoiceIn};
use crate::dialect::openai::{json, words};
use crate::error::ApiError;

/// Reads a response; an error inside it is returned as one.
pub(super) fn read(body: &[u8]) -> Result<Response, ApiError> {
    // Clients of this format get no service tier.
    answer::read(body, answer::MOST_CHOICES, read_choice).map(|read| Response { service_tier: None, ..read })
}

fn read_choice(seen: ChoiceIn<'_>, _: &str, _: u32, _: &mut Guises) -> Result<Choice, ApiError> {
    let finish = words::finish(&seen.finish_reason.0)?;
    Ok(Choice { parts: vec![Part::Text { text: seen.text.0.into_owned(), cache: None }], finish })
}

#[derive(Serialize)]
struct ChoiceShown<'a> {
    text: Cow<'a, str>,
    index: usize,
    logprobs: Option<()>,
    finish_reason: &'static str,
}

/// The finish reason for clients of this format, which has none for calls.
pub(super) fn finish_reason(finish: Finish) -> &'static str {
    words::finish_reason(if finish == Finish::ToolCalls { Finish::Stop } else { finish })
}

/// Writes a response, dated `now` unless the provider dated it.
pub(super) fn write(response: &Response, now: u64) -> Vec<u8> {
    answer::write(response, now, "text_completion", None, write_choice)
}

fn write_choice<'a>(index: usize, choice: &'a Choice, _: &Guises) -> ChoiceShown<'a> {
    let texts = choice.parts.iter().filter_map(|part| match part {
        Part::Text { text, .. } | Part::Refusal { text } => Some(text.as_str()),
        _ => None,
    });
    let text = json::joined(texts).unwrap_or_default();
    ChoiceShown { text, index, logprobs: None, finish_reason: finish_reason(choice.finish) }
}
