//! Writes a stream of Converse. Our events have no blocks, so the writer begins and ends a block where the kind changes. Only calls begin
//! with an event of their own.
//!
//! `metadata` waits for the end, because many providers send their counts after the finish.

use serde::Serialize;

use crate::conversation::{Finish, StreamEvent, Usage};
use crate::dialect::{Buffered, StreamWriter, aws};

use super::words::{Tokens, stop_reason_of};

#[derive(Debug, Default)]
pub(super) struct Writer {
    phase: Phase,
    usage: Usage,
    open: Open,
    /// The index of the next block; the open block's index is one less.
    next: u32,
    /// The tool calls: the call's number and its block's index.
    calls: Vec<(u32, u32)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Phase {
    /// `messageStart` is not written yet.
    #[default]
    Waiting,
    Begun,
    /// `messageStop` is written.
    Stopped,
    /// The end or an error is written.
    Over,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Open {
    #[default]
    Nothing,
    Text,
    Thinking {
        /// A signature was written; more thinking needs a new block.
        signed: bool,
    },
    Redacted,
    Call,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Block<T> {
    content_block_index: u32,
    #[serde(flatten)]
    rest: T,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase")]
enum StartOut<'a> {
    ToolUse { tool_use_id: &'a str, name: &'a str },
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
enum DeltaOut<'a> {
    Text(&'a str),
    ToolUse { input: &'a str },
    ReasoningContent(ReasoningOut<'a>),
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
enum ReasoningOut<'a> {
    Text(&'a str),
    Signature(&'a str),
    RedactedContent(&'a str),
}

#[derive(Serialize)]
struct Started<'a> {
    start: StartOut<'a>,
}

#[derive(Serialize)]
struct More<'a> {
    delta: DeltaOut<'a>,
}

#[derive(Serialize)]
struct Nothing {}

#[derive(Serialize)]
struct MessageStart {
    role: &'static str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct MessageStop {
    stop_reason: &'static str,
}

#[derive(Serialize)]
struct Metadata {
    usage: Tokens,
}

impl StreamWriter for Writer {
    fn write(&mut self, event: &StreamEvent, out: &mut Vec<u8>) {
        if self.phase == Phase::Over {
            return;
        }
        match event {
            StreamEvent::Start { .. } => self.message_start(out),
            StreamEvent::Usage(usage) => self.usage = *usage,
            StreamEvent::Text { choice: 0, text } | StreamEvent::Refusal { choice: 0, text } => {
                self.piece(Open::Text, text, DeltaOut::Text(text), out);
            }
            StreamEvent::Thinking { choice: 0, text } => {
                let delta = DeltaOut::ReasoningContent(ReasoningOut::Text(text));
                self.piece(Open::Thinking { signed: false }, text, delta, out);
            }
            StreamEvent::Signature { choice: 0, signature } => self.signature(signature, out),
            StreamEvent::RedactedThinking { choice: 0, data } => {
                self.end_block(out);
                let delta = DeltaOut::ReasoningContent(ReasoningOut::RedactedContent(data));
                self.piece(Open::Redacted, data, delta, out);
            }
            StreamEvent::ToolCall { choice: 0, call, id, name } => self.call(*call, id, name, out),
            StreamEvent::Arguments { choice: 0, call, json } => self.arguments(*call, json, out),
            StreamEvent::Finish { choice: 0, finish } => self.stop(*finish, out),
            StreamEvent::Error(failure) => {
                self.phase = Phase::Over;
                aws::client::write_failure(failure, out);
            }
            StreamEvent::End => self.end(out),
            // Converse has no ping, and room for one choice: the first.
            _ => {}
        }
    }

    fn buffered(&self) -> Buffered {
        Buffered { begun: 0, bytes: 0, pieces: self.calls.len() }
    }
}

impl Writer {
    fn message_start(&mut self, out: &mut Vec<u8>) {
        if self.phase == Phase::Waiting {
            self.phase = Phase::Begun;
            aws::client::write_event("messageStart", &MessageStart { role: "assistant" }, out);
        }
    }

    /// Writes a delta to a block of the kind `open`, which is begun if it is not open.
    fn piece(&mut self, open: Open, text: &str, delta: DeltaOut<'_>, out: &mut Vec<u8>) {
        if text.is_empty() {
            return;
        }
        if self.open != open {
            self.begin(open, out);
        }
        self.delta(self.next.saturating_sub(1), delta, out);
    }

    fn signature(&mut self, signature: &str, out: &mut Vec<u8>) {
        if signature.is_empty() {
            return;
        }
        if !matches!(self.open, Open::Thinking { .. }) {
            self.begin(Open::Thinking { signed: false }, out);
        }
        self.open = Open::Thinking { signed: true };
        let delta = DeltaOut::ReasoningContent(ReasoningOut::Signature(signature));
        self.delta(self.next.saturating_sub(1), delta, out);
    }

    fn call(&mut self, call: u32, tool_use_id: &str, name: &str, out: &mut Vec<u8>) {
        self.calls.push((call, self.next));
        let content_block_index = self.begin(Open::Call, out);
        let rest = Started { start: StartOut::ToolUse { tool_use_id, name } };
        aws::client::write_event("contentBlockStart", &Block { content_block_index, rest }, out);
    }

    /// Writes a piece of arguments to its call's block, by index, so that a provider may interleave several calls.
    fn arguments(&mut self, call: u32, input: &str, out: &mut Vec<u8>) {
        let block = self.calls.iter().rfind(|(known, _)| *known == call);
        if let Some((_, index)) = block.filter(|_| !input.is_empty()) {
            self.delta(*index, DeltaOut::ToolUse { input }, out);
        }
    }

    /// Ends the open block and begins the next; returns its index.
    fn begin(&mut self, open: Open, out: &mut Vec<u8>) -> u32 {
        self.message_start(out);
        self.end_block(out);
        let index = self.next;
        self.next = index.saturating_add(1);
        self.open = open;
        index
    }

    fn delta(&self, content_block_index: u32, delta: DeltaOut<'_>, out: &mut Vec<u8>) {
        aws::client::write_event("contentBlockDelta", &Block { content_block_index, rest: More { delta } }, out);
    }

    fn end_block(&mut self, out: &mut Vec<u8>) {
        if std::mem::take(&mut self.open) != Open::Nothing {
            let content_block_index = self.next.saturating_sub(1);
            aws::client::write_event("contentBlockStop", &Block { content_block_index, rest: Nothing {} }, out);
        }
    }

    fn stop(&mut self, finish: Finish, out: &mut Vec<u8>) {
        self.message_start(out);
        self.end_block(out);
        if self.phase == Phase::Begun {
            self.phase = Phase::Stopped;
            aws::client::write_event("messageStop", &MessageStop { stop_reason: stop_reason_of(finish) }, out);
        }
    }

    fn end(&mut self, out: &mut Vec<u8>) {
        self.stop(Finish::default(), out);
        aws::client::write_event("metadata", &Metadata { usage: self.usage.into() }, out);
        self.phase = Phase::Over;
    }
}
