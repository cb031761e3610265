//! What would be decided of a request that nobody has sent: for `sluice explain`.
//!
//! Every step is the pipeline's own. What is missing is what only a running gateway knows: how its targets fare, and how much
//! of a limit or a budget is used.

use std::rc::Rc;

use sluice_wire::dialect::translate::ParsedRequest;
use sluice_wire::error::{ApiError, ErrorKind};
use sluice_wire::headers::HeaderMap;
use sluice_wire::time::Time;

use crate::gateway::Gateway;
use crate::guard::Finding;
use crate::guard::answer::Checks;
use crate::keys::caller::{Caller, Credential};
use crate::keys::{self, Denied};
use crate::reservation::Plan;
use crate::routing::decision::RankedTarget;
use crate::routing::hints::RoutingHeaders;
use crate::routing::needs::Needs;
use crate::routing::spec::Strategy;
use crate::routing::target::{Model, Target};
use crate::store::{Conflict, SharedData};
use crate::usage::estimate::Estimate;
use crate::usage::price::MicroUsd;

use super::super::cache_state::CachePolicy;
use super::super::request_state::{Draft, RequestHead};
use super::super::worker::Worker;
use super::endpoint::{asked_at, format_at};
use super::permission::Policy;
use super::{asking, lineup, screening};

/// A request that might be sent, from an address that its key allows.
#[derive(Debug)]
pub struct Question<'a> {
    /// By the id of whose key.
    pub key: &'a str,
    /// The path that it would be sent to.
    pub path: &'a str,
    /// Its headers, their names in lower case.
    pub headers: &'a HeaderMap,
    /// Its body.
    pub body: &'a [u8],
    /// When.
    pub now: Time,
}

/// What would become of it.
#[derive(Debug)]
pub struct DryRun {
    /// The caller.
    pub caller: Rc<Caller>,
    /// The request.
    pub model: Rc<Model>,
    /// The name that led to it.
    pub name: String,
    /// Whether as a stream.
    pub stream: bool,
    /// What it asks of a target.
    pub needs: Needs,
    /// What its headers say about its way.
    pub hints: RoutingHeaders,
    /// What it might not ask for, and by whose policy: `service_tier (team research)`.
    pub forbidden: Vec<String>,
    /// What guardrails found in the prompt and let pass.
    pub findings: Vec<Finding>,
    /// What the answer will have to pass; `None` where that is nothing.
    pub checks: Option<Rc<Checks>>,
    /// Of the model's routes, those that were looked at: for each the conditions that do not hold.
    pub routes: Vec<Vec<&'static str>>,
    /// How targets are put in order.
    pub strategy: Strategy,
    /// What the model's cache is to it, if the model has one.
    pub cache: Option<CachePolicy>,
    /// Every target of the model: first those that may serve, in order, then those left out.
    pub targets: Vec<Foreseen>,
    /// What it takes of limits and budgets, at each target that may serve; behind them the targets of other models, to which
    /// budgets lead that are used up.
    pub plan: Plan,
}

/// One target, and what is foreseen of it.
#[derive(Debug)]
pub struct Foreseen {
    /// Which, and where it stands.
    pub considered: RankedTarget,
    /// What costs are compared by: the prompt, and an answer of the expected length.
    pub expected: Estimate,
    /// What that costs; `None` without a price.
    pub cost: Option<MicroUsd>,
    /// What is reserved: the prompt, and the longest answer that is believed.
    pub reserved: Estimate,
    /// Of the prompt's reserved tokens, those for what stands elsewhere.
    pub elsewhere: u64,
    /// Hints of the request that its provider has no words for.
    pub dropped: Vec<String>,
    /// Whether it is lined up to be asked. One that has an obstacle all the same ends the line when its turn comes: a later
    /// target is only looked at then, and no attempt can be skipped.
    pub lined_up: bool,
    /// Why it cannot serve though it may: its provider has no words for a field, it has no price where a budget counts, or
    /// the request is too large there.
    pub exceeded: Option<ApiError>,
}

/// Nothing is known of any target, and nothing is noted.
struct Unknown;

impl SharedData for Unknown {
    fn read(&self, _: &str) -> Option<(Vec<u8>, u32)> {
        None
    }
    fn write(&self, _: &str, _: &[u8], _: u32) -> Result<(), Conflict> {
        Ok(())
    }
}

fn no_endpoint(path: &str) -> ApiError {
    let paths: Vec<String> = asked_at().collect();
    let message = format!("{path} does not call a model. These endpoints do: {}.", paths.join(", "));
    ApiError::new(404, ErrorKind::NotFound, message).with_code("unknown_url")
}

