//! The state of one request, shared by the two roles: the routing plan and the attempts' results.
//!
//! It lives in the worker's VM, which both roles share, and not in Envoy's filter state: wasm reads a property once and never sees it
//! change, and a client that leaves mid-stream gives the provider role no callback to write one. Filter state carries only data for Envoy
//! itself, and the key of the request state.

use std::rc::Rc;
use std::time::Duration;

use sluice_wire::error::{ApiError, ErrorKind};

use crate::routing::target::Target;
use crate::usage::estimate::Estimate;

use super::billing::Billing;
use super::worker::Worker;

mod account;
mod attempt_timeout;
mod attempts;
mod bill;
mod chunks;
mod client_retry_after;
mod content_filter;
mod draft;
mod head;
mod judges;
mod keys;
mod lost_connection;
mod next_target;
mod progress;
mod request;
mod request_memory;
mod response;
mod route;
mod scanned;
mod stream_activity;

pub use bill::{Bill, Counted};
pub use chunks::ChunkTimes;
pub use draft::Draft;
pub use head::{PassThrough, RequestHead};
pub use judges::{Judges, PromptTexts, warn};
pub use next_target::{CANNOT_EXPRESS, Ending, OVER_LIMIT, SkippedTarget};
pub use progress::{AttemptState, Progress, Stage, attempt_headers};
pub use request::{Fixed, Request};
pub use request_memory::RequestMemory;
pub use response::ResponseState;
pub use route::{Probe, Route};
pub use scanned::ScannedRequest;
pub use stream_activity::{Lingering, StreamActivity, StreamTimeout};

/// A forwarded request.
#[derive(Debug)]
pub struct RequestState {
    /// The worker that handles it.
    pub worker: Rc<Worker>,
    /// The immutable request.
    pub request: Fixed<Request>,
    /// Its targets.
    pub route: Route,
    /// The attempts so far, and the stage.
    pub progress: Progress,
    /// Memory that it holds at the worker's memory limiter.
    pub memory: RequestMemory,
    /// The current attempt's response so far.
    pub answer: ResponseState,
    /// The stream's progress, for the worker's tick.
    pub stream_activity: StreamActivity,
    /// The reservation, and the cost so far.
    pub bill: Bill,
    /// The judges of its prompt and response.
    pub judges: Judges,
}

/// The result of starting an attempt.
#[derive(Debug)]
pub enum Begin {
    /// The attempt goes to this target.
    Attempt(Rc<Target>),
    /// The previous attempt was the last: its failure is no reason to retry, or the retry budget is used up.
    Over,
    /// Envoy makes more attempts than were planned.
    Unplanned,
}

/// The step after a failed attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// Another target, immediately.
    Elsewhere,
    /// The same target, after this wait.
    Again(Duration),
    /// No further attempt: the client gets the error.
    Nothing,
}

impl RequestState {
    /// Creates the state of a request with this reservation.
    pub fn new(draft: Draft, billing: Billing) -> Self {
        let Draft { worker, request, route, memory, judges } = draft;
        Self {
            worker,
            route,
            progress: Progress::default(),
            memory,
            answer: ResponseState::default(),
            stream_activity: StreamActivity::since(request.started),
            bill: Bill::new(billing),
            judges,
            request: Fixed::new(request),
        }
    }

    /// Estimates the usage at `target`, with at most `ceiling` output tokens reserved.
    pub fn estimate(&self, target: &Target, ceiling: u64) -> Estimate {
        self.request.scanned.estimate(target, &self.worker.config.reservation, ceiling)
    }

    /// How long one attempt may take until it has output for the client.
    pub fn limit(&self) -> Duration {
        self.route.limit(&self.request)
    }

    /// Whether the response is withheld until it is complete.
    pub fn is_delivered_whole(&self) -> bool {
        self.route.is_delivered_whole(&self.request)
    }

    /// Records the response's content, where spans have contents.
    pub fn record_content(&mut self, content: impl FnOnce() -> Option<String>) {
        if self.records_content() {
            self.answer.content = content();
        }
    }

    /// Whether the request's span has contents.
    pub fn records_content(&self) -> bool {
        let sampled = self.request.trace.is_some_and(|trace| trace.sampled);
        sampled && self.worker.config.tracing.as_ref().is_some_and(|settings| settings.content)
    }

    /// The tier that serves, if it is lower than the model's best.
    pub fn lower_tier(&self) -> Option<u32> {
        self.route.lower_tier(self.progress.current()?)
    }
}

/// Only a provider's filter without a request state gives this status; Envoy's own failures have others.
const MISCONFIGURED: u16 = 500;

/// The error when the provider role finds no request state.
pub fn misconfigured() -> ApiError {
    ApiError::new(
        MISCONFIGURED,
        ErrorKind::Server,
        "The gateway is misconfigured: its filters do not share their state. Ask the gateway's operator to check its \
         log.",
    )
    .with_code("gateway_misconfigured")
}

/// The error for a local reply of Envoy.
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
        504 => ApiError::new(
            504,
            ErrorKind::Timeout,
            "The request reached its timeout before any provider gave a usable answer. Allow more time, or ask for a \
             shorter answer.",
        )
        .with_code("provider_timeout"),
        400..=499 => ApiError::new(status, ErrorKind::InvalidRequest, "The gateway could not read the request."),
        _ => ApiError::new(503, ErrorKind::Server, "The gateway could not reach any provider. Try again.")
            .with_code("provider_unavailable"),
    }
}
