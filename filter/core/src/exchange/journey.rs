//! What the two roles know together of one request: the plan that the gateway role made, and what the attempts came to.
//!
//! It lives in the worker's VM, which both roles share, and not in Envoy's filter state: a property that wasm has read
//! once reads the same for ever, and a client that goes away mid-stream leaves no callback in which the provider role
//! could still write one. Filter state carries what Envoy itself must see, and the way to the journey.

use std::rc::Rc;
use std::time::Duration;

use crate::config::file::{Delivery, Strategy, Trigger};
use crate::config::{Caller, Model, Target, Timeouts};
use crate::conversation::Usage;
use crate::dialect::{Dialect, Said, Written};
use crate::error::{ApiError, ErrorKind};
use crate::limits::Plan;
use crate::routing::cells::circuit;
use crate::routing::cells::speed::{self, Observation};
use crate::routing::decision::{Decision, Inquiry, decide};
use crate::routing::hints::Hints;
use crate::routing::needs::Needs;
use crate::routing::queue::Queue;
use crate::store::{Settlement, SharedData};
use crate::usage::estimate::{Estimate, Prompt, produced};

use super::Time;
use super::charge::{Charge, Ledger};
use super::failure::{Failure, LONGEST_WAIT, SLACK};
use super::headers::HeaderMap;
use super::outline::Outline;
use super::worker::Worker;

/// How many tokens an answer is expected to have where costs and speeds are compared, if the request allows so many: most have
/// fewer than they may, and what is reserved is not what is used.
const EXPECTED_ANSWER: u64 = 500;

/// One request on its way.
#[derive(Debug)]
pub struct Journey {
    /// What the worker keeps between requests.
    pub worker: Rc<Worker>,
    /// When the gateway saw its headers.
    pub started: Time,
    /// Who asks.
    pub caller: Rc<Caller>,
    /// What the headers say about its way.
    pub hints: Hints,
    /// The name asked for.
    pub asked: Rc<Model>,
    /// The name served: another when a budget says so.
    pub model: Rc<Model>,
    /// How the client speaks.
    pub client: &'static dyn Dialect,
    /// What is known of the body.
    pub outline: Outline,
    /// The client's headers that a provider may see.
    pub forwarded: HeaderMap,
    /// The body's first bytes, up to where something may have to be spliced in; empty when that is far.
    pub head: Vec<u8>,
    /// Where it may go.
    pub queue: Queue,
    /// How the queue was ordered.
    pub strategy: Strategy,
    /// The target that it is to find out about; once it is claimed, when.
    pub probe: Option<(Rc<Target>, Option<Time>)>,
    /// The first target's request, when it had to be translated to know that the target can take it.
    pub ready: Option<Written>,
    /// Hints of the client that the attempt under way could not pass on, by their names in the client's dialect.
    pub dropped: Vec<String>,
    /// What was tried, in order.
    pub attempts: Vec<Tried>,
    /// What it has reserved, and what it owes; `None` only before it leaves.
    pub charge: Option<Charge>,
    /// What the prompt holds, where nobody counts its tokens.
    pub prompt: Prompt,
    /// Whether the tokens were not counted by the provider, or not all of them.
    pub estimated: bool,
    /// Where it stands.
    pub stage: Stage,
    /// When the first token came.
    pub first_token: Option<Time>,
    /// Tokens, as far as the provider said.
    pub usage: Option<Usage>,
    /// What the stream of the attempt under way has brought, should its provider not come to count tokens.
    pub said: Said,
    /// How many portions of streams came.
    pub portions: u64,
    /// Whether the answer's headers are here, and held until all of it is.
    pub holding: bool,
    /// As many portions as had come when last looked at, and since when it is no more.
    heard: (u64, Time),
    /// How long to wait.
    pub timeouts: Timeouts,
}

/// What is known of a request when its headers are read and its caller may call.
#[derive(Debug, Clone)]
pub struct Arrival {
    /// When they came.
    pub started: Time,
    /// Who asks.
    pub caller: Rc<Caller>,
    /// The client's headers that a provider may see.
    pub forwarded: HeaderMap,
    /// What the headers say about its way.
    pub hints: Hints,
}

