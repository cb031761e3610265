//! Writes a stream of chunks in OpenAI's format, directly into the output.
//!
//! Empty pieces are skipped. A signature is held until it is complete, and is then written as a block together with its reasoning
//! (`thinking_blocks`). A tool call that ends without arguments gets `{}`, because clients parse them.

use std::collections::BTreeSet;

use crate::conversation::{Form, StreamEvent, signature};
use crate::dialect::openai::chunk_out::Chunks;
use crate::dialect::openai::{json, words};
use crate::dialect::text_argument::TextArgument;
use crate::dialect::{Buffered, Opening, StreamWriter};

use super::out;

/// What surrounds a call's name and its pieces.
struct CallForm {
    name: &'static [u8],
    end: &'static [u8],
    piece: &'static [u8],
}

const FUNCTION: CallForm = CallForm {
    name: b",\"type\":\"function\",\"function\":{\"name\":",
    end: b",\"arguments\":\"\"}}]}",
    piece: b",\"function\":{\"arguments\":",
};

const CUSTOM: CallForm = CallForm {
    name: b",\"type\":\"custom\",\"custom\":{\"name\":",
    end: b",\"input\":\"\"}}]}",
    piece: b",\"custom\":{\"input\":",
};

#[derive(Debug)]
pub(super) struct Writer {
    chunks: Chunks,
    choices: Vec<State>,
    /// Bytes of reasoning and signatures held for all choices.
    signature_bytes: usize,
    /// The number of calls without arguments in all choices.
    bare: usize,
    /// The calls with a text input, by their choice and number. Our reader wrote their arguments, so none of the text is ambiguous.
    texts: Vec<((u32, u32), TextArgument)>,
}

/// The state of one choice.
#[derive(Debug, Default)]
struct State {
    number: u32,
    /// Reasoning since the last signature.
    thinking: String,
    /// The pieces of the signature so far.
    signature: String,
    /// The number of reasoning blocks written.
    blocks: usize,
    /// Calls without arguments so far.
    bare: BTreeSet<u32>,
}

/// One field of a delta: `{"name":"text"}`.
fn piece(name: &str, text: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(b"{\"");
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b"\":");
    json::text(out, text);
    out.push(b'}');
}

impl Writer {
    pub fn new(opening: Opening) -> Self {
        let chunks = Chunks::new("chat.completion.chunk", opening);
        Self { chunks, choices: Vec::new(), signature_bytes: 0, bare: 0, texts: Vec::new() }
    }

    /// Writes a chunk with one choice; `delta` writes its delta.
    fn chunk(&self, choice: u32, finish: Option<&str>, out: &mut Vec<u8>, delta: impl FnOnce(&mut Vec<u8>)) {
        self.chunks.choice(finish, out, |out| {
            out.extend_from_slice(b"\"index\":");
            json::append(out, &choice);
            out.extend_from_slice(b",\"delta\":");
            delta(out);
        });
    }

    fn text(&mut self, choice: u32, name: &str, text: &str, out: &mut Vec<u8>) {
        if !text.is_empty() {
            self.begin(choice, out);
            self.chunk(choice, None, out, |out| piece(name, text, out));
        }
    }

