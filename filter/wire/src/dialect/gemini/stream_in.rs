//! Reads a provider's stream into events.
//!
//! Every event is a response that adds to the one before; only its usage is cumulative. Calls come whole. There is no terminator: a stream
//! ends with its body, and is complete if a finish reason came before.

use crate::content_filter::{self, Marks};
use crate::conversation::{Finish, StreamEvent};
use crate::dialect::Buffered;
use crate::dialect::functions::made_up_id;
use crate::dialect::sse_reader::{Events, SseReader};
use crate::error::ApiError;
use crate::framing::sse;

use super::answer::{Candidate, MOST_CHOICES, Piece, ResponseIn};

pub(super) type Reader = SseReader<Answer>;

/// The state of a stream.
#[derive(Debug, Default)]
pub(super) struct Answer {
    begun: bool,
    id: String,
    started: bool,
    failed: bool,
    choices: Vec<ChoiceState>,
}

#[derive(Debug, Default)]
struct ChoiceState {
    number: u32,
    calls: u32,
    ended: bool,
}

impl Events for Answer {
    const FILTERS: Marks = content_filter::GEMINI;

    fn accepts(&mut self, portion: &[u8]) -> Result<bool, ApiError> {
        if !self.begun {
            let Some(first) = portion.trim_ascii_start().first() else { return Ok(false) };
            if matches!(first, b'[' | b'{') {
                return Err(ApiError::bad_answer(
                    "The provider sent a JSON array instead of the requested event stream.",
                ));
            }
            self.begun = true;
        }
        Ok(true)
    }

    fn event(&mut self, _: &sse::Event<'_>, data: &[u8], events: &mut Vec<StreamEvent>) -> Result<(), ApiError> {
        let seen = ResponseIn::parse(data)?;
        if let Some(error) = seen.failure(data) {
            self.fail(error, events);
            return Ok(());
        }
        self.answer(seen, events)
    }

    /// Google's streams have no terminator: `[DONE]` is an error.
    fn done(&mut self, _: &mut Vec<StreamEvent>) -> Result<(), ApiError> {
        ResponseIn::parse(b"[DONE]").map(|_| ())
    }

    fn is_over(&self) -> bool {
        self.failed
    }

    fn buffered(&self) -> Buffered {
        Buffered { bytes: self.id.len(), pieces: self.choices.len(), ..Buffered::default() }
    }
}

impl Answer {
    fn fail(&mut self, error: ApiError, events: &mut Vec<StreamEvent>) {
        self.failed = true;
        events.push(StreamEvent::Error(error));
    }

    fn answer(&mut self, mut seen: ResponseIn<'_>, events: &mut Vec<StreamEvent>) -> Result<(), ApiError> {
        if !self.started {
            self.started = true;
            self.id = seen.id();
            events.push(StreamEvent::Start { id: self.id.clone(), model: seen.model() });
        }
        let candidates = seen.candidates();
        if candidates.is_empty() && seen.is_blocked() {
            let why = seen.why_blocked();
            self.choice(0)?.end(Finish::ContentFilter, why, events);
        }
        for (position, candidate) in (0..).zip(candidates) {
            if let Err(error) = self.candidate(position, candidate, events)? {
                self.fail(error, events);
                return Ok(());
            }
        }
        events.extend(seen.usage_metadata.and_then(|usage| usage.inclusive()).map(StreamEvent::Usage));
        Ok(())
    }

    fn choice(&mut self, number: u32) -> Result<&mut ChoiceState, ApiError> {
        let position = self.choices.iter().position(|state| state.number == number);
        if position.is_none() && self.choices.len() < MOST_CHOICES {
            self.choices.push(ChoiceState { number, ..ChoiceState::default() });
        }
        let choice = match position {
            Some(position) => self.choices.get_mut(position),
            None => self.choices.last_mut().filter(|state| state.number == number),
        };
        choice.ok_or_else(|| ApiError::bad_answer("The provider's answer contains too many candidates."))
    }

    /// The outer error is a stream that cannot be read; the inner one is a failure that the provider reports.
    fn candidate(
        &mut self,
        position: u32,
        mut seen: Candidate<'_>,
        events: &mut Vec<StreamEvent>,
    ) -> Result<Result<(), ApiError>, ApiError> {
        let id = std::mem::take(&mut self.id);
        let state = self.choice(seen.index.unwrap_or(position))?;
        for part in seen.parts() {
            for piece in part.pieces()? {
                state.piece(piece, &id, events);
            }
        }
        let finish = seen.finish_reason.map(|reason| reason.read(state.calls > 0)).transpose();
        let told = finish.map(|finish| {
            finish.into_iter().for_each(|finish| state.end(finish, seen.why(finish), events));
        });
        self.id = id;
        Ok(told)
    }
}

impl ChoiceState {
    fn piece(&mut self, piece: Piece<'_>, answer: &str, events: &mut Vec<StreamEvent>) {
        let choice = self.number;
        match piece {
            Piece::Thought(text) => events.push(StreamEvent::Thinking { choice, text }),
            Piece::Signature(signature) => events.push(StreamEvent::Signature { choice, signature }),
            Piece::Text(text) => events.push(StreamEvent::Text { choice, text }),
            Piece::Call { mut id, name, arguments } => {
                let call = self.calls;
                self.calls = call.saturating_add(1);
                if id.is_empty() {
                    id = made_up_id(answer, choice, usize::try_from(call).unwrap_or(usize::MAX));
                }
                events.push(StreamEvent::ToolCall { choice, call, id, name });
                events.push(StreamEvent::Arguments { choice, call, json: arguments.to_owned() });
            }
        }
    }

    /// Finishes the choice, once: some models repeat the reason. `why` is Google's explanation of a block.
    fn end(&mut self, finish: Finish, why: Option<String>, events: &mut Vec<StreamEvent>) {
        if !std::mem::replace(&mut self.ended, true) {
            let choice = self.number;
            events.extend(why.map(|text| StreamEvent::Refusal { choice, text }));
            events.push(StreamEvent::Finish { choice, finish });
        }
    }
}
