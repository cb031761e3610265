//! Whole answers, read and written.

use serde::Serialize;

use crate::conversation::{Choice, Finish, Guises, Response};
use crate::dialect::functions::made_up_id;
use crate::error::ApiError;

use super::answer::{Candidate, FinishReason, PartSeen, Seen, Told};
use super::part::{Part, Speaker, Turn};
use super::speech::{Listener, Speech};
use super::usage;

/// Reads a provider's answer.
pub(super) fn read(body: &[u8]) -> Result<Response, ApiError> {
    let mut seen = Seen::<PartSeen<'_>>::whole(body)?;
    let id = seen.id();
    let candidates = seen.candidates();
    let choices = if candidates.is_empty() {
        vec![Choice { parts: Vec::new(), finish: Finish::ContentFilter }]
    } else {
        (0..).zip(candidates).map(|(position, seen)| choice(&id, position, seen)).collect::<Result<_, _>>()?
    };
    Ok(Response {
        model: seen.model(),
        id,
        created: None,
        choices,
        usage: seen.usage_metadata.and_then(|usage| usage.inclusive()),
        service_tier: None,
        guises: Guises::none(),
    })
}

fn choice(answer: &str, position: u32, mut seen: Candidate<PartSeen<'_>>) -> Result<Choice, ApiError> {
    let number = seen.index.unwrap_or(position);
    let mut told = Told::default();
    for part in seen.parts() {
        told.add(part, |call| made_up_id(answer, number, call))?;
    }
    let finish = seen.finish_reason.unwrap_or(FinishReason::Stop).read(told.calls > 0)?;
    Ok(Choice { parts: told.parts, finish })
}

/// An answer, or a piece of one, as we write it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Shown<'a> {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) candidates: Vec<CandidateShown<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) usage_metadata: Option<usage::Shown>,
    #[serde(skip_serializing_if = "str::is_empty")]
    pub(super) model_version: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    pub(super) response_id: &'a str,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct CandidateShown<'a> {
    content: Turn<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    finish_reason: Option<&'static str>,
    index: u32,
}

impl<'a> CandidateShown<'a> {
    /// What the answer of this number says.
    pub(super) fn new(index: u32, parts: Vec<Part<'a>>, finish: Option<Finish>) -> Self {
        let content = Turn { role: Some(Speaker::Model), parts };
        Self { content, finish_reason: finish.map(FinishReason::word), index }
    }
}

impl Shown<'_> {
    /// Appends it as JSON. Strings, numbers and checked JSON into a `Vec` cannot fail.
    pub(super) fn write(&self, out: &mut Vec<u8>) {
        serde_json::to_writer(out, self).unwrap_or_default();
    }
}

/// Writes an answer for a client. Seals that are not Google's have no place in it.
pub(super) fn write(response: &Response) -> Vec<u8> {
    let shown = Shown {
        candidates: (0..).zip(&response.choices).map(shown_choice).collect(),
        usage_metadata: response.usage.map(usage::Shown::from),
        model_version: &response.model,
        response_id: &response.id,
    };
    let mut out = Vec::with_capacity(1024);
    shown.write(&mut out);
    out
}

fn shown_choice((index, choice): (u32, &Choice)) -> CandidateShown<'_> {
    CandidateShown::new(index, Speech::of(&choice.parts, Listener::Client).parts, Some(choice.finish))
}
