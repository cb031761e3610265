//! The judges of a forwarded request: of its prompt, while the provider works, and of the response.
//!
//! A filter's calls end with it, so an attempt asks about the prompt again if the attempt before got no verdict.

use std::rc::Rc;

use sluice_wire::time::Time;

use crate::callout::{Call, Called};
use crate::guard::Finding;
use crate::guard::answer::GuardFailure;
use crate::guard::judge::{JudgeGuard, JudgeReport, JudgeResult, Judged, JudgedText, Judging, Question, add_reports};
use crate::guard::spec::Side;
use crate::memory_limiter::Exhausted;

use super::super::Effect;
use super::super::failure::Failure;
use super::{Request, RequestState};

/// The texts of a prompt.
#[derive(Debug)]
pub struct PromptTexts {
    /// As the client sent them.
    pub raw: Rc<[JudgedText]>,
    /// As the gateway's own guardrails masked them.
    pub masked: Rc<[JudgedText]>,
}

/// The judges of one request.
#[derive(Debug, Default)]
pub struct Judges {
    /// The guardrails whose judges work while the provider does, and the prompt's texts, until there is a decision.
    pub during: Option<(Vec<Rc<JudgeGuard>>, PromptTexts)>,
    prompt: Option<Judging>,
    response: Option<Judging>,
    /// Why the prompt must not have a response.
    objection: Option<Failure>,
    /// The number of the attempt's next call.
    next: usize,
    calls: Vec<Call>,
    /// Each judge's work.
    pub reports: Vec<JudgeReport>,
    /// Findings that did not block the request or its response.
    pub findings: Vec<Finding>,
    /// Whether a text passed although its judge failed. Then the response is not stored.
    pub unjudged: bool,
}

impl PromptTexts {
    /// Approximate memory in bytes.
    pub fn held(&self) -> usize {
        JudgedText::size_of(&self.raw).saturating_add(JudgedText::size_of(&self.masked))
    }

    /// Asks judges about the texts.
    pub fn ask(
        &self,
        guards: &[Rc<JudgeGuard>],
        judging: &mut Judging,
        request: &Request,
    ) -> Result<Vec<Call>, Exhausted> {
        let about = question(request, Side::Prompts);
        let mut calls = Vec::new();
        for (raw, texts) in [(false, &self.masked), (true, &self.raw)] {
            calls.extend(judging.ask(&mut guards.iter().filter(|guard| guard.raw == raw), texts, &about)?);
        }
        Ok(calls)
    }
}

/// The facts about a request that judges receive.
fn question(request: &Request, side: Side) -> Question<'_> {
    let (model, team) = (request.model.name.as_str(), &*request.caller.team);
    Question { side, texts: &[], model, team, request_id: request.request_id() }
}

/// Warns of the first failure of a judge, until it works again.
pub fn warn(judged: &Judged, effects: &mut Vec<Effect>) {
    let works = |result| !matches!(result, JudgeResult::Cancelled | JudgeResult::Error);
    for report in judged.reports.iter().filter(|report| works(report.result)) {
        report.guard.fails.set(false);
    }
    for JudgeReport { guard, failure, .. } in &judged.reports {
        if let Some(failure) = failure.as_ref().filter(|_| !guard.fails.replace(true)) {
            let (name, judge) = (&guard.name, &guard.judge.name);
            effects.push(Effect::Warn(format!("guardrail `{name}`: the judge `{judge}` {failure}")));
        }
    }
}

impl Judges {
    /// Records a decision. Returns the finding that blocks the texts, or their changes.
    pub fn record(&mut self, judged: Judged, effects: &mut Vec<Effect>) -> Result<Vec<(usize, String)>, Finding> {
        warn(&judged, effects);
        add_reports(&mut self.reports, judged.reports);
        let new = judged.findings.into_iter().filter(|finding| !self.findings.contains(finding)).collect::<Vec<_>>();
        self.findings.extend(new);
        self.unjudged |= judged.unjudged;
        judged.blocked.map_or(Ok(judged.masked), Err)
    }