/// Foresees what becomes of a request; an error is what its client would read.
pub fn dry_run(gateway: &Rc<Gateway>, question: &Question<'_>) -> Result<DryRun, ApiError> {
    let Question { headers, body, now, .. } = *question;
    let caller = admit(gateway, question)?;
    let client = format_at(question.path).ok_or_else(|| no_endpoint(question.path))?;
    let hints = RoutingHeaders::read(headers, &gateway.watched_headers)?;
    hints.allowed(&caller)?;
    let worker = Rc::new(Worker::new(gateway.clone(), [0; 16]));
    let dice = worker.dice();
    let arrival = RequestHead {
        started: now,
        caller: caller.clone(),
        client,
        forwarded: HeaderMap::default(),
        hints,
        passage: None,
        coding: None,
        share: worker.gate.unknown(),
    };
    let asks = asking::read(body, client, None)?;
    let model = asking::asked(gateway, &arrival, &asks.peek, body)?;
    let forbidden = Policy::of(gateway, &caller, &model, client).rules();
    let mut draft = asking::set_up(worker, arrival, model, (asks, body), &Unknown);
    let decision = draft.decide(&draft.route.model, now, dice, &Unknown)?;
    let plan = lineup::line_up(&mut draft, decision.reserve_request(), (now, dice), &Unknown)?;
    let screened = screening::screen(&draft, body).map_err(|unfit| screening::refused(&unfit, gateway))?;
    let body = match &screened.body {
        None => body,
        Some(masked) => {
            draft.request.rewritten(asking::peek(masked, client, None)?);
            draft.request.checks = screening::checks(&draft, masked);
            masked.as_slice()
        }
    };
    lineup::choose_first(&mut draft, body)?;

    let needs = draft.needs();
    let looked_at = decision.route.map_or(usize::MAX, |taken| taken.saturating_add(1));
    let routes = draft.request.model.way.routes.iter().take(looked_at);
    let routes = routes.map(|route| route.matches.misfits(&caller, &needs, &draft.request.hints, now)).collect();
    let targets = decision.considered.into_iter().map(|considered| Foreseen::of(considered, &draft, body));
    Ok(DryRun {
        stream: draft.request.asks.peek.stream,
        strategy: decision.strategy,
        cache: draft.request.model.cache.map(|_| CachePolicy::of(&draft.request)),
        model: draft.request.model.clone(),
        name: draft.request.asks.peek.model.clone(),
        forbidden,
        findings: screened.findings,
        checks: draft.request.checks.clone(),
        hints: draft.request.hints.clone(),
        targets: targets.collect(),
        caller,
        needs,
        routes,
        plan,
    })
}

impl Foreseen {
    fn of(considered: RankedTarget, draft: &Draft, body: &[u8]) -> Self {
        let gateway = &draft.worker.gateway;
        let estimate = |target: &Target| draft.estimate(target, gateway.reservation.output_tokens);
        let target = &considered.target;
        let (written, unwritten) =
            match lineup::rewritten(draft, target, body, &mut ParsedRequest::default()).transpose() {
                Ok(written) => (written, None),
                Err(error) => (None, Some(error)),
            };
        // By itself: with others, only the first reason would be told.
        let alone = std::slice::from_ref(target);
        let unplanned =
            || Plan::new(gateway, &draft.request.caller, &draft.request.model, alone, |_| Vec::new(), estimate).err();
        let expected = draft.expect(target);
        Self {
            cost: target.price.map(|price| price.expected(&expected)),
            reserved: estimate(target),
            elsewhere: draft.elsewhere(target),
            lined_up: draft.route.queue.targets().iter().any(|queued| Rc::ptr_eq(queued, target)),
            dropped: written.map(|written| written.dropped).unwrap_or_default(),
            exceeded: unwritten.or_else(unplanned),
            expected,
            considered,
        }
    }
}

fn admit(gateway: &Gateway, question: &Question<'_>) -> Result<Rc<Caller>, ApiError> {
    let known = gateway.keys.values().map(|credential| &credential.caller);
    let caller = known.into_iter().find(|caller| *caller.key_id == *question.key);
    // Neither from where it is called nor by which of its secrets is known.
    let anywhere = caller.map(|caller| Rc::new(Caller { sources: None, ..(**caller).clone() }));
    let credential = anywhere.map(|caller| Credential { caller, until: None });
    keys::admit(credential.as_ref(), &[], question.now.seconds(), question.path, || None).map_err(Denied::error)
}
