//! Writes a stream for a client of Anthropic's format. Our events have no blocks, so the writer begins and ends a block where the kind
//! changes.
//!
//! `message_start` waits for the first event that is not a counter, so that it can report the prompt's tokens if the provider counts them
//! first. Without a count it reports the gateway's estimate. `message_delta` waits for the end, because many providers send their counts
//! after the finish.

use serde::Serialize;

use crate::conversation::{Finish, StreamEvent, Usage, signature};
use crate::dialect::{Buffered, Opening, StreamWriter};

use super::answer::reason_of;
use super::error;
use super::usage::UsageOut;

#[derive(Debug)]
pub(super) struct Writer {
    phase: Phase,
    id: String,
    model: String,
    usage: Usage,
    /// The estimated tokens of the prompt, for providers that have not counted them.
    estimate: u64,
    finish: Finish,
    /// The model has sent a refusal.
    refused: bool,
    open: Open,
    /// The index of the next block.
    next: u32,
    /// The open tool calls: the call's number and its block's index.
    calls: Vec<(u32, u32)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// `message_start` is not written yet.
    Waiting,
    Begun,
    /// The end or an error is written.
    Over,
}

/// The open block; its index is `next - 1`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Open {
    Nothing,
    Text,
    Thinking {
        /// A signature was written; more thinking needs a new block.
        signed: bool,
    },
    Call,
}

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum EventOut<'a> {
    MessageStart { message: MessageOut<'a> },
    ContentBlockStart { index: u32, content_block: BlockOut<'a> },
    ContentBlockDelta { index: u32, delta: DeltaOut<'a> },
    ContentBlockStop { index: u32 },
    MessageDelta { delta: EndOut, usage: UsageOut<'a> },
    MessageStop,
    Ping,
}

impl EventOut<'_> {
    fn name(&self) -> &'static str {
        match self {
            Self::MessageStart { .. } => "message_start",
            Self::ContentBlockStart { .. } => "content_block_start",
            Self::ContentBlockDelta { .. } => "content_block_delta",
            Self::ContentBlockStop { .. } => "content_block_stop",
            Self::MessageDelta { .. } => "message_delta",
            Self::MessageStop => "message_stop",
            Self::Ping => "ping",
        }
    }
}

#[derive(Serialize)]
#[serde(tag = "type", rename = "message")]
struct MessageOut<'a> {
    id: &'a str,
    role: &'static str,
    model: &'a str,
    content: [(); 0],
    stop_reason: Option<&'a str>,
    stop_sequence: Option<&'a str>,
    usage: UsageOut<'a>,
}

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum BlockOut<'a> {
    Text { text: &'static str },
    Thinking { thinking: &'static str, signature: &'static str },
    RedactedThinking { data: &'a str },
    ToolUse { id: &'a str, name: &'a str, input: NoInput },
}

/// `{}`: the arguments follow in deltas.
#[derive(Serialize)]
struct NoInput {}

#[derive(Serialize)]
#[serde(tag = "type")]
enum DeltaOut<'a> {
    #[serde(rename = "text_delta")]
    Text { text: &'a str },
    #[serde(rename = "thinking_delta")]
    Thinking { thinking: &'a str },
    #[serde(rename = "signature_delta")]
    Signature { signature: &'a str },
    #[serde(rename = "input_json_delta")]
    InputJson { partial_json: &'a str },
}

#[derive(Serialize)]
struct EndOut {
    stop_reason: &'static str,
    stop_sequence: Option<&'static str>,
}

/// Appends one event.
fn put(event: &EventOut<'_>, out: &mut Vec<u8>) {
    put_raw(event.name(), out, |out| {
        // Serialising strings and numbers into a `Vec` cannot fail.
        let _ = crate::json::write(event, out);
    });
}

fn put_raw(name: &str, out: &mut Vec<u8>, data: impl FnOnce(&mut Vec<u8>)) {
    out.extend_from_slice(b"event: ");
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b"\ndata: ");
    data(out);
    out.extend_from_slice(b"\n\n");
}

impl StreamWriter for Writer {
    fn write(&mut self, event: &StreamEvent, out: &mut Vec<u8>) {
        if self.phase == Phase::Over {
            return;
        }
        match event {
            StreamEvent::Start { id, model } => self.name(id, model),
            StreamEvent::Usage(usage) => self.usage = *usage,
            StreamEvent::Text { choice: 0, text } => self.text(text, out),
            StreamEvent::Refusal { choice: 0, text } => {
                self.refused |= !text.is_empty();
                self.text(text, out);
            }
            StreamEvent::Thinking { choice: 0, text } => self.thinking(text, out),
            StreamEvent::Signature { choice: 0, signature } => self.signature(signature, out),
            StreamEvent::RedactedThinking { choice: 0, data } => {
                self.begin(Open::Nothing, BlockOut::RedactedThinking { data }, out);
            }
            StreamEvent::ToolCall { choice: 0, call, id, name } => {
                self.calls.push((*call, self.next));
                self.begin(Open::Call, BlockOut::ToolUse { id, name, input: NoInput {} }, out);
            }
            StreamEvent::Arguments { choice: 0, call, json } => self.arguments(*call, json, out),
            StreamEvent::Finish { choice: 0, finish } => {
                self.message_start(out);
                self.end_block(out);
                self.finish = *finish;
            }
            StreamEvent::Ping if self.phase == Phase::Begun => put(&EventOut::Ping, out),
            StreamEvent::Error(failure) => {
                self.phase = Phase::Over;
                put_raw("error", out, |out| error::write(failure, out));
            }
            StreamEvent::End => self.end(out),
            // Anthropic's format has room for one choice, the first. Until the first content, nothing is sent, so a ping before it is dropped.
            _ => {}
        }
    }

    fn buffered(&self) -> Buffered {
        Buffered { begun: 0, bytes: self.id.len().saturating_add(self.model.len()), pieces: self.calls.len() }
    }
}

impl Writer {
    /// Creates a writer from the gateway's `opening`.
    pub(super) fn new(opening: Opening) -> Self {
        Self {
            phase: Phase::Waiting,
            id: String::new(),
            model: opening.model,
            usage: Usage::default(),
            estimate: opening.estimate,
            finish: Finish::default(),
            refused: false,
            open: Open::Nothing,
            next: 0,
            calls: Vec::new(),
        }
    }

    fn name(&mut self, id: &str, model: &str) {
        id.clone_into(&mut self.id);
        if !model.is_empty() {
            model.clone_into(&mut self.model);
        }
    }

    /// The usage so far; the estimate replaces a missing count of the prompt.
    fn counted(&self) -> Usage {
        let input = if self.usage.input == 0 { self.estimate } else { self.usage.input };
        Usage { input, ..self.usage }
    }

    fn message_start(&mut self, out: &mut Vec<u8>) {
        if self.phase != Phase::Waiting {
            return;
        }
        self.phase = Phase::Begun;
        let message = MessageOut {
            id: &self.id,
            role: "assistant",
            model: &self.model,
            content: [],
            stop_reason: None,
            stop_sequence: None,
            usage: UsageOut::of(&self.counted(), None),
        };
        put(&EventOut::MessageStart { message }, out);
    }

    fn text(&mut self, text: &str, out: &mut Vec<u8>) {
        if text.is_empty() {
            return;
        }
        if self.open != Open::Text {
            self.begin(Open::Text, BlockOut::Text { text: "" }, out);
        }
        self.delta(DeltaOut::Text { text }, out);
    }

    fn thinking(&mut self, thinking: &str, out: &mut Vec<u8>) {
        if thinking.is_empty() {
            return;
        }
        if self.open != (Open::Thinking { signed: false }) {
            self.begin_thinking(out);
        }
        self.delta(DeltaOut::Thinking { thinking }, out);
    }

    fn signature(&mut self, signature: &str, out: &mut Vec<u8>) {
        if signature.is_empty() {
            return;
        }
        let signed = self.open == Open::Thinking { signed: true };
        if !matches!(self.open, Open::Thinking { .. }) || (signed && signature::begins(signature)) {
            self.begin_thinking(out);
        }
        self.open = Open::Thinking { signed: true };
        self.delta(DeltaOut::Signature { signature }, out);
    }

    fn begin_thinking(&mut self, out: &mut Vec<u8>) {
        self.begin(Open::Thinking { signed: false }, BlockOut::Thinking { thinking: "", signature: "" }, out);
    }

    /// Writes a piece of arguments to its call's block, by index. [`InTurn`](crate::dialect::in_turn) makes sure that the block is open.
    fn arguments(&mut self, call: u32, partial_json: &str, out: &mut Vec<u8>) {
        let block = self.calls.iter().rfind(|(known, _)| *known == call);
        if let Some((_, index)) = block.filter(|_| !partial_json.is_empty()) {
            put(&EventOut::ContentBlockDelta { index: *index, delta: DeltaOut::InputJson { partial_json } }, out);
        }
    }

    /// Ends the open block and begins `content_block`; the open block is then `open`.
    fn begin(&mut self, open: Open, content_block: BlockOut<'_>, out: &mut Vec<u8>) {
        self.message_start(out);
        self.end_block(out);
        let index = self.next;
        self.next = self.next.saturating_add(1);
        self.open = open;
        put(&EventOut::ContentBlockStart { index, content_block }, out);
        if open == Open::Nothing {
            put(&EventOut::ContentBlockStop { index }, out);
        }
    }

    fn delta(&mut self, delta: DeltaOut<'_>, out: &mut Vec<u8>) {
        put(&EventOut::ContentBlockDelta { index: self.next.saturating_sub(1), delta }, out);
    }

    fn end_block(&mut self, out: &mut Vec<u8>) {
        if std::mem::replace(&mut self.open, Open::Nothing) != Open::Nothing {
            put(&EventOut::ContentBlockStop { index: self.next.saturating_sub(1) }, out);
        }
    }

    fn end(&mut self, out: &mut Vec<u8>) {
        self.message_start(out);
        self.end_block(out);
        let delta = EndOut { stop_reason: reason_of(self.finish, self.refused), stop_sequence: None };
        put(&EventOut::MessageDelta { delta, usage: UsageOut::of(&self.counted(), None) }, out);
        put(&EventOut::MessageStop, out);
        self.phase = Phase::Over;
    }
}
