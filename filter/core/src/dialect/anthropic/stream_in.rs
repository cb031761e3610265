//! A provider's stream, read into events.
//!
//! The events' own `type` decides, not the SSE event name, which says the same. Blocks are told apart by their index, so
//! that pieces of a tool which the provider runs itself are never taken for a call of the client's tools.

use serde::Deserialize;
use serde_json::value::RawValue;

use super::answer::{BlockIn, BlockKind, finish_of, unreadable};
use super::error;
use super::usage::UsageIn;
use crate::conversation::StreamEvent;
use crate::dialect::StreamReader;
use crate::error::ApiError;
use crate::framing::sse;

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
    /// What the provider will invent.
    #[default]
    #[serde(other)]
    Other,
}

/// One event, as it came.
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

/// More of a block.
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

/// A tool's block that was begun and not ended.
#[derive(Debug)]
struct OpenCall {
    index: u64,
    call: u32,
    /// The arguments, if the block began with them: what counts if no piece follows.
    input: String,
}

/// Reads a stream.
#[derive(Debug, Default)]
pub(super) struct Reader {
    decoder: sse::Decoder,
    state: State,
}

#[derive(Debug, Default)]
struct State {
    usage: UsageIn,
    open: Vec<OpenCall>,
    calls: u32,
    over: bool,
}

impl StreamReader for Reader {
    fn read(&mut self, portion: &[u8], events: &mut Vec<StreamEvent>) -> Result<(), ApiError> {
        let Self { decoder, state } = self;
        decoder.feed(portion, |event| {
            if state.over || event.is_silent() {
                return Ok(());
            }
            let result = state.event(&event.data, events);
            state.over |= result.is_err();
            result
        })
    }
}

/// An event of a kind that we do not know may have fields of any shape; any other must be readable.
pub(super) fn unless_unknown(data: &[u8], error: &serde_json::Error) -> Result<(), ApiError> {
    #[derive(Deserialize)]
    struct Kind {
        #[serde(default)]
        r#type: EventKind,
    }
    match serde_json::from_slice(data) {
        Ok(Kind { r#type: EventKind::Other }) => Ok(()),
        _ => Err(unreadable(error)),
    }
}

fn parse<'a, T: Deserialize<'a>>(raw: &'a RawValue) -> Result<T, ApiError> {
    serde_json::from_str(raw.get()).map_err(|error| unreadable(&error))
}

impl State {
    fn event(&mut self, data: &[u8], events: &mut Vec<StreamEvent>) -> Result<(), ApiError> {
        let event: EventIn<'_> = match serde_json::from_slice(data) {
            Ok(event) => event,
            Err(error) => return unless_unknown(data, &error),
        };
        match (event.r#type, event.message, event.content_block, event.delta) {
            (EventKind::MessageStart, Some(message), ..) => self.start(message, events)?,
            (EventKind::ContentBlockStart, _, Some(block), _) => self.begin(event.index, block, events)?,
            (EventKind::ContentBlockDelta, .., Some(delta)) => self.delta(event.index, delta, events)?,
            (EventKind::ContentBlockStop, ..) => self.stop(event.index, events),
            (EventKind::MessageDelta, .., delta) => self.finish(delta, event.usage, events)?,
            (EventKind::MessageStop, ..) => {
                self.over = true;
                self.stop_all(events);
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
        struct Message {
            #[serde(default)]
            id: Option<String>,
            #[serde(default)]
            model: Option<String>,
            #[serde(default)]
            usage: Option<UsageIn>,
        }
        let Message { id, model, usage } = parse(message)?;
        events.push(StreamEvent::Start { id: id.unwrap_or_default(), model: model.unwrap_or_default() });
        if let Some(usage) = usage {
            self.usage.update(&usage);
            events.push(StreamEvent::Usage(self.usage.inclusive()));
        }
        Ok(())
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
                let call = self.calls;
                self.calls = self.calls.saturating_add(1);
                let input = block.input.map_or("{}", RawValue::get).to_owned();
                self.open.push(OpenCall { index, call, input });
                let (id, name) = (block.id.unwrap_or_default(), block.name.unwrap_or_default());
                events.push(StreamEvent::ToolCall { choice: 0, call, id, name });
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
        let delta: DeltaIn = match serde_json::from_str(raw.get()) {
            Ok(delta) => delta,
            // A kind that we do not know may have fields of any shape.
            Err(error) => match serde_json::from_str(raw.get()) {
                Ok(Kind { r#type: DeltaKind::Other }) => return Ok(()),
                _ => return Err(unreadable(&error)),
            },
        };
        match delta.r#type {
            DeltaKind::TextDelta => text(delta.text, events),
            DeltaKind::ThinkingDelta => thinking(delta.thinking, events),
            DeltaKind::SignatureDelta => signature(delta.signature, events),
            DeltaKind::InputJsonDelta => {
                let open = self.open.iter_mut().rfind(|open| open.index == index);
                if let (Some(open), Some(json)) = (open, delta.partial_json.filter(|json| !json.is_empty())) {
                    open.input.clear();
                    events.push(StreamEvent::Arguments { choice: 0, call: open.call, json });
                }
            }
            DeltaKind::Other => {}
        }
        Ok(())
    }

    /// A call without a single piece of arguments is still one with valid JSON.
    fn stop(&mut self, index: u64, events: &mut Vec<StreamEvent>) {
        let Some(position) = self.open.iter().rposition(|open| open.index == index) else { return };
        let OpenCall { call, input, .. } = self.open.remove(position);
        if !input.is_empty() {
            events.push(StreamEvent::Arguments { choice: 0, call, json: input });
        }
    }

    /// For servers that do not end their blocks.
    fn stop_all(&mut self, events: &mut Vec<StreamEvent>) {
        while let Some(index) = self.open.first().map(|open| open.index) {
            self.stop(index, events);
        }
    }

    fn finish(
        &mut self,
        delta: Option<&RawValue>,
        usage: Option<&RawValue>,
        events: &mut Vec<StreamEvent>,
    ) -> Result<(), ApiError> {
        #[derive(Default, Deserialize)]
        struct Delta {
            #[serde(default)]
            stop_reason: Option<String>,
        }
        let delta: Delta = delta.map(parse).transpose()?.unwrap_or_default();
        if let Some(reason) = delta.stop_reason {
            self.stop_all(events);
            events.push(StreamEvent::Finish { choice: 0, finish: finish_of(&reason) });
        }
        if let Some(usage) = usage {
            self.usage.update(&parse(usage)?);
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
