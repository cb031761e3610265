//! Stream chunks for clients of chat completions and legacy completions: the frame around a choice, and the events that both formats write
//! alike. Usage is written once, before the terminator, if the client requested it.

use crate::conversation::{StreamEvent, Usage};
use crate::dialect::Opening;

use super::{error, json, usage};

/// Writes the chunks of one stream.
#[derive(Debug)]
pub(in crate::dialect) struct Chunks {
    object: &'static str,
    pub opening: Opening,
    /// The beginning of every chunk, up to its choices.
    pub head: Vec<u8>,
    usage: Option<Usage>,
    pub ended: bool,
}

impl Chunks {
    /// Creates a writer for chunks with this `object` field.
    pub fn new(object: &'static str, opening: Opening) -> Self {
        let mut chunks = Self { object, opening, head: Vec::new(), usage: None, ended: false };
        chunks.name("", "");
        chunks
    }

    /// Sets the response's id and model for the following chunks.
    pub fn name(&mut self, id: &str, model: &str) {
        let Self { object, opening, head, .. } = self;
        head.clear();
        head.extend_from_slice(b"data: {\"id\":");
        json::append(head, id);
        head.extend_from_slice(b",\"object\":");
        json::append(head, object);
        head.extend_from_slice(b",\"created\":");
        json::append(head, &opening.now);
        head.extend_from_slice(b",\"model\":");
        json::append(head, if model.is_empty() { opening.model.as_str() } else { model });
        head.extend_from_slice(b",\"choices\":[");
    }

    /// Writes a chunk with one choice. `fields` writes the format's own fields.
    pub fn choice(&self, finish: Option<&str>, out: &mut Vec<u8>, fields: impl FnOnce(&mut Vec<u8>)) {
        out.extend_from_slice(&self.head);
        out.push(b'{');
        fields(out);
        out.extend_from_slice(b",\"logprobs\":null,\"finish_reason\":");
        json::append(out, &finish);
        let tail: &[u8] = if self.opening.include_usage { b"}],\"usage\":null}\n\n" } else { b"}]}\n\n" };
        out.extend_from_slice(tail);
    }

    /// Handles usage, pings, errors and the end. Ignores all other events, which the format itself writes.
    pub fn around(&mut self, event: &StreamEvent, out: &mut Vec<u8>) {
        match event {
            StreamEvent::Usage(usage) => self.usage = Some(*usage),
            StreamEvent::Ping => out.extend_from_slice(b": ping\n\n"),
            StreamEvent::Error(failure) => {
                error::chunk(failure, out);
                self.ended = true;
            }
            StreamEvent::End => {
                if let Some(usage) = self.usage.filter(|_| self.opening.include_usage) {
                    out.extend_from_slice(&self.head);
                    out.extend_from_slice(b"],\"usage\":");
                    json::append(out, &usage::Shown::from(usage));
                    out.extend_from_slice(b"}\n\n");
                }
                out.extend_from_slice(b"data: [DONE]\n\n");
                self.ended = true;
            }
            _ => {}
        }
    }
}
