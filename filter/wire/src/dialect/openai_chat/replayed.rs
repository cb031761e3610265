//! Reads signatures on reasoning that clients send back from earlier responses, in the wrappers of other OpenAI-compatible services. These
//! are not parameters: a signature in a known form is read, anything else is dropped and reported.
//!
//! | field | service | read |
//! |---|---|---|
//! | `extra_content.google.thought_signature`, on messages and calls | Gemini's compatible endpoint | Google's signature |
//! | `provider_specific_fields.thought_signature`, on calls | LiteLLM | the same |
//! | `reasoning_details[]` of the format `anthropic-claude-v1` | OpenRouter | Anthropic's thinking with its `signature`, and its encrypted `data` |
//! | `reasoning_details[]` of the format `google-gemini-v1` | OpenRouter | `data`, the signature of the call that its `id` names |
//!
//! Sources: ai.google.dev, "Thought signatures", OpenAI compatibility; openrouter.ai, "Reasoning tokens"; docs.litellm.ai, "Gemini 3".

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::conversation::{Part, signature};
use crate::dialect::few::Few;
use crate::dialect::fields::{Fields, drop_hint};
use crate::dialect::openai::details::{self, Detail};
use crate::dialect::openai::loose::MOST_DETAILS;
use crate::json;
use crate::lenient::{Text, maybe};

/// The owner of Google's signatures, and the prefix of a signature for a text, as the conversation has them.
const GOOGLE: &str = "gemini";
const OF_TEXT: &str = "text:";

#[derive(Deserialize)]
struct Extra<'a> {
    #[serde(borrow, default, deserialize_with = "maybe")]
    google: Option<Google<'a>>,
}

#[derive(Deserialize)]
struct Google<'a> {
    #[serde(borrow, default)]
    thought_signature: Text<'a>,
}

fn google(signature: &str, of_text: bool) -> Part {
    let lead = if of_text { OF_TEXT } else { "" };
    Part::Thinking { text: String::new(), signature: Some(signature::mark(GOOGLE, &format!("{lead}{signature}"))) }
}

/// The signature in `extra_content` of a message's text or of a call.
pub(super) fn extra(fields: &mut Fields<'_>, of_text: bool, path: &str, dropped: &mut Vec<String>) -> Option<Part> {
    let raw = fields.take_raw("extra_content")?;
    let extra: Option<Extra<'_>> = json::read(raw.get()).ok();
    let signature = extra.and_then(|extra| extra.google).filter(|google| !google.thought_signature.is_empty());
    name_unless(signature.is_some(), raw, path, dropped);
    signature.map(|google| self::google(&google.thought_signature.0, of_text))
}

/// The signature in a call's `provider_specific_fields`.
pub(super) fn specific(fields: &mut Fields<'_>, path: &str, dropped: &mut Vec<String>) -> Option<Part> {
    let raw = fields.take_raw("provider_specific_fields")?;
    let signature = json::read::<Google<'_>>(raw.get()).ok();
    let signature = signature.filter(|google| !google.thought_signature.is_empty());
    name_unless(signature.is_some(), raw, path, dropped);
    signature.map(|google| self::google(&google.thought_signature.0, false))
}

fn name_unless(used: bool, raw: &RawValue, path: &str, dropped: &mut Vec<String>) {
    if !used && !matches!(raw.get(), "{}" | "[]") {
        drop_hint(dropped, path);
    }
}

/// The usable content of `reasoning_details`.
#[derive(Debug, Default)]
pub(super) struct Details {
    /// Anthropic's thinking.
    pub thinking: Vec<Part>,
    /// Google's signatures, by call id.
    calls: Vec<(String, Part)>,
}

impl Details {
    /// Reads the details; unusable ones are reported as dropped.
    pub fn take(fields: &mut Fields<'_>, dropped: &mut Vec<String>) -> Self {
        let mut read = Self::default();
        let Some(raw) = fields.take_raw("reasoning_details") else { return read };
        let details: Option<Few<&RawValue, MOST_DETAILS>> = json::read(raw.get()).ok();
        let mut used = true;
        for detail in details.into_iter().flatten() {
            used &= json::read(detail.get()).is_ok_and(|detail| read.detail(detail));
        }
        name_unless(
            used && !(read.thinking.is_empty() && read.calls.is_empty()),
            raw,
            "messages[].reasoning_details",
            dropped,
        );
        read
    }

    /// Reads one detail; returns whether it is usable.
    fn detail(&mut self, detail: Detail<'_>) -> bool {
        match (&*detail.format.0, &*detail.r#type.0) {
            (details::ANTHROPIC, "reasoning.text") if !detail.signature.is_empty() => {
                let (text, signature) = (detail.text.0.into_owned(), Some(detail.signature.0.into_owned()));
                self.thinking.push(Part::Thinking { text, signature });
            }
            (details::ANTHROPIC, "reasoning.encrypted") if !detail.data.is_empty() => {
                self.thinking.push(Part::RedactedThinking { data: detail.data.0.into_owned() });
            }
            ("google-gemini-v1", "reasoning.encrypted") if !detail.data.is_empty() => {
                self.calls.push((detail.id.0.into_owned(), google(&detail.data.0, false)));
            }
            _ => return false,
        }
        true
    }

    /// The signature of call `id`.
    pub fn of_call(&mut self, id: &str) -> Option<Part> {
        let place = self.calls.iter().position(|(known, _)| known == id)?;
        Some(self.calls.swap_remove(place).1)
    }
}
