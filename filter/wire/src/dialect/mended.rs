//! Repairs translated responses, so that clients can rely on their semantics even if the provider omits something. Responses that pass in
//! the client's own format are not repaired.
//!
//! - A response with a tool call finishes with `tool_calls`, never with `stop`. OpenAI and vLLM send `stop` if the client named the
//!   function, some other providers always do. Agents decide by the finish reason alone whether to run tools.
//! - A stream that reached its terminator without a finish reason is complete if all calls are complete and there was at least one, or if
//!   usage was reported last. Otherwise it was truncated.
//! - The arguments `null` mean no arguments.
//! - If the client wants at most one call per response (`parallel_tool_calls: false`), further calls are dropped: not every provider
//!   supports the field, and the model will repeat the call.
//! - Call ids fit the client's format, and functions get back the client's names for them.

use crate::conversation::{Finish, Form, Part, Response, StreamEvent, writable};
use crate::error::{ApiError, ErrorKind};

use super::aliases::{Fresh, Names, Rule};
use super::json_end::JsonEnd;
use super::{Buffered, StreamReader};

/// Written by some models, Cohere's among them, for no arguments.
const NULL: &str = "null";

/// Repairs a whole response. Call ids must satisfy `ids`; `names` are the tool names changed in the request.
pub(super) fn whole(response: &mut Response, ids: Rule, names: &Names) {
    let mut fresh = Fresh::new(ids);
    for choice in &mut response.choices {
        if names.one_call {
            keep_first(&mut choice.parts);
        }
        let mut called = false;
        for part in &mut choice.parts {
            let Part::ToolCall { id, name, arguments } = part else { continue };
            called = true;
            fresh.id(id, &response.id);
            names.restore(name);
            if arguments.trim() == NULL {
                arguments.clear();
            }
        }
        choice.finish = reason(choice.finish, called);
    }
}

/// Drops all calls but the first.
fn keep_first(parts: &mut Vec<Part>) {
    let mut calls: usize = 0;
    parts.retain(|part| {
        calls = calls.saturating_add(usize::from(matches!(part, Part::ToolCall { .. })));
        calls < 2 || !matches!(part, Part::ToolCall { .. })
    });
}

fn reason(said: Finish, called: bool) -> Finish {
    if said == Finish::Stop && called { Finish::ToolCalls } else { said }
}

/// Reads a stream and repairs it.
#[derive(Debug)]
pub(super) struct Reader {
    inner: Box<dyn StreamReader>,
    /// The response's id.
    answer: String,
    fresh: Fresh,
    names: Names,
    read: Vec<StreamEvent>,
    choices: Vec<ChoiceState>,
    /// Calls with incomplete arguments.
    calls: Vec<CallState>,
    /// Whether there was any content.
    said: bool,
    /// Whether usage was reported, with no content since.
    counted: bool,
}

#[derive(Debug)]
struct ChoiceState {
    number: u32,
    called: bool,
    /// The first dropped call; it and later ones are dropped with their arguments.
    left_out: Option<u32>,
    ended: bool,
}

#[derive(Debug)]
struct CallState {
    choice: u32,
    call: u32,
    arguments: JsonEnd,
    /// How many characters of `null` are withheld.
    null: usize,
}

/// No real response has as many open calls; above this, the oldest are forgotten.
const MOST_OPEN: usize = 1024;

/// A buffer up to this capacity is reused; a larger one is freed.
const FEW: usize = 1024;

impl Reader {
    /// Wraps `inner`. Call ids must satisfy `ids`; `names` are the tool names changed in the request.
    pub(super) fn new(inner: Box<dyn StreamReader>, ids: Rule, names: Names) -> Self {
        Self {
            inner,
            answer: String::new(),
            fresh: Fresh::new(ids),
            names,
            read: Vec::new(),
            choices: Vec::new(),
            calls: Vec::new(),
            said: false,
            counted: false,
        }
    }

    fn choice(&mut self, number: u32) -> Option<&mut ChoiceState> {
        let place = self.choices.iter().position(|choice| choice.number == number).unwrap_or(self.choices.len());
        if place == self.choices.len() {
            self.choices.push(ChoiceState { number, called: false, left_out: None, ended: false });
        }
        self.choices.get_mut(place)
    }

    fn call(&mut self, choice: u32, call: u32) -> Option<&mut CallState> {
        self.calls.iter_mut().rfind(|state| (state.choice, state.call) == (choice, call))
    }

