//! Answers on their way from one format to another, so that clients may rely on what they mean, whatever their provider forgot to
//! say. Nothing is mended in an answer that passes in its client's own format.
//!
//! - An answer that holds a call waits for its result: `stop` is `tool_calls` there. OpenAI and vLLM say `stop` where the client named
//!   the function, others always; agents run tools by the reason alone.
//! - A stream that came to its terminator and gave no reason is complete if its calls are whole and there was one, or its tokens
//!   were counted last. Else it broke off.
//! - The arguments `null` are none.
//! - Where the client takes one call in an answer, others are left out: it asked for that in a field (`parallel_tool_calls: false`)
//!   for which not every provider has words, and the model asks again.
//! - Calls have identifiers that the client's own format takes, and functions the names that the client gave them.

use crate::conversation::{Finish, Part, Response, StreamEvent};
use crate::error::{ApiError, ErrorKind};

use super::aliases::{Fresh, Names, Rule};
use super::json_end::JsonEnd;
use super::{Kept, StreamReader};

/// A model's way to write no arguments, of Cohere's among them.
const NULL: &str = "null";

/// A whole answer, mended, for a client whose identifiers of calls keep to `ids`; the request had `names`.
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

/// Of the calls the first.
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

/// Reads a stream, and mends it.
#[derive(Debug)]
pub(super) struct Reader {
    inner: Box<dyn StreamReader>,
    /// The answer's name.
    answer: String,
    fresh: Fresh,
    names: Names,
    read: Vec<StreamEvent>,
    choices: Vec<ChoiceState>,
    /// Calls whose arguments are not whole.
    calls: Vec<CallState>,
    /// Whether something was said.
    said: bool,
    /// Whether tokens were counted, and nothing was said since.
    counted: bool,
}

#[derive(Debug)]
struct ChoiceState {
    number: u32,
    called: bool,
    /// The call that is left out, and its arguments with it.
    left_out: Option<u32>,
    ended: bool,
}

#[derive(Debug)]
struct CallState {
    choice: u32,
    call: u32,
    arguments: JsonEnd,
    /// How much of `null` has come, and is kept back.
    null: usize,
}

/// No answer has as many calls under way: of more, the oldest are forgotten.
const MOST_OPEN: usize = 1024;

/// Room for so many events is used again; more is given back.
const FEW: usize = 1024;

impl Reader {
    /// What `inner` reads, for a client whose identifiers of calls keep to `ids`; the request had `names`.
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

    /// Whether it belongs to a call after the first.
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

    /// Whether the piece says something; what is kept back of `null` goes before it.
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

    /// The terminator came: whether the answer is complete, and the reason that it did not give.
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

/// The stream broke off.
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

    fn kept(&self) -> Kept {
        let pieces = self.choices.len().saturating_add(self.calls.len()).saturating_add(self.fresh.count());
        self.inner.kept() + Kept { begun: 0, bytes: self.answer.len(), pieces }
    }
}
