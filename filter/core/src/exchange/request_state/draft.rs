//! A request that has not left yet. The gateway role lines up its targets, has guardrails
//! check it and reserves its cost. Then it becomes a [`RequestState`](super::RequestState), or is refused.

use std::rc::Rc;

use sluice_wire::error::ApiError;
use sluice_wire::time::Time;

use crate::routing::decision::{RoutingDecision, RoutingInput, decide};
use crate::routing::needs::Needs;
use crate::routing::target::{Model, Target};
use crate::store::SharedData;
use crate::usage::estimate::Estimate;

use super::super::worker::Worker;
use super::{Asked, Held, Request, RequestHead, Route};

/// Such a request.
#[derive(Debug)]
pub struct Draft {
    /// The worker's own state.
    pub worker: Rc<Worker>,
    /// The request.
    pub request: Request,
    /// Its targets.
    pub route: Route,
    /// The bytes that it holds at the worker's gate.
    pub held: Held,
}

impl Draft {
    /// One that has no targets yet.
    pub fn new(worker: Rc<Worker>, arrival: RequestHead, model: Rc<Model>, mut asks: Asked) -> Self {
        let RequestHead { started, caller, forwarded, hints, passage, share, .. } = arrival;
        // Some endpoints never stream, whatever the client asks for.
        asks.peek.stream &= asks.client.asks.streams();
        let route = Route::new(model.clone(), hints.timeout);
        let request = Request {
            started,
            caller,
            hints,
            model,
            asks,
            forwarded,
            passage,
            head: Vec::new(),
            masked: Vec::new(),
            checks: None,
            errand: None,
        };
        Self { worker, request, route, held: Held::new(share) }
    }

    /// Where a request like this one goes when `model` is to serve it. A client's wish is for the model it has asked for.
    pub fn decide(
        &self,
        model: &Model,
        now: Time,
        dice: u64,
        shared: &dyn SharedData,
    ) -> Result<RoutingDecision, ApiError> {
        let estimate = |target: &Target| self.expect(target);
        let unwished;
        let hints = if model.name == self.request.model.name {
            &self.request.hints
        } else {
            unwished = self.request.hints.without_wish();
            &unwished
        };
        let input = RoutingInput {
            model,
            client: self.request.asks.client,
            caller: &self.request.caller,
            needs: self.needs(),
            hints,
            user: self.request.asks.peek.user.as_deref(),
            estimate: &estimate,
            circuit: &self.worker.gateway.circuit,
            attempt: self.route.limit(&self.request),
            lease: self.route.timeouts.total,
            now,
            dice,
        };
        decide(&input, shared)
    }

    /// Its requirements for a target, with the prompt's length in the tokens of the first target's provider.
    pub fn needs(&self) -> Needs {
        let input = self
            .route
            .model
            .targets
            .first()
            .map(|target| self.request.asks.of_body(target, 0).input)
            .unwrap_or_default();
        Needs::of(&self.request.asks.peek, &self.request.asks.prompt, input)
    }

    /// What it will use at `target`, where costs and speeds are compared: with an answer of the expected length.
    pub fn expect(&self, target: &Target) -> Estimate {
        self.request.asks.expect(target, &self.worker.gateway.reservation)
    }

    /// What it will use at `target`, of whose answer no more than `ceiling` tokens are reserved.
    pub fn estimate(&self, target: &Target, ceiling: u64) -> Estimate {
        self.request.asks.estimate(target, &self.worker.gateway.reservation, ceiling)
    }

    /// Input tokens of files and answers that the request refers to.
    pub fn elsewhere(&self, target: &Target) -> u64 {
        self.request.asks.elsewhere(target, &self.worker.gateway.reservation)
    }
}
