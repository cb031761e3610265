//! Simulates the decisions about a request, for `sluice explain`.
//!
//! Every step is the pipeline's own. Only the state of a running gateway is missing: the targets' health, and the usage of limits and
//! budgets.

use std::rc::Rc;

use sluice_wire::dialect::cache_marks::Repeated;
use sluice_wire::dialect::translate::ParsedRequest;
use sluice_wire::error::{ApiError, ErrorKind};
use sluice_wire::headers::HeaderMap;
use sluice_wire::time::Time;

use crate::cache::canonical::Canonical;
use crate::cache::semantic::Unsuitable;
use crate::compiled::CompiledConfig;
use crate::guard::Finding;
use crate::guard::answer::Checks;
use crate::guard::judge::{self, JudgeGuard};
use crate::guard::spec::Side;
use crate::keys::caller::{Caller, Credential};
use crate::keys::{self, Denied};
use crate::reservation::Plan;
use crate::routing::decision::RankedTarget;
use crate::routing::needs::Needs;
use crate::routing::routing_headers::RoutingHeaders;
use crate::routing::spec::{PromptCache, Strategy};
use crate::routing::target::{Model, Target};
use crate::store::{Conflict, SharedData};
use crate::usage::estimate::Estimate;
use crate::usage::price::MicroUsd;

use super::super::cache_state::CachePolicy;
use super::super::request_state::{Draft, RequestHead};
use super::super::rewrite;
use super::super::similar;
use super::super::worker::Worker;
use super::endpoint::{asked_at, format_at};
use super::permission::Policy;
use super::{parsing, screening, target_queue};

/// A hypothetical request, from an address that its key allows.
#[derive(Debug)]
pub struct Question<'a> {
    /// The key's id.
    pub key: &'a str,
    /// The request's path.
    pub path: &'a str,
    /// Its headers; names in lower case.
    pub headers: &'a HeaderMap,
    /// Its body, without a content coding.
    pub body: &'a [u8],
    /// The time of the request.
    pub now: Time,
}

/// The simulated decisions.
#[derive(Debug)]
pub struct DryRun {
    /// The caller.
    pub caller: Rc<Caller>,
    /// The requested model.
    pub model: Rc<Model>,
    /// The model's name in the request.
    pub name: String,
    /// Whether the response is streamed.
    pub stream: bool,
    /// The capabilities that a target needs.
    pub needs: Needs,
    /// Its routing headers.
    pub routing_headers: RoutingHeaders,
    /// The parameters that the request may not use, each with its policy: `service_tier (team research)`.
    pub forbidden: Vec<String>,
    /// Guardrail findings in the prompt that did not block it.
    pub findings: Vec<Finding>,
    /// The guardrails whose judges would judge the prompt.
    pub judges: Vec<Rc<JudgeGuard>>,
    /// The checks on the response; `None` if there are none.
    pub checks: Option<Rc<Checks>>,
    /// The model's routes that were tried: for each, the conditions that do not hold.
    pub routes: Vec<Vec<&'static str>>,
    /// The routing strategy.
    pub strategy: Strategy,
    /// The use of the model's cache, if it has one.
    pub cache: Option<Caching>,
    /// All targets of the model: first the ranked ones, in order, then the excluded ones.
    pub targets: Vec<Foreseen>,
    /// The debits from limits and budgets at each candidate, followed by the targets of models that used-up budgets lead to.
    pub plan: Plan,
}

/// The simulated use of the model's cache.
#[derive(Debug)]
pub struct Caching {
    /// The policy.
    pub policy: CachePolicy,
    /// The fields that make no difference for the lookup; `None` if only a request with the same bytes is equal.
    pub ignored: Option<Vec<&'static str>>,
    /// Why the semantic cache does not compare the request, if it does not; `None` without one.
    pub semantic: Option<Result<(), Unsuitable>>,
}

/// The simulated decision about one target.
#[derive(Debug)]
pub struct Foreseen {
    /// The target and its rank.
    pub ranked: RankedTarget,
    /// The estimate that costs are compared by: the prompt, and a response of the expected length.
    pub expected: Estimate,
    /// The cost of `expected`; `None` without a price.
    pub cost: Option<MicroUsd>,
    /// The reserved estimate: the prompt, and the longest response that is plausible.
    pub reserved: Estimate,
    /// Reserved input tokens for content outside of the request.
    pub elsewhere: u64,
    /// Optional fields that the provider does not support.
    pub dropped: Vec<String>,
    /// Marks that the gateway would add for the provider's prompt cache, if the prompt repeated.
    pub marks: usize,
    /// The `prompt_cache_key` that the gateway would add.
    pub cache_key: Option<String>,
    /// Whether it is in the queue. A queued target that is `exceeded` ends the queue in its turn: a later target is checked only then, and
    /// no attempt can be skipped.
    pub lined_up: bool,
    /// Why it cannot serve although it is permitted: its provider does not support a field, it has no price while a budget applies, or the
    /// request is too large for it.
    pub exceeded: Option<ApiError>,
}

/// Shared data that is always empty and discards writes.
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

