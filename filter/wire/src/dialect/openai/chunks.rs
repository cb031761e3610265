//! Reads a stream of chunks from OpenAI and from compatible servers.
//!
//! It tolerates chunks before the response begins (Azure's filter results), comments, a tool call without index, id or `type`, an index
//! reused for another call (Google), usage on any chunk or under `x_groq`, and a repeated `finish_reason`. It rejects invalid JSON and a
//! `[DONE]` before any chunk of the response.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::content_filter::{self, Marks};
use crate::conversation::{Finish, Form, StreamEvent};
use crate::dialect::Buffered;
use crate::dialect::bare;
use crate::dialect::few::Few;
use crate::dialect::functions::made_up_id;
use crate::dialect::sse_reader::{Events, SseReader};
use crate::dialect::text_argument;
use crate::error::ApiError;
use crate::framing::sse;
use crate::json;
use crate::lenient::maybe;

use super::loose::{Block, Call, Count, MOST_CALLS, MessageIn, Sort, Text};
use super::{error, usage, words};

/// No client requests as many choices. Bounds the memory that a provider can make the gateway use.
pub(in crate::dialect) const MOST_CHOICES: usize = 256;

#[derive(Debug, Deserialize)]
struct Chunk<'a> {
    #[serde(borrow, default)]
    error: Option<&'a RawValue>,
    #[serde(borrow, default)]
    id: Text<'a>,
    #[serde(borrow, default)]
    model: Text<'a>,
    #[serde(borrow, default)]
    choices: Option<Few<ChoiceIn<'a>, MOST_CHOICES>>,
    #[serde(default, deserialize_with = "maybe")]
    usage: Option<usage::UsageIn>,
    #[serde(default)]
    x_groq: Option<Groq>,
}

/// Groq's extension of a chunk.
#[derive(Debug, Deserialize)]
pub(in crate::dialect) struct Groq {
    #[serde(default, deserialize_with = "maybe")]
    pub usage: Option<usage::UsageIn>,
}

#[derive(Debug, Deserialize)]
struct ChoiceIn<'a> {
    #[serde(default)]
    index: Count,
    #[serde(borrow, default)]
    delta: Option<MessageIn<'a>>,
    #[serde(borrow, default)]
    text: Text<'a>,
    #[serde(borrow, default)]
    finish_reason: Text<'a>,
}

/// A reader for chunks.
pub(in crate::dialect) type Reader = SseReader<Answer>;

/// The state from the chunks so far.
#[derive(Debug, Default)]
pub(in crate::dialect) struct Answer {
    id: String,
    model: String,
    started: bool,
    finished: bool,
    choices: Vec<ChoiceState>,
    /// The calls of all choices.
    calls: Tally,
    /// Whether the last chunk had a piece of a call. The reader holds such a piece until the call's name arrives.
    called: bool,
}

/// The memory held for calls.
#[derive(Debug, Default)]
struct Tally {
    count: usize,
    /// Bytes of their ids, and of arguments that wait for a name.
    bytes: usize,
}

#[derive(Debug, Default)]
struct ChoiceState {
    number: u32,
    /// The newest call at each index on the wire.
    calls: BTreeMap<u64, CallState>,
    /// The number of calls begun.
    begun: usize,
    /// The number of calls emitted.
    named: u32,
    /// Whether reasoning has come as text since the last signature; a thinking block would then repeat it.
    reasoned: bool,
    ended: bool,
}

/// A call on the wire.
#[derive(Debug, Default)]
struct CallState {
    id: String,
    /// Its position among the choice's calls.
    place: usize,
    /// The number in our events, once it has a name.
    call: Option<u32>,
    /// Arguments that came before the name.
    early: String,
    /// Whether it has a text input, whose arguments the end of the choice closes.
    is_custom: bool,
}

impl Events for Answer {
    const FILTERS: Marks = content_filter::OPENAI;

