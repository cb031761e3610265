//! Inspects responses that pass unchanged: model, usage, visible output and errors. Skips everything else.

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::content_filter;
use crate::conversation::{Finish, FinishReasons};
use crate::dialect::bare;
use crate::dialect::openai::loose::Text;
use crate::dialect::recurring::{Recurring, place_behind};
use crate::dialect::{EventClass, OutputSoFar, ResponseSummary, StreamPeeker};
use crate::error::ApiError;
use crate::extras::Tool;
use crate::framing::sse;
use crate::json;

use super::answer::{ResponseIn as Answer, failed, no_output};
use super::event::Event;
use super::output::parse;

/// A longer id is ignored.
const LONGEST_ID: usize = 256;

/// An item's type.
#[derive(Deserialize)]
struct Kind<'a> {
    #[serde(borrow, default)]
    r#type: Text<'a>,
}

/// Inspects a stream.
#[derive(Debug, Default)]
pub(super) struct Peeker {
    summary: ResponseSummary,
    /// Whether the response calls one of the client's functions.
    calls: bool,
    recurring: Recurring,
}

impl StreamPeeker for Peeker {
    fn peek(&mut self, event: &sse::Event<'_>) -> EventClass {
        if event.is_silent() {
            return EventClass::Other;
        }
        let data = event.data.trim_ascii();
        if data == b"[DONE]" {
            return EventClass::Other;
        }
        if let Some(text) = self.recurring.text(event.name, data) {
            self.summary.said += OutputSoFar::of(text.len());
            return EventClass::Content;
        }
        self.summary.filters |= content_filter::read(data, content_filter::OPENAI);
        let before = self.summary.said.bytes;
        let seen = Event::parse(data).and_then(|seen| self.look(event, &seen, data)).unwrap_or_else(EventClass::Failed);
        let bytes = usize::try_from(self.summary.said.bytes.saturating_sub(before)).unwrap_or_default();
        self.recurring.read(event.name, data, place_behind(data, b"\"delta\":\"", bytes));
        seen
    }

    fn summary(&self) -> &ResponseSummary {
        &self.summary
    }
}

impl Peeker {
    fn look(&mut self, event: &sse::Event<'_>, seen: &Event<'_>, data: &[u8]) -> Result<EventClass, ApiError> {
        let name = seen.name(event);
        if let Some(error) = seen.failure(&name, data) {
            return Err(error);
        }
        let answer: Option<Answer<'_>> = seen.response.map(parse).transpose()?;
        if let Some(answer) = &answer {
            self.note(answer);
        }
        match &*name {
            "response.completed" | "response.incomplete" => {
                self.summary.finished = true;
                self.finish(answer.as_ref());
                Ok(EventClass::End)
            }
            "response.failed" => {
                Err(seen.response.and_then(|raw| parse::<Answer<'_>>(raw).ok()?.failure()).unwrap_or_else(failed))
            }
            "response.output_item.added" => Ok(self.begun(seen.item)),
            // Content without a preceding delta: encrypted reasoning, a tool that ran at the provider.
            "response.output_item.done" => {
                self.called(seen.item);
                Ok(EventClass::Content)
            }
            _ if name.ends_with(".delta") && !seen.delta.is_empty() => {
                self.summary.said += OutputSoFar::of(seen.delta.0.len());
                Ok(EventClass::Content)
            }
            _ => Ok(EventClass::Other),
        }
    }

    /// A call is content as soon as it has a name; other items are still empty.
    fn begun(&mut self, item: Option<&RawValue>) -> EventClass {
        let kind = item.and_then(|raw| parse::<Kind<'_>>(raw).ok());
        if kind.is_none_or(|kind| matches!(&*kind.r#type.0, "message" | "reasoning")) {
            return EventClass::Other;
        }
        self.summary.said += OutputSoFar::of(1);
        EventClass::Content
    }

    /// Counts a complete item if its tool is priced per call.
    fn called(&mut self, item: Option<&RawValue>) {
        let kind = item.and_then(|raw| parse::<Kind<'_>>(raw).ok());
        self.calls |= kind.as_ref().is_some_and(|kind| matches!(&*kind.r#type.0, "function_call" | "custom_tool_call"));
        if let Some(tool) = kind.and_then(|kind| Tool::called(&kind.r#type.0)) {
            self.summary.extras.calls.add(tool, 1);
        }
    }

    /// Records why the response ended.
    fn finish(&mut self, answer: Option<&Answer<'_>>) {
        let finish = answer.map_or_else(Finish::default, |answer| answer.finish(self.calls));
        self.summary.reasons = FinishReasons::of(finish);
    }

    fn note(&mut self, answer: &Answer<'_>) {
        self.summary.name(&answer.model.0);
        if self.summary.id.is_none() && (1..=LONGEST_ID).contains(&answer.id.0.len()) {
            self.summary.id = Some(answer.id.0.to_string());
        }
        let usage = answer.usage.as_ref().and_then(|usage| usage.read());
        self.summary.usage = usage.or(self.summary.usage);
        self.summary.extras.name_tier(&answer.service_tier.0);
    }
}

/// Inspects a whole response. A response that is still in progress in the background also counts as one.
pub(in crate::dialect) fn response(body: &[u8]) -> Result<ResponseSummary, ApiError> {
    let answer: Answer<'_> = json::from_slice(body).map_err(|wrong| ApiError::unreadable(&wrong))?;
    if let Some(error) = answer.failure() {
        return Err(error);
    }
    if answer.output.is_none() {
        return Err(bare::error(body).unwrap_or_else(no_output));
    }
    let mut peeker = Peeker::default();
    peeker.note(&answer);
    for item in answer.output.iter().flat_map(|items| items.iter()) {
        peeker.called(Some(item));
    }
    if matches!(&*answer.status.0, "completed" | "incomplete") {
        peeker.finish(Some(&answer));
    }
    Ok(peeker.summary)
}
