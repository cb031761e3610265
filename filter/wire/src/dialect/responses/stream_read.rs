//! Reads a provider's stream of events.
//!
//! Deltas are assigned to items by the item's index. Content of an item's final event is used if no delta carried it (a server without
//! deltas, the signature of reasoning); content of the response's final event is used if there were no items before. Unknown events are
//! dropped, among them those of tools that run at the provider.

use std::collections::BTreeMap;

use serde_json::value::RawValue;

use crate::content_filter::{self, Marks};
use crate::conversation::{Form, Part, StreamEvent};
use crate::dialect::Buffered;
use crate::dialect::sse_reader::{Events, SseReader};
use crate::dialect::text_argument;
use crate::error::ApiError;
use crate::framing::sse;

use super::answer::{ResponseIn as Answer, failed};
use super::event::Event;
use super::output::{Call, Item, MOST_ITEMS, Reasoning, parse};
use super::reasoning::{BETWEEN, unwrap};

/// The maximum of events emitted at the end of a stream, if nothing came before it.
const MOST_EVENTS: usize = 16_384;

/// A reader for such streams.
pub(super) type Reader = SseReader<State>;

/// The state from the events so far.
#[derive(Debug, Default)]
pub(super) struct State {
    id: String,
    started: bool,
    over: bool,
    calls: u32,
    /// By their index.
    items: BTreeMap<u64, ItemState>,
    /// Whether the last event was a delta. The reader emits a complete item only if no delta of it came before.
    piece: bool,
}

/// The state of an item.
#[derive(Debug, Default)]
struct ItemState {
    /// The call's number, if it is a call.
    call: Option<u32>,
    /// Whether it is a call with a text input.
    is_text: bool,
    /// Whether a piece of it was emitted.
    said: bool,
    /// The index of the last piece's part.
    part: u64,
}

impl Events for State {
    const FILTERS: Marks = content_filter::OPENAI;

    fn event(&mut self, event: &sse::Event<'_>, data: &[u8], events: &mut Vec<StreamEvent>) -> Result<(), ApiError> {
        let seen = Event::parse(data)?;
        let name = seen.name(event);
        if let Some(error) = seen.failure(&name, data) {
            self.fail(error, events);
            return Ok(());
        }
        self.piece = name.ends_with(".delta");
        self.named(&name, &seen, events)
    }

    fn repeats(&self) -> bool {
        self.piece
    }

    fn is_over(&self) -> bool {
        self.over
    }

    fn buffered(&self) -> Buffered {
        Buffered { bytes: self.id.len(), pieces: self.items.len(), ..Buffered::default() }
    }
}

