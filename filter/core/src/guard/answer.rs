//! Checks and rewrites a response before the client receives it.
//!
//! [`Checks`] judge a complete response, or each text of a stream as it arrives, in a [`Channel`]. A [`Transcript`] records everything that a
//! model outputs.

use std::borrow::Cow;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use memchr::arch::all::is_equal;
use serde::de::IgnoredAny;
use sluice_wire::conversation::{Choice, Finish, Part, Response, StreamEvent};
use sluice_wire::footprint;
use sluice_wire::json;

use crate::guard::spec::{Action, GuardDelivery, Side};

use super::channel::Channel;
use super::escapes::{unescaped, unfolded};
use super::judge::spec::JudgeMode;
use super::judge::{JudgeGuard, JudgedText, Masking};
use super::mask::Placeholders;
use super::matcher::Matcher;
use super::schema::types::{self, Types};
use super::schema::{self, Schema, Unmet};
use super::steps::Steps;
use super::{Finding, Guard, note};

/// The checks of a response.
#[derive(Debug, Default)]
pub struct Checks {
    /// The guardrails.
    pub guards: Vec<Rc<Guard>>,
    /// The guardrails with a judge.
    pub judges: Vec<Rc<JudgeGuard>>,
    /// The required formats: the client's and the model's.
    pub formats: Vec<Format>,
    /// Whether the client or the gateway file asks for JSON, checked or not.
    pub json: bool,
    /// Whether a stream may be rejected before its end: the model cannot call tools, after which any text is valid.
    pub early: bool,
    /// The placeholders of masked texts, in the prompt and in the response.
    pub placeholders: RefCell<Placeholders>,
}

/// An inspection of the texts of a response.
#[derive(Debug)]
pub struct Inspection<'a> {
    /// The checks.
    pub checks: &'a Checks,
    /// The work so far.
    pub steps: &'a Steps,
    /// The findings that do not block the response.
    pub findings: &'a mut Vec<Finding>,
}

impl Inspection<'_> {
    /// Inspects a whole text, in which nothing can be masked.
    pub fn whole(&mut self, text: &str) -> Result<(), Finding> {
        for guard in &self.checks.guards {
            let Some(label) = guard.matcher.first(text, self.steps) else { continue };
            match guard.action {
                Action::Log => note(self.findings, guard, label, Side::Answers),
                Action::Block | Action::Mask => return Err(Finding::blocking(guard, label)),
            }
        }
        Ok(())
    }
}

/// A format that the client or the gateway file asks for.
#[derive(Debug, PartialEq)]
pub enum Format {
    /// A JSON object.
    Object,
    /// JSON that follows this schema.
    Schema(Rc<Schema>),
    /// JSON that follows a schema too large to check.
    Json,
}

/// Why the client must not receive a response.
#[derive(Debug, PartialEq, Eq)]
pub enum GuardFailure {
    /// A guardrail blocks it.
    Blocked(Finding),
    /// It does not have the required format. The reason quotes nothing of the response.
    Invalid(String),
}

/// The output of a model.
#[derive(Debug, Default)]
pub struct Transcript {
    answers: BTreeMap<u32, Answer>,
    /// Whether the response could not be parsed and passes unchanged.
    unparsed: bool,
}

/// One choice of the response.
#[derive(Debug, Default)]
struct Answer {
    text: String,
    /// Reasoning, and refusal texts.
    asides: String,
    /// The arguments of tool calls.
    calls: BTreeMap<u32, String>,
    /// The names of the called tools, one per line.
    names: String,
    refused: bool,
    finish: Option<Finish>,
}

impl Checks {
    /// Whether the response passes without a check.
    pub fn is_empty(&self) -> bool {
        !self.inspects() && self.formats.is_empty()
    }

    /// Whether the texts of the response are inspected.
    pub fn inspects(&self) -> bool {
        !self.guards.is_empty() || !self.judges.is_empty() || self.restores()
    }

    /// Whether the gateway restores masked texts of the prompt for the client.
    pub fn restores(&self) -> bool {
        !self.placeholders.borrow().restores_nothing()
    }

    /// Whether the texts of the response may change.
    pub fn rewrites(&self) -> bool {
        self.restores()
            || self.guards.iter().any(|guard| guard.action == Action::Mask)
            // Judges do not receive fields that the gateway does not know.
            || self.judges.iter().any(|guard| guard.mode == JudgeMode::Enforce)
    }

    /// Whether the client must not get a response that is not inspected.
    pub fn acts(&self) -> bool {
        self.rewrites() || self.guards.iter().any(|guard| guard.action == Action::Block)
    }

    /// A text of this kind for judges.
    pub fn judged_text(&self, kind: Kind, text: &str) -> JudgedText {
        let masking = if self.is_json(kind) { Masking::Json } else { Masking::Free };
        JudgedText { masking, ..JudgedText::of(text.to_owned()) }
    }

    /// Whether a text of this kind should be JSON.
    pub fn is_json(&self, kind: Kind) -> bool {
        matches!(kind, Kind::Arguments(_)) || (kind == Kind::Text && self.json)
    }

