//! The estimated and actual usage of a request: each attempt is charged once, and the total is settled once.

use std::time::Duration;

use sluice_wire::conversation::Usage;
use sluice_wire::dialect::{Id, OutputSoFar};
use sluice_wire::extras::{Extras, Tool};
use sluice_wire::time::Time;

use crate::batch::BatchOutcome;
use crate::routing::target::Target;
use crate::routing::target_health::circuit;
use crate::store::SharedData;
use crate::usage::estimate::produced;
use crate::usage::price::MicroUsd;

use super::super::failure::Work;
use super::{Counted, Probe, Request, RequestState, Stage};

impl RequestState {
    /// Charges a finished attempt that sent nothing to the client: the provider's own count, or an estimate if it worked without
    /// counting.
    pub(super) fn owe(&mut self, work: Work, now: Time) {
        let usage = self.answer.usage.take();
        let work = if work == Work::Unknown && self.answer.said.pieces > 0 { Work::Seen } else { work };
        self.bill.abandoned |= work == Work::Unheard;
        let (usage, estimated) = match (work, self.progress.current().cloned()) {
            (Work::Unknown, _) | (_, None) => (usage, false),
            (_, Some(target)) => (Some(self.estimated_usage(&target, usage, work, now)), true),
        };
        self.answer.said = OutputSoFar::default();
        self.owes(usage, estimated);
    }

    /// The usage at `target` where its provider counted none or only a part.
    fn estimated_usage(&self, target: &Target, counted: Option<Usage>, work: Work, now: Time) -> Usage {
        let counted = counted.unwrap_or_default();
        let reserved = self.estimate(target, self.worker.config.reservation.output_tokens);
        let seen = produced(
            self.answer.said.pieces,
            self.answer.said.bytes,
            self.request.scanned.bytes_per_100_tokens(target),
        );
        // Output that was not parsed may be anything, so the reservation bounds it.
        let seen = if self.progress.stage == Stage::Underway { seen.min(reserved.output) } else { seen };
        let worked = match work {
            // A background response continues without its client, and may use everything that it is allowed to.
            _ if self.request.scanned.peek.stored.background => reserved.output,
            Work::Allowed => reserved.output,
            Work::Unheard => {
                let each = self.worker.produced(target, self.elapsed(now));
                each.saturating_mul(self.request.scanned.peek.answers()).min(reserved.output)
            }
            Work::Unknown | Work::Seen => 0,
        };
        Usage {
            input: if counted.input == 0 { reserved.input } else { counted.input },
            output: counted.output.max(seen).max(worked),
            ..counted
        }
    }

    /// Extra costs of the current attempt: as reported in its response, or else as requested.
    fn surcharged(&self) -> Extras {
        let reported = self.answer.extras;
        let tier = reported.tier.or(self.request.scanned.wishes.tier);
        let hour_writes = reported.hour_writes.or(self.request.scanned.wishes.for_an_hour.then_some(u64::MAX));
        let mut calls = reported.calls;
        // A search model of chat completions (`web_search_options`) searches once for each choice and does not report it.
        let silent = self.request.scanned.client.id() == Id::OpenAiChat && calls.of(Tool::WebSearch) == 0;
        if silent && self.request.scanned.wishes.calls.of(Tool::WebSearch) > 0 {
            calls.add(Tool::WebSearch, self.request.scanned.peek.amount.n);
        }
        Extras { tier, hour_writes, calls }
    }

    /// How long the current attempt has run.
    fn elapsed(&self, now: Time) -> Duration {
        self.progress.attempts.last().map_or(Duration::ZERO, |attempt| now.since(attempt.started))
    }

    fn owes(&mut self, usage: Option<Usage>, estimated: bool) {
        self.bill.estimated |= estimated;
        let chunks = std::mem::take(&mut self.answer.chunks);
        let Some(target) = self.progress.current().cloned() else { return };
        let (images, extras) = (self.images(), self.surcharged());
        self.answer.extras = Extras::default();
        let cost = self.bill.billing.owe(&target, usage, (images, &extras), estimated);
        if let Some(attempt) = self.progress.attempts.last_mut() {
            (attempt.usage, attempt.cost, attempt.chunks) = (usage, cost, chunks);
        }
    }

    /// Images in the prompt, and those that the response may hold.
    fn images(&self) -> u64 {
        self.request.scanned.prompt.images.saturating_add(self.request.scanned.made())
    }

