//! Inspects responses that pass unchanged: model, usage, visible output and errors. Skips everything else.

use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, SeqAccess, Visitor};
use serde_json::value::RawValue;

use crate::content_filter;
use crate::conversation::FinishReasons;
use crate::dialect::bare;
use crate::dialect::recurring::{Recurring, place_behind};
use crate::dialect::{EventClass, OutputSoFar, ResponseSummary, StreamPeeker};
use crate::error::ApiError;
use crate::framing::sse;
use crate::json;
use crate::json::scan::Scan;
use crate::lenient::maybe;

use super::chunks::{Groq, failure};
use super::loose::{Filled, Text};
use super::{error, usage, words};

#[derive(Debug, Default, Deserialize)]
struct Chunk<'a> {
    #[serde(borrow, default)]
    error: Option<&'a RawValue>,
    #[serde(borrow, default)]
    model: Text<'a>,
    #[serde(borrow, default)]
    service_tier: Text<'a>,
    #[serde(default)]
    choices: Choices,
    #[serde(default, deserialize_with = "maybe")]
    usage: Option<usage::UsageIn>,
    #[serde(default)]
    x_groq: Option<Groq>,
}

/// The choices, reduced to the relevant facts.
#[derive(Debug, Default)]
struct Choices {
    any: bool,
    said: OutputSoFar,
    called: bool,
    ended: bool,
    reasons: FinishReasons,
    failed: Option<ApiError>,
}

#[derive(Default, Deserialize)]
struct Choice<'a> {
    #[serde(default)]
    delta: Option<Delta>,
    #[serde(default)]
    text: Filled,
    #[serde(borrow, default)]
    finish_reason: Text<'a>,
}

#[derive(Default, Deserialize)]
struct Delta {
    #[serde(default)]
    content: Filled,
    #[serde(default)]
    reasoning_content: Filled,
    #[serde(default)]
    reasoning: Filled,
    #[serde(default)]
    refusal: Filled,
    #[serde(default)]
    tool_calls: Filled,
    #[serde(default)]
    function_call: Filled,
    #[serde(default)]
    thinking_blocks: Filled,
    #[serde(default)]
    audio: Filled,
    #[serde(default)]
    images: Filled,
}

impl<'a> Chunk<'a> {
    /// Reads one with a scan, which supports nearly all that servers send. serde reads the rest, and reports errors.
    fn read(json: &'a [u8]) -> serde_json::Result<Self> {
        Scan::all(json, Self::scan).map_or_else(|| json::from_slice(json), Ok)
    }

    fn scan(scan: &mut Scan<'a>) -> Option<Self> {
        const FIELDS: [&str; 6] = ["error", "model", "service_tier", "choices", "usage", "x_groq"];
        let mut chunk = Self::default();
        scan.object(&FIELDS, &mut |scan, name| {
            match name {
                "model" => chunk.model = Text::scan(scan)?,
                "service_tier" => chunk.service_tier = Text::scan(scan)?,
                "choices" => chunk.choices = Choices::scan(scan)?,
                "usage" => chunk.usage = usage::UsageIn::scan(scan)?,
                // Errors and rare fields: left to serde.
                _ => scan.maybe(|_| None::<()>).map(drop)?,
            }
            Some(())
        })?;
        Some(chunk)
    }
}

impl Choices {
    fn scan(scan: &mut Scan<'_>) -> Option<Self> {
        let mut choices = Self::default();
        scan.maybe(|scan| {
            scan.array(&mut |scan| {
                choices.add(Choice::scan(scan)?);
                Some(())
            })
        })?;
        Some(choices)
    }

    fn add(&mut self, choice: Choice<'_>) {
        self.any = true;
        let ended = !choice.finish_reason.is_empty();
        self.ended |= ended;
        self.called |= choice.delta.as_ref().is_some_and(Delta::calls);
        self.said += choice.delta.map_or(OutputSoFar::of(choice.text.0), |delta| delta.said());
        if ended {
            match words::finish(&choice.finish_reason.0) {
                Ok(finish) => self.reasons.add(finish),
                Err(error) => drop(self.failed.get_or_insert(error)),
            }
        }
    }
}

