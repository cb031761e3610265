//! What the two roles know together of one request: the plan that the gateway role made, and what the attempts came to.
//!
//! It lives in the worker's VM, which both roles share, and not in Envoy's filter state: a property that wasm has read
//! once reads the same for ever, and a client that goes away mid-stream leaves no callback in which the provider role
//! could still write one. Filter state carries what Envoy itself must see, and the way to the journey.

use std::rc::Rc;
use std::time::Duration;

use crate::config::{Caller, Model, Target, Timeouts};
use crate::conversation::Usage;
use crate::dialect::{Dialect, Said, Written};
use crate::error::{ApiError, ErrorKind};
use crate::limits::Plan;
use crate::store::Settlement;
use crate::usage::estimate::{Estimate, Prompt, produced};

use super::Time;
use super::charge::{Charge, Ledger};
use super::failure::Failure;
use super::headers::HeaderMap;
use super::outline::Outline;

/// One request on its way.
#[derive(Debug)]
pub struct Journey {
    /// When the gateway saw its headers.
    pub started: Time,
    /// Who asks.
    pub caller: Rc<Caller>,
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
    /// Where it may go, in order. Never empty.
    pub targets: Vec<Rc<Target>>,
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
    /// How many portions of a stream the client was shown.
    pub portions: u64,
    /// As many portions as were shown when last looked at, and since when it is no more.
    heard: (u64, Time),
    /// Which target the next attempt goes to.
    next: usize,
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
}

/// One attempt.
#[derive(Debug)]
pub struct Tried {
    /// Where.
    pub target: Rc<Target>,
    /// When it began.
    pub started: Time,
    /// Why it failed, once it has.
    pub failure: Option<Failure>,
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

/// What comes after a failed attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// The next target, at once: Envoy already knows it.
    Elsewhere,
    /// The same target, after a wait.
    Again(Duration),
    /// Nothing: the client reads the failure.
    Nothing,
}

impl Journey {
    /// A journey that has not begun.
    pub fn new(
        arrival: Arrival,
        model: Rc<Model>,
        client: &'static dyn Dialect,
        outline: Outline,
        prompt: Prompt,
        timeouts: Timeouts,
    ) -> Self {
        let Arrival { started, caller, forwarded } = arrival;
        let targets = model.targets.clone();
        Self {
            started,
            caller,
            asked: model.clone(),
            model,
            client,
            outline,
            forwarded,
            head: Vec::new(),
            targets,
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
            heard: (0, started),
            next: 0,
            timeouts,
        }
    }

    /// Begins an attempt: where it goes, and the cluster to try if it ends without a callback. `None` when Envoy tries
    /// more often than was planned.
    pub fn begin(&mut self, now: Time) -> Option<(Rc<Target>, &str)> {
        self.close(now);
        let target = self.targets.get(self.next)?.clone();
        self.next += 1;
        self.dropped.clear();
        self.attempts.push(Tried { target: target.clone(), started: now, failure: None });
        Some((target, self.next_cluster()))
    }

    /// The cluster of the next attempt.
    pub fn next_cluster(&self) -> &str {
        self.targets.get(self.next).map_or(super::NO_CLUSTER, |target| target.provider.cluster.as_str())
    }

    /// The attempt under way failed: what comes next.
    pub fn fail(&mut self, failure: Failure) -> Next {
        let again = failure.short_wait().filter(|_| self.tries_of_current() < 2);
        let next = match (failure.elsewhere, self.targets.get(self.next), again) {
            (true, Some(_), _) => Next::Elsewhere,
            (true, None, Some(wait)) => {
                self.next = self.next.saturating_sub(1);
                Next::Again(wait)
            }
            _ => Next::Nothing,
        };
        if let Some(tried) = self.attempts.last_mut() {
            tried.failure = Some(failure);
        }
        self.owe();
        next
    }

