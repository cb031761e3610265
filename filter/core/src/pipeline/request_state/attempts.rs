//! The sequence of attempts: how each begins, the step after a failure, and the results shared with all workers.

use std::rc::Rc;
use std::time::Duration;

use sluice_wire::content_filter::FilterResults;
use sluice_wire::error::ApiError;
use sluice_wire::time::Time;

use crate::routing::spec::{Strategy, Trigger};
use crate::routing::target::Target;
use crate::routing::target_health::circuit;
use crate::routing::target_health::speed::{self, Observation};
use crate::store::SharedData;
use crate::usage::answers;

use super::super::failure::{Failure, LONGEST_WAIT, SLACK, Work};
use super::super::notes::{self, TargetKey};
use super::{
    AttemptState, Begin, ChunkTimes, MISCONFIGURED, Next, Probe, RequestState, ResponseState, Stage, StreamActivity,
    from_envoy, misconfigured,
};

/// The wait before a model's only target is retried after a short-lived failure. Envoy waits whole seconds, plus up to half of that.
const A_MOMENT: Duration = Duration::from_secs(1);

impl RequestState {
    /// Forwards the request. Its probe is claimed only now: if the request had been rejected earlier, the probe would have no result. If
    /// another request claims the same target between decision and claim, both probe it.
    pub fn depart(&mut self, now: Time, shared: &dyn SharedData) {
        let settings = &self.worker.config.circuit;
        let lease = self.limit().min(settings.longest);
        let chosen = match std::mem::take(&mut self.route.probe) {
            Probe::Chosen(target) => Some(target),
            Probe::None | Probe::Claimed(..) => None,
        };
        let claimed = chosen.filter(|target| {
            let is_next = self.route.queue.next().is_some_and(|next| Rc::ptr_eq(next, target));
            is_next && circuit::claim_probe(shared, &target.health, now, lease, settings)
        });
        self.route.probe = claimed.map_or(Probe::None, |target| Probe::Claimed(target, now));
        self.choose_key(now, shared);
    }

    /// Begins the next attempt and queues the target that Envoy tries next if it ends without a callback.
    pub fn begin(&mut self, now: Time, shared: &dyn SharedData) -> Begin {
        let unannounced = self.close(now, shared);
        let Some(target) = self.route.queue.next().cloned() else { return Begin::Unplanned };
        if let Some(before) = self.progress.attempts.last().filter(|_| unannounced) {
            // Envoy had to be told the next target before this attempt's outcome was known (resets and timeouts give no callback). Check
            // now whether that outcome allows a retry at all.
            let trigger = before.failure.as_ref().and_then(|failure| failure.trigger);
            let same = Rc::ptr_eq(&before.target, &target);
            let covered = trigger.is_some_and(|trigger| self.route.model.policy.retry.covers(trigger));
            if !covered
                || (same && trigger == Some(Trigger::Timeout))
                || !self.allows_attempt(&target, same, now, shared)
            {
                return Begin::Over;
            }
        }
        self.worker.attempt_started(&target, self.route.strategy == Strategy::LeastBusy, now, shared);
        self.route.queue.begin();
        self.answer = ResponseState::default();
        self.stream_activity = StreamActivity::since(now);
        let key = self.take_key(&target);
        self.progress.attempts.push(AttemptState {
            target: target.clone(),
            key,
            span: self.request.trace.map_or(0, |_| self.worker.span_id()),
            started: now,
            ended: None,
            status: None,
            failure: None,
            provider_error: None,
            filters: FilterResults::default(),
            usage: None,
            cost: None,
            chunks: ChunkTimes::default(),
            published: None,
        });
        notes::begun(self.request.request_id(), self.progress.attempts.len(), TargetKey { target: &target, key });
        let retry = self.route.model.policy.retry;
        if !(retry.covers(Trigger::Unreachable) || retry.covers(Trigger::Timeout)) {
            self.route.queue.end();
        } else if self.route.queue.next().is_none()
            && self.progress.tries_of_current() < 2
            && retry.covers(Trigger::Unreachable)
        {
            // The connection may have been an old one that the provider had closed.
            self.route.queue.again();
        }
        self.choose_key(now, shared);
        Begin::Attempt(target)
    }

    /// Whether the next attempt goes to another target.
    pub fn another_waits(&self) -> bool {
        self.route.queue.next().zip(self.progress.current()).is_some_and(|(next, current)| !Rc::ptr_eq(next, current))
    }