    /// Whether the event belongs to a call after the first.
    fn is_one_more(&mut self, event: &StreamEvent) -> bool {
        match event {
            StreamEvent::ToolCall { choice, call, .. } => self.choice(*choice).is_some_and(|state| {
                if state.called {
                    state.left_out = Some(state.left_out.map_or(*call, |first| first.min(*call)));
                }
                state.called
            }),
            StreamEvent::Arguments { choice, call, .. } => {
                let left_out = self.choice(*choice).and_then(|state| state.left_out);
                left_out.is_some_and(|first| *call >= first)
            }
            _ => false,
        }
    }

    fn event(&mut self, event: StreamEvent, events: &mut Vec<StreamEvent>) {
        let mut event = event;
        if self.names.one_call && self.is_one_more(&event) {
            return;
        }
        if let StreamEvent::Arguments { choice, call, json } = &mut event
            && !self.arguments(*choice, *call, json)
        {
            return;
        }
        match &mut event {
            StreamEvent::Start { id, .. } => id.clone_into(&mut self.answer),
            StreamEvent::ToolCall { choice, call, id, name } => {
                self.fresh.id(id, &self.answer);
                self.names.restore(name);
                let (choice, call) = (*choice, *call);
                if self.calls.len() == MOST_OPEN {
                    self.calls.remove(0);
                }
                self.calls.push(CallState { choice, call, arguments: JsonEnd::default(), null: 0 });
                if let Some(state) = self.choice(choice) {
                    state.called = true;
                }
            }
            StreamEvent::Finish { choice, finish } => {
                if let Some(state) = self.choice(*choice) {
                    state.ended = true;
                    *finish = reason(*finish, state.called);
                }
            }
            StreamEvent::Guise { name, form: Form::Other, .. } => {
                if let Err(error) = writable(name) {
                    events.push(StreamEvent::Error(error));
                    return;
                }
            }
            StreamEvent::Usage(_) => self.counted = true,
            StreamEvent::End => {
                if let Err(error) = self.end(events) {
                    events.push(StreamEvent::Error(error));
                    return;
                }
            }
            _ => {}
        }
        if event.is_content() {
            (self.said, self.counted) = (true, false);
        }
        events.push(event);
    }

    /// Whether to emit the piece. A withheld part of `null` is put before it.
    fn arguments(&mut self, choice: u32, call: u32, json: &mut String) -> bool {
        let Some(state) = self.call(choice, call) else { return true };
        if state.arguments.is_empty() {
            let rest = NULL.get(state.null..).unwrap_or_default();
            let piece = json.trim();
            if rest.starts_with(piece) {
                state.null += piece.len();
                return false;
            }
            json.insert_str(0, NULL.get(..std::mem::take(&mut state.null)).unwrap_or_default());
        }
        state.arguments.feed(json);
        if state.arguments.is_whole() {
            self.calls.retain(|state| (state.choice, state.call) != (choice, call));
        }
        true
    }

    /// Handles the terminator: checks for truncation and adds a missing finish reason.
    fn end(&self, events: &mut Vec<StreamEvent>) -> Result<(), ApiError> {
        let first = self.choices.iter().find(|choice| choice.number == 0);
        if !self.said || first.is_some_and(|choice| choice.ended) {
            return Ok(());
        }
        let called = first.is_some_and(|choice| choice.called);
        let whole = |call: &CallState| call.arguments.is_empty() && (self.counted || call.null == NULL.len());
        if !self.calls.iter().all(whole) || !(called || self.counted) {
            return Err(truncated());
        }
        events.push(StreamEvent::Finish { choice: 0, finish: reason(Finish::Stop, called) });
        Ok(())
    }
}

/// The error for a truncated stream.
pub(super) fn truncated() -> ApiError {
    ApiError::new(502, ErrorKind::Server, "The provider's answer ended before it was complete.")
        .with_code("stream_truncated")
}

impl StreamReader for Reader {
    fn read(&mut self, portion: &[u8], events: &mut Vec<StreamEvent>) -> Result<(), ApiError> {
        let mut read = std::mem::take(&mut self.read);
        let result = self.inner.read(portion, &mut read);
        read.drain(..).for_each(|event| self.event(event, events));
        if read.capacity() <= FEW {
            self.read = read;
        }
        result
    }

    fn buffered(&self) -> Buffered {
        let pieces = self.choices.len().saturating_add(self.calls.len()).saturating_add(self.fresh.count());
        self.inner.buffered() + Buffered { begun: 0, bytes: self.answer.len(), pieces }
    }
}
