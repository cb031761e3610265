//! Writes whole responses.

use serde::Serialize;

use crate::conversation::{Choice, Finish, Response};

use super::super::part::{Part, Speaker, Turn};
use super::super::speech::{Listener, Speech};
use super::words;

/// A response, or an event of a stream, for writing.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Shown<'a> {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) candidates: Vec<CandidateShown<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) usage_metadata: Option<words::Shown>,
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
    /// Creates the candidate with this index.
    pub(super) fn new(index: u32, parts: Vec<Part<'a>>, finish: Option<Finish>) -> Self {
        let content = Turn { role: Some(Speaker::Model), parts };
        Self { content, finish_reason: finish.map(words::word), index }
    }
}

impl Shown<'_> {
    /// Appends the JSON. Serialising strings, numbers and checked JSON into a `Vec` cannot fail.
    pub(super) fn write(&self, out: &mut Vec<u8>) {
        crate::json::write(self, out).unwrap_or_default();
    }
}

/// Writes a response for a client; other providers' signatures are dropped.
pub(super) fn write(response: &Response) -> Vec<u8> {
    let shown = Shown {
        candidates: (0..).zip(&response.choices).map(shown_choice).collect(),
        usage_metadata: response.usage.map(words::Shown::from),
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
