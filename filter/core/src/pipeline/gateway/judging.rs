//! The judges of a prompt. Most work before anything else sees it: before the cache, and before a provider. Those that work while the
//! provider does are asked by its [`Attempt`](super::super::attempt::Attempt).

use std::ops::Range;
use std::rc::Rc;

use sluice_wire::percent;
use sluice_wire::time::Time;

use crate::callout::{Call, Called};
use crate::guard::judge::{Judged, JudgedText, Judging, Unreadable, concerning, prompt};
use crate::guard::spec::Side;
use crate::memory_limiter::Exhausted;

use super::super::billing::Billing;
use super::super::request_state::{Draft, PromptTexts, warn};
use super::super::rewrite;
use super::super::{Context, Flow};
use super::planning::Prepared;
use super::screening::asked_model;
use super::waiting::Waiting;
use super::{Outcome, Phase, Refused, RequestPipeline, metrics};

/// Judges, and the calls that ask them.
type AskedJudges = (Box<Judging>, Vec<Call>);

impl RequestPipeline {
    /// Asks the judges of a prompt: the body, with the place of the model's name. `None` if there are none that must judge it now. `masked`:
    /// the body, if guardrails masked something in it.
    pub(super) fn ask_judges(
        &mut self,
        draft: &mut Draft,
        (body, model_at): (&[u8], &Range<usize>),
        masked: Option<&[u8]>,
        cx: &mut Context<'_>,
    ) -> Result<Option<AskedJudges>, Exhausted> {
        let (config, request) = (&draft.worker.config, &draft.request);
        let guards = concerning(&config.judges, Side::Prompts, &request.caller, asked_model(draft));
        if guards.is_empty() {
            return Ok(None);
        }
        let mut judging = Judging::new(0, cx.now(), draft.memory.request.sibling());
        let peek = &request.scanned.peek;
        if !peek.is_json() && !body.is_empty() {
            judging.cannot_judge(&guards, Side::Prompts, &Unreadable::NoTexts);
            return Ok(Some((judging.into(), Vec::new())));
        }
        draft.memory.request.grow(body.len().saturating_mul(2))?;
        let query = request.pass_through.as_ref().and_then(|asked| Some(asked.path.split_once('?')?.1));
        let query =
            query.map(|query| String::from_utf8_lossy(&percent::decoded(&query.replace('+', " "))).into_owned());
        let read = |body: &[u8], model_at: &Range<usize>| -> Option<Rc<[JudgedText]>> {
            let texts = prompt::texts(body, model_at)?.into_iter();
            Some(texts.chain(query.clone().map(JudgedText::fixed)).collect())
        };
        let raw = read(body, model_at);
        let masked = masked.map_or_else(|| raw.clone(), |masked| read(masked, peek.model_at()));
        let (Some(raw), Some(masked)) = (raw, masked) else {
            judging.cannot_judge(&guards, Side::Prompts, &Unreadable::TooLarge);
            return Ok(Some((judging.into(), Vec::new())));
        };
        let texts = PromptTexts { raw, masked };
        draft.memory.request.grow(texts.held())?;
        // Only these responses can be withheld.
        let may_wait = request.scanned.client.chat().is_some();
        let (during, now): (Vec<_>, Vec<_>) = guards.into_iter().partition(|guard| guard.during && may_wait);
        let calls = texts.ask(&now, &mut judging, request)?;
        if !during.is_empty() {
            draft.judges.during = Some((during, texts));
        }
        Ok((!now.is_empty()).then(|| (judging.into(), calls)))
    }

    /// Handles the reply of a judge.
    pub(super) fn judge_replied(
        &mut self,
        (mut waiting, mut judging): (Box<Waiting>, Box<Judging>),
        (number, called): (usize, &Called),
        cx: &mut Context<'_>,
    ) -> Result<Outcome, Refused> {
        judging.reply(number, called, cx.now());
        if !judging.is_done() {
            self.phase = Phase::Judging(waiting, judging);
            return Ok(Outcome::Step(Flow::Pause));
        }
        // The default, unless a later step sets another phase.
        self.phase = Phase::Answered { error: None };
        let Waiting { draft, billing, masked, size, planned, since, .. } = &mut *waiting;
        draft.route.waited = cx.now().since(*since);
        let prepared = match cx.view.body(0..*size) {
            Ok(body) => {
                let judged = judging.decided(cx.now());
                self.prepare_judged((draft, billing), *planned, (body, masked.take()), judged, cx)
            }
            Err(unreadable) => Err(unreadable.into()),
        };
        self.prepared(prepared, *waiting, cx)
    }

    /// Goes on with a prompt that has been judged.
    pub(super) fn prepare_judged(
        &mut self,
        (draft, billing): (&mut Draft, &Billing),
        planned: Time,
        (body, mut masked): (Vec<u8>, Option<Vec<u8>>),
        judged: Judged,
        cx: &mut Context<'_>,
    ) -> Result<Prepared, Refused> {
        warn(&judged, cx.effects);
        let found = judged.findings.iter().chain(&judged.blocked).cloned().collect::<Vec<_>>();
        metrics::findings(&found, cx.effects);
        self.log_context.findings.extend(found);
        self.log_context.judged = judged.reports;
        if let Some(finding) = judged.blocked {
            return Err(finding.error().into());
        }
        draft.judges.unjudged |= judged.unjudged;
        if !judged.masked.is_empty() {
            let (now, largest) = (masked.as_deref().unwrap_or(&body), draft.worker.config.memory.rewritten);
            let new = prompt::replaced(now, draft.request.scanned.peek.model_at(), &judged.masked, largest);
            let new = new.ok_or_else(|| rewrite::too_large(largest))?;
            let placeholders = draft.request.checks.as_ref().map(|checks| checks.placeholders.take());
            self.rewrite(draft, &new, placeholders.unwrap_or_default())?;
            masked = Some(new);
        }
        self.prepare_screened((draft, billing), planned, (body, masked), cx)
    }
}
