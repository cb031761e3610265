//! Looks at answers that pass unchanged: the model, the usage, what can be seen, and what failed. Skips all the rest.

use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, SeqAccess, Visitor};
use serde_json::value::RawValue;

use crate::dialect::bare;
use crate::dialect::recurring::{Recurring, place_behind};
use crate::dialect::{Glance, Said, Seen, StreamPeeker};
use crate::error::ApiError;
use crate::framing::sse;
use crate::json;
use crate::lenient::maybe;

use super::chunks::{Groq, failure};
use super::loose::{Filled, Text};
use super::{error, usage, words};

#[derive(Deserialize)]
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
    usage: Option<usage::Seen>,
    #[serde(default)]
    x_groq: Option<Groq>,
}

/// The choices, folded into what matters of them.
#[derive(Default)]
struct Choices {
    any: bool,
    said: Said,
    called: bool,
    ended: bool,
    failed: Option<ApiError>,
}

#[derive(Deserialize)]
struct Choice<'a> {
    #[serde(default)]
    delta: Option<Delta>,
    #[serde(default)]
    text: Filled,
    #[serde(borrow, default)]
    finish_reason: Text<'a>,
}

#[derive(Deserialize)]
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

impl Delta {
    fn calls(&self) -> bool {
        self.tool_calls.0 > 0 || self.function_call.0 > 0
    }

    fn said(&self) -> Said {
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
        Said::of(fields.iter().map(|filled| filled.0).sum())
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
                    choices.any = true;
                    let ended = !choice.finish_reason.is_empty();
                    choices.ended |= ended;
                    choices.called |= choice.delta.as_ref().is_some_and(Delta::calls);
                    choices.said += choice.delta.map_or(Said::of(choice.text.0), |delta| delta.said());
                    if ended && choices.failed.is_none() {
                        choices.failed = words::finish(&choice.finish_reason.0).err();
                    }
                }
                Ok(choices)
            }
        }
        deserializer.deserialize_any(Fold)
    }
}

/// Behind which keys the text of a chunk stands.
const KEYS: [&[u8]; 3] = [b"\"content\":\"", b"\"reasoning_content\":\"", b"\"reasoning\":\""];

/// The stream's peeker.
#[derive(Debug, Default)]
pub(in crate::dialect) struct Peeker {
    glance: Glance,
    recurring: Recurring,
}

impl StreamPeeker for Peeker {
    fn peek(&mut self, event: &sse::Event<'_>) -> Seen {
        if event.is_silent() {
            return Seen::Other;
        }
        let data = event.data.trim_ascii();
        if data == b"[DONE]" {
            return Seen::End;
        }
        if let Some(text) = self.recurring.text(event.name, data) {
            self.glance.said += Said::of(text.len());
            return Seen::Content;
        }
        let chunk: Chunk<'_> = match json::from_slice(data) {
            Ok(chunk) => chunk,
            Err(error) => return Seen::Failed(bare::error(data).unwrap_or_else(|| ApiError::unreadable(&error))),
        };
        if data.first() == Some(&b'[') {
            // A list, whose elements were taken for fields.
            let list = || ApiError::bad_answer("The provider's stream holds a list in place of an event.");
            return Seen::Failed(bare::error(data).unwrap_or_else(list));
        }
        let usage = note(&mut self.glance, &chunk);
        if let Some(error) = failure(event, data, chunk.error, chunk.choices.any || usage).or(chunk.choices.failed) {
            return Seen::Failed(error);
        }
        let Choices { ended, called, said, .. } = chunk.choices;
        let is_text = said.pieces == 1 && !(ended || called || usage);
        let place = || KEYS.iter().find_map(|key| place_behind(data, key, usize::try_from(said.bytes).ok()?));
        self.recurring.read(event.name, data, is_text.then(place).flatten());
        match (chunk.choices.any, ended || said.pieces > 0) {
            (_, true) => Seen::Content,
            (false, _) if usage => Seen::UsageAlone,
            _ => Seen::Other,
        }
    }

    fn glance(&self) -> &Glance {
        &self.glance
    }
}

/// Keeps what is to be accounted for; tells whether `chunk` held usage.
fn note(glance: &mut Glance, chunk: &Chunk<'_>) -> bool {
    glance.name(&chunk.model.0);
    let usage = chunk.usage.as_ref().and_then(usage::Seen::read);
    let usage = usage.or_else(|| chunk.x_groq.as_ref()?.usage.as_ref()?.read());
    glance.usage = usage.or(glance.usage);
    glance.extras.name_tier(&chunk.service_tier.0);
    glance.finished |= chunk.choices.ended;
    glance.called |= chunk.choices.called;
    glance.said += chunk.choices.said;
    usage.is_some()
}

/// Looks at a whole answer.
pub(in crate::dialect) fn response(body: &[u8]) -> Result<Glance, ApiError> {
    let answer: Chunk<'_> =
        json::from_slice(body).map_err(|error| bare::error(body).unwrap_or_else(|| ApiError::unreadable(&error)))?;
    if let Some(raw) = answer.error {
        return Err(error::inside(raw.get().as_bytes()));
    }
    let mut glance = Glance::default();
    note(&mut glance, &answer);
    if let Some(error) = answer.choices.failed {
        return Err(error);
    }
    if !answer.choices.any {
        let none = || ApiError::bad_answer("The provider's answer holds no choices.");
        return Err(bare::error(body).unwrap_or_else(none));
    }
    Ok(glance)
}
