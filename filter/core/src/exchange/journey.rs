//! What the two roles know together of one request: the plan that the gateway role made, and what the attempts came to.
//!
//! It lives in the worker's VM, which both roles share, and not in Envoy's filter state: a property that wasm has read
//! once reads the same for ever, and a client that goes away mid-stream leaves no callback in which the provider role
//! could still write one. Filter state carries what Envoy itself must see, and the way to the journey.

use std::rc::Rc;
use std::time::Duration;

use serde::Serialize;
use sluice_wire::coding::Coding;
use sluice_wire::dialect::Client;
use sluice_wire::error::{ApiError, ErrorKind};
use sluice_wire::headers::HeaderMap;
use sluice_wire::time::Time;

use crate::batch::Errand;
use crate::gate::Share;
use crate::guard::answer::Checks;
use crate::keys::caller::Caller;
use crate::peek::Outline;
use crate::routing::decision::{Decision, Inquiry, decide};
use crate::routing::hints::Hints;
use crate::routing::needs::Needs;
use crate::routing::spec::Delivery;
use crate::routing::target::{Model, Target};
use crate::store::{SharedData, Sums};
use crate::usage::estimate::Prompt;
use crate::usage::surcharge::Wishes;

use super::charge::Charge;
use super::recall::Recall;
use super::worker::Worker;

mod account;
mod answer;
mod asked;
mod attempts;
mod following;
mod held;
mod keys;
mod lost;
mod patience;
mod progress;
mod returns;
mod route;
mod watch;

pub use answer::Answer;
pub use asked::Asked;
pub use following::{CANNOT_EXPRESS, Ending, OVER_LIMIT, PassedOver};
pub use held::Held;
pub use progress::{Progress, Stage, Tried, tale};
pub use route::{Probe, Route};
pub use watch::{Lingering, Silence, Watch};

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
    /// How the client speaks.
    pub client: &'static Client,
    /// What is known of the body.
    pub outline: Outline,
    /// The client's headers that a provider may see.
    pub forwarded: HeaderMap,
    /// What is only known of a request that is passed through.
    pub passage: Option<Passage>,
    /// The body's first bytes, up to where something may have to be spliced in; empty when that is far.
    pub head: Vec<u8>,
    /// What was masked in its prompt, by the names of what it was.
    pub masked: Vec<String>,
    /// What the answer has to pass; `None` where that is nothing.
    pub checks: Option<Rc<Checks>>,
    /// What the cache was to it.
    pub recall: Recall,
    /// What it has reserved, and what it owes; `None` only before it leaves.
    pub charge: Option<Charge>,
    /// What the prompt holds, where nobody counts its tokens.
    pub prompt: Prompt,
    /// Whether the tokens were not counted by the provider, or not all of them.
    pub estimated: bool,
    /// Whether its client left, or waited for less than the gateway would, before a provider had answered and counted.
    pub abandoned: bool,
    /// Whether Envoy ended it when it shut down.
    pub shut_down: bool,
    /// Why no connection came about, where Envoy says it of the last attempt.
    pub transport: Option<String>,
    /// How much the provider who served has counted, once the request is over.
    pub counted: Option<Counted>,
    /// Where it may go.
    pub route: Route,
    /// What was tried, and where it stands.
    pub progress: Progress,
    /// What it holds at the worker's gate.
    pub held: Held,
    /// What is known of the answer to the attempt under way.
    pub answer: Answer,
    /// What the worker's tick looks at.
    pub watch: Watch,
    /// What the request may cost besides its tokens.
    pub wishes: Wishes,
    /// What it does to a batch.
    pub errand: Option<Errand>,
    /// What that batch has come to, if the request has settled it.
    pub settled: Option<Sums>,
}

