//! Converts what the model said to parts, for the history of a request and for a response.
//!
//! Every signature returns to the part that it came with: the next call or text of the message without one. If no such part follows, an
//! empty text carries it, as in Google's own streams.

use std::collections::VecDeque;

use crate::conversation::Part as ConversationPart;
use crate::dialect::functions::Input;

use super::part::{FunctionCall, Part};
use super::signatures::Signature;

/// The recipient of the parts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Listener {
    /// The provider, which knows its thoughts by their signatures and takes no identifiers.
    Provider,
    /// A client, which gets thoughts and identifiers.
    Client,
}

/// The parts, and whether reasoning was lost because a provider takes only reasoning with Google's signature.
#[derive(Debug, Default)]
pub(super) struct Speech<'a> {
    pub(super) parts: Vec<Part<'a>>,
    pub(super) thoughts_lost: bool,
}

impl<'a> Speech<'a> {
    /// Converts the text, reasoning and calls in `said`; a model has no other parts.
    pub(super) fn of(said: &'a [ConversationPart], listener: Listener) -> Self {
        let mut speech = Self { parts: Vec::with_capacity(said.len()), thoughts_lost: false };
        let mut waiting = Waiting::new(said);
        for (position, part) in said.iter().enumerate() {
            match part {
                ConversationPart::Text { text, .. } | ConversationPart::Refusal { text } if text.is_empty() => {}
                ConversationPart::Text { text, .. } | ConversationPart::Refusal { text } => {
                    speech.parts.push(Part { thought_signature: waiting.texts.pop_front(), ..Part::text(text) });
                }
                ConversationPart::ToolCall { id, name, arguments } => {
                    let args = Input::parse(arguments).unwrap_or(Input::Invalid(arguments));
                    let id = (listener == Listener::Client).then_some(id.as_str());
                    let function_call = Some(FunctionCall { id, name, args });
                    let thought_signature = waiting.calls.pop_front();
                    speech.parts.push(Part { function_call, thought_signature, ..Part::default() });
                }
                ConversationPart::Thinking { text, signature } => {
                    if listener == Listener::Client && !text.is_empty() {
                        speech.parts.push(Part { thought: true, ..Part::text(text) });
                    }
                    match signature.as_deref().and_then(Signature::of) {
                        Some(signature) => speech.parts.extend(waiting.signature(position, signature)),
                        None => speech.thoughts_lost = true,
                    }
                }
                ConversationPart::RedactedThinking { .. } => speech.thoughts_lost = true,
                ConversationPart::Image { .. }
                | ConversationPart::Document { .. }
                | ConversationPart::ToolResult { .. } => {}
            }
        }
        speech.thoughts_lost |= !waiting.calls.is_empty() || !waiting.texts.is_empty();
        speech
    }
}

/// Signatures that wait for their part.
struct Waiting<'a> {
    calls: VecDeque<&'a str>,
    texts: VecDeque<&'a str>,
    last_call: Option<usize>,
    last_text: Option<usize>,
}

impl<'a> Waiting<'a> {
    fn new(said: &[ConversationPart]) -> Self {
        Self {
            calls: VecDeque::new(),
            texts: VecDeque::new(),
            last_call: said.iter().rposition(|part| matches!(part, ConversationPart::ToolCall { .. })),
            last_text: said.iter().rposition(|part| match part {
                ConversationPart::Text { text, .. } | ConversationPart::Refusal { text } => !text.is_empty(),
                _ => false,
            }),
        }
    }

    /// Stores the signature at `position` for a later part; if none follows, returns an empty text that carries it.
    fn signature(&mut self, position: usize, signature: Signature<'a>) -> Option<Part<'a>> {
        let (calls, texts) = (Some(position) < self.last_call, Some(position) < self.last_text);
        let thought_signature = signature.signature();
        match signature {
            Signature::Call(_) if calls => self.calls.push_back(thought_signature),
            _ if texts => self.texts.push_back(thought_signature),
            _ => return Some(Part { thought_signature: Some(thought_signature), ..Part::text("") }),
        }
        None
    }
}
