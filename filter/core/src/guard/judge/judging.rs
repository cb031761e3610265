//! Judges at work: all calls about the texts of one message, and the decision that their verdicts make together.
//!
//! All guardrails ask at once. A block decides without the verdicts that are still missing.

use std::rc::Rc;
use std::time::Duration;

use sluice_wire::order;
use sluice_wire::time::Time;

use crate::callout::{Call, Called};
use crate::guard::spec::{Action, Side};
use crate::guard::{Finding, UNJUDGED};
use crate::memory_limiter::{Exhausted, Permit};
use crate::usage::price::MicroUsd;

use super::spec::JudgeMode;
use super::{Edit, JudgeGuard, Part, Question, Unreadable, Verdict, edited};

/// Texts that judges are judging.
#[derive(Debug)]
pub struct Judging {
    judges: Vec<JudgeAtWork>,
    calls: Vec<Asked>,
    /// The number of the first call among those of its filter.
    first: usize,
    since: Time,
    /// The bytes of the texts and of the calls.
    memory: Permit,
    held: usize,
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

    /// Approximate memory of texts in bytes.
    pub fn size_of(texts: &[Self]) -> usize {
        texts.iter().map(|text| text.text.len().saturating_add(size_of::<Self>())).sum()
    }

    /// A text that cannot be changed.
    pub fn fixed(text: String) -> Self {
        Self { masking: Masking::Never, ..Self::of(text) }
    }
}

/// One guardrail's judge.
#[derive(Debug)]
struct JudgeAtWork {
    guard: Rc<JudgeGuard>,
    texts: Rc<[JudgedText]>,
    /// The calls without a reply.
    waits: usize,
    verdict: Verdict,
    /// Why it did not judge all of its texts.
    failure: Option<Unreadable>,
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
    /// Why it did not judge all texts, for operators.
    pub failure: Option<String>,
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
}

/// The changes that judges want.
#[derive(Default)]
struct Masks {
    /// Each with the number of its judge.
    edits: Vec<(usize, Edit)>,
    /// The texts, and the finding that blocks them if they cannot be changed.
    of: Option<(Rc<[JudgedText]>, Finding)>,
}

impl Judging {
    /// Judges whose calls are numbered from `first` on. `memory`: an empty permit.
    pub fn new(first: usize, now: Time, memory: Permit) -> Self {
        Self { judges: Vec::new(), calls: Vec::new(), first, since: now, memory, held: 0 }
    }

    /// Asks the judges of these guardrails about texts. Returns the calls. Fails if the memory limiter has no room for them.
    pub fn ask(
        &mut self,
        guards: &mut dyn Iterator<Item = &Rc<JudgeGuard>>,
        texts: &Rc<[JudgedText]>,
        about: &Question<'_>,
    ) -> Result<Vec<Call>, Exhausted> {
        let mut sent = Vec::new();
        let size = JudgedText::size_of(texts);
        // The texts themselves count once.
        let mut room = size.saturating_mul(2);
        let all: Vec<&str> = texts.iter().map(|text| text.text.as_str()).collect();
        for guard in guards {
            self.hold(std::mem::replace(&mut room, size))?;
            let judge = self.judges.len();
            let (calls, failure) = match guard.judge.calls(&Question { texts: &all, ..*about }) {
                Ok(calls) => (calls, None),
                Err(failure) => (Vec::new(), Some(failure)),
            };
            let parts = || calls.iter().flat_map(|call| &call.parts);
            let cost = guard.judge.price.map(|price| {
                let characters = parts().map(|part| part.of(&all).chars().count()).sum::<usize>();
                price.cost(u64::try_from(characters).unwrap_or(u64::MAX))
            });
            let mut at_work = JudgeAtWork::new(guard, texts, about.side);
            (at_work.waits, at_work.failure, at_work.report.cost) = (calls.len(), failure, cost);
            at_work.report.calls = u64::try_from(calls.len()).unwrap_or_default();
            self.judges.push(at_work);
            for call in calls {
                self.calls.push(Asked { judge, parts: call.parts, replied: false });
                sent.push(call.call);
            }
        }
        Ok(sent)
    }

    /// Takes room for the texts, or for calls with them, which Envoy keeps until their replies.
    fn hold(&mut self, bytes: usize) -> Result<(), Exhausted> {
        self.held = self.held.saturating_add(bytes);
        self.memory.grow(self.held)
    }

    /// The judges of these guardrails cannot judge the message, for this reason.
    pub fn cannot_judge(&mut self, guards: &[Rc<JudgeGuard>], side: Side, why: &Unreadable) {
        for guard in guards {
            let failure = Some(why.clone());
            self.judges.push(JudgeAtWork { failure, ..JudgeAtWork::new(guard, &[].into(), side) });
        }
    }

    /// Handles the reply to a call. Returns whether it is one of these calls.
    pub fn reply(&mut self, call: usize, called: &Called, now: Time) -> bool {
        let asked = call.checked_sub(self.first).and_then(|index| self.calls.get_mut(index));
        let Some(asked) = asked.filter(|asked| !asked.replied) else { return false };
        asked.replied = true;
        let Some(judge) = self.judges.get_mut(asked.judge) else { return true };
        let texts: Vec<&str> = judge.texts.iter().map(|text| text.text.as_str()).collect();
        match judge.guard.verdict(judge.report.side, &asked.parts, &texts, called) {
            Ok(verdict) => judge.verdict = std::mem::replace(&mut judge.verdict, Verdict::Pass).and(verdict),
            Err(failure) => judge.failure = Some(failure),
        }
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
        let (mut judged, mut masks) = (Judged::default(), Masks::default());
        for (number, mut judge) in self.judges.into_iter().enumerate() {
            if judge.waits > 0 {
                judge.report.took = now.since(self.since);
            }
            judge.report.result = judged.verdict(number, &mut judge, &mut masks);
            if let Some(failure) = judge.failure.take().filter(|_| judge.report.result != JudgeResult::Block) {
                judged.failure(&failure, &mut judge);
            }
            judged.reports.push(judge.report);
        }
        judged.change(masks);
        judged
    }
}