/// What is known of a request when its headers are read and its caller may call.
#[derive(Debug)]
pub struct Arrival {
    /// When they came.
    pub started: Time,
    /// Who asks.
    pub caller: Rc<Caller>,
    /// How the client speaks.
    pub client: &'static Client,
    /// The client's headers that a provider may see.
    pub forwarded: HeaderMap,
    /// What the headers say about its way.
    pub hints: Hints,
    /// What is only known of a request that is passed through.
    pub passage: Option<Passage>,
    /// How its body is compressed, until it is not any more.
    pub coding: Option<Coding>,
    /// Its bytes, at the worker's gate.
    pub share: Share,
}

/// Of a request that is passed through, what its provider has to know besides its body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Passage {
    /// How it was asked.
    pub method: String,
    /// Where it goes, below the provider's base URL.
    pub path: String,
    /// What its body is.
    pub content_type: Option<String>,
}

/// How much of an answer's usage its provider has counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Counted {
    /// All of it.
    Complete,
    /// A part: the answer broke off, or the provider tells no more.
    Partial,
    /// Nothing.
    Missing,
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

impl Journey {
    /// A journey that has not begun, and has no targets yet.
    pub fn new(worker: Rc<Worker>, arrival: Arrival, model: Rc<Model>, mut outline: Outline, prompt: Prompt) -> Self {
        let Arrival { started, caller, client, forwarded, hints, passage, share, .. } = arrival;
        // What cannot be streamed will not be, whatever is asked.
        outline.stream &= client.asks.streams();
        let route = Route::new(model.clone(), hints.timeout);
        Self {
            worker,
            started,
            caller,
            hints,
            asked: model,
            client,
            outline,
            forwarded,
            passage,
            head: Vec::new(),
            masked: Vec::new(),
            checks: None,
            recall: Recall::default(),
            charge: None,
            prompt,
            estimated: false,
            abandoned: false,
            shut_down: false,
            transport: None,
            counted: None,
            route,
            progress: Progress::default(),
            held: Held::new(share),
            answer: Answer::default(),
            watch: Watch::since(started),
            wishes: Wishes::default(),
            errand: None,
            settled: None,
        }
    }

    /// Its body is another one now.
    pub fn rewritten(&mut self, outline: Outline) {
        self.outline = outline;
        self.outline.stream &= self.client.asks.streams();
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
            client: self.client,
            caller: &self.caller,
            needs: self.needs(),
            hints,
            user: self.outline.user.as_deref(),
            estimate: &estimate,
            circuit: &self.worker.gateway.circuit,
            attempt: self.limit(),
            lease: self.route.timeouts.total,
            now,
            dice,
        };
        decide(&inquiry, shared)
    }

    /// What it asks of a target; its prompt's length as the first target's provider counts.
    pub fn needs(&self) -> Needs {
        let input =
            self.route.model.targets.first().map(|target| self.estimate_of_body(target, 0).input).unwrap_or_default();
        Needs::of(&self.outline, &self.prompt, input)
    }

    /// What was masked in its prompt, as a header for the client.
    pub fn masked_header(&self) -> Option<(&'static str, String)> {
        (!self.masked.is_empty()).then(|| ("x-sluice-masked", self.masked.join(", ")))
    }

    /// Whether nothing of an answer is shown before all of it is there: because its model says so, or because it has to be looked at.
    pub fn is_delivered_whole(&self) -> bool {
        self.route.model.way.delivery == Delivery::Whole || self.checks.is_some()
    }

    /// The tier that serves, if it is a lower one than the model's best.
    pub fn lower_tier(&self) -> Option<u32> {
        self.route.lower_tier(self.progress.current()?)
    }

    /// For how long what is reserved for it is held, if nobody settles it: no request for the model that was asked for may
    /// last longer. That a client wants to wait for less changes nothing: leases of all lengths would each need room.
    pub fn lease(&self) -> Duration {
        self.asked.way.timeouts.total
    }

    /// The request's own name, which stands in for an answer's.
    pub fn request_id(&self) -> &str {
        self.forwarded.text("x-request-id").unwrap_or_default()
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