/// One attempt.
#[derive(Debug)]
pub struct Tried {
    /// Where.
    pub target: Rc<Target>,
    /// When it began.
    pub started: Time,
    /// When it was over, once it is.
    pub ended: Option<Time>,
    /// Why it failed, once it has.
    pub failure: Option<Failure>,
    /// Whether all workers were told that it failed, or that it did not.
    told: Option<bool>,
}

/// Where a request stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// No answer fit for the client yet.
    Underway,
    /// The last attempt's answer goes to the client.
    Answering,
    /// All of it went.
    Complete,
    /// An answer that had begun broke off, and the client was told.
    Broken,
    /// An error goes to the client, written by us.
    Refused,
}

/// A stream that has been silent for too long.
#[derive(Debug, PartialEq)]
pub enum Silence {
    /// The client has seen a part of it: it is to be cut, and counts as broken off.
    Shown,
    /// Nothing of it has left: the attempt is to be given up, for this reason.
    Held(Failure),
}

/// What becomes of an attempt that Envoy is about to make.
#[derive(Debug)]
pub enum Begin {
    /// It goes to this target.
    Attempt(Rc<Target>),
    /// The attempt before it was the last: how it failed is no reason for another, or there were too many of late.
    Over,
    /// Envoy tries more often than was planned.
    Unplanned,
}

/// What comes after a failed attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// Another target, at once.
    Elsewhere,
    /// The same target; after a wait, if it is not zero.
    Again(Duration),
    /// Nothing: the client reads the failure.
    Nothing,
}

impl Tried {
    /// It is over.
    fn leave(&mut self, strategy: Strategy, worker: &Worker, now: Time, shared: &dyn SharedData) {
        if self.ended.is_none() {
            self.ended = Some(now);
            if strategy == Strategy::LeastBusy {
                worker.leaves(&self.target, now, shared);
            }
        }
    }
}

impl Journey {
    /// A journey that has not begun, and has no targets yet.
    pub fn new(
        worker: Rc<Worker>,
        arrival: Arrival,
        model: Rc<Model>,
        client: &'static dyn Dialect,
        outline: Outline,
        prompt: Prompt,
    ) -> Self {
        let Arrival { started, caller, forwarded, hints } = arrival;
        let timeouts = model.way.timeouts;
        let total = hints.timeout.map_or(timeouts.total, |asked| asked.min(timeouts.total));
        Self {
            worker,
            started,
            caller,
            hints,
            asked: model.clone(),
            strategy: model.way.strategy,
            probe: None,
            model,
            client,
            outline,
            forwarded,
            head: Vec::new(),
            queue: Queue::default(),
            ready: None,
            dropped: Vec::new(),
            attempts: Vec::with_capacity(1),
            charge: None,
            prompt,
            estimated: false,
            stage: Stage::Underway,
            first_token: None,
            usage: None,
            said: Said::default(),
            portions: 0,
            holding: false,
            heard: (0, started),
            timeouts: Timeouts { total, ..timeouts },
        }
    }

    /// Where a request like this one goes when `model` is to serve it. A client's wish is for the model it has asked for.
    pub fn decide(&self, model: &Model, now: Time, dice: u64, shared: &dyn SharedData) -> Result<Decision, ApiError> {
        let estimate = |target: &Target| self.expect(target);
        let unwished;
        let hints = if model.name == self.asked.name {
            &self.hints
        } else {
            unwished = self.hints.without_wish();
            &unwished
        };
        let inquiry = Inquiry {
            model,
            caller: &self.caller,
            needs: self.needs(),
            hints,
            user: self.outline.user.as_deref(),
            estimate: &estimate,
            circuit: &self.worker.gateway.circuit,
            attempt: self.limit(),
            lease: self.timeouts.total,
            now,
            dice,
        };
        decide(&inquiry, shared)
    }

    /// What it asks of a target; its prompt's length as the first target's provider counts.
    pub fn needs(&self) -> Needs {
        let input = self.model.targets.first().map(|target| self.estimate(target, 0).input).unwrap_or_default();
        Needs::of(&self.outline, &self.prompt, input)
    }