impl State {
    fn named(&mut self, name: &str, seen: &Event<'_>, events: &mut Vec<StreamEvent>) -> Result<(), ApiError> {
        match name {
            "response.created" | "response.queued" | "response.in_progress" => self.start(seen.response, events),
            "response.output_item.added" => self.added(seen, events),
            "response.output_item.done" => self.done(seen, events),
            "response.completed" | "response.incomplete" => self.end(name, seen.response, events),
            "response.failed" => {
                let error = seen.response.and_then(|raw| parse::<Answer<'_>>(raw).ok()?.failure());
                self.fail(error.unwrap_or_else(failed), events);
                Ok(())
            }
            "response.output_text.delta" => self.piece(seen, events, |text| StreamEvent::Text { choice: 0, text }),
            "response.refusal.delta" => self.piece(seen, events, |text| StreamEvent::Refusal { choice: 0, text }),
            "response.reasoning_summary_text.delta" => self.thought(seen, seen.summary_index.0, events),
            "response.reasoning_text.delta" => self.thought(seen, seen.content_index.0, events),
            "response.function_call_arguments.delta" | "response.custom_tool_call_input.delta" => {
                let item = self.item(seen)?;
                if let Some(call) = item.call.filter(|_| !seen.delta.is_empty()) {
                    let begins = !std::mem::replace(&mut item.said, true);
                    let json = match item.is_text {
                        true => {
                            let opening = if begins { text_argument::OPENING } else { "" };
                            [opening, &text_argument::piece(&seen.delta.0)].concat()
                        }
                        false => seen.delta.0.clone().into_owned(),
                    };
                    events.push(StreamEvent::Arguments { choice: 0, call, json });
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn fail(&mut self, error: ApiError, events: &mut Vec<StreamEvent>) {
        self.over = true;
        events.push(StreamEvent::Error(error));
    }

    fn start(&mut self, response: Option<&RawValue>, events: &mut Vec<StreamEvent>) -> Result<(), ApiError> {
        if std::mem::replace(&mut self.started, true) {
            return Ok(());
        }
        let answer: Option<Answer<'_>> = response.map(parse).transpose()?;
        let (id, model) = answer.map(|answer| (answer.id.0, answer.model.0)).unwrap_or_default();
        self.id = id.into_owned();
        events.push(StreamEvent::Start { id: self.id.clone(), model: model.into_owned() });
        Ok(())
    }

    /// The item of an event.
    fn item(&mut self, seen: &Event<'_>) -> Result<&mut ItemState, ApiError> {
        let place = seen.output_index.0.unwrap_or_default();
        if self.items.len() == MOST_ITEMS && !self.items.contains_key(&place) {
            return Err(ApiError::bad_answer("The provider's answer contains too many items."));
        }
        Ok(self.items.entry(place).or_default())
    }

    fn piece(
        &mut self,
        seen: &Event<'_>,
        events: &mut Vec<StreamEvent>,
        event: impl FnOnce(String) -> StreamEvent,
    ) -> Result<(), ApiError> {
        self.start(None, events)?;
        if !seen.delta.is_empty() {
            self.item(seen)?.said = true;
            events.push(event(seen.delta.0.clone().into_owned()));
        }
        Ok(())
    }

    /// Emits a piece of reasoning; its parts are paragraphs.
    fn thought(&mut self, seen: &Event<'_>, part: Option<u64>, events: &mut Vec<StreamEvent>) -> Result<(), ApiError> {
        let item = self.item(seen)?;
        let part = part.unwrap_or_default();
        let next = std::mem::replace(&mut item.part, part) != part && item.said;
        self.piece(seen, events, |mut text| {
            if next {
                text.insert_str(0, BETWEEN);
            }
            StreamEvent::Thinking { choice: 0, text }
        })
    }

    fn added(&mut self, seen: &Event<'_>, events: &mut Vec<StreamEvent>) -> Result<(), ApiError> {
        self.start(None, events)?;
        let Some(raw) = seen.item else { return Ok(()) };
        let item = Item::parse(raw)?;
        self.item(seen)?;
        if let Item::Call(call) = item { self.call(seen, &call, events) } else { Ok(()) }
    }

    fn call(&mut self, seen: &Event<'_>, call: &Call<'_>, events: &mut Vec<StreamEvent>) -> Result<(), ApiError> {
        let number = self.calls;
        let (id, name) = (call.id(&self.id, self.items.len()), call.function());
        let item = self.item(seen)?;
        if item.call.is_none() {
            item.call = Some(number);
            item.is_text = call.form == Form::Text;
            self.calls = number.saturating_add(1);
            if let Some((namespace, name)) = call.guise() {
                let (namespace, name) = (namespace.to_owned(), name.to_owned());
                events.push(StreamEvent::Guise { namespace, name, form: call.form });
            }
            events.push(StreamEvent::ToolCall { choice: 0, call: number, id, name });
        }
        Ok(())
    }

    /// Handles a complete item: emits whatever no delta carried.
    fn done(&mut self, seen: &Event<'_>, events: &mut Vec<StreamEvent>) -> Result<(), ApiError> {
        self.start(None, events)?;
        let Some(raw) = seen.item else { return Ok(()) };
        let read = Item::parse(raw)?;
        let said = self.item(seen)?.said;
        match read {
            Item::Message(message) if !said => events.extend(message.parts().filter_map(|part| match part {
                Part::Refusal { text } => Some(StreamEvent::Refusal { choice: 0, text }),
                Part::Text { text, .. } => Some(StreamEvent::Text { choice: 0, text }),
                _ => None,
            })),
            Item::Call(call) => {
                let json = call.arguments(said);
                self.call(seen, &call, events)?;
                let number = self.item(seen)?.call.filter(|_| !json.is_empty());
                events.extend(number.map(|call| StreamEvent::Arguments { choice: 0, call, json }));
            }
            Item::Reasoning(reasoning) => thought_over(&reasoning, said, events),
            Item::Message(_) | Item::Other => {}
        }
        self.item(seen)?.said = true;
        Ok(())
    }

    fn end(&mut self, name: &str, response: Option<&RawValue>, events: &mut Vec<StreamEvent>) -> Result<(), ApiError> {
        self.start(response, events)?;
        let Some(raw) = response else {
            return Err(ApiError::bad_answer("The provider's stream ended without an answer."));
        };
        let mut answer: Answer<'_> = parse(raw)?;
        if answer.status.is_empty() {
            answer.status.0 = name.trim_start_matches("response.").to_owned().into();
        }
        if self.items.is_empty() {
            let before = events.len();
            for (place, raw) in (0..).zip(answer.output.take().unwrap_or_default()) {
                self.done(&Event::whole(place, raw), events)?;
                if events.len() - before > MOST_EVENTS {
                    return Err(ApiError::bad_answer("The provider's answer has too many parts."));
                }
            }
        }
        self.over = true;
        events.push(StreamEvent::Finish { choice: 0, finish: answer.finish(self.calls > 0) });
        events.extend(answer.usage.and_then(|usage| usage.read()).map(StreamEvent::Usage));
        events.push(StreamEvent::End);
        Ok(())
    }
}

/// Handles the end of reasoning, which has its signature; `said` is whether its text was emitted in pieces.
fn thought_over(reasoning: &Reasoning<'_>, said: bool, events: &mut Vec<StreamEvent>) {
    let shown = reasoning.shown();
    let hidden = shown.is_none() && !said;
    if let Some(text) = shown.filter(|text| !said && !text.is_empty()) {
        events.push(StreamEvent::Thinking { choice: 0, text });
    }
    if !reasoning.encrypted_content.is_empty() {
        let signature = unwrap(&reasoning.id.0, &reasoning.encrypted_content.0);
        events.push(if hidden {
            StreamEvent::RedactedThinking { choice: 0, data: signature }
        } else {
            StreamEvent::Signature { choice: 0, signature }
        });
    }
}