    fn event(&mut self, event: &sse::Event<'_>, data: &[u8], events: &mut Vec<StreamEvent>) -> Result<(), ApiError> {
        let chunk: Chunk<'_> = match json::from_slice(data) {
            Ok(chunk) => chunk,
            Err(error) => {
                let told = bare::error(data).ok_or_else(|| ApiError::unreadable(&error))?;
                self.fail(told, events);
                return Ok(());
            }
        };
        let chunks_own = chunk.choices.is_some() || chunk.usage.is_some();
        if let Some(error) = failure(event, data, chunk.error, chunks_own) {
            self.fail(error, events);
            return Ok(());
        }
        self.chunk(chunk, events)
    }

    fn done(&mut self, events: &mut Vec<StreamEvent>) -> Result<(), ApiError> {
        if !self.started {
            return Err(ApiError::bad_answer("The provider's stream ended without any content."));
        }
        self.finished = true;
        events.push(StreamEvent::End);
        Ok(())
    }

    fn repeats(&self) -> bool {
        !self.called
    }

    fn is_over(&self) -> bool {
        self.finished
    }

    fn buffered(&self) -> Buffered {
        let Self { id, model, choices, calls, .. } = self;
        let bytes = id.len().saturating_add(model.len()).saturating_add(calls.bytes);
        Buffered { bytes, pieces: choices.len().saturating_add(calls.count), ..Buffered::default() }
    }
}

impl Answer {
    fn fail(&mut self, error: ApiError, events: &mut Vec<StreamEvent>) {
        self.finished = true;
        events.push(StreamEvent::Error(error));
    }

    fn chunk(&mut self, chunk: Chunk<'_>, events: &mut Vec<StreamEvent>) -> Result<(), ApiError> {
        let usage = chunk.usage.as_ref().and_then(usage::UsageIn::read);
        let usage = usage.or_else(|| chunk.x_groq?.usage?.read());
        let choices = chunk.choices.unwrap_or_default();
        if !self.started {
            keep(&mut self.id, chunk.id);
            keep(&mut self.model, chunk.model);
            if choices.is_empty() && usage.is_none() {
                return Ok(());
            }
            self.started = true;
            events.push(StreamEvent::Start { id: self.id.clone(), model: self.model.clone() });
        }
        self.called = choices.iter().any(|choice| choice.delta.as_ref().is_some_and(MessageIn::has_calls));
        for (position, choice) in (0..).zip(choices) {
            if let Err(error) = self.choice(position, choice, events)? {
                self.fail(error, events);
                return Ok(());
            }
        }
        events.extend(usage.map(StreamEvent::Usage));
        Ok(())
    }

    /// Handles a choice. The outer error is an unreadable stream, the inner one a failure that the provider reports.
    fn choice(
        &mut self,
        position: u64,
        seen: ChoiceIn<'_>,
        events: &mut Vec<StreamEvent>,
    ) -> Result<Result<(), ApiError>, ApiError> {
        let number = seen.index.0.unwrap_or(position);
        let number = u32::try_from(number)
            .map_err(|_| ApiError::bad_answer("A choice in the provider's answer has an invalid index."))?;
        let state = find_or_add(&mut self.choices, number)?;
        // Together repeats the delta's text in `text`, the field of legacy completions.
        if let Some(said) = seen.delta {
            state.said(said, &self.id, &mut self.calls, events)?;
        } else if !seen.text.is_empty() {
            events.push(StreamEvent::Text { choice: number, text: seen.text.0.into_owned() });
        }
        if seen.finish_reason.is_empty() || std::mem::replace(&mut state.ended, true) {
            return Ok(Ok(()));
        }
        for state in state.calls.values() {
            let Some(call) = state.call else {
                return Err(ApiError::bad_answer("The provider's answer contains a tool call without a name."));
            };
            if state.is_custom {
                push_arguments(number, call, text_argument::CLOSING.into(), events);
            }
        }
        Ok(words::finish(&seen.finish_reason.0).map(|finish: Finish| {
            events.push(StreamEvent::Finish { choice: number, finish });
        }))
    }
}

/// The error in an event, recognised by its `error` field, its name, or, if it has no field of a chunk, its structure.
pub(in crate::dialect) fn failure(
    event: &sse::Event<'_>,
    data: &[u8],
    error: Option<&RawValue>,
    chunks_own: bool,
) -> Option<ApiError> {
    match error {
        Some(raw) => Some(error::inside(raw.get().as_bytes())),
        None if event.name == b"error" => Some(error::inside(data)),
        None if chunks_own => None,
        None => bare::error(data),
    }
}

fn keep(kept: &mut String, seen: Text<'_>) {
    if kept.is_empty() && !seen.is_empty() {
        *kept = seen.0.into_owned();
    }
}

fn find_or_add(choices: &mut Vec<ChoiceState>, number: u32) -> Result<&mut ChoiceState, ApiError> {
    let index = choices.iter().position(|state| state.number == number).unwrap_or(choices.len());
    if index == choices.len() {
        if index == MOST_CHOICES {
            return Err(ApiError::bad_answer("The provider's answer contains too many choices."));
        }
        choices.push(ChoiceState { number, ..ChoiceState::default() });
    }
    choices.get_mut(index).ok_or_else(|| ApiError::bad_answer("The provider's answer contains too many choices."))
}

