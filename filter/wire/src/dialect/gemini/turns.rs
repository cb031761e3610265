//! Converts the conversation's messages to Google's `systemInstruction` and `contents`.
//!
//! System and developer messages, at any position, are joined in order into the instruction. Adjacent messages of one speaker share a turn.
//! Results of calls belong to the user, come first in their turn, and are in the order of the calls. Images and documents that a function
//! returned follow the results, because some models do not take them inside a result.

use std::borrow::Cow;
use std::collections::HashMap;

use crate::conversation::{CacheMark, Message, Part as ConversationPart, Role};
use crate::dialect::at::At;
use crate::dialect::functions::Input;
use crate::dialect::turns::nothing_said;
use crate::error::ApiError;
use crate::order;

use super::media;
use super::part::{FunctionResponse, Outcome, Part, Speaker, Turn};
use super::signatures::UNSIGNED_CALL;
use super::speech::{Listener, Speech};

/// The conversation in Google's form.
#[derive(Debug, Default)]
pub(super) struct Turns<'a> {
    pub(super) system: Turn<'a>,
    pub(super) turns: Vec<Turn<'a>>,
    /// Dropped hints, by OpenAI's names.
    pub(super) dropped: Vec<&'static str>,
    /// By identifier: each call's index among all calls, and its function.
    calls: HashMap<&'a str, (usize, &'a str)>,
    /// The number of calls.
    called: usize,
}

impl<'a> Turns<'a> {
    pub(super) fn of(messages: &'a [Message]) -> Result<Self, ApiError> {
        let mut turns = Self::default();
        for (index, message) in messages.iter().enumerate() {
            turns.message(index, message)?;
        }
        if turns.turns.is_empty() {
            return Err(nothing_said());
        }
        for turn in turns.turns.iter_mut().filter(|turn| turn.role == Some(Speaker::User)) {
            let place =
                |part: &Part<'_>| part.function_response.as_ref().map_or(u64::MAX, |result| result.order as u64);
            order::by_numbers(&mut turn.parts, |part| (place(part), 0));
        }
        Ok(turns)
    }

    /// Signs the first call of each step since the user's last message, if it has no signature. Gemini 3 checks only these, and rejects a
    /// conversation in which another model made one.
    pub(super) fn sign_steps(&mut self) {
        let user_spoke = |turn: &Turn<'_>| turn.role == Some(Speaker::User) && !turn.parts.iter().all(Part::is_result);
        let current = self.turns.iter().rposition(user_spoke).unwrap_or(0);
        for step in self.turns.iter_mut().skip(current).filter(|turn| turn.role == Some(Speaker::Model)) {
            if let Some(call) = step.parts.iter_mut().find(|part| part.function_call.is_some()) {
                call.thought_signature.get_or_insert(UNSIGNED_CALL);
            }
        }
    }

    fn message(&mut self, index: usize, message: &'a Message) -> Result<(), ApiError> {
        if message.name.is_some() {
            self.drop_hint("messages.name");
        }
        match message.role {
            Role::System | Role::Developer => self.instruct(index, message),
            Role::User | Role::Tool => self.user(index, message),
            Role::Assistant => self.model(index, message),
        }
    }

    /// Adds to the last turn if it has the same speaker.
    fn say(&mut self, role: Speaker, mut parts: Vec<Part<'a>>) {
        match self.turns.last_mut() {
            _ if parts.is_empty() => {}
            Some(turn) if turn.role == Some(role) => turn.parts.append(&mut parts),
            _ => self.turns.push(Turn { role: Some(role), parts }),
        }
    }

    fn instruct(&mut self, message: usize, said: &'a Message) -> Result<(), ApiError> {
        for (position, part) in said.parts.iter().enumerate() {
            let ConversationPart::Text { text, cache } = part else { return Err(misplaced(message, position)) };
            self.mark(cache);
            if !text.is_empty() {
                self.system.parts.push(Part::text(text));
            }
        }
        Ok(())
    }