    /// Takes the calls to send, each with its number.
    pub fn take_calls(&mut self) -> impl Iterator<Item = (usize, Call)> {
        let first = self.next.saturating_sub(self.calls.len());
        std::mem::take(&mut self.calls).into_iter().enumerate().map(move |(index, call)| (first + index, call))
    }

    /// No replies arrive any more: records the calls so far.
    pub fn give_up(&mut self, now: Time) {
        for judging in [self.prompt.take(), self.response.take()].into_iter().flatten() {
            add_reports(&mut self.reports, judging.decided(now).reports);
        }
    }

    /// Whether the response waits for a verdict.
    pub fn hold(&self) -> bool {
        self.prompt.is_some() || self.response.as_ref().is_some_and(|judging| !judging.is_done())
    }

    /// Why the prompt must not have a response, if judges have decided that.
    pub fn objection(&self) -> Option<Failure> {
        self.objection.clone()
    }

    fn send(&mut self, calls: Vec<Call>) {
        self.next = self.next.saturating_add(calls.len());
        self.calls.extend(calls);
    }
}

impl RequestState {
    /// What guardrails have found since the request was forwarded: in the response, and by judges. Those that blocked a response are its
    /// attempt's.
    #[inline(never)]
    pub fn findings(&self) -> Vec<&Finding> {
        let attempts = self.progress.attempts.iter();
        let blocked = attempts.filter_map(|attempt| attempt.failure.as_ref()?.finding.as_deref());
        self.answer.findings.iter().chain(&self.judges.findings).chain(blocked).collect()
    }

    /// Asks about the prompt in an attempt that begins.
    pub fn ask_judges(&mut self, now: Time, effects: &mut Vec<Effect>) {
        let judges = &mut self.judges;
        judges.give_up(now);
        judges.next = 0;
        judges.calls.clear();
        let Some((guards, texts)) = &judges.during else { return };
        let mut judging = Judging::new(0, now, self.memory.request.sibling());
        match texts.ask(guards, &mut judging, &self.request) {
            Ok(calls) => {
                judges.send(calls);
                judges.prompt = Some(judging);
                self.conclude_prompt(now, effects);
            }
            Err(exhausted) => judges.objection = Some(Failure::exhausted(exhausted, effects)),
        }
    }

    /// Handles the reply to a call.
    pub fn judge_replied(&mut self, call: usize, called: &Called, now: Time, effects: &mut Vec<Effect>) {
        // While a judge works, the provider is not silent.
        self.stream_activity.portions = self.stream_activity.portions.saturating_add(1);
        for judging in [&mut self.judges.prompt, &mut self.judges.response].into_iter().flatten() {
            judging.reply(call, called, now);
        }
        self.conclude_prompt(now, effects);
    }

    fn conclude_prompt(&mut self, now: Time, effects: &mut Vec<Effect>) {
        if let Some(judging) = self.judges.prompt.take_if(|judging| judging.is_done()) {
            self.judges.during = None;
            if let Err(finding) = self.judges.record(judging.decided(now), effects) {
                self.judges.objection = Some(Failure::blocked_prompt(&finding));
                self.judges.findings.push(finding);
            }
        }
    }

    /// Asks judges about texts of the response. The next call returns the decision once it is known: the changed texts, or the reason to
    /// block the response. `None` if it is not.
    pub fn judge_response(
        &mut self,
        guards: &[Rc<JudgeGuard>],
        texts: impl FnOnce() -> Vec<JudgedText>,
        now: Time,
        effects: &mut Vec<Effect>,
    ) -> Option<Result<Vec<(usize, String)>, Failure>> {
        if self.judges.response.is_none() {
            let mut judging = Judging::new(self.judges.next, now, self.memory.request.sibling());
            match judging.ask(&mut guards.iter(), &texts().into(), &question(&self.request, Side::Answers)) {
                Ok(calls) => self.judges.send(calls),
                Err(exhausted) => return Some(Err(Failure::exhausted(exhausted, effects))),
            }
            self.judges.response = Some(judging);
        }
        let judging = self.judges.response.take_if(|judging| judging.is_done())?;
        let decided = self.judges.record(judging.decided(now), effects);
        Some(decided.map_err(|finding| Failure::objection(GuardFailure::Blocked(finding))))
    }
}
