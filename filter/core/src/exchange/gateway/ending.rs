//! The end of a request: settles its usage and writes its line of the access log.

use crate::gateway::spec::LoggedClient;
use crate::guard::Finding;
use crate::keys::caller::Caller;
use crate::routing::target::Model;
use crate::store::SharedData;

use super::super::billing::{Billing, ReservedIn};
use super::super::failure::Failure;
use super::super::record::{Record, SHUT_DOWN, Words, logged_client};
use super::super::request_state::{RequestState, Stage};
use super::super::worker::StoreContext;
use super::super::{Context, Effect, View, property};
use super::{Exchange, Phase, metrics};

impl Exchange {
    /// The request is over: settles it and writes its log line.
    pub fn finish(
        &mut self,
        journey: Option<&mut RequestState>,
        view: &dyn View,
        shared: &dyn SharedData,
        effects: &mut Vec<Effect>,
    ) {
        let cx = &mut Context::new(view, shared, effects);
        match (journey, std::mem::replace(&mut self.phase, Phase::Taken)) {
            (_, Phase::Settled) => {
                self.phase = Phase::Settled;
                return;
            }
            (Some(journey), phase) => {
                self.phase = phase;
                // The client has a part of the answer already, so no other target can be asked.
                if journey.progress.stage == Stage::Answering && view.provider_left() {
                    journey.break_off(Failure::truncated());
                } else if matches!(journey.progress.stage, Stage::Underway | Stage::Answering) {
                    self.trail.about.shut_down = view.shut_down();
                }
                self.close(journey, cx);
                self.phase = Phase::Settled;
                return;
            }
            (None, Phase::Recalled(mut journey)) => {
                self.close(&mut journey, cx);
                self.phase = Phase::Settled;
                return;
            }
            // Redis may have reserved something: the gateway gives it back.
            (None, Phase::Reserving(reserving)) => {
                let (settlement, ledger) = reserving.withdrawn(cx.now());
                self.phase = Phase::Answered { error: Some("interrupted".into()) };
                self.worker.settle(settlement, ledger, &mut cx.moment());
            }
            (None, phase @ (Phase::Answered { .. } | Phase::Underway(_))) => self.phase = phase,
            (None, _) if view.shut_down() => self.phase = Phase::Answered { error: Some(SHUT_DOWN.into()) },
            (None, phase) => self.phase = phase,
        }
        self.write_down(None, cx);
    }

    /// Tells the access log of the request.
    fn write_down(&self, journey: Option<&RequestState>, cx: &mut Context<'_>) {
        let words = Words::of(self.trail.refusal.as_deref(), journey, self.worker.gateway.log);
        let fragment = self.record(journey, &words, cx.view).fragment();
        cx.effects.push(Effect::SetProperty(property::LOG, fragment.into()));
    }

    /// The journey is over: counts, logs and settles it.
    pub(super) fn close(&mut self, journey: &mut RequestState, cx: &mut Context<'_>) {
        let now = cx.now();
        journey.conclude(self.trail.about.shut_down, now, cx.shared);
        metrics::attempts(journey, cx.effects);
        metrics::findings(&journey.answer.findings, cx.effects);
        let outcome = journey.outcome(now);
        self.trail.about.settled = outcome.and_then(|outcome| self.worker.note_down(outcome, &mut cx.moment()));
        self.write_down(Some(journey), cx);
        let (caller, model) = (&journey.request.caller, &journey.route.model);
        self.settle(&journey.bill.charge, caller, model, &mut cx.moment());
    }

    /// Tells the stores what a request has used.
    pub(super) fn settle(&self, charge: &Billing, caller: &Caller, model: &Model, at: &mut StoreContext<'_>) {
        if charge.ledger != ReservedIn::Nowhere || self.worker.keeps_accounts() {
            self.worker.settle(charge.settlement(caller, model, at.now), charge.ledger, at);
        }
    }

    fn record<'a>(&'a self, journey: Option<&'a RequestState>, words: &'a Words, view: &dyn View) -> Record<'a> {
        let log = self.worker.gateway.log;
        let error = match &self.phase {
            Phase::Answered { error } => error.as_deref(),
            _ => None,
        };
        let record = Record {
            request_id: self.trail.request_id.as_deref(),
            trace_id: (!self.worker.gateway.tracing).then_some(self.trail.trace_id.as_deref()),
            method: &self.trail.method,
            path: &self.trail.path,
            client: logged_client(log.client, view),
            user_agent: self.trail.user_agent.as_deref().filter(|_| log.client != LoggedClient::Off),
            asked_model: self.trail.asked_model.as_deref(),
            message: words.message.as_deref(),
            param: words.param.as_deref(),
            key: self.trail.caller.as_ref().map(|caller| &*caller.key_id),
            team: self.trail.caller.as_ref().map(|caller| &*caller.team),
            app: self.trail.caller.as_ref().and_then(|caller| caller.app.as_deref()),
            model: self.trail.model.as_deref(),
            guards: self.trail.findings.iter().map(Finding::to_string).collect(),
            error,
            ..Record::default()
        };
        match journey {
            Some(journey) => record.with_journey(journey, &self.trail.about, &words.of_attempts),
            None => record,
        }
    }
}