    /// Records the current attempt's failure and decides the next step.
    pub fn fail(&mut self, failure: Failure, now: Time, shared: &dyn SharedData) -> Next {
        self.blame_key(&failure, now, shared);
        let trigger = failure.trigger.filter(|trigger| self.route.model.policy.retry.covers(*trigger));
        let next = trigger.map_or(Next::Nothing, |trigger| self.after(trigger, &failure, now, shared));
        match next {
            Next::Elsewhere => {}
            Next::Again(_) => self.route.queue.again(),
            Next::Nothing => self.route.queue.end(),
        }
        self.choose_key(now, shared);
        self.ended(Some(failure), now, shared);
        next
    }

    fn after(&mut self, trigger: Trigger, failure: &Failure, now: Time, shared: &dyn SharedData) -> Next {
        let Some(current) = self.progress.current().cloned() else { return Next::Nothing };
        if failure.blames_key() && self.another_key(now, shared) {
            return Next::Again(Duration::ZERO);
        }
        let wait = failure.error.retry_after;
        let max_wait = self.route.model.policy.retry.wait;
        let first = self.progress.tries_of_current() < 2;
        let again =
            |wait: Duration| (first && self.allows_attempt(&current, true, now, shared)).then_some(Next::Again(wait));
        let soon = match trigger {
            Trigger::Conflict => return again(Duration::ZERO).unwrap_or(Next::Nothing),
            Trigger::RequestTimeout => again(Duration::ZERO),
            Trigger::ServerError if failure.is_status(500) => again(Duration::ZERO),
            Trigger::RateLimited => wait.filter(|wait| *wait <= max_wait && !max_wait.is_zero()).and_then(again),
            _ => None,
        };
        if let Some(next) = soon {
            return next;
        }
        let roomier = |target: &Target| {
            trigger != Trigger::ContextLength || target.capabilities.may_take_more_than(&current.capabilities)
        };
        let worker = self.worker.clone();
        while self.route.queue.elsewhere(|target| roomier(target) && worker.allows_attempt(target, false, now, shared))
        {
            if self.admits_next(now, shared) {
                return Next::Elsewhere;
            }
        }
        let waits = !max_wait.is_zero() && trigger != Trigger::ContextLength && first;
        let last_resort = match trigger {
            // A model's output varies: a second attempt may match the schema.
            Trigger::InvalidStructuredOutput => first.then_some(Duration::ZERO),
            _ => {
                let alone = self.route.queue.targets().len() == 1 && failure.passes_soon();
                let wait = wait.or(alone.then_some(A_MOMENT));
                wait.filter(|wait| waits && *wait <= max_wait.max(LONGEST_WAIT))
            }
        };
        let affordable = last_resort.filter(|_| self.allows_attempt(&current, true, now, shared));
        affordable.map_or(Next::Nothing, Next::Again)
    }

    fn allows_attempt(&self, target: &Target, same: bool, now: Time, shared: &dyn SharedData) -> bool {
        self.worker.allows_attempt(target, same, now, shared)
    }

    /// Ends the current attempt: charges its usage and shares its result with all workers.
    pub(super) fn ended(&mut self, failure: Option<Failure>, now: Time, shared: &dyn SharedData) {
        if let (Some(failure), Some(attempt)) = (&failure, self.progress.attempts.last()) {
            notes::failed(self.request.request_id(), attempt.target_key(), &failure.reason, self.route.upcoming());
        }
        let work = failure.as_ref().map_or(Work::Unknown, |failure| failure.work);
        if let Some(attempt) = self.progress.attempts.last_mut() {
            attempt.failure = failure;
        }
        self.stream_activity.holding = false;
        self.owe(work, now);
        self.publish_result(now, shared);
    }

