//! Reads a provider's stream into events.
//!
//! The `type` in an event decides; the SSE event name repeats it. Blocks are identified by their index, so pieces of a tool that the
//! provider runs are never read as a call of the client's tools.

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::content_filter::{self, Marks};
use crate::conversation::StreamEvent;
use crate::dialect::Buffered;
use crate::dialect::bare;
use crate::dialect::calls::Calls;
use crate::dialect::few::Few;
use crate::dialect::sse_reader::{Events, SseReader};
use crate::error::ApiError;
use crate::framing::sse;
use crate::json;
use crate::lenient::maybe;

use super::answer::{BlockIn, BlockKind, explanation, finish_of};
use super::error;
use super::response::MOST_BLOCKS;
use super::usage::UsageIn;

/// The kind of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum EventKind {
    MessageStart,
    ContentBlockStart,
    ContentBlockDelta,
    ContentBlockStop,
    MessageDelta,
    MessageStop,
    Ping,
    Error,
    /// A kind that we do not know.
    #[default]
    #[serde(other)]
    Other,
}

/// One event of the stream.
#[derive(Debug, Deserialize)]
struct EventIn<'a> {
    #[serde(default)]
    r#type: EventKind,
    #[serde(default)]
    index: u64,
    #[serde(default, borrow)]
    message: Option<&'a RawValue>,
    #[serde(default, borrow)]
    content_block: Option<&'a RawValue>,
    #[serde(default, borrow)]
    delta: Option<&'a RawValue>,
    #[serde(default, borrow)]
    usage: Option<&'a RawValue>,
    #[serde(default, borrow)]
    error: Option<&'a RawValue>,
}

#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
enum DeltaKind {
    TextDelta,
    ThinkingDelta,
    SignatureDelta,
    InputJsonDelta,
    #[default]
    #[serde(other)]
    Other,
}

/// A delta of a block.
#[derive(Debug, Default, Deserialize)]
struct DeltaIn {
    #[serde(default)]
    r#type: DeltaKind,
    #[serde(default)]
    text: Option<String>,
    #[serde(default)]
    thinking: Option<String>,
    #[serde(default)]
    signature: Option<String>,
    #[serde(default)]
    partial_json: Option<String>,
}

pub(super) type Reader = SseReader<State>;

/// The state of a stream, independent of its framing.
#[derive(Debug, Default)]
pub(super) struct State {
    usage: UsageIn,
    calls: Calls,
    /// The terminator or a failure came; later events are ignored.
    pub(super) over: bool,
}

impl Events for State {
    const COMMENTS_ARE_PINGS: bool = false;
    const FILTERS: Marks = content_filter::ANTHROPIC;

    fn event(&mut self, event: &sse::Event<'_>, data: &[u8], events: &mut Vec<StreamEvent>) -> Result<(), ApiError> {
        self.named(event.name, data, events)
    }

    /// Reads `[DONE]` before `message_stop`: an error, as it is no event of this format.
    fn done(&mut self, events: &mut Vec<StreamEvent>) -> Result<(), ApiError> {
        self.named(b"", b"[DONE]", events)
    }

    fn is_over(&self) -> bool {
        self.over
    }

    fn buffered(&self) -> Buffered {
        self.calls.buffered()
    }
}

