//! What the two roles know together of one request: the plan that the gateway role made, and what the attempts came to.
//!
//! It lives in the worker's VM, which both roles share, and not in Envoy's filter state: a property that wasm has read
//! once reads the same for ever, and a client that goes away mid-stream leaves no callback in which the provider role
//! could still write one. Filter state carries what Envoy itself must see, and the way to the journey.

use std::rc::Rc;
use std::time::Duration;

use sluice_wire::error::{ApiError, ErrorKind};

use crate::routing::target::Target;
use crate::usage::estimate::Estimate;

use super::billing::Billing;
use super::worker::Worker;

mod account;
mod answer;
mod asked;
mod attempts;
mod bill;
mod draft;
mod following;
mod head;
mod held;
mod keys;
mod lost;
mod patience;
mod progress;
mod request;
mod returns;
mod route;
mod watch;

pub use answer::ResponseState;
pub use asked::Asked;
pub use bill::{Bill, Counted};
pub use draft::Draft;
pub use following::{CANNOT_EXPRESS, Ending, OVER_LIMIT, PassedOver};
pub use head::{PassThrough, RequestHead};
pub use held::Held;
pub use progress::{Progress, Stage, Tried, attempt_headers};
pub use request::{Fixed, Request};
pub use route::{Probe, Route};
pub use watch::{Lingering, Silence, Watch};

/// One request on its way.
#[derive(Debug)]
pub struct RequestState {
    /// The worker's own state.
    pub worker: Rc<Worker>,
    /// The request. It does not change any more.
    pub request: Fixed<Request>,
    /// Its targets.
    pub route: Route,
    /// The attempts so far, and the stage.
    pub progress: Progress,
    /// The bytes that it holds at the worker's gate.
    pub held: Held,
    /// The answer to the current attempt, as far as it is here.
    pub answer: ResponseState,
    /// The stream's progress, for the worker's tick.
    pub watch: Watch,
    /// The reservation, and the cost so far.
    pub bill: Bill,
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

impl RequestState {
    /// The request leaves, or would, and this is reserved for it.
    pub fn new(draft: Draft, billing: Billing) -> Self {
        let Draft { worker, request, route, held } = draft;
        Self {
            worker,
            route,
            progress: Progress::default(),
            held,
            answer: ResponseState::default(),
            watch: Watch::since(request.started),
            bill: Bill::new(billing),
            request: Fixed::new(request),
        }
    }

    /// What it will use at `target`, of whose answer no more than `ceiling` tokens are reserved.
    pub fn estimate(&self, target: &Target, ceiling: u64) -> Estimate {
        self.request.asks.estimate(target, &self.worker.gateway.reservation, ceiling)
    }

    /// How long one attempt may take until there is something for the client.
    pub fn limit(&self) -> Duration {
        self.route.limit(&self.request)
    }

    /// Whether nothing of an answer is shown before all of it is there.
    pub fn is_delivered_whole(&self) -> bool {
        self.route.is_delivered_whole(&self.request)
    }

    /// The tier that serves, if it is a lower one than the model's best.
    pub fn lower_tier(&self) -> Option<u32> {
        self.route.lower_tier(self.progress.current()?)
    }
}

/// The status that only a provider's filter gives, when it finds no journey: Envoy's own failures have others.
const MISCONFIGURED: u16 = 500;

/// The two roles do not find each other.
pub fn misconfigured() -> ApiError {
    ApiError::new(
        MISCONFIGURED,
        ErrorKind::Server,
        "The gateway is misconfigured: its filters do not share one VM. Ask the gateway's operator to give all of \
         them the same `vm_id`.",
    )
    .with_code("gateway_misconfigured")
}

/// The error for a status that Envoy made up by itself.
pub fn from_envoy(status: u16) -> ApiError {
    match status {
        413 => ApiError::new(
            413,
            ErrorKind::TooLarge,
            "The request is larger than the gateway's limit of 32 MiB. Send a smaller request.",
        )
        .with_code("request_too_large"),
        408 => ApiError::new(
            408,
            ErrorKind::Timeout,
            "The gateway did not receive the whole request before the timeout. Send it again.",
        )
        .with_code("request_timeout"),
        504 => ApiError::new(504, ErrorKind::Timeout, "No provider answered before the timeout. Try again.")
            .with_code("provider_timeout"),
        400..=499 => ApiError::new(status, ErrorKind::InvalidRequest, "The gateway could not read the request."),
        _ => ApiError::new(503, ErrorKind::Server, "The gateway could not reach any provider. Try again.")
            .with_code("provider_unavailable"),
    }
}
