//! Judges at work: all calls about the texts of one message, and the decision that their verdicts make together.
//!
//! All guardrails ask at once. A block decides without the verdicts that are still missing.

use std::rc::Rc;
use std::time::Duration;

use sluice_wire::time::Time;

use crate::callout::{Call, Called};
use crate::guard::spec::{Action, Side};
use crate::guard::{Finding, UNJUDGED};
use crate::usage::price::MicroUsd;

use super::spec::{JudgeMode, OnError};
use super::{Edit, JudgeGuard, Part, Question, Unreadable, Verdict, edited};

/// Texts that judges are judging.
#[derive(Debug)]
pub struct Judging {
    judges: Vec<JudgeAtWork>,
    calls: Vec<Asked>,
    /// The number of the first call among those of its filter.
    first: usize,
    since: Time,
}

/// A text to judge.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct JudgedText {
    /// The text.
    pub text: String,
    /// The bytes at its beginning that the judge sees as context only: they are not changed.
    pub context: usize,
    /// The changes that it allows.
    pub masking: Masking,
}

/// The changes that a text allows. A text that must be changed in another way is blocked.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Masking {
    /// All.
    #[default]
    Free,
    /// It is JSON, whose quotes and escapes must stay.
    Json,
    /// None.
    Never,
}

impl JudgedText {
    /// A text that may be changed.
    pub fn of(text: String) -> Self {
        Self { text, ..Self::default() }
    }
}

/// One guardrail's judge.
#[derive(Debug)]
struct JudgeAtWork {
    guard: Rc<JudgeGuard>,
    texts: Rc<[JudgedText]>,
    /// The calls without a reply.
    waits: usize,
    verdict: Result<Verdict, Unreadable>,
    report: JudgeReport,
}

#[derive(Debug)]
struct Asked {
    judge: usize,
    parts: Vec<Part>,
    replied: bool,
}

/// The work of a guardrail's judge for a request.
#[derive(Debug, Clone)]
pub struct JudgeReport {
    /// The guardrail.
    pub guard: Rc<JudgeGuard>,
    /// The direction of the texts.
    pub side: Side,
    /// The strictest result.
    pub result: JudgeResult,
    /// The number of calls.
    pub calls: u64,
    /// The time from the calls to the verdict; of several verdicts, in all.
    pub took: Duration,
    /// The cost of the calls; `None` without a price.
    pub cost: Option<MicroUsd>,
}

/// A judge's result, from the mildest to the strictest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum JudgeResult {
    /// The texts passed.
    Pass,
    /// Another judge blocked them first.
    Cancelled,
    /// The judge failed.
    Error,
    /// It changed them, or would have.
    Mask,
    /// It blocked them, or would have.
    Block,
}

impl JudgeResult {
    /// All results.
    pub const ALL: [Self; 5] = [Self::Pass, Self::Cancelled, Self::Error, Self::Mask, Self::Block];

    /// The name in logs and metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Cancelled => "cancelled",
            Self::Error => "error",
            Self::Mask => "mask",
            Self::Block => "block",
        }
    }
}

/// The decision about texts.
#[derive(Debug, Default)]
pub struct Judged {
    /// The finding that blocks them.
    pub blocked: Option<Finding>,
    /// The changed texts with their indices.
    pub masked: Vec<(usize, String)>,
    /// The findings that do not block them.
    pub findings: Vec<Finding>,
    /// Each judge's work.
    pub reports: Vec<JudgeReport>,
    /// Whether the texts may pass although a judge failed.
    pub unjudged: bool,
    /// Why judges failed, for operators.
    pub failures: Vec<(Rc<JudgeGuard>, String)>,
}

impl Judging {
    /// Judges whose calls are numbered from `first` on.
    pub fn new(first: usize, now: Time) -> Self {
        Self { judges: Vec::new(), calls: Vec::new(), first, since: now }
    }