/// Ignores `error` if the event's kind is unknown, since such an event may have fields of any shape.
pub(super) fn unless_unknown(data: &[u8], error: &serde_json::Error) -> Result<(), ApiError> {
    #[derive(Deserialize)]
    struct Kind {
        #[serde(default)]
        r#type: EventKind,
    }
    match json::from_slice(data) {
        Ok(Kind { r#type: EventKind::Other }) => Ok(()),
        _ => Err(ApiError::unreadable(error)),
    }
}

/// Finds the error in an event whose type does not say that it is one.
pub(super) fn untyped(kind: &EventKind, error: bool, name: &[u8], data: &[u8]) -> Option<ApiError> {
    match kind {
        EventKind::Other if error || name == b"error" => Some(error::instead(data)),
        EventKind::Other => bare::error(data),
        EventKind::Error if !error => Some(error::instead(data)),
        _ => None,
    }
}

fn parse<'a, T: Deserialize<'a>>(raw: &'a RawValue) -> Result<T, ApiError> {
    json::read(raw.get()).map_err(|error| ApiError::unreadable(&error))
}

impl State {
    /// Reads the JSON of one event; `name` is its SSE event name.
    pub(super) fn named(&mut self, name: &[u8], data: &[u8], events: &mut Vec<StreamEvent>) -> Result<(), ApiError> {
        let event: EventIn<'_> = match json::from_slice(data) {
            Ok(event) => event,
            Err(error) => return unless_unknown(data, &error),
        };
        if let Some(error) = untyped(&event.r#type, event.error.is_some(), name, data) {
            self.over = true;
            events.push(StreamEvent::Error(error));
            return Ok(());
        }
        match (event.r#type, event.message, event.content_block, event.delta) {
            (EventKind::MessageStart, Some(message), ..) => self.start(message, events)?,
            (EventKind::ContentBlockStart, _, Some(block), _) => self.begin(event.index, block, events)?,
            (EventKind::ContentBlockDelta, .., Some(delta)) => self.delta(event.index, delta, events)?,
            (EventKind::ContentBlockStop, ..) => self.calls.end(event.index, events),
            (EventKind::MessageDelta, .., delta) => self.finish(delta, event.usage, events)?,
            (EventKind::MessageStop, ..) => {
                self.over = true;
                self.calls.end_all(events);
                events.push(StreamEvent::End);
            }
            (EventKind::Ping, ..) => events.push(StreamEvent::Ping),
            (EventKind::Error, ..) => {
                self.over = true;
                let error = event.error.map(parse::<error::Body>).transpose()?.unwrap_or_default();
                events.push(StreamEvent::Error(error.without_status()));
            }
            _ => {}
        }
        Ok(())
    }

    fn start(&mut self, message: &RawValue, events: &mut Vec<StreamEvent>) -> Result<(), ApiError> {
        #[derive(Deserialize)]
        struct Message<'a> {
            #[serde(default)]
            id: Option<String>,
            #[serde(default)]
            model: Option<String>,
            #[serde(default, deserialize_with = "maybe")]
            usage: Option<UsageIn>,
            /// Content in `message_start`: all of the content, where a program of the model's continues.
            #[serde(default, borrow)]
            content: Option<Few<&'a RawValue, MOST_BLOCKS>>,
            #[serde(default)]
            stop_reason: Option<String>,
        }
        let Message { id, model, usage, content, stop_reason } = parse(message)?;
        events.push(StreamEvent::Start { id: id.unwrap_or_default(), model: model.unwrap_or_default() });
        if let Some(usage) = usage {
            self.usage.update(&usage);
            events.push(StreamEvent::Usage(self.usage.inclusive()));
        }
        for block in content.iter().flat_map(|blocks| blocks.iter()) {
            self.begin(0, block, events)?;
            self.calls.end(0, events);
        }
        self.stop(stop_reason.as_deref(), events);
        Ok(())
    }

    fn stop(&mut self, reason: Option<&str>, events: &mut Vec<StreamEvent>) {
        if let Some(reason) = reason {
            self.calls.end_all(events);
            events.push(StreamEvent::Finish { choice: 0, finish: finish_of(reason) });
        }
    }

    fn begin(&mut self, index: u64, raw: &RawValue, events: &mut Vec<StreamEvent>) -> Result<(), ApiError> {
        let block = BlockIn::parse(raw)?;
        match block.r#type {
            BlockKind::Text => text(block.text, events),
            BlockKind::Thinking => {
                thinking(block.thinking, events);
                signature(block.signature, events);
            }
            BlockKind::RedactedThinking => {
                let data = block.data.unwrap_or_default();
                events.push(StreamEvent::RedactedThinking { choice: 0, data });
            }
            BlockKind::ToolUse => {
                let (id, name) = (block.id.unwrap_or_default(), block.name.unwrap_or_default());
                self.calls.begin(index, id, name, block.input.map_or("{}", RawValue::get), events);
            }
            BlockKind::Other => {}
        }
        Ok(())
    }

    fn delta(&mut self, index: u64, raw: &RawValue, events: &mut Vec<StreamEvent>) -> Result<(), ApiError> {
        #[derive(Deserialize)]
        struct Kind {
            #[serde(default)]
            r#type: DeltaKind,
        }
        let delta: DeltaIn = match json::read(raw.get()) {
            Ok(delta) => delta,
            // A delta of an unknown kind may have fields of any shape.
            Err(error) => match json::read(raw.get()) {
                Ok(Kind { r#type: DeltaKind::Other }) => return Ok(()),
                _ => return Err(ApiError::unreadable(&error)),
            },
        };
        match delta.r#type {
            DeltaKind::TextDelta => text(delta.text, events),
            DeltaKind::ThinkingDelta => thinking(delta.thinking, events),
            DeltaKind::SignatureDelta => signature(delta.signature, events),
            DeltaKind::InputJsonDelta => self.calls.piece(index, delta.partial_json.unwrap_or_default(), events),
            DeltaKind::Other => {}
        }
        Ok(())
    }

    fn finish(
        &mut self,
        delta: Option<&RawValue>,
        usage: Option<&RawValue>,
        events: &mut Vec<StreamEvent>,
    ) -> Result<(), ApiError> {
        #[derive(Default, Deserialize)]
        struct Delta<'a> {
            #[serde(default)]
            stop_reason: Option<String>,
            #[serde(default, borrow)]
            stop_details: Option<&'a RawValue>,
        }
        let delta: Delta<'_> = delta.map(parse).transpose()?.unwrap_or_default();
        let finish = delta.stop_reason.as_deref().map(finish_of).unwrap_or_default();
        if let Some(text) = explanation(finish, delta.stop_details) {
            events.push(StreamEvent::Refusal { choice: 0, text });
        }
        self.stop(delta.stop_reason.as_deref(), events);
        if let Some(usage) = usage.and_then(|usage| json::read(usage.get()).ok()) {
            self.usage.update(&usage);
            events.push(StreamEvent::Usage(self.usage.inclusive()));
        }
        Ok(())
    }
}

fn text(text: Option<String>, events: &mut Vec<StreamEvent>) {
    if let Some(text) = text.filter(|text| !text.is_empty()) {
        events.push(StreamEvent::Text { choice: 0, text });
    }
}

fn thinking(text: Option<String>, events: &mut Vec<StreamEvent>) {
    if let Some(text) = text.filter(|text| !text.is_empty()) {
        events.push(StreamEvent::Thinking { choice: 0, text });
    }
}

fn signature(signature: Option<String>, events: &mut Vec<StreamEvent>) {
    if let Some(signature) = signature.filter(|signature| !signature.is_empty()) {
        events.push(StreamEvent::Signature { choice: 0, signature });
    }
}