    /// What it will use at `target`, where costs and speeds are compared: with an answer of the expected length.
    pub fn expect(&self, target: &Target) -> Estimate {
        let expected = self.outline.max_tokens.map_or(EXPECTED_ANSWER, |most| most.min(EXPECTED_ANSWER));
        self.estimate(target, expected)
    }

    /// The request leaves. If it is to find out about a target, that is claimed now: of one that was refused before nobody would
    /// hear. Where another one was first, within the moment since the decision, both find out.
    pub fn depart(&mut self, now: Time, shared: &dyn SharedData) {
        let settings = &self.worker.gateway.circuit;
        let lease = self.limit().min(settings.longest);
        self.probe = self.probe.take().filter(|(target, _)| {
            let is_next = self.queue.next().is_some_and(|next| Rc::ptr_eq(next, target));
            is_next && circuit::claim_probe(shared, &target.cells, now, lease, settings)
        });
        if let Some((_, claimed_at)) = &mut self.probe {
            *claimed_at = Some(now);
        }
    }

    /// Begins an attempt: where it goes. Behind it the queue has what Envoy is to try should it end without a callback.
    pub fn begin(&mut self, now: Time, shared: &dyn SharedData) -> Begin {
        let unannounced = self.close(now, shared);
        let Some(target) = self.queue.next().cloned() else { return Begin::Unplanned };
        if let Some(before) = self.attempts.last().filter(|_| unannounced) {
            // Of what ended without a callback, the reason was not known when Envoy was told what follows. Of all else it was, and
            // what follows counts already.
            let trigger = before.failure.as_ref().and_then(|failure| failure.trigger);
            let same = Rc::ptr_eq(&before.target, &target);
            let covered = trigger.is_some_and(|trigger| self.model.way.retry.covers(trigger));
            if !covered || (same && trigger == Some(Trigger::Timeout)) || !self.affords(&target, same, now, shared) {
                return Begin::Over;
            }
        }
        self.worker.enters(&target, self.strategy == Strategy::LeastBusy, now, shared);
        self.queue.begin();
        self.dropped.clear();
        self.heard = (self.portions, now);
        self.attempts.push(Tried { target: target.clone(), started: now, ended: None, failure: None, told: None });
        let retry = self.model.way.retry;
        if !(retry.covers(Trigger::Unreachable) || retry.covers(Trigger::Timeout)) {
            self.queue.end();
        } else if self.queue.next().is_none() && self.tries_of_current() < 2 && retry.covers(Trigger::Unreachable) {
            // The connection may have been an old one that the provider had closed.
            self.queue.again();
        }
        Begin::Attempt(target)
    }

    /// The tier that serves, if it is a lower one than the model's best.
    pub fn lower_tier(&self) -> Option<u32> {
        let best = self.model.targets.iter().map(|target| target.tier).min()?;
        self.current().map(|target| target.tier).filter(|tier| *tier > best)
    }

    /// The cluster of the next attempt.
    pub fn next_cluster(&self) -> &str {
        self.queue.next().map_or(super::NO_CLUSTER, |target| target.provider.cluster.as_str())
    }

    /// Whether the next attempt is another target's.
    pub fn another_waits(&self) -> bool {
        self.queue.next().zip(self.current()).is_some_and(|(next, current)| !Rc::ptr_eq(next, current))
    }

    /// The attempt under way failed: what comes next.
    pub fn fail(&mut self, failure: Failure, now: Time, shared: &dyn SharedData) -> Next {
        let trigger = failure.trigger.filter(|trigger| self.model.way.retry.covers(*trigger));
        let next = trigger.map_or(Next::Nothing, |trigger| self.after(trigger, &failure, now, shared));
        match next {
            Next::Elsewhere => {}
            Next::Again(_) => self.queue.again(),
            Next::Nothing => self.queue.end(),
        }
        self.ended(Some(failure), now, shared);
        next
    }