impl ChoiceState {
    fn said(
        &mut self,
        mut said: MessageIn<'_>,
        answer: &str,
        tally: &mut Tally,
        events: &mut Vec<StreamEvent>,
    ) -> Result<(), ApiError> {
        let choice = self.number;
        let (reasoning, calls) = (said.reasoning(), said.calls());
        if !reasoning.is_empty() {
            self.reasoned = true;
            events.push(StreamEvent::Thinking { choice, text: reasoning.into_owned() });
        }
        for block in said.blocks() {
            self.block(block, events);
        }
        said.content.pieces(&mut |sort, text| {
            let text = text.into_owned();
            events.push(match sort {
                Sort::Text => StreamEvent::Text { choice, text },
                Sort::Thinking => StreamEvent::Thinking { choice, text },
                Sort::Refusal => StreamEvent::Refusal { choice, text },
            });
        });
        if !said.refusal.is_empty() {
            events.push(StreamEvent::Refusal { choice, text: said.refusal.0.into_owned() });
        }
        for (position, call) in (0..).zip(calls) {
            self.call(position, call, answer, tally, events)?;
        }
        Ok(())
    }

    fn block(&mut self, block: Block<'_>, events: &mut Vec<StreamEvent>) {
        let choice = self.number;
        if !block.data.is_empty() {
            events.push(StreamEvent::RedactedThinking { choice, data: block.data.0.into_owned() });
            return;
        }
        if !self.reasoned && !block.thinking.is_empty() {
            events.push(StreamEvent::Thinking { choice, text: block.thinking.0.into_owned() });
        }
        if !block.signature.is_empty() {
            self.reasoned = false;
            events.push(StreamEvent::Signature { choice, signature: block.signature.0.into_owned() });
        }
    }

    fn call(
        &mut self,
        position: u64,
        seen: Call<'_>,
        answer: &str,
        tally: &mut Tally,
        events: &mut Vec<StreamEvent>,
    ) -> Result<(), ApiError> {
        let choice = self.number;
        let key = seen.index.0.unwrap_or(position);
        let is_custom = seen.custom.is_some();
        let function = seen.custom.or(seen.function).unwrap_or_default();
        let (name, json) = match is_custom {
            true => (&function.name, text_argument::piece(&function.input.0).into()),
            false => (&function.name, function.arguments()),
        };
        // An index continues its newest call. Another id together with a name begins the next call.
        let goes_on =
            |call: &CallState| call.call.is_none() || seen.id.is_empty() || name.is_empty() || *seen.id.0 == call.id;
        if !self.calls.get(&key).is_some_and(goes_on) {
            if self.begun == MOST_CALLS {
                return Err(ApiError::bad_answer("The provider's answer contains too many tool calls."));
            }
            let begun = CallState { place: self.begun, ..CallState::default() };
            self.begun += 1;
            match self.calls.insert(key, begun) {
                Some(before) => tally.bytes = tally.bytes.saturating_sub(before.id.len()),
                None => tally.count += 1,
            }
        }
        let Some(state) = self.calls.get_mut(&key) else { return Ok(()) };
        if let Some(call) = state.call {
            push_arguments(choice, call, json, events);
            return Ok(());
        }
        let before = state.id.len() + state.early.len();
        keep(&mut state.id, seen.id);
        if name.is_empty() {
            state.early.push_str(&json);
        } else {
            if state.id.is_empty() {
                state.id = made_up_id(answer, choice, state.place);
            }
            let call = self.named;
            self.named += 1;
            state.call = Some(call);
            let (id, name) = (state.id.clone(), function.name.0.into_owned());
            if is_custom {
                state.is_custom = true;
                state.early.insert_str(0, text_argument::OPENING);
                events.push(StreamEvent::Guise { namespace: String::new(), name: name.clone(), form: Form::Text });
            }
            events.push(StreamEvent::ToolCall { choice, call, id, name });
            push_arguments(choice, call, Cow::Owned(std::mem::take(&mut state.early)), events);
            push_arguments(choice, call, json, events);
        }
        tally.bytes = (tally.bytes + state.id.len() + state.early.len()).saturating_sub(before);
        Ok(())
    }
}

fn push_arguments(choice: u32, call: u32, json: Cow<'_, str>, events: &mut Vec<StreamEvent>) {
    if !json.is_empty() {
        events.push(StreamEvent::Arguments { choice, call, json: json.into_owned() });
    }
}
