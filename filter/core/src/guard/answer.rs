//! What guardrails make of an answer of which nobody has seen anything yet.
//!
//! A [`Transcript`] hears all that a model says, from a whole answer or event by event; [`Checks`] judge it when it is complete.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::rc::Rc;

use memchr::arch::all::is_equal;
use serde::de::IgnoredAny;
use serde_json::Value;
use sluice_wire::conversation::{Finish, Part, Response, StreamEvent};
use sluice_wire::footprint;
use sluice_wire::json;

use crate::guard::spec::{Action, Side};

use super::escapes::unfolded;
use super::matcher::Matcher;
use super::schema::{self, Schema, Unmet};
use super::steps::Steps;
use super::{Finding, Guard, note};

/// What an answer has to pass.
#[derive(Debug, Default)]
pub struct Checks {
    /// What it must not have in it.
    pub guards: Vec<Rc<Guard>>,
    /// What it must be.
    pub format: Option<Format>,
}

/// What an answer must be, as its client asked.
#[derive(Debug, PartialEq)]
pub enum Format {
    /// A JSON object.
    Object,
    /// JSON by this schema.
    Schema(Schema),
    /// JSON by a schema that is too large to be held against it.
    Json,
}

/// Why an answer must not be shown.
#[derive(Debug, PartialEq, Eq)]
pub enum GuardFailure {
    /// A guardrail blocks it.
    Blocked(Finding),
    /// It is not what was asked for; why, without a word of it.
    Invalid(String),
}

/// All that a model has said.
#[derive(Debug, Default)]
pub struct Transcript {
    answers: BTreeMap<u32, Answer>,
    /// Whether there was something that nobody here can read, and that passes all the same.
    puzzled: bool,
}

/// One of the answers that were asked for.
#[derive(Debug, Default)]
struct Answer {
    text: String,
    /// Reasoning, and the words of a refusal.
    asides: String,
    /// The arguments of calls.
    calls: BTreeMap<u32, String>,
    /// The names of what is called, each in a line.
    names: String,
    refused: bool,
    finish: Option<Finish>,
}

impl Checks {
    /// Whether there is nothing to pass.
    pub fn is_empty(&self) -> bool {
        self.guards.is_empty() && self.format.is_none()
    }

    /// Judges a complete answer: what was found in it that may be shown all the same, or why it must not be. `passing` are the texts that
    /// its client reads besides those that a model is known to have said.
    pub fn judge<'t>(
        &self,
        witness: &'t Transcript,
        passing: impl Iterator<Item = Cow<'t, str>>,
    ) -> Result<Vec<Finding>, GuardFailure> {
        let mut findings = Vec::new();
        let steps = Matcher::steps();
        let mut said = witness.answers.values().flat_map(Answer::texts);
        // Nearly all that passes is the first answer's text once more.
        let first = said.next();
        let is_first = |text: &str| first.as_ref().is_some_and(|first| is_equal(first.as_bytes(), text.as_bytes()));
        let passing = passing.filter(|text| !is_first(text));
        for text in first.iter().cloned().chain(said).chain(passing).filter(|_| !self.guards.is_empty()) {
            for guard in &self.guards {
                let Some(label) = guard.finder.first(&text, &steps) else { continue };
                match guard.action {
                    Action::Log => note(&mut findings, guard, label, Side::Answers),
                    Action::Block | Action::Mask => {
                        return Err(GuardFailure::Blocked(Finding::of(guard, label, Side::Answers)));
                    }
                }
            }
        }
        if witness.puzzled {
            findings.extend(self.format.is_some().then(Finding::unchecked));
        } else if let Some(format) = &self.format {
            let steps = Steps::at_most(schema::MOST_STEPS);
            let mut claims = witness.answers.values().filter(|answer| answer.claims_to_be_complete());
            let unchecked = claims.try_fold(false, |unchecked, answer| {
                Ok(unchecked | !format.check(&answer.text, &steps).map_err(GuardFailure::Invalid)?)
            })?;
            findings.extend(unchecked.then(Finding::unchecked));
        }
        Ok(findings)
    }
}