    fn after(&mut self, trigger: Trigger, failure: &Failure, now: Time, shared: &dyn SharedData) -> Next {
        let Some(current) = self.current().cloned() else { return Next::Nothing };
        let wait = failure.error.retry_after;
        let patience = self.model.way.retry.wait;
        let first = self.tries_of_current() < 2;
        let again = |wait: Duration| (first && self.affords(&current, true, now, shared)).then_some(Next::Again(wait));
        let soon = match trigger {
            Trigger::Conflict => return again(Duration::ZERO).unwrap_or(Next::Nothing),
            Trigger::RequestTimeout => again(Duration::ZERO),
            Trigger::ServerError if failure.is_status(500) => again(Duration::ZERO),
            Trigger::RateLimited => wait.filter(|wait| *wait <= patience && !patience.is_zero()).and_then(again),
            _ => None,
        };
        if let Some(next) = soon {
            return next;
        }
        let roomier = |target: &Target| {
            trigger != Trigger::ContextLength || target.capabilities.takes_more_than(&current.capabilities)
        };
        let worker = self.worker.clone();
        if self.queue.elsewhere(|target| roomier(target) && worker.affords(target, false, now, shared)) {
            return Next::Elsewhere;
        }
        let waits = !patience.is_zero() && trigger != Trigger::ContextLength && first;
        let last_resort = wait.filter(|wait| waits && *wait <= patience.max(LONGEST_WAIT));
        let affordable = last_resort.filter(|_| self.affords(&current, true, now, shared));
        affordable.map_or(Next::Nothing, Next::Again)
    }

    fn affords(&self, target: &Target, same: bool, now: Time, shared: &dyn SharedData) -> bool {
        self.worker.affords(target, same, now, shared)
    }

    /// The attempt under way is over: what it used is owed, and all workers are told how it went.
    fn ended(&mut self, failure: Option<Failure>, now: Time, shared: &dyn SharedData) {
        let interrupted = failure
            .as_ref()
            .and_then(|failure| failure.trigger)
            .is_some_and(|trigger| matches!(trigger, Trigger::Timeout | Trigger::Stalled | Trigger::Truncated));
        if let Some(tried) = self.attempts.last_mut() {
            tried.failure = failure;
        }
        self.holding = false;
        self.owe(interrupted);
        self.tell(now, shared);
    }

    /// Tells all workers how the attempt under way went, as far as that is known by now and was not told before.
    pub fn tell(&mut self, now: Time, shared: &dyn SharedData) {
        let several = self.queue.targets().len() > 1;
        let (stage, strategy) = (self.stage, self.strategy);
        let Some(tried) = self.attempts.last_mut() else { return };
        if tried.failure.is_some() || !matches!(stage, Stage::Underway | Stage::Answering) {
            tried.leave(strategy, &self.worker, now, shared);
        }
        let well = match (&tried.failure, stage) {
            (Some(_), _) => false,
            (None, Stage::Complete) => true,
            _ => return,
        };
        if !several || tried.told.replace(well) == Some(well) {
            return;
        }
        let attempt = circuit::Attempt { began: tried.started, ended: now };
        self.worker.learn(&tried.target, tried.failure.as_ref(), attempt, shared);
        if well && strategy == Strategy::Fastest {
            self.measure(now, shared);
        }
    }

    /// How fast the answer was that is complete.
    fn measure(&self, now: Time, shared: &dyn SharedData) {
        let (Some(tried), Some(first_token)) = (self.attempts.last(), self.first_token) else { return };
        let tokens = self.usage.map(|usage| usage.output).unwrap_or_default();
        let waited = first_token.since(tried.started);
        let observation = if self.outline.stream && self.model.way.delivery == Delivery::Stream {
            Observation { first_token: Some(waited), tokens, generating: now.since(first_token) }
        } else {
            Observation { first_token: None, tokens, generating: waited }
        };
        speed::observe(shared, &tried.target.cells, &observation, now);
    }

    /// How long one attempt may take until there is something for the client.
    pub fn limit(&self) -> Duration {
        if self.outline.stream && self.model.way.delivery == Delivery::Stream {
            self.timeouts.first_token
        } else {
            self.timeouts.answer
        }
    }

    /// An answer to the attempt under way is good so far: from here on the client sees it.
    pub fn commit(&mut self, now: Time) {
        self.stage = Stage::Answering;
        self.holding = false;
        self.first_token = Some(now);
    }

    /// All of the answer was passed on.
    pub fn complete(&mut self) {
        if self.stage == Stage::Answering {
            self.stage = Stage::Complete;
        }
    }

