//! Reads a stream of events, by their `type`; the SSE event name repeats it.
//!
//! `message-end` ends the stream, with the finish reason and the usage. `[DONE]` is ignored: a stream that was cut before `message-end` is
//! incomplete, even if `[DONE]` comes.

use crate::conversation::{Finish, StreamEvent};
use crate::dialect::Buffered;
use crate::dialect::functions::made_up_id;
use crate::dialect::sse_reader::{Events, SseReader};
use crate::error::ApiError;
use crate::framing::sse;
use crate::json;
use crate::lenient::Text;

use super::seen::{Call, Delta, Event, MessageIn};
use super::{error, words};

/// No response holds as many calls; the limit bounds our memory.
const MOST_CALLS: usize = 1024;

pub(super) type Reader = SseReader<Answer>;

/// The state of a stream.
#[derive(Debug, Default)]
pub(super) struct Answer {
    id: String,
    started: bool,
    finished: bool,
    /// The calls' numbers on the wire; the index is our number.
    calls: Vec<u64>,
}

impl Events for Answer {
    fn event(&mut self, _: &sse::Event<'_>, data: &[u8], events: &mut Vec<StreamEvent>) -> Result<(), ApiError> {
        let seen: Event<'_> = json::from_slice(data).map_err(|error| ApiError::unreadable(&error))?;
        if let Some(error) = failure(&seen) {
            self.finished = true;
            events.push(StreamEvent::Error(error));
            return Ok(());
        }
        self.seen(seen, events)
    }

    fn is_over(&self) -> bool {
        self.finished
    }

    fn buffered(&self) -> Buffered {
        Buffered { bytes: self.id.len(), pieces: self.calls.len(), ..Buffered::default() }
    }
}

impl Answer {
    fn seen(&mut self, seen: Event<'_>, events: &mut Vec<StreamEvent>) -> Result<(), ApiError> {
        if !self.started {
            self.started = true;
            self.id = seen.id.0.into_owned();
            events.push(StreamEvent::Start { id: self.id.clone(), model: String::new() });
        }
        let delta = seen.delta.unwrap_or_default();
        match &*seen.r#type.0 {
            "message-end" => self.end(&delta, events),
            "content-start" | "content-delta" | "tool-plan-delta" => said(delta.message.unwrap_or_default(), events),
            "tool-call-start" => {
                let call = delta.message.unwrap_or_default().tool_calls.0.unwrap_or_default();
                return self.call(seen.index.0, call, events);
            }
            "tool-call-delta" => {
                let call = delta.message.unwrap_or_default().tool_calls.0.unwrap_or_default();
                return self.arguments(seen.index.0, call, events);
            }
            // Starts and ends without content, citations, `debug`, and unknown events.
            _ => {}
        }
        Ok(())
    }

    fn call(&mut self, key: Option<u64>, seen: Call<'_>, events: &mut Vec<StreamEvent>) -> Result<(), ApiError> {
        if seen.function.name.is_empty() {
            return Err(ApiError::bad_answer("The provider's answer contains a tool call without a name."));
        }
        let index = self.calls.len();
        if index == MOST_CALLS {
            return Err(ApiError::bad_answer("The provider's answer contains too many tool calls."));
        }
        // `index` is bounded just above.
        let call = u32::try_from(index).unwrap_or_default();
        self.calls.push(key.unwrap_or(u64::from(call)));
        let id = if seen.id.is_empty() { made_up_id(&self.id, 0, index) } else { seen.id.0.into_owned() };
        events.push(StreamEvent::ToolCall { choice: 0, call, id, name: seen.function.name.0.into_owned() });
        push_arguments(call, seen.function.arguments.0.into_owned(), events);
        Ok(())
    }

    /// Adds arguments to the newest call with the number `key`, or to the newest call if there is none.
    fn arguments(&self, key: Option<u64>, seen: Call<'_>, events: &mut Vec<StreamEvent>) -> Result<(), ApiError> {
        let place = self.calls.iter().rposition(|known| key.is_none_or(|key| key == *known));
        let Some(call) = place.and_then(|place| u32::try_from(place).ok()) else {
            return Err(ApiError::bad_answer("The provider's answer contains arguments without a tool call."));
        };
        push_arguments(call, seen.function.arguments.0.into_owned(), events);
        Ok(())
    }

    fn end(&mut self, delta: &Delta<'_>, events: &mut Vec<StreamEvent>) {
        self.finished = true;
        let usage = delta.usage.as_ref().and_then(|usage| usage.read()).map(StreamEvent::Usage);
        match ending(delta) {
            // Usage is billed even if the response failed.
            Err(error) => events.extend(usage.into_iter().chain([StreamEvent::Error(error)])),
            Ok(finish) => {
                events.push(StreamEvent::Finish { choice: 0, finish });
                events.extend(usage);
                events.push(StreamEvent::End);
            }
        }
    }
}

/// The error in place of an event.
pub(super) fn failure(seen: &Event<'_>) -> Option<ApiError> {
    let error = matches!(&*seen.r#type.0, "" | "error");
    (error && seen.delta.is_none()).then(|| error::of(None, &seen.message.0))
}

/// The finish reason, or the failure.
pub(super) fn ending(delta: &Delta<'_>) -> Result<Finish, ApiError> {
    match (words::finish(&delta.finish_reason.0), &*delta.error.0) {
        (finish, "") => finish,
        (Ok(_), said) => Err(error::of(None, said)),
        (Err(error), said) => Err(ApiError { message: error::of(None, said).message, ..error }),
    }
}

fn said(said: MessageIn<'_>, events: &mut Vec<StreamEvent>) {
    let thought =
        |text: Text<'_>| (!text.is_empty()).then(|| StreamEvent::Thinking { choice: 0, text: text.0.into_owned() });
    events.extend(thought(said.tool_plan));
    if let Some(piece) = said.content.0 {
        events.extend(thought(piece.thinking));
        if !piece.text.is_empty() {
            events.push(StreamEvent::Text { choice: 0, text: piece.text.0.into_owned() });
        }
    }
}

fn push_arguments(call: u32, json: String, events: &mut Vec<StreamEvent>) {
    if !json.is_empty() {
        events.push(StreamEvent::Arguments { choice: 0, call, json });
    }
}