impl<'a> Choice<'a> {
    fn scan(scan: &mut Scan<'a>) -> Option<Self> {
        let mut choice = Self::default();
        scan.object(&["delta", "text", "finish_reason"], &mut |scan, name| {
            match name {
                "delta" => choice.delta = scan.maybe(Delta::scan)?,
                "text" => choice.text = Filled::scan(scan)?,
                _ => choice.finish_reason = Text::scan(scan)?,
            }
            Some(())
        })?;
        Some(choice)
    }
}

impl Delta {
    fn scan(scan: &mut Scan<'_>) -> Option<Self> {
        const FIELDS: [&str; 9] = [
            "content",
            "reasoning_content",
            "reasoning",
            "refusal",
            "tool_calls",
            "function_call",
            "thinking_blocks",
            "audio",
            "images",
        ];
        let mut delta = Self::default();
        scan.object(&FIELDS, &mut |scan, name| {
            let field = match name {
                "content" => &mut delta.content,
                "reasoning_content" => &mut delta.reasoning_content,
                "reasoning" => &mut delta.reasoning,
                "refusal" => &mut delta.refusal,
                "tool_calls" => &mut delta.tool_calls,
                "function_call" => &mut delta.function_call,
                "thinking_blocks" => &mut delta.thinking_blocks,
                "audio" => &mut delta.audio,
                _ => &mut delta.images,
            };
            *field = Filled::scan(scan)?;
            Some(())
        })?;
        Some(delta)
    }

    fn calls(&self) -> bool {
        self.tool_calls.0 > 0 || self.function_call.0 > 0
    }

    fn said(&self) -> OutputSoFar {
        let fields = [
            self.content,
            self.tool_calls,
            self.reasoning_content,
            self.reasoning,
            self.refusal,
            self.thinking_blocks,
            self.function_call,
            self.audio,
            self.images,
        ];
        OutputSoFar::of(fields.iter().map(|filled| filled.0).sum())
    }
}

impl<'de> Deserialize<'de> for Choices {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Fold;
        impl<'de> Visitor<'de> for Fold {
            type Value = Choices;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an array of choices")
            }

            fn visit_unit<E>(self) -> Result<Choices, E> {
                Ok(Choices::default())
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Choices, A::Error> {
                let mut choices = Choices::default();
                while let Some(choice) = seq.next_element::<Choice<'de>>()? {
                    choices.add(choice);
                }
                Ok(choices)
            }
        }
        deserializer.deserialize_any(Fold)
    }
}

/// The keys of a chunk's text.
const KEYS: [&[u8]; 3] = [b"\"content\":\"", b"\"reasoning_content\":\"", b"\"reasoning\":\""];

/// Inspects a stream.
#[derive(Debug, Default)]
pub(in crate::dialect) struct Peeker {
    summary: ResponseSummary,
    recurring: Recurring,
}

impl StreamPeeker for Peeker {
    fn peek(&mut self, event: &sse::Event<'_>) -> EventClass {
        if event.is_silent() {
            return EventClass::Other;
        }
        let data = event.data.trim_ascii();
        if data == b"[DONE]" {
            return EventClass::End;
        }
        if let Some(text) = self.recurring.text(event.name, data) {
            self.summary.said += OutputSoFar::of(text.len());
            return EventClass::Content;
        }
        self.summary.filters |= content_filter::read(data, content_filter::OPENAI);
        let chunk = match Chunk::read(data) {
            Ok(chunk) => chunk,
            Err(error) => return EventClass::Failed(bare::error(data).unwrap_or_else(|| ApiError::unreadable(&error))),
        };
        if data.first() == Some(&b'[') {
            // A list, whose elements serde has read as fields.
            let list = || ApiError::bad_answer("The provider's stream contains a JSON array instead of an event.");
            return EventClass::Failed(bare::error(data).unwrap_or_else(list));
        }
        let usage = note(&mut self.summary, &chunk);
        if let Some(error) = failure(event, data, chunk.error, chunk.choices.any || usage).or(chunk.choices.failed) {
            return EventClass::Failed(error);
        }
        let Choices { ended, called, said, .. } = chunk.choices;
        let is_text = said.pieces == 1 && !(ended || called || usage);
        let place = || KEYS.iter().find_map(|key| place_behind(data, key, usize::try_from(said.bytes).ok()?));
        self.recurring.read(event.name, data, is_text.then(place).flatten());
        match (chunk.choices.any, ended || said.pieces > 0) {
            (_, true) => EventClass::Content,
            (false, _) if usage => EventClass::UsageAlone,
            _ => EventClass::Other,
        }
    }