    /// The answer broke off after the client had seen some of it.
    pub fn break_off(&mut self, failure: Failure) {
        self.stage = Stage::Broken;
        if let Some(tried) = self.attempts.last_mut() {
            tried.failure = Some(failure);
        }
    }

    /// The attempt under way is over, and the client has nothing of it: what its provider says it used is owed all the same, and
    /// where it was interrupted at its work, the prompt and what had come of an answer.
    fn owe(&mut self, interrupted: bool) {
        let usage = self.usage.take();
        let usage = match (interrupted || self.said.pieces > 0, self.current().cloned()) {
            (true, Some(target)) => Some(self.estimated_usage(&target, usage)),
            _ => usage,
        };
        self.said = Said::default();
        self.owes(usage);
    }

    /// What was used at `target`, where its provider has counted nothing, or not all.
    fn estimated_usage(&mut self, target: &Target, counted: Option<Usage>) -> Usage {
        self.estimated = true;
        let counted = counted.unwrap_or_default();
        let produced = produced(self.said.pieces, self.said.bytes, target.provider.dialect.bytes_per_100_tokens());
        let estimate = self.estimate(target, 0);
        Usage {
            input: if counted.input == 0 { estimate.input } else { counted.input },
            output: counted.output.max(produced),
            ..counted
        }
    }

    fn owes(&mut self, usage: Option<Usage>) {
        let Some(target) = self.current().cloned() else { return };
        if let Some(charge) = &mut self.charge {
            charge.owe(&target, usage, self.prompt.images);
        }
    }

    /// The request is over: the last attempt's use is owed, by the provider's own count as far as there is one. What was
    /// interrupted is charged for its prompt and for what had been produced.
    pub fn conclude(&mut self, now: Time, shared: &dyn SharedData) {
        self.tell(now, shared);
        if let Some(tried) = self.attempts.last_mut() {
            tried.leave(self.strategy, &self.worker, now, shared);
        }
        // Nothing was learned, if its client left. If something was, the probe is no longer noted.
        if let Some((target, Some(claimed_at))) = self.probe.take() {
            circuit::release_probe(shared, &target.cells, claimed_at);
        }
        let Some(target) = self.current().cloned() else { return };
        let failed = self.attempts.last().is_some_and(|tried| tried.failure.is_some());
        let usage = match (self.stage, self.usage) {
            (Stage::Refused, _) => return,
            // It failed without a callback, and nothing came after it.
            (Stage::Underway, None) if failed => return,
            (Stage::Complete, Some(usage)) if usage.input > 0 || usage.output > 0 => usage,
            (_, counted) => self.estimated_usage(&target, counted),
        };
        self.usage = Some(usage);
        self.owes(self.usage);
    }

    /// What it will use at `target`, of whose answer no more than `ceiling` tokens are reserved.
    pub fn estimate(&self, target: &Target, ceiling: u64) -> Estimate {
        let max_output = target.price.and_then(|price| price.max_output);
        let bytes = target.provider.dialect.bytes_per_100_tokens();
        Estimate::of(&self.outline, &self.prompt, bytes, max_output, ceiling)
    }

    /// Takes the way at `chosen`, and after it those that follow in the same model.
    pub fn take_way(&mut self, plan: &Plan, chosen: usize) {
        let mut ways = plan.candidates.iter().skip(chosen).peekable();
        let Some(first) = ways.peek() else { return };
        let model = first.model.clone();
        let targets = ways.take_while(|way| Rc::ptr_eq(&way.model, &model)).map(|way| way.target.clone());
        self.queue = Queue::new(targets.collect());
        self.model = model;
        self.ready = None;
    }

    /// What it came to, and who keeps its reservation; once, and nothing when nobody is to know of it.
    pub fn settlement(&mut self, now: Time) -> Option<(Settlement, Ledger)> {
        let charge = self.charge.take()?;
        Some((charge.settlement(self, now), charge.ledger))
    }