    /// Shares the current attempt's result with all workers, once it is known and unless it was shared before.
    pub fn publish_result(&mut self, now: Time, shared: &dyn SharedData) {
        let several = self.route.queue.targets().len() > 1;
        let (stage, strategy) = (self.progress.stage, self.route.strategy);
        // The target is healthy while another of its keys is.
        let spared = self.progress.last_failure().is_some_and(Failure::blames_key) && self.another_key(now, shared);
        let Some(attempt) = self.progress.attempts.last_mut() else { return };
        if attempt.failure.is_some() || !matches!(stage, Stage::Underway | Stage::Answering) {
            attempt.leave(strategy, &self.worker, now, shared);
        }
        let well = match (&attempt.failure, stage) {
            (Some(_), _) => false,
            (None, Stage::Complete) => true,
            _ => return,
        };
        if attempt.published.replace(well) == Some(well) {
            return;
        }
        if well {
            attempt.target.keys.served(shared, attempt.key);
            // The choices of one request are generated in parallel.
            let tokens = self.answer.usage.map_or(0, |usage| usage.output) / self.request.scanned.peek.answers();
            self.worker.observe_output_rate(&attempt.target, tokens, now.since(attempt.started));
            if let (Some(id), Some(usage)) = (&self.answer.id, self.answer.usage) {
                answers::remember(shared, id, usage.input.saturating_add(usage.output));
            }
        }
        if !several || spared {
            return;
        }
        let circuit_attempt = circuit::CircuitAttempt { began: attempt.started, ended: now };
        self.worker.learn(&attempt.target, attempt.failure.as_ref(), circuit_attempt, shared);
        if well && strategy == Strategy::Fastest {
            self.measure(now, shared);
        }
    }

    /// Records the speed of a complete response.
    fn measure(&self, now: Time, shared: &dyn SharedData) {
        let (Some(attempt), Some(first_token)) = (self.progress.attempts.last(), self.answer.first_token) else {
            return;
        };
        let tokens = self.answer.usage.map(|usage| usage.output).unwrap_or_default();
        let waited = first_token.since(attempt.started);
        let observation = if self.request.scanned.peek.stream && !self.is_delivered_whole() {
            Observation { first_token: Some(waited), tokens, generating: now.since(first_token) }
        } else {
            Observation { first_token: None, tokens, generating: waited }
        };
        speed::observe(shared, &attempt.target.health, &observation, now);
    }

    /// The response is good so far: the client sees it from here on.
    pub fn commit(&mut self, now: Time) {
        self.progress.stage = Stage::Answering;
        self.stream_activity.holding = false;
        self.answer.first_token = Some(now);
    }

    /// The whole response was passed on.
    pub fn complete(&mut self) {
        if self.progress.stage == Stage::Answering {
            self.progress.stage = Stage::Complete;
        }
    }

    /// The response broke off after the client had received a part of it.
    pub fn break_off(&mut self, failure: Failure) {
        if let Some(attempt) = self.progress.attempts.last() {
            notes::broken(self.request.request_id(), attempt.target_key(), &failure.reason);
        }
        self.progress.stage = Stage::Broken;
        if let Some(attempt) = self.progress.attempts.last_mut() {
            attempt.failure = Some(failure);
        }
    }

    /// The client's error when no attempt gave a response. `envoy` is the status of Envoy's local reply.
    pub fn final_error(&mut self, envoy: u16, now: Time, shared: &dyn SharedData) -> ApiError {
        self.close(now, shared);
        self.progress.stage = Stage::Refused;
        let error = match self.progress.last_failure() {
            None if self.progress.attempts.is_empty() && envoy == MISCONFIGURED => misconfigured(),
            Some(failure) if envoy != 504 || failure.error.status == 504 => self.closing_error(failure, now),
            _ => from_envoy(envoy),
        };
        self.progress.refusal = Some(error.clone().into());
        error
    }

    /// Closes an attempt that ended without a callback: by its own timeout, or by the rest of the request's total timeout. Returns whether
    /// there was one.
    fn close(&mut self, now: Time, shared: &dyn SharedData) -> bool {
        let (own, fair) = (self.limit(), self.route.fair_limit(&self.request));
        let Some(attempt) = self.progress.attempts.last_mut().filter(|attempt| attempt.failure.is_none()) else {
            return false;
        };
        let left = self.route.timeouts.total.saturating_sub(attempt.started.since(self.request.started));
        let limit = own.min(left);
        let slack = self.route.slack(&self.request, limit);
        let mut failure = Failure::no_answer(now.since(attempt.started), limit, slack);
        // A client's shorter timeout, or a late start of the attempt, says nothing about the target. Otherwise one client could open the
        // circuit for all others.
        if failure.trigger == Some(Trigger::Timeout) && left.saturating_add(SLACK) < fair {
            attempt.published = Some(false);
            failure.work = Work::Unheard;
        }
        self.ended(Some(failure), now, shared);
        true
    }
}