    /// The cost of all attempts, if it is known when the response headers leave: the amount that [`RequestState::conclude`] will charge. `None` for a
    /// response that passes as it arrives, without a price, and for a request that concerns a batch, which may settle at its end.
    pub fn known_cost(&self, now: Time) -> Option<MicroUsd> {
        let charged = self.bill.billing.cost().filter(|_| self.request.batch_operation.is_none())?;
        match (self.progress.stage, self.progress.current()) {
            (Stage::Refused, _) | (Stage::Complete, None) => Some(charged),
            // A short stream may be complete by then, but no client can rely on that.
            (Stage::Complete, Some(target)) if !self.request.scanned.peek.stream || self.is_delivered_whole() => {
                let (usage, _) = self.served(target, false, now);
                let last = target.price?.cost(&usage, self.images(), &self.surcharged());
                Some(MicroUsd(charged.0.saturating_add(last.0)))
            }
            _ => None,
        }
    }

    /// The usage of the last attempt, and how much of it the provider counted; `left`: the client did not wait for the end.
    fn served(&self, target: &Target, left: bool, now: Time) -> (Usage, Option<Counted>) {
        if self.request.scanned.client.shape.free {
            return (Usage::default(), None);
        }
        match (self.progress.stage, self.answer.usage) {
            // A prompt has tokens, and so has a response with content: without them the provider's count is partial.
            (stage, Some(usage))
                if (stage == Stage::Complete || (stage == Stage::Answering && self.answer.finished))
                    && usage.input > 0
                    && (usage.output > 0 || self.answer.said.bytes == 0) =>
            {
                (usage, Some(Counted::Complete))
            }
            (_, counted) => {
                let some = counted.is_some_and(|usage| usage.input > 0 || usage.output > 0);
                let work = if left { Work::Unheard } else { Work::Seen };
                let usage = self.estimated_usage(target, counted, work, now);
                (usage, Some(if some { Counted::Partial } else { Counted::Missing }))
            }
        }
    }

    /// The request is over: charges the last attempt, by the provider's count as far as there is one. A broken response is charged for its
    /// prompt and its output. One that the client abandoned is charged at least for the target's estimated output in the elapsed time,
    /// because most of it may be hidden reasoning. `shut_down`: Envoy ended the request at shutdown.
    pub fn conclude(&mut self, shut_down: bool, now: Time, shared: &dyn SharedData) {
        self.answer.read_tail();
        self.publish_result(now, shared);
        if let Some(attempt) = self.progress.attempts.last_mut() {
            attempt.leave(self.route.strategy, &self.worker, now, shared);
        }
        // The client left before the probe had a result. If there was a result, the probe is no longer recorded.
        if let Probe::Claimed(target, claimed_at) = std::mem::take(&mut self.route.probe) {
            circuit::release_probe(shared, &target.health, claimed_at);
        }
        let Some(target) = self.progress.current().cloned() else { return };
        let failed = self.progress.attempts.last().is_some_and(|attempt| attempt.failure.is_some());
        let left = !failed && !shut_down && matches!(self.progress.stage, Stage::Underway | Stage::Answering);
        match (self.progress.stage, self.answer.usage) {
            (Stage::Refused, _) => return,
            // It failed without a callback, and no attempt followed.
            (Stage::Underway, None) if failed => return,
            _ => {}
        }
        let (usage, counted) = self.served(&target, left, now);
        self.bill.counted = counted;
        let estimated = matches!(counted, Some(Counted::Partial | Counted::Missing));
        self.bill.abandoned |= left && estimated;
        self.answer.usage = Some(usage);
        self.owes(self.answer.usage, estimated);
    }

    /// The tokens of all attempts. Without a response and without a count, nothing is known to have been used.
    #[inline(never)]
    pub fn used(&self) -> Option<Usage> {
        let used = self.bill.billing.used();
        (self.answer.usage.is_some() || used != Usage::default()).then_some(used)
    }

    /// The response's outcome for its batch. A rejected batch uses nothing. If the client left before the response, the batch may exist and
    /// is charged.
    pub fn outcome(&mut self, now: Time) -> Option<BatchOutcome> {
        let batch_operation = self.request.batch_operation.as_ref()?;
        let fact = self.answer.batch_fact.take();
        let failed = self.progress.attempts.last().is_none_or(|attempt| attempt.failure.is_some());
        if failed && !self.bill.abandoned {
            self.bill.billing.reservation.without_batch();
        }
        let Request { caller, .. } = &*self.request;
        Some(batch_operation.outcome(fact, &self.bill.billing.reservation, caller, &self.worker.config, now))
    }
}
