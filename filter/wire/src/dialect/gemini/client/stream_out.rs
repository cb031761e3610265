//! Writes a stream for a client of Google's format: every event is a response of its own, and there is no terminator.
//!
//! Calls wait for the next other event, because they must be whole. A seal waits for the call it came with; the seal of a text is written
//! at once, on an empty text.

use std::collections::{BTreeMap, VecDeque};

use crate::conversation::{Finish, StreamEvent, Usage};
use crate::dialect::functions::Input;
use crate::dialect::{Kept, Opening, StreamWriter};

use super::super::part::{FunctionCall, Part};
use super::super::seals::Seal;
use super::error;
use super::response::{CandidateShown, Shown};
use super::words;

#[derive(Debug)]
pub(super) struct Writer {
    id: String,
    model: String,
    calls: Vec<HeldCall>,
    /// Seals that wait for their calls, by choice.
    seals: BTreeMap<u32, VecDeque<String>>,
    /// The number of these seals.
    sealed: usize,
    /// The bytes of waiting calls and seals.
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
    /// Google's seal, in the conversation's form.
    seal: Option<String>,
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
            StreamEvent::Signature { choice, signature } => self.seal(*choice, signature, out),
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
            // A seal of another provider.
            StreamEvent::RedactedThinking { .. } => {}
        }
    }

    fn kept(&self) -> Kept {
        let bytes = self.id.len().saturating_add(self.model.len()).saturating_add(self.waiting);
        Kept { begun: 0, bytes, pieces: self.calls.len().saturating_add(self.sealed) }
    }
}

impl Writer {
    /// Creates a writer from the gateway's `opening`.
    pub(super) fn new(opening: Opening) -> Self {
        Self {
            id: String::new(),
            model: opening.model,
            calls: Vec::new(),
            seals: BTreeMap::new(),
            sealed: 0,
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

    fn seal(&mut self, choice: u32, signature: &str, out: &mut Vec<u8>) {
        match Seal::of(signature) {
            Some(Seal::Text(seal)) => {
                self.say(choice, Part { thought_signature: Some(seal), ..Part::text("") }, out);
            }
            Some(Seal::Call(_)) => {
                self.waiting = self.waiting.saturating_add(signature.len());
                self.sealed += 1;
                self.seals.entry(choice).or_default().push_back(signature.to_owned());
            }
            None => {}
        }
    }

    fn call(&mut self, choice: u32, call: u32, id: &str, name: &str) {
        let seal = self.seals.get_mut(&choice).and_then(VecDeque::pop_front);
        self.sealed = self.sealed.saturating_sub(usize::from(seal.is_some()));
        let (id, name) = (id.to_owned(), name.to_owned());
        self.waiting = self.waiting.saturating_add(id.len() + name.len());
        self.calls.push(HeldCall { choice, call, id, name, arguments: String::new(), seal });
    }

    /// Writes the calls that waited.
    fn release(&mut self, out: &mut Vec<u8>) {
        for held in std::mem::take(&mut self.calls) {
            let seal = held.seal.as_ref().map_or(0, String::len);
            self.waiting = self.waiting.saturating_sub(held.id.len() + held.name.len() + held.arguments.len() + seal);
            let args = Input::parse(&held.arguments).unwrap_or(Input::Invalid(&held.arguments));
            let function_call = Some(FunctionCall { id: Some(&held.id), name: &held.name, args });
            let thought_signature = held.seal.as_deref().and_then(Seal::of).map(Seal::signature);
            let part = Part { function_call, thought_signature, ..Part::default() };
            self.put(vec![CandidateShown::new(held.choice, vec![part], None)], None, out);
        }
    }

    fn finish(&mut self, choice: u32, finish: Finish, out: &mut Vec<u8>) {
        self.release(out);
        // Seals whose calls did not come.
        let alone = self.seals.remove(&choice).unwrap_or_default();
        self.sealed = self.sealed.saturating_sub(alone.len());
        self.waiting = self.waiting.saturating_sub(alone.iter().map(String::len).sum());
        let seals = alone.iter().filter_map(|marked| Seal::of(marked));
        let parts = seals.map(|seal| Part { thought_signature: Some(seal.signature()), ..Part::text("") }).collect();
        self.put(vec![CandidateShown::new(choice, parts, Some(finish))], None, out);
    }

    fn usage(&mut self, usage: Usage, out: &mut Vec<u8>) {
        self.put(Vec::new(), Some(usage), out);
    }
}
