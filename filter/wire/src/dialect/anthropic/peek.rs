//! Peeks at a stream that passes unchanged; copies only the model's name and the counters.

use serde::Deserialize;
use serde::de::Deserializer;
use serde_json::value::RawValue;

use crate::content_filter;
use crate::conversation::{Finish, FinishReasons};
use crate::dialect::few::Few;
use crate::dialect::recurring::{Recurring, place_behind};
use crate::dialect::{EventClass, OutputSoFar, ResponseSummary, StreamPeeker};
use crate::framing::sse;
use crate::json;
use crate::lenient::maybe;

use super::answer::{BlockKind, finish_of};
use super::error;
use super::response::MOST_BLOCKS;
use super::stream_in::{EventKind, unless_unknown, untyped};
use super::usage::UsageIn;

#[derive(Debug, Default)]
pub(super) struct Peeker {
    usage: UsageIn,
    summary: ResponseSummary,
    recurring: Recurring,
}

/// One event; of its texts only their lengths.
#[derive(Deserialize)]
struct Event {
    #[serde(default)]
    r#type: EventKind,
    #[serde(default)]
    message: Option<Message>,
    #[serde(default)]
    content_block: Option<Block>,
    #[serde(default)]
    delta: Option<Delta>,
    #[serde(default, deserialize_with = "maybe")]
    usage: Option<UsageIn>,
    #[serde(default)]
    error: Option<error::Body>,
}

/// The keys of a delta's text.
const KEYS: [&[u8]; 2] = [b"\"text\":\"", b"\"thinking\":\""];

impl Event {
    /// The bytes of text in the event, if it has nothing else.
    fn text(&self) -> Option<usize> {
        let Delta { text, thinking, partial_json, stop_reason } = self.delta.as_ref()?;
        let delta = self.r#type == EventKind::ContentBlockDelta && self.error.is_none();
        (delta && partial_json.0 == 0 && stop_reason.0.is_none()).then_some(text.0 + thinking.0)
    }
}

#[derive(Deserialize)]
struct Message {
    #[serde(default)]
    model: Option<String>,
    #[serde(default, deserialize_with = "maybe")]
    usage: Option<UsageIn>,
    #[serde(default)]
    content: Option<Few<Block, MOST_BLOCKS>>,
    #[serde(default)]
    stop_reason: Stopped,
}

#[derive(Deserialize)]
struct Block {
    #[serde(default)]
    r#type: BlockKind,
    #[serde(default)]
    text: Filled,
    #[serde(default)]
    thinking: Filled,
}

impl Block {
    fn said(&self) -> OutputSoFar {
        match self.r#type {
            BlockKind::Text | BlockKind::Thinking => OutputSoFar::of(self.text.0 + self.thinking.0),
            BlockKind::ToolUse | BlockKind::RedactedThinking | BlockKind::Other => OutputSoFar::of(1),
        }
    }
}

#[derive(Deserialize)]
struct Delta {
    #[serde(default)]
    text: Filled,
    #[serde(default)]
    thinking: Filled,
    #[serde(default)]
    partial_json: Filled,
    #[serde(default)]
    stop_reason: Stopped,
}

impl StreamPeeker for Peeker {
    fn peek(&mut self, event: &sse::Event<'_>) -> EventClass {
        if event.is_silent() {
            return EventClass::Other;
        }
        if let Some(text) = self.recurring.text(event.name, &event.data) {
            self.summary.said += OutputSoFar::of(text.len());
            return EventClass::Content;
        }
        let seen = json::from_slice::<Event>(&event.data);
        let text = seen.as_ref().ok().and_then(Event::text);
        let place = text.and_then(|bytes| KEYS.iter().find_map(|key| place_behind(&event.data, key, bytes)));
        self.recurring.read(event.name, &event.data, place);
        if let Ok(Event {
            r#type: EventKind::MessageStart | EventKind::MessageDelta | EventKind::MessageStop, ..
        }) = seen
        {
            self.summary.filters |= content_filter::read(&event.data, content_filter::ANTHROPIC);
        }
        match seen {
            Ok(seen) => match untyped(&seen.r#type, seen.error.is_some(), event.name, &event.data) {
                Some(error) => EventClass::Failed(error),
                None => self.see(seen),
            },
            Err(error) => match unless_unknown(&event.data, &error) {
                Ok(()) => untyped(&EventKind::Other, false, event.name, &event.data)
                    .map_or(EventClass::Other, EventClass::Failed),
                Err(error) => EventClass::Failed(error),
            },
        }
    }

    fn summary(&self) -> &ResponseSummary {
        &self.summary
    }
}

impl Peeker {
    fn see(&mut self, event: Event) -> EventClass {
        let said = match event.r#type {
            EventKind::MessageStart => event.message.map(|message| self.start(message)).unwrap_or_default(),
            EventKind::ContentBlockStart => event.content_block.map(|block| block.said()).unwrap_or_default(),
            EventKind::ContentBlockDelta => event.delta.map_or_else(OutputSoFar::default, |delta| {
                OutputSoFar::of(delta.text.0 + delta.thinking.0 + delta.partial_json.0)
            }),
            EventKind::MessageDelta => {
                self.count(event.usage);
                let stopped = event.delta.and_then(|delta| delta.stop_reason.0);
                self.stop(stopped);
                return if stopped.is_some() { EventClass::Content } else { EventClass::Other };
            }
            EventKind::MessageStop => return EventClass::End,
            EventKind::Error => return EventClass::Failed(event.error.unwrap_or_default().without_status()),
            EventKind::ContentBlockStop | EventKind::Ping | EventKind::Other => OutputSoFar::default(),
        };
        self.summary.said += said;
        if said.pieces > 0 { EventClass::Content } else { EventClass::Other }
    }

    /// Reads `message_start`. It holds the whole content where a program of the model's continues.
    fn start(&mut self, message: Message) -> OutputSoFar {
        self.summary.name(message.model.as_deref().unwrap_or_default());
        self.count(message.usage);
        self.stop(message.stop_reason.0);
        let mut said = OutputSoFar::default();
        message.content.iter().flat_map(|blocks| blocks.iter()).for_each(|block| said += block.said());
        said
    }

    fn stop(&mut self, finish: Option<Finish>) {
        if let Some(finish) = finish {
            self.summary.finished = true;
            self.summary.reasons = FinishReasons::of(finish);
        }
    }

    fn count(&mut self, usage: Option<UsageIn>) {
        if let Some(usage) = usage {
            self.usage.update(&usage);
            self.summary.usage = Some(self.usage.inclusive());
            self.summary.extras = self.usage.extras();
        }
    }
}

/// The approximate length in bytes of a text that may be missing; escapes count as written.
#[derive(Debug, Default)]
struct Filled(usize);

impl<'de> Deserialize<'de> for Filled {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = <&RawValue>::deserialize(deserializer)?;
        Ok(Self(match raw.get() {
            "\"\"" | "null" => 0,
            text => text.len().saturating_sub(2).max(1),
        }))
    }
}

/// A stop reason, if there is one.
#[derive(Debug, Default)]
struct Stopped(Option<Finish>);

impl<'de> Deserialize<'de> for Stopped {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = <&RawValue>::deserialize(deserializer)?;
        Ok(Self(match raw.get() {
            "\"\"" | "null" => None,
            text => Some(finish_of(text.trim_matches('"'))),
        }))
    }
}