    /// An answer to the attempt under way is good so far: from here on the client sees it.
    pub fn commit(&mut self, now: Time) {
        self.stage = Stage::Answering;
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

    /// The attempt under way is over, and the client has nothing of it: what its provider says it used is owed all the same.
    fn owe(&mut self) {
        self.said = Said::default();
        let usage = self.usage.take();
        self.owes(usage);
    }

    fn owes(&mut self, usage: Option<Usage>) {
        let Some(target) = self.current().cloned() else { return };
        if let Some(charge) = &mut self.charge {
            charge.owe(&target, usage, self.prompt.images);
        }
    }

    /// The request is over: the last attempt's use is owed, by the provider's own count as far as there is one. What was
    /// interrupted is charged for its prompt and for what had been produced.
    pub fn conclude(&mut self) {
        let Some(target) = self.current().cloned() else { return };
        let failed = self.attempts.last().is_some_and(|tried| tried.failure.is_some());
        let usage = match (self.stage, self.usage) {
            (Stage::Refused, _) => return,
            // It failed without a callback, and nothing came after it.
            (Stage::Underway, None) if failed => return,
            (Stage::Complete, Some(usage)) if usage.input > 0 || usage.output > 0 => usage,
            (_, counted) => {
                self.estimated = true;
                let counted = counted.unwrap_or_default();
                let bytes = target.provider.dialect.bytes_per_100_tokens();
                let produced = produced(self.said.pieces, self.said.bytes, bytes);
                let estimate = self.estimate(&target, 0);
                Usage {
                    input: if counted.input == 0 { estimate.input } else { counted.input },
                    output: counted.output.max(produced),
                    ..counted
                }
            }
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
        self.targets = ways.take_while(|way| Rc::ptr_eq(&way.model, &model)).map(|way| way.target.clone()).collect();
        self.model = model;
        self.ready = None;
    }

    /// What it came to, and who keeps its reservation; once, and nothing when nobody is to know of it.
    pub fn settlement(&mut self, now: Time) -> Option<(Settlement, Ledger)> {
        let charge = self.charge.take()?;
        Some((charge.settlement(self, now), charge.ledger))
    }

    /// Whether a stream that the client reads has been silent for longer than it may; if so, it counts as broken off.
    /// To be asked now and then: Envoy's own limit for this ends when the limit for the first token has passed.
    pub fn stalls(&mut self, now: Time) -> bool {
        if self.stage != Stage::Answering {
            return false;
        }
        if self.heard.0 != self.portions {
            self.heard = (self.portions, now);
        }
        let stalled = now.since(self.heard.1) >= self.timeouts.idle;
        if stalled {
            self.break_off(Failure::stalled());
        }
        stalled
    }

    /// Where the answer comes from, or the last one tried.
    pub fn current(&self) -> Option<&Rc<Target>> {
        self.attempts.last().map(|tried| &tried.target)
    }

    /// What the client reads when no attempt gave an answer. `envoy` is the status that Envoy gave up with.
    pub fn last_word(&mut self, envoy: u16, now: Time) -> ApiError {
        self.close(now);
        self.stage = Stage::Refused;
        if self.attempts.is_empty() && envoy == MISCONFIGURED {
            return misconfigured();
        }
        match self.attempts.last().and_then(|tried| tried.failure.as_ref()) {
            Some(failure) if envoy != 504 || failure.error.status == 504 => (*failure.error).clone(),
            _ => from_envoy(envoy),
        }
    }

    /// An attempt that ended without a callback is known as such when something follows it.
    fn close(&mut self, now: Time) {
        let limit = if self.outline.stream { self.timeouts.first_token } else { self.timeouts.answer };
        if let Some(tried) = self.attempts.last_mut()
            && tried.failure.is_none()
        {
            tried.failure = Some(Failure::no_answer(now.since(tried.started), limit));
            self.owe();
        }
    }

    /// How often the target of the attempt under way was tried in a row.
    fn tries_of_current(&self) -> usize {
        let Some(current) = self.current() else { return 0 };
        self.attempts.iter().rev().take_while(|tried| Rc::ptr_eq(&tried.target, current)).count()
    }
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