    /// Whether a stream has been silent for longer than it may. To be asked now and then: Envoy's own limit for this ends when the
    /// limit for the first token has passed, and takes a stream that is held for a silent one.
    pub fn falls_silent(&mut self, now: Time) -> Option<Silence> {
        if self.stage != Stage::Answering && !self.holding {
            return None;
        }
        if self.heard.0 != self.portions {
            self.heard = (self.portions, now);
        }
        let stalled = now.since(self.heard.1) >= self.timeouts.idle;
        if !self.holding {
            return stalled.then(|| {
                self.break_off(Failure::stalled());
                Silence::Shown
            });
        }
        let waited = now.since(self.attempts.last()?.started);
        if self.said.pieces == 0 && waited >= self.timeouts.first_token {
            return Some(Silence::Held(Failure::no_answer(waited, self.timeouts.first_token)));
        }
        stalled.then(|| Silence::Held(Failure::stalled()))
    }

    /// Where the answer comes from, or the last one tried.
    pub fn current(&self) -> Option<&Rc<Target>> {
        self.attempts.last().map(|tried| &tried.target)
    }

    /// What the client reads when no attempt gave an answer. `envoy` is the status that Envoy gave up with.
    pub fn last_word(&mut self, envoy: u16, now: Time, shared: &dyn SharedData) -> ApiError {
        self.close(now, shared);
        self.stage = Stage::Refused;
        if self.attempts.is_empty() && envoy == MISCONFIGURED {
            return misconfigured();
        }
        match self.attempts.last().and_then(|tried| tried.failure.as_ref()) {
            Some(failure) if envoy != 504 || failure.error.status == 504 => (*failure.error).clone(),
            _ => from_envoy(envoy),
        }
    }

    /// An attempt that ended without a callback is known as such when something follows it: by its own limit, or by what was
    /// left of the request's whole time. Whether there was one.
    fn close(&mut self, now: Time, shared: &dyn SharedData) -> bool {
        let (own, fair) = (self.limit(), self.limit().min(self.model.way.timeouts.total));
        let Some(tried) = self.attempts.last_mut().filter(|tried| tried.failure.is_none()) else { return false };
        let left = self.timeouts.total.saturating_sub(tried.started.since(self.started));
        let failure = Failure::no_answer(now.since(tried.started), own.min(left));
        // A client that waits for less than the gateway would, or an attempt that came late, says nothing of the target: one
        // client could close it for all others.
        if failure.trigger == Some(Trigger::Timeout) && left.saturating_add(SLACK) < fair {
            tried.told = Some(false);
        }
        self.ended(Some(failure), now, shared);
        true
    }

    /// How often the target of the attempt under way was tried in a row.
    fn tries_of_current(&self) -> usize {
        let Some(current) = self.current() else { return 0 };
        self.attempts.iter().rev().take_while(|tried| Rc::ptr_eq(&tried.target, current)).count()
    }
}

/// What a client is told of the attempts: how many, and why those that failed did.
pub fn tale(attempts: &[Tried]) -> impl Iterator<Item = (&'static str, String)> {
    let failed = |tried: &Tried| Some(format!("{}: {}", tried.target.name, tried.failure.as_ref()?.reason));
    let failures: Vec<String> = attempts.iter().filter_map(failed).collect();
    let failures = (!failures.is_empty()).then(|| ("x-sluice-failures", failures.join(", ")));
    std::iter::once(("x-sluice-attempts", attempts.len().to_string())).chain(failures)
}

/// The status that only a provider's filter gives, when it finds no journey: Envoy's own failures have others.
const MISCONFIGURED: u16 = 500;

/// The two roles do not find each other.
pub fn misconfigured() -> ApiError {
    ApiError::new(MISCONFIGURED, ErrorKind::Server, "The gateway is not set up right: its roles do not share one VM.")
        .with_code("gateway_misconfigured")
}

/// The error for a status that Envoy made up by itself.
pub fn from_envoy(status: u16) -> ApiError {
    match status {
        413 => ApiError::new(413, ErrorKind::TooLarge, "The request is larger than the gateway takes (32 MiB).")
            .with_code("request_too_large"),
        408 => {
            ApiError::new(408, ErrorKind::Timeout, "The request did not arrive in time.").with_code("request_timeout")
        }
        504 => ApiError::new(504, ErrorKind::Timeout, "No provider answered in time.").with_code("provider_timeout"),
        400..=499 => ApiError::new(status, ErrorKind::InvalidRequest, "The request could not be read."),
        _ => ApiError::new(503, ErrorKind::Server, "No provider could be reached.").with_code("provider_unavailable"),
    }
}