impl Judged {
    /// Records the verdict of the judge with this number. Returns the result.
    fn verdict(&mut self, number: usize, judge: &mut JudgeAtWork, masks: &mut Masks) -> JudgeResult {
        match std::mem::replace(&mut judge.verdict, Verdict::Pass) {
            Verdict::Pass if judge.waits > 0 => JudgeResult::Cancelled,
            Verdict::Pass => JudgeResult::Pass,
            Verdict::Block { label } => {
                self.note(judge.finding(&label, Action::Block));
                JudgeResult::Block
            }
            Verdict::Mask { edits, labels } => {
                self.findings.extend(labels.iter().map(|label| judge.finding(label, Action::Mask)));
                if judge.enforces() {
                    masks.edits.extend(edits.into_iter().map(|edit| (number, edit)));
                    let label = labels.first().map_or("", |label| label);
                    masks.of = Some((judge.texts.clone(), judge.finding(label, Action::Block)));
                }
                JudgeResult::Mask
            }
        }
    }

    /// Records that a judge did not judge all of its texts.
    fn failure(&mut self, failure: &Unreadable, judge: &mut JudgeAtWork) {
        judge.report.result = judge.report.result.max(JudgeResult::Error);
        judge.report.failure = Some(failure.to_string());
        if judge.guard.allows(failure) {
            self.unjudged |= judge.enforces();
            self.findings.push(judge.finding(UNJUDGED, Action::Log));
        } else {
            self.note(judge.finding(UNJUDGED, Action::Block));
        }
    }

    /// Records a finding, which blocks the texts unless the guardrail only logs.
    fn note(&mut self, finding: Finding) {
        match finding.action {
            Action::Block => {
                self.blocked.get_or_insert(finding);
            }
            Action::Mask | Action::Log => self.findings.push(finding),
        }
    }

    /// Changes texts that are not blocked, or blocks them.
    fn change(&mut self, Masks { edits, of }: Masks) {
        if let (None, Some((texts, finding))) = (&self.blocked, of)
            && !self.mask(&texts, edits)
        {
            self.findings.retain(|finding| finding.action != Action::Mask);
            self.blocked = Some(finding);
        }
    }

    /// Changes texts, by the edits of each judge. Returns `false` if one does not allow its change, or if judges contradict each other: then
    /// one of them would not get its way.
    fn mask(&mut self, texts: &[JudgedText], mut edits: Vec<(usize, Edit)>) -> bool {
        order::by_numbers(&mut edits, |(_, edit)| (edit.text as u64, edit.at.start as u64));
        let overlap = |pair: &[(usize, Edit)]| match pair {
            [(judge, edit), (other, next)] => {
                judge != other && edit.text == next.text && next.at.start < edit.at.end && edit != next
            }
            _ => false,
        };
        if edits.windows(2).any(overlap) {
            return false;
        }
        for (_, edit) in &mut edits {
            let Some(text) = texts.get(edit.text) else { continue };
            if edit.at.start < text.context && edit.at.end > text.context {
                // The beginning has left as it is.
                let left = text.text.get(edit.at.start..text.context).unwrap_or_default();
                let Some(rest) = edit.with.strip_prefix(left) else { return false };
                edit.with = rest.to_owned();
            }
            edit.at.start = edit.at.start.max(text.context).min(edit.at.end);
            let breaks = |part: &str| part.contains(['"', '\\']);
            let replaced = text.text.get(edit.at.clone()).unwrap_or_default();
            let is_possible = match text.masking {
                Masking::Free => true,
                Masking::Json => !breaks(replaced) && !breaks(&edit.with),
                Masking::Never => replaced.is_empty(),
            };
            if !is_possible {
                return false;
            }
        }
        let all: Vec<&str> = texts.iter().map(|text| text.text.as_str()).collect();
        self.masked = edited(&all, edits.into_iter().map(|(_, edit)| edit).collect());
        true
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
            failure: None,
        };
        Self { guard: guard.clone(), texts: texts.clone(), waits: 0, verdict: Verdict::Pass, failure: None, report }
    }

    fn blocks(&self) -> bool {
        let fails = self.failure.as_ref().is_some_and(|failure| !self.guard.allows(failure));
        let blocks = matches!(self.verdict, Verdict::Block { .. }) || fails;
        blocks && self.enforces()
    }

    fn enforces(&self) -> bool {
        self.guard.mode == JudgeMode::Enforce
    }

    /// A finding with this action, unless its verdicts have no effect.
    fn finding(&self, label: &str, action: Action) -> Finding {
        Finding {
            guard: self.guard.name.clone(),
            label: label.to_owned(),
            side: self.report.side,
            action: if self.enforces() { action } else { Action::Log },
        }
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
        if self.failure.is_none() {
            self.failure.clone_from(&other.failure);
        }
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
