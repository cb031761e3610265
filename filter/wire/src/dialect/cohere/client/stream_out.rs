//! Writes a stream of Cohere's events, straight into the output.
//!
//! Reasoning is written as `thinking` content, because later calls are not known yet. `message-end`, the terminator, carries finish reason
//! and usage. Signatures, and any choice but the first, are dropped.

use crate::conversation::{Finish, StreamEvent, Usage};
use crate::dialect::out::json;
use crate::dialect::{Buffered, StreamWriter};
use crate::error::ApiError;

use super::words;

#[derive(Debug, Default)]
pub(super) struct Writer {
    started: bool,
    ended: bool,
    open: Open,
    /// The number of contents begun.
    contents: u32,
    finish: Finish,
    usage: Option<Usage>,
}

/// The open content or call.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Open {
    #[default]
    Nothing,
    Content(Sort, u32),
    Call(u32),
}

/// The kind of a content; its name is also that of its field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sort {
    Text,
    Thinking,
}

impl Sort {
    fn name(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Thinking => "thinking",
        }
    }
}

/// Writes one event; `inside` writes the fields after its type.
fn frame(out: &mut Vec<u8>, kind: &str, inside: impl FnOnce(&mut Vec<u8>)) {
    for piece in ["event: ", kind, "\ndata: {\"type\":\"", kind, "\""] {
        out.extend_from_slice(piece.as_bytes());
    }
    inside(out);
    out.extend_from_slice(b"}\n\n");
}

/// Writes `,"index":N`.
fn index(out: &mut Vec<u8>, index: u32) {
    out.extend_from_slice(b",\"index\":");
    json(out, &index);
}

impl Writer {
    fn start(&mut self, id: &str, out: &mut Vec<u8>) {
        if std::mem::replace(&mut self.started, true) {
            return;
        }
        frame(out, "message-start", |out| {
            out.extend_from_slice(b",\"id\":");
            json(out, id);
            out.extend_from_slice(
                br#","delta":{"message":{"role":"assistant","content":[],"tool_plan":"","tool_calls":[],"citations":[]}}"#,
            );
        });
    }

    fn close(&mut self, out: &mut Vec<u8>) {
        match std::mem::take(&mut self.open) {
            Open::Nothing => {}
            Open::Content(_, number) => frame(out, "content-end", |out| index(out, number)),
            Open::Call(number) => frame(out, "tool-call-end", |out| index(out, number)),
        }
    }

    fn said(&mut self, sort: Sort, text: &str, out: &mut Vec<u8>) {
        if text.is_empty() {
            return;
        }
        self.start("", out);
        let number = match self.open {
            Open::Content(open, number) if open == sort => number,
            _ => {
                self.close(out);
                let number = self.contents;
                self.contents = number.saturating_add(1);
                self.open = Open::Content(sort, number);
                content(out, "content-start", number, &[("type", sort.name()), (sort.name(), "")]);
                number
            }
        };
        content(out, "content-delta", number, &[(sort.name(), text)]);
    }

    fn call(&mut self, call: u32, id: &str, name: &str, out: &mut Vec<u8>) {
        self.start("", out);
        self.close(out);
        self.open = Open::Call(call);
        frame(out, "tool-call-start", |out| {
            index(out, call);
            out.extend_from_slice(b",\"delta\":{\"message\":{\"tool_calls\":{\"id\":");
            json(out, id);
            out.extend_from_slice(b",\"type\":\"function\",\"function\":{\"name\":");
            json(out, name);
            out.extend_from_slice(b",\"arguments\":\"\"}}}}");
        });
    }

    fn arguments(&mut self, call: u32, text: &str, out: &mut Vec<u8>) {
        if text.is_empty() {
            return;
        }
        frame(out, "tool-call-delta", |out| {
            index(out, call);
            out.extend_from_slice(b",\"delta\":{\"message\":{\"tool_calls\":{\"function\":{\"arguments\":");
            json(out, text);
            out.extend_from_slice(b"}}}}");
        });
    }

    /// Writes `message-end`, of a response or of a failure.
    fn end(&mut self, error: Option<&ApiError>, out: &mut Vec<u8>) {
        if error.is_none() {
            self.start("", out);
            self.close(out);
        }
        self.ended = true;
        frame(out, "message-end", |out| {
            let word = error.map_or(words::finish_reason(self.finish), |_| "ERROR");
            out.extend_from_slice(b",\"delta\":{\"finish_reason\":");
            json(out, word);
            if let Some(error) = error {
                out.extend_from_slice(b",\"error\":");
                json(out, &error.message);
            }
            if let Some(usage) = self.usage {
                out.extend_from_slice(b",\"usage\":");
                json(out, &words::Shown::from(usage));
            }
            out.push(b'}');
        });
    }
}

/// Writes an event about a content, with these fields.
fn content(out: &mut Vec<u8>, kind: &str, number: u32, fields: &[(&str, &str)]) {
    frame(out, kind, |out| {
        index(out, number);
        out.extend_from_slice(b",\"delta\":{\"message\":{\"content\":");
        let mut before = b'{';
        for (name, value) in fields {
            out.push(std::mem::replace(&mut before, b','));
            json(out, name);
            out.push(b':');
            json(out, value);
        }
        out.extend_from_slice(b"}}}");
    });
}

impl StreamWriter for Writer {
    fn write(&mut self, event: &StreamEvent, out: &mut Vec<u8>) {
        if self.ended {
            return;
        }
        match event {
            StreamEvent::Start { id, .. } => self.start(id, out),
            StreamEvent::Text { choice: 0, text } | StreamEvent::Refusal { choice: 0, text } => {
                self.said(Sort::Text, text, out);
            }
            StreamEvent::Thinking { choice: 0, text } => self.said(Sort::Thinking, text, out),
            StreamEvent::ToolCall { choice: 0, call, id, name } => self.call(*call, id, name, out),
            StreamEvent::Arguments { choice: 0, call, json } => self.arguments(*call, json, out),
            StreamEvent::Finish { choice: 0, finish } => self.finish = *finish,
            StreamEvent::Usage(usage) => self.usage = Some(*usage),
            StreamEvent::Ping => out.extend_from_slice(b": ping\n\n"),
            StreamEvent::Error(error) => self.end(Some(error), out),
            StreamEvent::End => self.end(None, out),
            _ => {}
        }
    }

    fn buffered(&self) -> Buffered {
        Buffered::default()
    }
}