    /// Whether the response is held until it is complete.
    pub fn hold_whole(&self) -> bool {
        let whole = |guard: &Rc<Guard>| guard.action != Action::Log && guard.delivery == GuardDelivery::Whole;
        let judged_whole = |guard: &Rc<JudgeGuard>| guard.window.is_none();
        !self.formats.is_empty() || self.guards.iter().any(whole) || self.judges.iter().any(judged_whole)
    }

    /// Judges a complete response. Returns the findings that do not block it, or the reason to block it. `passing` contains the texts that
    /// the client receives besides the recorded ones.
    pub fn judge<'t>(
        &self,
        transcript: &'t Transcript,
        passing: impl Iterator<Item = Cow<'t, str>>,
    ) -> Result<Vec<Finding>, GuardFailure> {
        let (mut findings, steps) = (Vec::new(), Matcher::steps());
        let mut inspection = Inspection { checks: self, steps: &steps, findings: &mut findings };
        let mut said = transcript.answers.values().flat_map(Answer::texts);
        // Nearly every text in `passing` is the first choice's text again.
        let first = said.next();
        let is_first = |text: &str| first.as_ref().is_some_and(|first| is_equal(first.as_bytes(), text.as_bytes()));
        let passing = passing.filter(|text| !is_first(text));
        for text in first.iter().cloned().chain(said).chain(passing).filter(|_| !self.guards.is_empty()) {
            inspection.whole(&text).map_err(GuardFailure::Blocked)?;
        }
        findings.extend(self.check_format(transcript)?);
        Ok(findings)
    }

    /// Masks texts of a complete response, or blocks it, and restores the prompt's texts. With judges, it restores them only once these have
    /// `judged` the masked response.
    pub fn rewrite(&self, response: &mut Response, judged: bool) -> Result<Vec<Finding>, GuardFailure> {
        let (mut findings, steps) = (Vec::new(), Matcher::steps());
        let mut inspection = Inspection { checks: self, steps: &steps, findings: &mut findings };
        for choice in &mut response.choices {
            let mut channels: Vec<(Kind, Channel)> = Vec::new();
            let mut ends = Vec::new();
            for (part, number) in choice.parts.iter_mut().zip(0..) {
                if let Part::ToolCall { name, .. } = &part {
                    inspection.whole(name).map_err(GuardFailure::Blocked)?;
                }
                let Some((kind, text)) = text_of(part, number) else { continue };
                if channels.iter().all(|(known, _)| *known != kind) {
                    channels.push((kind, Channel::of(self.is_json(kind), judged)));
                }
                ends.extend(
                    channels.iter_mut().find(|(known, _)| *known == kind).map(|(_, channel)| channel.push(text)),
                );
            }
            for (_, channel) in &mut channels {
                channel.pause(&mut inspection).map_err(GuardFailure::Blocked)?;
            }
            let mut ends = ends.into_iter();
            for (part, number) in choice.parts.iter_mut().zip(0..) {
                let Some((kind, text)) = text_of(part, number) else { continue };
                let channel = channels.iter_mut().find(|(known, _)| *known == kind);
                let (Some((_, channel)), Some(end)) = (channel, ends.next()) else { continue };
                if let Some(other) = channel.rewrite(end.saturating_sub(text.len())..end, text) {
                    *text = other;
                }
            }
        }
        Ok(findings)
    }

    /// Checks the formats of a complete response. Returns a finding if the check was incomplete.
    pub fn check_format(&self, transcript: &Transcript) -> Result<Option<Finding>, GuardFailure> {
        if transcript.unparsed {
            return Ok((!self.formats.is_empty()).then(Finding::unchecked));
        }
        let steps = Steps::at_most(schema::MOST_STEPS);
        let claims = transcript.answers.values().filter(|answer| answer.claims_to_be_complete());
        let mut checks = claims.flat_map(|answer| self.formats.iter().map(|format| format.check(&answer.text, &steps)));
        let unchecked =
            checks.try_fold(false, |unchecked, checked| Ok(unchecked | !checked.map_err(GuardFailure::Invalid)?))?;
        Ok(unchecked.then(Finding::unchecked))
    }
}

/// The kinds of texts in a choice. The pieces of one kind are one text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// The response's text.
    Text,
    /// Reasoning.
    Thinking,
    /// A refusal.
    Refusal,
    /// The arguments of a tool call, which are JSON.
    Arguments(u32),
    /// Another text of an event that passes unchanged, by its path.
    Other(u64),
}

/// The texts of a response.
pub fn response_texts(response: &mut Response) -> impl Iterator<Item = (Kind, &mut String)> {
    response
        .choices
        .iter_mut()
        .flat_map(|choice| choice.parts.iter_mut().zip(0..).filter_map(|(part, number)| text_of(part, number)))
}

/// The names of the tools that a response calls.
pub fn tool_names(response: &Response) -> String {
    let parts = response.choices.iter().flat_map(|choice| &choice.parts);
    let names =
        parts.filter_map(|part| if let Part::ToolCall { name, .. } = part { Some(name.as_str()) } else { None });
    names.collect::<Vec<_>>().join("\n")
}