    fn summary(&self) -> &ResponseSummary {
        &self.summary
    }
}

/// Records the facts to account for; returns whether `chunk` had usage.
fn note(summary: &mut ResponseSummary, chunk: &Chunk<'_>) -> bool {
    summary.name(&chunk.model.0);
    let usage = chunk.usage.as_ref().and_then(usage::UsageIn::read);
    let usage = usage.or_else(|| chunk.x_groq.as_ref()?.usage.as_ref()?.read());
    summary.usage = usage.or(summary.usage);
    summary.extras.name_tier(&chunk.service_tier.0);
    summary.finished |= chunk.choices.ended;
    summary.reasons.extend(&chunk.choices.reasons);
    summary.called |= chunk.choices.called;
    summary.said += chunk.choices.said;
    usage.is_some()
}

/// Inspects a whole response.
pub(in crate::dialect) fn response(body: &[u8]) -> Result<ResponseSummary, ApiError> {
    let answer =
        Chunk::read(body).map_err(|error| bare::error(body).unwrap_or_else(|| ApiError::unreadable(&error)))?;
    if let Some(raw) = answer.error {
        return Err(error::inside(raw.get().as_bytes()));
    }
    let mut summary = ResponseSummary::default();
    note(&mut summary, &answer);
    if let Some(error) = answer.choices.failed {
        return Err(error);
    }
    if !answer.choices.any {
        let none = || ApiError::bad_answer("The provider's answer contains no choices.");
        return Err(bare::error(body).unwrap_or_else(none));
    }
    Ok(summary)
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    /// Whether the scan reads it without serde, with the same result.
    fn is_scanned(json: &[u8]) -> bool {
        let Some(scanned) = Scan::all(json, Chunk::scan) else { return false };
        let read: Chunk<'_> = json::from_slice(json).unwrap();
        assert_eq!(format!("{scanned:?}"), format!("{read:?}"), "{}", json.escape_ascii());
        true
    }

    const ANSWER: &str = r#"{"id":"c","object":"chat.completion","created":1.5,"model":"gpt","service_tier":null,"choices":
        [{"index":0,"message":{"role":"assistant","content":"Say \"hi\" \u2764"},"logprobs":null,"finish_reason":"error"}],
        "usage":{"prompt_tokens":5,"completion_tokens":2,"total_tokens":7,"prompt_tokens_details":{"cached_tokens":3},
        "completion_tokens_details":{"reasoning_tokens":1}}, "x_groq" : null}"#;

    const CHUNK: &str = r#"{"id":"c","choices":[{"index":0,"delta":{"role":"assistant","content":"a\nb","tool_calls":[{"index":0}]},
        "finish_reason":null},{"text":"x","delta":null,"finish_reason":"stop"}],"usage":null,"error":null}"#;

    #[test]
    fn what_servers_write_is_read_without_serde_and_as_serde_reads_it() {
        for json in [ANSWER, CHUNK, "{}", r#"{"choices":null}"#, r#"{"choices":[{}]}"#] {
            assert!(is_scanned(json.as_bytes()), "{json}");
        }
        for json in [r#"{"error":{}}"#, r#"{"model":1}"#, r#"{"model":"a","model":"a"}"#, r#"{"x_groq":{}}"#, "[]"] {
            assert!(!is_scanned(json.as_bytes()), "{json}");
        }
    }

    #[test]
    fn wherever_an_answer_is_cut_or_changed_it_is_read_as_serde_reads_it() {
        let others =
            ["null", "true", "0", "1.5", "-1", "1e99", "\"\\n\"", "\"\"", "[]", "[1]", "{}", "\"", "}", ",", " ", "\\"];
        for json in [ANSWER, CHUNK] {
            for at in 0..json.len() {
                is_scanned(&json.as_bytes()[..at]);
                for other in others {
                    is_scanned([&json[..at], other, &json[at..]].concat().as_bytes());
                    is_scanned([&json[..at], other, &json[at + 1..]].concat().as_bytes());
                    let end = json[at..].find([',', ':', '}', ']']).map_or(json.len(), |end| at + end);
                    is_scanned([&json[..at], other, &json[end..]].concat().as_bytes());
                }
            }
        }
    }
}
