//! Writes a stream for a client of Google's format: every event is a response of its own, and there is no terminator.
//!
//! Calls wait for the next other event, because they must be whole. A signature waits for the call it came with; the signature of a text is
//! written at once, on an empty text.

use std::collections::{BTreeMap, VecDeque};

use crate::conversation::{Finish, StreamEvent, Usage};
use crate::dialect::functions::Input;
use crate::dialect::{Buffered, Opening, StreamWriter};

use super::super::part::{FunctionCall, Part};
use super::super::signatures::Signature;
use super::error;
use super::response::{CandidateShown, Shown};
use super::words;

#[derive(Debug)]
pub(super) struct Writer {
    id: String,
    model: String,
    calls: Vec<HeldCall>,
    /// Signatures that wait for their calls, by choice.
    signatures: BTreeMap<u32, VecDeque<String>>,
    /// The number of these signatures.
    signature_count: usize,
    /// The bytes of waiting calls and signatures.
    waiting: usize,
    over: bool,
}

/// A call whose arguments may be incomplete.
#[derive(Debug)]
struct HeldCall {
    choice: u32,
    call: u32,
    id: String,
    name: String,
    arguments: String,
    /// Google's signature, in the conversation's form.
    signature: Option<String>,
}

impl StreamWriter for Writer {
    fn write(&mut self, event: &StreamEvent, out: &mut Vec<u8>) {
        if self.over {
            return;
        }
        match event {
            StreamEvent::Start { id, model } => {
                id.clone_into(&mut self.id);
                if !model.is_empty() {
                    model.clone_into(&mut self.model);
                }
            }
            StreamEvent::Text { choice, text } | StreamEvent::Refusal { choice, text } => {
                self.say(*choice, Part::text(text), out);
            }
            StreamEvent::Thinking { choice, text } => {
                self.say(*choice, Part { thought: true, ..Part::text(text) }, out);
            }
            StreamEvent::Signature { choice, signature } => self.signature(*choice, signature, out),
            StreamEvent::ToolCall { choice, call, id, name } => self.call(*choice, *call, id, name),
            StreamEvent::Arguments { choice, call, json } => {
                let held = self.calls.iter_mut().rfind(|held| (held.choice, held.call) == (*choice, *call));
                if let Some(held) = held {
                    held.arguments.push_str(json);
                    self.waiting = self.waiting.saturating_add(json.len());
                }
            }
            StreamEvent::Finish { choice, finish } => self.finish(*choice, *finish, out),
            StreamEvent::Usage(tokens) => self.usage(*tokens, out),
            StreamEvent::Ping => out.extend_from_slice(b": ping\n\n"),
            StreamEvent::Error(failure) => {
                self.over = true;
                out.extend_from_slice(b"data: ");
                error::write(failure, out);
                out.extend_from_slice(b"\n\n");
            }
            StreamEvent::End => {
                self.release(out);
                self.over = true;
            }
            // A signature of another provider.
            StreamEvent::RedactedThinking { .. } | StreamEvent::Guise { .. } | StreamEvent::Filtered(_) => {}
        }
    }

    fn buffered(&self) -> Buffered {
        let bytes = self.id.len().saturating_add(self.model.len()).saturating_add(self.waiting);
        Buffered { begun: 0, bytes, pieces: self.calls.len().saturating_add(self.signature_count) }
    }
}

impl Writer {
    /// Creates a writer from the gateway's `opening`.
    pub(super) fn new(opening: Opening) -> Self {
        Self {
            id: String::new(),
            model: opening.model,
            calls: Vec::new(),
            signatures: BTreeMap::new(),
            signature_count: 0,
            waiting: 0,
            over: false,
        }
    }

    fn put(&self, candidates: Vec<CandidateShown<'_>>, usage: Option<Usage>, out: &mut Vec<u8>) {
        let usage_metadata = usage.map(words::Shown::from);
        out.extend_from_slice(b"data: ");
        Shown { candidates, usage_metadata, model_version: &self.model, response_id: &self.id }.write(out);
        out.extend_from_slice(b"\n\n");
    }

    fn say(&mut self, choice: u32, part: Part<'_>, out: &mut Vec<u8>) {
        self.release(out);
        if part.text != Some("") || part.thought_signature.is_some() {
            self.put(vec![CandidateShown::new(choice, vec![part], None)], None, out);
        }
    }

    fn signature(&mut self, choice: u32, signature: &str, out: &mut Vec<u8>) {
        match Signature::of(signature) {
            Some(Signature::Text(signature)) => {
                self.say(choice, Part { thought_signature: Some(signature), ..Part::text("") }, out);
            }
            Some(Signature::Call(_)) => {
                self.waiting = self.waiting.saturating_add(signature.len());
                self.signature_count += 1;
                self.signatures.entry(choice).or_default().push_back(signature.to_owned());
            }
            None => {}
        }
    }

    fn call(&mut self, choice: u32, call: u32, id: &str, name: &str) {
        let signature = self.signatures.get_mut(&choice).and_then(VecDeque::pop_front);
        self.signature_count = self.signature_count.saturating_sub(usize::from(signature.is_some()));
        let (id, name) = (id.to_owned(), name.to_owned());
        self.waiting = self.waiting.saturating_add(id.len() + name.len());
        self.calls.push(HeldCall { choice, call, id, name, arguments: String::new(), signature });
    }

    /// Writes the calls that waited.
    fn release(&mut self, out: &mut Vec<u8>) {
        for held in std::mem::take(&mut self.calls) {
            let signature = held.signature.as_ref().map_or(0, String::len);
            self.waiting =
                self.waiting.saturating_sub(held.id.len() + held.name.len() + held.arguments.len() + signature);
            let args = Input::parse(&held.arguments).unwrap_or(Input::Invalid(&held.arguments));
            let function_call = Some(FunctionCall { id: Some(&held.id), name: &held.name, args });
            let thought_signature = held.signature.as_deref().and_then(Signature::of).map(Signature::signature);
            let part = Part { function_call, thought_signature, ..Part::default() };
            self.put(vec![CandidateShown::new(held.choice, vec![part], None)], None, out);
        }
    }

    fn finish(&mut self, choice: u32, finish: Finish, out: &mut Vec<u8>) {
        self.release(out);
        // Signatures whose calls did not come.
        let alone = self.signatures.remove(&choice).unwrap_or_default();
        self.signature_count = self.signature_count.saturating_sub(alone.len());
        self.waiting = self.waiting.saturating_sub(alone.iter().map(String::len).sum());
        let signatures = alone.iter().filter_map(|marked| Signature::of(marked));
        let parts = signatures
            .map(|signature| Part { thought_signature: Some(signature.signature()), ..Part::text("") })
            .collect();
        self.put(vec![CandidateShown::new(choice, parts, Some(finish))], None, out);
    }

    fn usage(&mut self, usage: Usage, out: &mut Vec<u8>) {
        self.put(Vec::new(), Some(usage), out);
    }
}
