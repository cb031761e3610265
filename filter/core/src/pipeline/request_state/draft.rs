//! A request that is not forwarded yet. The gateway role queues its targets, runs guardrails and reserves its cost. Then it becomes a
//! [`RequestState`](super::RequestState), or is rejected.

use std::rc::Rc;

use sluice_wire::error::ApiError;
use sluice_wire::time::Time;

use crate::routing::decision::{RoutingDecision, RoutingInput, decide};
use crate::routing::needs::Needs;
use crate::routing::target::{Model, Target};
use crate::store::SharedData;
use crate::usage::estimate::Estimate;

use super::super::worker::Worker;
use super::{Judges, Request, RequestHead, RequestMemory, Route, ScannedRequest};

/// A request that is not forwarded yet.
#[derive(Debug)]
pub struct Draft {
    /// The worker that handles it.
    pub worker: Rc<Worker>,
    /// The request, which guardrails may still change.
    pub request: Request,
    /// Its targets.
    pub route: Route,
    /// Memory that it holds at the worker's memory limiter.
    pub memory: RequestMemory,
    /// The judges of its prompt.
    pub judges: Judges,
}

impl Draft {
    /// Creates a draft without targets.
    pub fn new(worker: Rc<Worker>, head: RequestHead, model: Rc<Model>, mut scanned: ScannedRequest) -> Self {
        let RequestHead { started, caller, forwarded, routing_headers, pass_through, trace, permit, .. } = head;
        // Some endpoints never stream, whatever the client requests.
        scanned.peek.stream &= scanned.client.asks.streams();
        let route = Route::new(model.clone(), routing_headers.timeout);
        let request = Request {
            started,
            caller,
            routing_headers,
            model,
            scanned,
            forwarded,
            pass_through,
            trace,
            head: Vec::new(),
            masked: Vec::new(),
            checks: None,
            batch_operation: None,
        };
        Self { worker, request, route, memory: RequestMemory::new(permit), judges: Judges::default() }
    }

    /// Ranks the targets of `model` for this request. A client's override applies only to the model that it requested.
    pub fn decide(
        &self,
        model: &Model,
        now: Time,
        dice: u64,
        shared: &dyn SharedData,
    ) -> Result<RoutingDecision, ApiError> {
        let estimate = |target: &Target| self.expect(target);
        let opening_estimate = |target: &Target| self.request.scanned.expect_opening(target, estimate(target));
        let unwished;
        let routing_headers = if model.name == self.request.model.name {
            &self.request.routing_headers
        } else {
            unwished = self.request.routing_headers.without_wish();
            &unwished
        };
        let input = RoutingInput {
            model,
            client: self.request.scanned.client,
            caller: &self.request.caller,
            needs: self.needs(),
            routing_headers,
            user: self.request.scanned.peek.user.as_deref(),
            conversation: self.request.scanned.conversation.as_ref().filter(|_| model.policy.follows_conversations()),
            estimate: &estimate,
            opening_estimate: &opening_estimate,
            circuit: &self.worker.config.circuit,
            attempt: self.route.limit(&self.request),
            lease: self.route.timeouts.total,
            now,
            dice,
        };
        decide(&input, shared)
    }

    /// Its requirements for a target; the prompt's length is in the tokens of the first target's provider.
    pub fn needs(&self) -> Needs {
        let input = self
            .route
            .model
            .targets
            .first()
            .map(|target| self.request.scanned.of_body(target, 0).input)
            .unwrap_or_default();
        Needs::of(&self.request.scanned.peek, &self.request.scanned.prompt, input)
    }

    /// The estimate for cost and speed comparisons, with a response of the expected length.
    pub fn expect(&self, target: &Target) -> Estimate {
        self.request.scanned.expect(target, &self.worker.config.reservation)
    }

    /// The estimate at `target`, with at most `ceiling` output tokens reserved.
    pub fn estimate(&self, target: &Target, ceiling: u64) -> Estimate {
        self.request.scanned.estimate(target, &self.worker.config.reservation, ceiling)
    }

    /// Input tokens of files and responses that the request refers to.
    pub fn elsewhere(&self, target: &Target) -> u64 {
        self.request.scanned.elsewhere(target, &self.worker.config.reservation)
    }
}