/// Simulates the decisions about a request; an error is the one that its client would get.
pub fn dry_run(config: &Rc<CompiledConfig>, question: &Question<'_>) -> Result<DryRun, ApiError> {
    let Question { headers, body, now, .. } = *question;
    let caller = admit(config, question)?;
    let client = format_at(question.path).ok_or_else(|| no_endpoint(question.path))?;
    let routing_headers = RoutingHeaders::read(headers, &config.watched_headers)?;
    routing_headers.allowed(&caller)?;
    let worker = Rc::new(Worker::new(config.clone(), [0; 16]));
    let dice = worker.dice();
    let head = RequestHead {
        started: now,
        caller: caller.clone(),
        client,
        forwarded: HeaderMap::default(),
        routing_headers,
        pass_through: None,
        coding: None,
        trace: None,
        permit: worker.memory_limiter.unknown(),
    };
    let scanned = parsing::read(body, client, None)?;
    let model = parsing::requested_model(config, &head, &scanned.peek, body)?;
    let forbidden = Policy::of(config, &caller, &model, client).rules();
    let mut draft = parsing::set_up(worker, head, model, (scanned, body), &Unknown)?;
    parsing::recognize(&mut draft, body, now, &Unknown);
    let decision = draft.decide(&draft.route.model, now, dice, &Unknown)?;
    let plan = target_queue::line_up(&mut draft, decision.targets_in_order(), (now, dice), &Unknown)?;
    let screened = screening::screen(&draft, body).map_err(|unfit| screening::refused(&unfit, config))?;
    let body = match &screened.body {
        None => body,
        Some(masked) => {
            draft.request.rewritten(parsing::peek(masked, client, None)?);
            draft.request.checks = screening::checks(&draft, masked, screened.placeholders)?;
            masked.as_slice()
        }
    };
    target_queue::choose_first(&mut draft, body)?;

    if draft.request.model.policy.prompt_cache == PromptCache::Auto && !draft.request.scanned.wishes.caches {
        draft.request.scanned.peek.caching.repeated = Repeated::ALL;
    }
    let needs = draft.needs();
    let looked_at = decision.route.map_or(usize::MAX, |taken| taken.saturating_add(1));
    let routes = draft.request.model.policy.routes.iter().take(looked_at);
    let routes =
        routes.map(|route| route.matches.misfits(&caller, &needs, &draft.request.routing_headers, now)).collect();
    let targets = decision.ranked.into_iter().map(|ranked| Foreseen::of(ranked, &draft, body));
    Ok(DryRun {
        stream: draft.request.scanned.peek.stream,
        strategy: decision.strategy,
        cache: draft.request.model.cache.map(|rule| {
            let canonical = Canonical::of(body, client.id());
            let policy = CachePolicy::of(&draft.request, &rule);
            let policy = policy.at_temperature(&draft.request, &rule, canonical.as_ref());
            let names = |canonical: Canonical<'_>| canonical.ignored.iter().map(|(name, _)| *name).collect();
            let rule = draft.request.model.semantic.as_ref();
            let semantic = rule.map(|rule| similar::question(&draft.request, body, rule).map(drop));
            Caching { policy, ignored: canonical.map(names), semantic }
        }),
        model: draft.request.model.clone(),
        name: draft.request.scanned.peek.model.clone(),
        forbidden,
        findings: screened.findings,
        judges: judge::concerning(&config.judges, Side::Prompts, &caller, &draft.request.model.name),
        checks: draft.request.checks.clone(),
        routing_headers: draft.request.routing_headers.clone(),
        targets: targets.collect(),
        caller,
        needs,
        routes,
        plan,
    })
}

impl Foreseen {
    fn of(ranked: RankedTarget, draft: &Draft, body: &[u8]) -> Self {
        let config = &draft.worker.config;
        let estimate = |target: &Target| draft.estimate(target, config.reservation.output_tokens);
        let target = &ranked.target;
        let (written, unwritten) =
            match target_queue::rewritten(draft, target, body, &mut ParsedRequest::default()).transpose() {
                Ok(written) => (written, None),
                Err(error) => (None, Some(error)),
            };
        // Planned alone: a plan with others reports only the first error.
        let alone = std::slice::from_ref(target);
        let unplanned =
            || Plan::new(config, &draft.request.caller, &draft.request.model, alone, |_| Vec::new(), estimate).err();
        let expected = draft.expect(target);
        let format = target.provider.format_for(draft.request.scanned.client, &target.model);
        let cache_key = format.and_then(|format| rewrite::cache_key(format, &draft.request.scanned.peek, target));
        let (dropped, marks) = written.map(|written| (written.dropped, written.marks)).unwrap_or_default();
        Self {
            cost: target.price.map(|price| price.expected(&expected)),
            reserved: estimate(target),
            elsewhere: draft.elsewhere(target),
            lined_up: draft.route.queue.targets().iter().any(|queued| Rc::ptr_eq(queued, target)),
            dropped,
            marks,
            cache_key,
            exceeded: unwritten.or_else(unplanned),
            expected,
            ranked,
        }
    }
}

fn admit(config: &CompiledConfig, question: &Question<'_>) -> Result<Rc<Caller>, ApiError> {
    let known = config.keys.values().map(|credential| &credential.caller);
    let caller = known.into_iter().find(|caller| *caller.key_id == *question.key);
    // Neither the source address nor the secret is known.
    let anywhere = caller.map(|caller| Rc::new(Caller { sources: None, ..(**caller).clone() }));
    let credential = anywhere.map(|caller| Credential { caller, until: None });
    keys::admit(credential.as_ref(), &[], question.now.seconds(), question.path, || None).map_err(Denied::error)
}