impl Format {
    /// Whether a text was held against all that was asked for; an error when it is not that.
    fn check(&self, text: &str, steps: &Steps) -> Result<bool, String> {
        let is_json = json::read::<IgnoredAny>(text).is_ok();
        let expect = |good: bool, wrong: &str| if good { Ok(()) } else { Err(wrong.to_owned()) };
        expect(is_json, "it is not valid JSON")?;
        match self {
            Self::Object => expect(text.trim_start().starts_with('{'), "it is not a JSON object").map(|()| true),
            Self::Schema(schema) if footprint::fits(text.as_bytes(), schema::LARGEST) => {
                // What was ignored well may still be no JSON when it is read: a number beyond all bounds.
                let value: Value = json::read(text).map_err(|_| "it is not valid JSON".to_owned())?;
                match schema.check(&value, steps) {
                    Ok(()) => Ok(true),
                    Err(Unmet::Wrong(wrong)) => Err(wrong),
                    Err(Unmet::Spent) => Ok(false),
                }
            }
            Self::Schema(_) | Self::Json => Ok(false),
        }
    }
}

impl Answer {
    fn texts(&self) -> impl Iterator<Item = Cow<'_, str>> {
        let texts = [&self.text, &self.asides, &self.names].into_iter().chain(self.calls.values());
        texts.map(|text| unfolded(Cow::Borrowed(text)))
    }

    /// An answer that says of itself that it was cut off, or that it is none, is its client's to judge; and one that calls tools has
    /// not come to its end.
    fn claims_to_be_complete(&self) -> bool {
        let cut = matches!(self.finish, Some(Finish::Length | Finish::ContentFilter | Finish::ToolCalls));
        !cut && !self.refused && self.calls.is_empty()
    }

    fn record(&mut self, part: &Part) {
        match part {
            Part::Text { text, .. } => self.text.push_str(text),
            Part::Thinking { text, .. } => self.asides.push_str(text),
            Part::Refusal { text } => self.refuse(text),
            Part::ToolCall { name, arguments, .. } => {
                self.name(name);
                let call = u32::try_from(self.calls.len()).unwrap_or(u32::MAX);
                self.call(call, arguments);
            }
            Part::Image { .. } | Part::Document { .. } | Part::ToolResult { .. } | Part::RedactedThinking { .. } => {}
        }
    }

    fn refuse(&mut self, text: &str) {
        self.refused = true;
        self.asides.push_str(text);
    }

    fn name(&mut self, name: &str) {
        self.names.extend([name, "\n"]);
    }

    fn call(&mut self, call: u32, arguments: &str) {
        self.calls.entry(call).or_default().push_str(arguments);
    }
}

impl Transcript {
    /// Of a whole answer.
    pub fn of(response: &Response) -> Self {
        let mut witness = Self::default();
        for (choice, index) in response.choices.iter().zip(0..) {
            let answer = witness.answers.entry(index).or_default();
            answer.finish = Some(choice.finish);
            choice.parts.iter().for_each(|part| answer.record(part));
        }
        witness
    }

    /// Of an answer that nobody here can read. Its texts are looked at; whether it is what was asked for is not known.
    pub fn puzzled(self) -> Self {
        Self { puzzled: true, ..self }
    }

    /// Hears one step of a streamed answer.
    pub fn record(&mut self, event: &StreamEvent) {
        match event {
            StreamEvent::Text { choice, text } => self.answer(*choice).text.push_str(text),
            StreamEvent::Thinking { choice, text } => self.answer(*choice).asides.push_str(text),
            StreamEvent::Refusal { choice, text } => self.answer(*choice).refuse(text),
            StreamEvent::ToolCall { choice, call, name, .. } => {
                let answer = self.answer(*choice);
                answer.name(name);
                answer.call(*call, "");
            }
            StreamEvent::Arguments { choice, call, json } => self.answer(*choice).call(*call, json),
            StreamEvent::Finish { choice, finish } => self.answer(*choice).finish = Some(*finish),
            StreamEvent::Start { .. }
            | StreamEvent::Signature { .. }
            | StreamEvent::RedactedThinking { .. }
            | StreamEvent::Usage(_)
            | StreamEvent::Ping
            | StreamEvent::Error(_)
            | StreamEvent::End => {}
        }
    }

    fn answer(&mut self, choice: u32) -> &mut Answer {
        self.answers.entry(choice).or_default()
    }
}

#[cfg(test)]
mod tests;