    /// Asks the judges of these guardrails about texts. Returns the calls.
    pub fn ask<'g>(
        &mut self,
        guards: impl Iterator<Item = &'g Rc<JudgeGuard>>,
        texts: &Rc<[JudgedText]>,
        about: &Question<'_>,
    ) -> Vec<Call> {
        let mut sent = Vec::new();
        let all: Vec<&str> = texts.iter().map(|text| text.text.as_str()).collect();
        for guard in guards {
            let judge = self.judges.len();
            let (calls, verdict) = match guard.judge.calls(&Question { texts: &all, ..*about }) {
                Ok(calls) => (calls, Ok(Verdict::Pass)),
                Err(failure) => (Vec::new(), Err(failure)),
            };
            let parts = || calls.iter().flat_map(|call| &call.parts);
            let cost = guard.judge.price.map(|price| {
                let characters = parts().map(|part| part.of(&all).chars().count()).sum::<usize>();
                price.cost(u64::try_from(characters).unwrap_or(u64::MAX))
            });
            let mut at_work = JudgeAtWork::new(guard, texts, about.side);
            (at_work.waits, at_work.verdict, at_work.report.cost) = (calls.len(), verdict, cost);
            at_work.report.calls = u64::try_from(calls.len()).unwrap_or_default();
            self.judges.push(at_work);
            for call in calls {
                self.calls.push(Asked { judge, parts: call.parts, replied: false });
                sent.push(call.call);
            }
        }
        sent
    }

    /// The judges of these guardrails cannot judge the message: it has no texts that the gateway could show them.
    pub fn cannot_judge(&mut self, guards: &[Rc<JudgeGuard>], side: Side) {
        for guard in guards {
            let verdict = Err(Unreadable::NoTexts);
            self.judges.push(JudgeAtWork { verdict, ..JudgeAtWork::new(guard, &[].into(), side) });
        }
    }

    /// Handles the reply to a call. Returns whether it is one of these calls.
    pub fn reply(&mut self, call: usize, called: &Called, now: Time) -> bool {
        let asked = call.checked_sub(self.first).and_then(|index| self.calls.get_mut(index));
        let Some(asked) = asked.filter(|asked| !asked.replied) else { return false };
        asked.replied = true;
        let Some(judge) = self.judges.get_mut(asked.judge) else { return true };
        let texts: Vec<&str> = judge.texts.iter().map(|text| text.text.as_str()).collect();
        let verdict = judge.guard.verdict(judge.report.side, &asked.parts, &texts, called);
        let before = std::mem::replace(&mut judge.verdict, Ok(Verdict::Pass));
        judge.verdict = match (before, verdict) {
            (Ok(before), Ok(verdict)) => Ok(before.and(verdict)),
            // A block needs no more verdicts.
            (Ok(block @ Verdict::Block { .. }), _) | (_, Ok(block @ Verdict::Block { .. })) => Ok(block),
            (Err(failure), _) | (_, Err(failure)) => Err(failure),
        };
        judge.waits = judge.waits.saturating_sub(1);
        if judge.waits == 0 {
            judge.report.took = now.since(self.since);
        }
        true
    }

    /// Whether the decision is known.
    pub fn is_done(&self) -> bool {
        self.judges.iter().all(|judge| judge.waits == 0) || self.judges.iter().any(JudgeAtWork::blocks)
    }

    /// The decision.
    pub fn decided(self, now: Time) -> Judged {
        let (mut judged, mut edits) = (Judged::default(), Vec::new());
        let mut texts = None;
        for judge in self.judges {
            let JudgeAtWork { guard, texts: its, waits, verdict, mut report } = judge;
            if waits > 0 {
                report.took = now.since(self.since);
            }
            let enforces = guard.mode == JudgeMode::Enforce;
            let find = |label: &str, action| Finding {
                guard: guard.name.clone(),
                label: label.to_owned(),
                side: report.side,
                action: if enforces { action } else { Action::Log },
            };
            report.result = match verdict {
                Ok(Verdict::Pass) if waits > 0 => JudgeResult::Cancelled,
                Ok(Verdict::Pass) => JudgeResult::Pass,
                Ok(Verdict::Block { label }) => {
                    judged.note(find(&label, Action::Block));
                    JudgeResult::Block
                }
                Ok(Verdict::Mask { edits: its_edits, labels }) => {
                    labels.iter().for_each(|label| judged.findings.push(find(label, Action::Mask)));
                    if enforces {
                        edits.extend(its_edits);
                        texts = Some((its, find(labels.first().map_or("", |label| label), Action::Block)));
                    }
                    JudgeResult::Mask
                }
                Err(failure) => {
                    judged.failures.push((guard.clone(), format!("the judge `{}` {failure}", guard.judge.name)));
                    match guard.on_error {
                        OnError::Block => judged.note(find(UNJUDGED, Action::Block)),
                        OnError::Allow => {
                            judged.unjudged |= enforces;
                            judged.findings.push(find(UNJUDGED, Action::Log));
                        }
                    }
                    JudgeResult::Error
                }
            };
            judged.reports.push(report);
        }
        if let (None, Some((texts, finding))) = (&judged.blocked, texts) {
            judged.mask(&texts, edits, finding);
        }
        judged
    }
}