/// The text of a part of a response; `number` tells tool calls apart.
fn text_of(part: &mut Part, number: u32) -> Option<(Kind, &mut String)> {
    match part {
        Part::Text { text, .. } => Some((Kind::Text, text)),
        Part::Thinking { text, .. } => Some((Kind::Thinking, text)),
        Part::Refusal { text } => Some((Kind::Refusal, text)),
        Part::ToolCall { arguments, .. } => Some((Kind::Arguments(number), arguments)),
        Part::Image { .. } | Part::Document { .. } | Part::ToolResult { .. } | Part::RedactedThinking { .. } => None,
    }
}

impl Format {
    /// The types that it allows for the value.
    pub fn types(&self) -> Types {
        match self {
            Self::Object => types::OBJECT,
            Self::Json => types::ALL,
            Self::Schema(schema) => schema.types(),
        }
    }

    /// A number that differs between formats.
    pub fn digest(&self) -> u64 {
        match self {
            Self::Object => 1,
            Self::Json => 2,
            Self::Schema(schema) => schema.digest(),
        }
    }

    /// Checks a text against the format; an error if it does not match. Returns whether the check was complete.
    fn check(&self, text: &str, steps: &Steps) -> Result<bool, String> {
        let is_json = json::read::<IgnoredAny>(text).is_ok();
        let expect = |good: bool, wrong: &str| if good { Ok(()) } else { Err(wrong.to_owned()) };
        expect(is_json, "it is not valid JSON")?;
        match self {
            Self::Object => expect(text.trim_start().starts_with('{'), "it is not a JSON object").map(|()| true),
            Self::Schema(schema) if footprint::fits(text.as_bytes(), schema::LARGEST) => {
                match schema.check(text, steps) {
                    Ok(()) => Ok(true),
                    Err(Unmet::Wrong(wrong)) => Err(wrong),
                    Err(Unmet::Unknown) => Ok(false),
                }
            }
            Self::Schema(_) | Self::Json => Ok(false),
        }
    }
}

impl Answer {
    fn texts(&self) -> impl Iterator<Item = Cow<'_, str>> {
        let texts = [&self.text, &self.asides, &self.names].map(|text| unfolded(Cow::Borrowed(text)));
        // Arguments that were cut off are still JSON.
        texts.into_iter().chain(self.calls.values().map(|arguments| unescaped(Cow::Borrowed(arguments), true)))
    }

    /// Whether the choice claims to be complete. A cut-off or refused choice is the client's to judge, and tool calls are not the end.
    fn claims_to_be_complete(&self) -> bool {
        let cut = matches!(self.finish, Some(Finish::Length | Finish::ContentFilter | Finish::ToolCalls));
        !cut && !self.refused && self.calls.is_empty()
    }

    #[cold]
    fn choice(&self) -> Choice {
        let mut parts = Vec::new();
        match (&self.asides, self.refused) {
            (asides, _) if asides.is_empty() => {}
            (asides, true) => parts.push(Part::Refusal { text: asides.clone() }),
            (asides, false) => parts.push(Part::Thinking { text: asides.clone(), signature: None }),
        }
        if !self.text.is_empty() {
            parts.push(Part::Text { text: self.text.clone(), cache: None });
        }
        let names = self.names.lines().map(str::to_owned).chain(std::iter::repeat(String::new()));
        parts.extend(self.calls.values().zip(names).map(|(arguments, name)| Part::ToolCall {
            id: String::new(),
            name,
            arguments: arguments.clone(),
        }));
        Choice { parts, finish: self.finish.unwrap_or_default() }
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
    /// The transcript of a complete response.
    pub fn of(response: &Response) -> Self {
        let mut transcript = Self::default();
        for (choice, index) in response.choices.iter().zip(0..) {
            let answer = transcript.answers.entry(index).or_default();
            answer.finish = Some(choice.finish);
            choice.parts.iter().for_each(|part| answer.record(part));
        }
        transcript
    }

    /// The recorded choices: each with its text, its reasoning and its tool calls, which have no ids.
    #[cold]
    pub fn choices(&self) -> Vec<Choice> {
        self.answers.values().map(Answer::choice).collect()
    }

    /// Whether the response could not be parsed.
    pub fn is_unparsed(&self) -> bool {
        self.unparsed
    }

    /// The texts for judges.
    pub fn judged_texts(&self, checks: &Checks) -> impl Iterator<Item = JudgedText> {
        self.answers.values().flat_map(|answer| {
            let texts = [(Kind::Text, &answer.text), (Kind::Thinking, &answer.asides)];
            let calls = answer.calls.iter().map(|(call, arguments)| (Kind::Arguments(*call), arguments));
            let texts = texts.into_iter().chain(calls).map(|(kind, text)| checks.judged_text(kind, text));
            texts.chain([JudgedText::fixed(answer.names.clone())])
        })
    }

    /// Marks a response that could not be parsed. Guardrails check its texts; its format remains unknown.
    pub fn unparsed(self) -> Self {
        Self { unparsed: true, ..self }
    }

    /// Records an event of a stream.
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
            | StreamEvent::Guise { .. }
            | StreamEvent::Usage(_)
            | StreamEvent::Filtered(_)
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