    /// Writes the role in a choice's first chunk.
    fn begin(&mut self, choice: u32, out: &mut Vec<u8>) -> Option<&mut State> {
        let index = self.choices.iter().position(|state| state.number == choice).unwrap_or(self.choices.len());
        if index == self.choices.len() {
            self.choices.push(State { number: choice, ..State::default() });
            self.chunk(choice, None, out, |out| out.extend_from_slice(br#"{"role":"assistant","content":""}"#));
        }
        self.choices.get_mut(index)
    }

    fn arguments(&self, choice: u32, call: u32, form: &CallForm, text: &str, out: &mut Vec<u8>) {
        self.chunk(choice, None, out, |out| {
            out.extend_from_slice(b"{\"tool_calls\":[{\"index\":");
            json::append(out, &call);
            out.extend_from_slice(form.piece);
            json::text(out, text);
            out.extend_from_slice(b"}}]}");
        });
    }

    fn block(&self, choice: u32, block: &out::Block<'_>, out: &mut Vec<u8>) {
        self.chunk(choice, None, out, |out| {
            out.extend_from_slice(b"{\"thinking_blocks\":[");
            json::append(out, block);
            out.extend_from_slice(b"]}");
        });
    }

    /// Writes blocks whose signatures are complete, because another kind of event follows.
    fn signature(&mut self, out: &mut Vec<u8>) {
        for index in 0..self.choices.len() {
            let Some(state) = self.choices.get_mut(index).filter(|state| !state.signature.is_empty()) else { continue };
            let (thinking, signature) = (std::mem::take(&mut state.thinking), std::mem::take(&mut state.signature));
            self.signature_bytes = self.signature_bytes.saturating_sub(thinking.len() + signature.len());
            let (number, index) = (state.number, Some(state.blocks));
            state.blocks += 1;
            let block = out::Block::Thinking { index, thinking: &thinking, signature: Some(&signature) };
            self.block(number, &block, out);
        }
    }

    fn tool_call(&mut self, choice: u32, call: u32, id: &str, name: &str, out: &mut Vec<u8>) {
        let is_custom = self.chunks.opening.guises.form(name) == Form::Text;
        let form = if is_custom { CUSTOM } else { FUNCTION };
        if is_custom {
            self.begin(choice, out);
            self.texts.push(((choice, call), TextArgument::default()));
        } else if self.begin(choice, out).is_some_and(|state| state.bare.insert(call)) {
            self.bare += 1;
        }
        self.chunk(choice, None, out, |out| {
            out.extend_from_slice(b"{\"tool_calls\":[{\"index\":");
            json::append(out, &call);
            out.extend_from_slice(b",\"id\":");
            json::append(out, id);
            out.extend_from_slice(form.name);
            json::append(out, name);
            out.extend_from_slice(form.end);
        });
    }

    fn finish(&mut self, choice: u32, reason: &str, out: &mut Vec<u8>) {
        let bare = self.begin(choice, out).map(|state| std::mem::take(&mut state.bare)).unwrap_or_default();
        self.bare = self.bare.saturating_sub(bare.len());
        for call in bare {
            self.arguments(choice, call, &FUNCTION, "{}", out);
        }
        self.chunk(choice, Some(reason), out, |out| out.extend_from_slice(b"{}"));
    }
}

impl StreamWriter for Writer {
    fn write(&mut self, event: &StreamEvent, out: &mut Vec<u8>) {
        if self.chunks.ended {
            return;
        }
        match event {
            StreamEvent::Signature { signature, .. } if !signature::begins(signature) => {}
            StreamEvent::Error(_) => {}
            _ => self.signature(out),
        }
        match event {
            StreamEvent::Start { id, model } => {
                if self.choices.is_empty() {
                    self.chunks.name(id, model);
                    self.begin(0, out);
                }
            }
            StreamEvent::Text { choice, text } => {
                // Reasoning without a signature at this point will not get one.
                let idle = self.begin(*choice, out).map(|state| std::mem::take(&mut state.thinking));
                self.signature_bytes = self.signature_bytes.saturating_sub(idle.map_or(0, |thinking| thinking.len()));
                self.text(*choice, "content", text, out);
            }
            StreamEvent::Refusal { choice, text } => self.text(*choice, "refusal", text, out),
            StreamEvent::Thinking { choice, text } => {
                if let Some(state) = self.begin(*choice, out) {
                    state.thinking.push_str(text);
                    self.signature_bytes = self.signature_bytes.saturating_add(text.len());
                }
                self.text(*choice, "reasoning_content", text, out);
            }
            StreamEvent::Signature { choice, signature } => {
                if let Some(state) = self.begin(*choice, out) {
                    state.signature.push_str(signature);
                    self.signature_bytes = self.signature_bytes.saturating_add(signature.len());
                }
            }
            StreamEvent::RedactedThinking { choice, data } => {
                let index = self.begin(*choice, out).map(|state| {
                    state.blocks += 1;
                    state.blocks - 1
                });
                self.block(*choice, &out::Block::RedactedThinking { index, data }, out);
            }
            StreamEvent::ToolCall { choice, call, id, name } => self.tool_call(*choice, *call, id, name, out),
            StreamEvent::Arguments { choice, call, json } => {
                let of = (*choice, *call);
                if let Some((_, reader)) = self.texts.iter_mut().find(|(known, _)| *known == of) {
                    let mut text = String::new();
                    reader.feed(json, &mut text);
                    if !text.is_empty() {
                        self.arguments(*choice, *call, &CUSTOM, &text, out);
                    }
                } else if !json.is_empty() {
                    if self.begin(*choice, out).is_some_and(|state| state.bare.remove(call)) {
                        self.bare = self.bare.saturating_sub(1);
                    }
                    self.arguments(*choice, *call, &FUNCTION, json, out);
                }
            }
            StreamEvent::Guise { namespace, name, form } => {
                self.chunks.opening.guises.add_called(namespace, name, *form)
            }
            StreamEvent::Finish { choice, finish } => self.finish(*choice, words::finish_reason(*finish), out),
            StreamEvent::Usage(_)
            | StreamEvent::Filtered(_)
            | StreamEvent::Ping
            | StreamEvent::Error(_)
            | StreamEvent::End => {
                self.chunks.around(event, out);
            }
        }
    }

    fn buffered(&self) -> Buffered {
        let names = self.chunks.opening.guises.held();
        let bytes = self.chunks.head.len().saturating_add(self.signature_bytes).saturating_add(names);
        let pieces = self.choices.len().saturating_add(self.bare).saturating_add(self.texts.len());
        Buffered { begun: 0, bytes, pieces }
    }
}