impl Judged {
    /// Records a finding, which blocks the texts unless the guardrail only logs.
    fn note(&mut self, finding: Finding) {
        match finding.action {
            Action::Block => {
                self.blocked.get_or_insert(finding);
            }
            Action::Mask | Action::Log => self.findings.push(finding),
        }
    }

    /// Changes texts, or blocks them if one does not allow its change.
    fn mask(&mut self, texts: &[JudgedText], mut edits: Vec<Edit>, finding: Finding) {
        for edit in &mut edits {
            let Some(text) = texts.get(edit.text) else { continue };
            edit.at.start = edit.at.start.max(text.context).min(edit.at.end);
            let breaks = |part: &str| part.contains(['"', '\\']);
            let replaced = text.text.get(edit.at.clone()).unwrap_or_default();
            let is_possible = match text.masking {
                Masking::Free => true,
                Masking::Json => !breaks(replaced) && !breaks(&edit.with),
                Masking::Never => replaced.is_empty(),
            };
            if !is_possible {
                self.findings.retain(|finding| finding.action != Action::Mask);
                self.blocked = Some(finding);
                return;
            }
        }
        let all: Vec<&str> = texts.iter().map(|text| text.text.as_str()).collect();
        self.masked = edited(&all, edits);
    }
}

impl JudgeAtWork {
    /// Before its calls.
    fn new(guard: &Rc<JudgeGuard>, texts: &Rc<[JudgedText]>, side: Side) -> Self {
        let report = JudgeReport {
            guard: guard.clone(),
            side,
            result: JudgeResult::Pass,
            calls: 0,
            took: Duration::ZERO,
            cost: None,
        };
        Self { guard: guard.clone(), texts: texts.clone(), waits: 0, verdict: Ok(Verdict::Pass), report }
    }

    fn blocks(&self) -> bool {
        let decides = match &self.verdict {
            Ok(verdict) => matches!(verdict, Verdict::Block { .. }),
            Err(_) => self.guard.on_error == OnError::Block,
        };
        decides && self.guard.mode == JudgeMode::Enforce
    }
}

impl JudgeReport {
    /// Adds another report on the same guardrail and direction.
    pub fn add(&mut self, other: &Self) {
        self.result = self.result.max(other.result);
        self.calls = self.calls.saturating_add(other.calls);
        self.took = self.took.saturating_add(other.took);
        let costs = self.cost.zip(other.cost);
        self.cost = costs.map(|(one, other)| MicroUsd(one.0.saturating_add(other.0)));
    }
}

/// Adds reports to those on earlier texts of the request.
pub fn add_reports(reports: &mut Vec<JudgeReport>, new: Vec<JudgeReport>) {
    for report in new {
        match reports.iter_mut().find(|known| Rc::ptr_eq(&known.guard, &report.guard) && known.side == report.side) {
            Some(known) => known.add(&report),
            None => reports.push(report),
        }
    }
}
