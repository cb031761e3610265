//! Writes a stream of chunks in OpenAI's format, straight into the output.

use crate::conversation::StreamEvent;
use crate::dialect::openai::chunk_out::Chunks;
use crate::dialect::openai::json;
use crate::dialect::{Buffered, Opening, StreamWriter};

use super::response::finish_reason;

#[derive(Debug)]
pub(super) struct Writer(Chunks);

impl Writer {
    pub fn new(opening: Opening) -> Self {
        Self(Chunks::new("text_completion", opening))
    }

    fn chunk(&self, choice: u32, text: &str, finish: Option<&str>, out: &mut Vec<u8>) {
        self.0.choice(finish, out, |out| {
            out.extend_from_slice(b"\"text\":");
            json::text(out, text);
            out.extend_from_slice(b",\"index\":");
            json::append(out, &choice);
        });
    }
}

impl StreamWriter for Writer {
    fn write(&mut self, event: &StreamEvent, out: &mut Vec<u8>) {
        if self.0.ended {
            return;
        }
        match event {
            StreamEvent::Start { id, model } => self.0.name(id, model),
            StreamEvent::Text { choice, text } | StreamEvent::Refusal { choice, text } => {
                if !text.is_empty() {
                    self.chunk(*choice, text, None, out);
                }
            }
            StreamEvent::Finish { choice, finish } => self.chunk(*choice, "", Some(finish_reason(*finish)), out),
            // The format has only text.
            _ => self.0.around(event, out),
        }
    }

    fn buffered(&self) -> Buffered {
        Buffered { begun: 0, bytes: self.0.head.len(), pieces: 0 }
    }
}