    fn user(&mut self, message: usize, said: &'a Message) -> Result<(), ApiError> {
        let mut parts = Vec::with_capacity(said.parts.len());
        for (position, part) in said.parts.iter().enumerate() {
            let at = At { message, part: position, call: 0 };
            match part {
                ConversationPart::ToolResult { call, content, is_error, cache } => {
                    self.mark(cache);
                    self.result(at, call, content, *is_error, &mut parts)?;
                }
                _ => self.given(at, part, &mut parts)?,
            }
        }
        self.say(Speaker::User, parts);
        Ok(())
    }

    /// Converts a text, image or document of the user.
    fn given(&mut self, at: At, part: &'a ConversationPart, parts: &mut Vec<Part<'a>>) -> Result<(), ApiError> {
        let source = match part {
            ConversationPart::Text { text, cache } => {
                self.mark(cache);
                parts.extend((!text.is_empty()).then(|| Part::text(text)));
                return Ok(());
            }
            ConversationPart::Image { source, detail, cache } => {
                self.mark(cache);
                if detail.as_deref().is_some_and(|detail| detail != "auto") {
                    self.drop_hint("image_url.detail");
                }
                source
            }
            ConversationPart::Document { source, name, cache } => {
                self.mark(cache);
                if name.is_some() {
                    self.drop_hint("file.filename");
                }
                source
            }
            _ => return Err(misplaced(at.message, at.part)),
        };
        parts.push(media::part(source).map_err(|what| at.refuse(what))?);
        Ok(())
    }

    fn result(
        &mut self,
        at: At,
        call: &str,
        content: &'a [ConversationPart],
        is_error: bool,
        parts: &mut Vec<Part<'a>>,
    ) -> Result<(), ApiError> {
        let Some((order, name)) = self.calls.get(call).copied() else {
            let at = format!("messages[{}].tool_call_id", at.message);
            let message = format!("'{at}' must be the ID of a tool call in an earlier assistant message.");
            return Err(ApiError::invalid(at, message));
        };
        let mut text: Option<Cow<'a, str>> = None;
        let mut media = Vec::new();
        for part in content {
            let ConversationPart::Text { text: more, cache } = part else {
                self.given(at, part, &mut media)?;
                continue;
            };
            self.mark(cache);
            match &mut text {
                None => text = Some(Cow::Borrowed(more)),
                Some(text) => {
                    let text = text.to_mut();
                    text.push('\n');
                    text.push_str(more);
                }
            }
        }
        let text = text.unwrap_or_default();
        let response = if is_error { Outcome::Error(text) } else { Outcome::Output(text) };
        let function_response = Some(FunctionResponse { name, response, order });
        parts.push(Part { function_response, ..Part::default() });
        parts.append(&mut media);
        Ok(())
    }

    fn model(&mut self, message: usize, said: &'a Message) -> Result<(), ApiError> {
        let mut call = 0;
        for (position, part) in said.parts.iter().enumerate() {
            match part {
                ConversationPart::Image { .. }
                | ConversationPart::Document { .. }
                | ConversationPart::ToolResult { .. } => {
                    return Err(misplaced(message, position));
                }
                ConversationPart::Text { cache, .. } => self.mark(cache),
                ConversationPart::ToolCall { id, name, arguments } => {
                    if Input::parse(arguments).is_none() {
                        return Err(At { message, part: position, call }.arguments());
                    }
                    self.calls.insert(id, (self.called, name));
                    self.called += 1;
                    call += 1;
                }
                ConversationPart::Thinking { .. }
                | ConversationPart::RedactedThinking { .. }
                | ConversationPart::Refusal { .. } => {}
            }
        }
        let speech = Speech::of(&said.parts, Listener::Provider);
        if speech.thoughts_lost {
            self.drop_hint("messages.reasoning_content");
        }
        self.say(Speaker::Model, speech.parts);
        Ok(())
    }

    /// Drops a cache mark: Google caches automatically.
    fn mark(&mut self, mark: &Option<CacheMark>) {
        if mark.is_some() {
            self.drop_hint("cache_control");
        }
    }

    fn drop_hint(&mut self, name: &'static str) {
        if !self.dropped.contains(&name) {
            self.dropped.push(name);
        }
    }
}

fn misplaced(message: usize, part: usize) -> ApiError {
    At { message, part, call: 0 }.refuse("this kind of content for this role")
}
