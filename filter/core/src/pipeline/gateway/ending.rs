//! The end of a request: settles its usage and writes its access log line.

use crate::cache::flight::Landing;
use crate::compiled::spec::LoggedClient;
use crate::guard::Finding;
use crate::keys::caller::Caller;
use crate::routing::target::Model;
use crate::store::SharedData;

use super::super::access_log::{JudgeRecord, Record, SHUT_DOWN, Words, logged_client};
use super::super::billing::{Billing, ReservedIn};
use super::super::failure::Failure;
use super::super::request_state::{RequestState, Stage};
use super::super::worker::StoreContext;
use super::super::{Context, Effect, View, property};
use super::record::INTERRUPTED;
use super::{Phase, RequestPipeline, metrics};

impl RequestPipeline {
    /// Ends a request: settles it and writes its log line.
    pub fn finish(
        &mut self,
        state: Option<&mut RequestState>,
        view: &dyn View,
        shared: &dyn SharedData,
        effects: &mut Vec<Effect>,
    ) {
        let cx = &mut Context::new(view, shared, effects);
        match (state, std::mem::replace(&mut self.phase, Phase::Taken)) {
            (_, Phase::Settled) => {
                self.phase = Phase::Settled;
                return;
            }
            (Some(state), phase) => {
                self.phase = phase;
                // The client already has a part of the response, so no other target can be tried.
                if state.progress.stage == Stage::Answering && view.provider_left() {
                    state.break_off(Failure::truncated());
                } else if matches!(state.progress.stage, Stage::Underway | Stage::Answering) {
                    self.log_context.about.shut_down = state.progress.shut_down || view.shut_down();
                }
                self.close(state, cx);
                self.phase = Phase::Settled;
                return;
            }
            (None, Phase::CacheHit(mut state)) => {
                self.close(&mut state, cx);
                self.phase = Phase::Settled;
                return;
            }
            // Health checks are not counted.
            (None, phase @ (Phase::Start | Phase::Readying | Phase::Answered { .. } | Phase::Underway(_))) => {
                self.phase = phase;
            }
            (None, phase) => {
                self.phase = phase;
                self.withdraw(cx);
                let error = if view.shut_down() { SHUT_DOWN } else { INTERRUPTED };
                self.phase = Phase::Answered { error: Some(error.into()) };
            }
        }
        self.write_down(None, cx);
    }

    /// Settles what a request has reserved that was not forwarded.
    pub(super) fn withdraw(&mut self, cx: &mut Context<'_>) {
        let waiting = match std::mem::replace(&mut self.phase, Phase::Taken) {
            // Redis may have reserved something: it is released.
            Phase::Reserving(reserving) => {
                let (settlement, ledger) = reserving.withdrawn(cx.now());
                return self.worker.settle(settlement, ledger, &mut cx.moment());
            }
            Phase::CacheHit(state) => {
                let (caller, model) = (&state.request.caller, &state.route.model);
                return self.settle(&state.bill.billing, caller, model, &mut cx.moment());
            }
            Phase::Waiting(waiting) | Phase::LookingUp(waiting) | Phase::Embedding(waiting) => waiting,
            Phase::Judging(waiting, judging) => {
                self.log_context.judged = judging.decided(cx.now()).reports;
                waiting
            }
            _ => return,
        };
        let (caller, model) = (&waiting.draft.request.caller, &waiting.draft.route.model);
        self.settle(&waiting.billing, caller, model, &mut cx.moment());
    }

    /// Writes the access log's fields, and records the metrics.
    fn write_down(&mut self, state: Option<&RequestState>, cx: &mut Context<'_>) {
        let is_complete = state.is_some_and(|state| state.progress.stage == Stage::Complete);
        let landing = match self.log_context.status {
            _ if is_complete => Landing::Unstored,
            status @ 400.. => Landing::without_entry(status),
            _ => Landing::Failed,
        };
        self.log_context.about.cache_state.land(landing, cx.now(), cx.shared);
        self.record_metrics(state, cx.now());
        self.export(state, cx);
        let words = Words::of(self.log_context.refusal.as_deref(), state, self.worker.config.log);
        let fragment = self.record(state, &words, cx.view).fragment();
        cx.effects.push(Effect::SetProperty(property::LOG, fragment.into()));
    }

    /// Ends a forwarded request: counts, logs and settles it.
    pub(super) fn close(&mut self, state: &mut RequestState, cx: &mut Context<'_>) {
        let now = cx.now();
        state.conclude(self.log_context.about.shut_down, now, cx.shared);
        state.judges.give_up(now);
        if state.judges.objection().is_some() {
            // No span has a blocked prompt.
            self.log_context.prompt = None;
        }
        metrics::attempts(state, cx.effects);
        metrics::findings(&state.answer.findings, cx.effects);
        metrics::findings(&state.judges.findings, cx.effects);
        let outcome = state.outcome(now);
        self.log_context.about.settled = outcome.and_then(|outcome| self.worker.note_down(outcome, &mut cx.moment()));
        self.write_down(Some(state), cx);
        let (caller, model) = (&state.request.caller, &state.route.model);
        self.settle(&state.bill.billing, caller, model, &mut cx.moment());
    }

    /// Settles the usage of a request in the stores.
    pub(super) fn settle(&self, billing: &Billing, caller: &Caller, model: &Model, at: &mut StoreContext<'_>) {
        if billing.ledger != ReservedIn::Nowhere || self.worker.keeps_accounts() {
            self.worker.settle(billing.settlement(caller, model, at.now), billing.ledger, at);
        }
    }

    fn record<'a>(&'a self, state: Option<&'a RequestState>, words: &'a Words, view: &dyn View) -> Record<'a> {
        let log = self.worker.config.log;
        let error = match &self.phase {
            Phase::Answered { error } => error.as_deref(),
            _ => None,
        };
        let record = Record {
            request_id: self.log_context.request_id.as_deref(),
            trace_id: self.log_context.trace_id.as_deref(),
            method: &self.log_context.method,
            path: &self.log_context.path,
            client: logged_client(log.client, view),
            user_agent: self.log_context.user_agent.as_deref().filter(|_| log.client != LoggedClient::Off),
            asked_model: self.log_context.asked_model.as_deref(),
            message: words.message.as_deref(),
            param: words.param.as_deref(),
            key: self.log_context.caller.as_ref().map(|caller| &*caller.key_id),
            team: self.log_context.caller.as_ref().map(|caller| &*caller.team),
            app: self.log_context.caller.as_ref().and_then(|caller| caller.app.as_deref()),
            model: self.log_context.model.as_deref(),
            guards: self.log_context.findings.iter().map(Finding::to_string).collect(),
            judges: self.log_context.judged.iter().map(JudgeRecord::of).collect(),
            cache: self.log_context.about.cache_state.word(),
            cache_wait_ms: self
                .log_context
                .about
                .cache_state
                .waited
                .map(|waited| waited.as_millis().try_into().unwrap_or(u64::MAX)),
            error,
            ..Record::default()
        };
        let record = match self.log_context.about.cache_state.similar.as_deref() {
            Some(similar) => record.with_similar(similar),
            None => record,
        };
        match state {
            Some(state) => record.with_state(state, &self.log_context.about, &words.of_attempts),
            None => record,
        }
    }
}
