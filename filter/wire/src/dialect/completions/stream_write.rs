//! Writes a stream of chunks in OpenAI's shape, straight into the output. Usage is kept, and written once before the
//! terminator when the client asked for it.

use crate::conversation::{StreamEvent, Usage};
use crate::dialect::openai::{error, json, usage};
use crate::dialect::{Kept, Opening, StreamWriter};

use super::response::finish_reason;

/// The writer.
#[derive(Debug)]
pub(super) struct Writer {
    opening: Opening,
    /// Every chunk's beginning, up to its choices.
    head: Vec<u8>,
    usage: Option<Usage>,
    ended: bool,
}

impl Writer {
    pub fn new(opening: Opening) -> Self {
        let mut writer = Self { opening, head: Vec::new(), usage: None, ended: false };
        writer.set_head("", "");
        writer
    }

    fn set_head(&mut self, id: &str, model: &str) {
        let model = if model.is_empty() { &self.opening.model } else { model };
        json::chunk_head("text_completion", id, self.opening.now, model, &mut self.head);
    }

    fn chunk(&self, choice: u32, text: &str, finish: Option<&str>, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.head);
        out.extend_from_slice(b"{\"text\":");
        json::append(out, text);
        out.extend_from_slice(b",\"index\":");
        json::append(out, &choice);
        out.extend_from_slice(b",\"logprobs\":null,\"finish_reason\":");
        json::append(out, &finish);
        let tail: &[u8] = if self.opening.include_usage { b"}],\"usage\":null}\n\n" } else { b"}]}\n\n" };
        out.extend_from_slice(tail);
    }

    fn end(&mut self, out: &mut Vec<u8>) {
        if let Some(usage) = self.usage.filter(|_| self.opening.include_usage) {
            usage::chunk(&self.head, usage, out);
        }
        out.extend_from_slice(b"data: [DONE]\n\n");
        self.ended = true;
    }
}

impl StreamWriter for Writer {
    fn write(&mut self, event: &StreamEvent, out: &mut Vec<u8>) {
        if self.ended {
            return;
        }
        match event {
            StreamEvent::Start { id, model } => self.set_head(id, model),
            StreamEvent::Text { choice, text } | StreamEvent::Refusal { choice, text } => {
                if !text.is_empty() {
                    self.chunk(*choice, text, None, out);
                }
            }
            StreamEvent::Finish { choice, finish } => self.chunk(*choice, "", Some(finish_reason(*finish)), out),
            StreamEvent::Usage(usage) => self.usage = Some(*usage),
            StreamEvent::Ping => out.extend_from_slice(b": ping\n\n"),
            StreamEvent::Error(failure) => {
                error::chunk(failure, out);
                self.ended = true;
            }
            StreamEvent::End => self.end(out),
            // The format is text alone.
            StreamEvent::Thinking { .. }
            | StreamEvent::Signature { .. }
            | StreamEvent::RedactedThinking { .. }
            | StreamEvent::ToolCall { .. }
            | StreamEvent::Arguments { .. } => {}
        }
    }

    fn kept(&self) -> Kept {
        Kept { begun: 0, bytes: self.head.len(), pieces: 0 }
    }
}
