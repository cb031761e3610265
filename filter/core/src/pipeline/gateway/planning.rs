//! From the body to the first target: parses the request, checks permissions, limits and budgets, and plans the attempts.

use std::borrow::Cow;
use std::rc::Rc;

use sluice_wire::dialect::Id;
use sluice_wire::error::{ApiError, ErrorKind};
use sluice_wire::time::Time;

use crate::batch::{BatchOperation, records};
use crate::cache::CachedResponse;
use crate::cache::flight::Boarding;
use crate::callout::{Call, Called};
use crate::guard::judge::Judging;
use crate::guard::mask::Placeholders;
use crate::peek::Caching;
use crate::routing::spec::PromptCache;
use crate::store::{ReserveRequest, Settlement};

use super::super::billing::{Billing, ReservedIn};
use super::super::cache_state::CacheState;
use super::super::notes;
use super::super::request_state::{Draft, Probe, RequestHead, RequestState, from_envoy};
use super::super::rewrite;
use super::super::worker::ReserveOutcome;
use super::super::{Context, Effect, Flow, LARGEST_BODY, metric, property, similar};
use super::batches::{self, Seek};
use super::counting::{count, is_counted_here};
use super::parsing::{keep_head, peek, permitted, read, recognize, requested_model, set_up};
use super::permission::Policy;
use super::target_queue::{choose_first, line_up};
use super::waiting::Waiting;
use super::{Outcome, Phase, Refused, RequestPipeline, endpoint, screening, unpacking};

/// The longest logged model name, in characters; the model need not exist.
const LONGEST_NAME: usize = 128;

/// A request that waits for Redis's reserve result. Its body stays in Envoy's buffer, because many may wait for a slow Redis.
#[derive(Debug)]
pub(super) struct Reserving {
    pub(super) draft: Draft,
    billing: Billing,
    reserve_request: ReserveRequest,
    size: usize,
    /// When its targets were ranked.
    planned: Time,
    /// Whether the call named the script by its hash.
    by_hash: bool,
}

impl Reserving {
    /// The client left before Redis replied: releases what Redis may have reserved.
    pub(super) fn withdrawn(&self, now: Time) -> (Settlement, ReservedIn) {
        let Draft { request, route, .. } = &self.draft;
        (self.billing.withdrawn(&request.caller, &route.model, now), ReservedIn::Redis)
    }
}

/// A request that waits for Redis's entry on its batch. Its body stays in Envoy's buffer.
#[derive(Debug)]
pub(super) struct Seeking {
    pub(super) head: RequestHead,
    size: usize,
    seek: Seek,
}

impl RequestPipeline {
    /// Records the body size so far; an error if the memory limiter has no room.
    pub(super) fn arrives(&mut self, size: usize) -> Result<(), Refused> {
        match &mut self.phase {
            Phase::Body(_) if size > LARGEST_BODY => Err(from_envoy(413).into()),
            Phase::Body(head) => Ok(head.permit.grow(size)?),
            Phase::Authenticating(pending) => Ok(pending.arrives(size)?),
            _ => Ok(()),
        }
    }

    /// Handles the complete body. It may have to wait for authentication.
    pub(super) fn body(&mut self, size: usize, cx: &mut Context<'_>) -> Result<Outcome, Refused> {
        let mut head = match std::mem::replace(&mut self.phase, Phase::Taken) {
            Phase::Body(head) => head,
            mut other => {
                if let Phase::Authenticating(pending) = &mut other {
                    pending.body = Some(size);
                }
                let flow = if matches!(other, Phase::Underway(_)) { Flow::Continue } else { Flow::Pause };
                self.phase = other;
                return Ok(Outcome::Step(flow));
            }
        };
        // The default, unless a later step sets another phase.
        self.phase = Phase::Answered { error: None };
        let body = cx.view.body(0..size)?;
        if let Some(unpacked) = unpacking::unpack(&mut head, &body, cx.view, cx.effects)? {
            self.phase = Phase::Body(head);
            return Ok(Outcome::Unpacked(unpacked));
        }
        let batch_operation = match Seek::of(&head, &body)? {
            None => batches::uploaded(&self.worker.config, &head, &body, cx.shared)?.map(BatchOperation::Upload),
            Some(seek) => match self.worker.note(&seek.record(), cx.now()) {
                Some(call) => {
                    self.phase = Phase::Seeking(Box::new(Seeking { head, size, seek }));
                    return Ok(Outcome::Ask(call));
                }
                None => {
                    let record = records::cache_state(cx.shared, &seek.record());
                    seek.batch_operation(record, &head.caller)?
                }
            },
        };
        self.whole(head, batch_operation, body, cx)
    }

    /// Handles Redis's entry on the request's batch.
    pub(super) fn found(
        &mut self,
        seeking: Seeking,
        called: &Called,
        cx: &mut Context<'_>,
    ) -> Result<Outcome, Refused> {
        let Seeking { head, size, seek } = seeking;
        self.phase = Phase::Answered { error: None };
        let noted = self.worker.noted(called, &mut cx.moment());
        // Redis may not have this Envoy's latest entry yet.
        let record = noted.clone().unwrap_or_default().or_else(|| records::cache_state(cx.shared, &seek.record()));
        let batch_operation = match (noted, &seek, &record) {
            (Err(_), Seek::File(_), None) => return Err(unchecked().into()),
            _ => seek.batch_operation(record, &head.caller)?,
        };
        self.whole(head, batch_operation, cx.view.body(0..size)?, cx)
    }

    /// Parses the request, checks permissions, ranks the targets and reserves.
    fn whole(
        &mut self,
        head: RequestHead,
        batch_operation: Option<BatchOperation>,
        body: Vec<u8>,
        cx: &mut Context<'_>,
    ) -> Result<Outcome, Refused> {
        let size = body.len();
        let scanned = read(&body, self.client, head.pass_through.as_ref())?;
        let (config, peek) = (self.worker.config.clone(), &scanned.peek);
        let known = config.find(&peek.model, true);
        self.log_context.asked_model = Some(super::bounded(&peek.model, LONGEST_NAME)).filter(|name| !name.is_empty());
        self.log_context.model = known.map(|found| found.model.name.clone());
        let model = requested_model(&config, &head, peek, &body)?;
        let mut draft = set_up(self.worker.clone(), head, model, (scanned, &body), cx.shared)?;
        let (now, dice) = (cx.now(), self.worker.dice());
        recognize(&mut draft, &body, now, cx.shared);
        if is_counted_here(&draft) {
            return self.counted(draft, &body, cx);
        }
        let decision = draft.decide(&draft.route.model, now, dice, cx.shared)?;
        (draft.route.strategy, draft.route.matched) = (decision.strategy, decision.route);
        draft.route.home.clone_from(&decision.home);
        notes::decided(draft.request.request_id(), &draft.request.model.name, &decision);
        draft.route.probe = decision.probe().map_or(Probe::None, |target| Probe::Chosen(target.clone()));
        let mut plan = line_up(&mut draft, decision.targets_in_order(), (now, dice), cx.shared)?;
        if let Some(BatchOperation::Create(work)) = &batch_operation {
            batches::add(&config, work, &mut plan)?;
        }
        draft.request.batch_operation = batch_operation;
        plan.add_cost(|model| similar::reserved(&config, model, size));
        if config.redis.is_some() {
            plan.cover_fallbacks();
        }
        let billing = Billing::new(self.worker.reservation_id(), plan);
        let Some(reserve_request) = billing.plan.reserve_request(billing.id.clone(), draft.request.lease()) else {
            return self.granted(draft, billing, now, body, cx);
        };
        let decision = self.worker.reserve(&reserve_request, &mut cx.moment());
        let reserving = Reserving { draft, billing, reserve_request, size, planned: now, by_hash: true };
        self.decided(reserving, decision, Some(body), cx)
    }

    /// Handles Redis's reserve result.
    pub(super) fn reserved(
        &mut self,
        mut reserving: Reserving,
        called: &Called,
        cx: &mut Context<'_>,
    ) -> Result<Outcome, Refused> {
        let by_hash = std::mem::replace(&mut reserving.by_hash, false);
        let at = &mut cx.moment();
        let now = at.now;
        let withdrawn = || reserving.withdrawn(now).0;
        let decision = self.worker.reserved(&reserving.reserve_request, by_hash, withdrawn, called, at);
        self.decided(reserving, decision, None, cx)
    }

    /// Handles a reserve outcome. `body` is the request's, if it has been read already.
    fn decided(
        &mut self,
        mut reserving: Reserving,
        mut decision: ReserveOutcome,
        body: Option<Vec<u8>>,
        cx: &mut Context<'_>,
    ) -> Result<Outcome, Refused> {
        while let ReserveOutcome::Refused(all_exceeded) = &decision {
            let plan = &mut reserving.billing.plan;
            plan.exceeded(all_exceeded).for_each(|budget| self.budget(&budget, cx.now()));
            if !plan.turn(all_exceeded) {
                break;
            }
            reserving.reserve_request.alternatives = plan.alternatives();
            reserving.by_hash = true;
            decision = self.worker.reserve(&reserving.reserve_request, &mut cx.moment());
        }
        let Reserving { mut draft, mut billing, size, planned, .. } = match decision {
            ReserveOutcome::Ask(call) => {
                self.phase = Phase::Reserving(Box::new(reserving));
                return Ok(Outcome::Ask(call));
            }
            _ => reserving,
        };
        self.phase = Phase::Answered { error: None };
        match decision {
            ReserveOutcome::Granted { ledger, chosen, snapshots } => {
                billing.granted(ledger, chosen, snapshots);
                count_warnings(&billing, cx.effects);
                if billing.reservation.chosen > 0 {
                    draft.route.take_candidate(&billing.plan, billing.reservation.chosen);
                }
            }
            ReserveOutcome::Unchecked | ReserveOutcome::Ask(_) => {}
            ReserveOutcome::Refused(all_exceeded) => {
                let refusal = billing.plan.refuse(&all_exceeded);
                self.log_context.limit = refusal.limit;
                let budget = refusal.error.kind == ErrorKind::InsufficientQuota;
                cx.effects.push(Effect::Count(if budget { metric::OVER_BUDGET } else { metric::LIMITED }));
                return Err(Refused { error: refusal.error.into(), headers: refusal.headers });
            }
            ReserveOutcome::Undecided => return Err(unchecked().into()),
        }
        match body.map_or_else(|| cx.view.body(0..size), Ok) {
            Ok(body) => self.granted(draft, billing, planned, body, cx),
            Err(unreadable) => {
                self.settle_refused(&draft, &billing, cx);
                Err(unreadable.into())
            }
        }
    }

    /// The request fits its limits and budgets. If it is rejected later, it counts as a request and costs nothing.
    fn granted(
        &mut self,
        mut draft: Draft,
        billing: Billing,
        planned: Time,
        body: Vec<u8>,
        cx: &mut Context<'_>,
    ) -> Result<Outcome, Refused> {
        let size = body.len();
        draft.memory.keep(&body);
        let prepared = self.prepare((&mut draft, &billing), planned, body, cx);
        self.prepared(
            prepared,
            Waiting { draft, billing, planned, size, masked: None, since: cx.now(), waits: None },
            cx,
        )
    }

    /// Goes on with a granted request.
    pub(super) fn prepared(
        &mut self,
        prepared: Result<Prepared, Refused>,
        request: Waiting,
        cx: &mut Context<'_>,
    ) -> Result<Outcome, Refused> {
        let Waiting { draft, mut billing, size, .. } = request;
        match prepared {
            Ok(Prepared::Counted(answer)) => self.answer(answer),
            Ok(Prepared::Judges(judging, calls, masked)) => {
                let waiting = Waiting { draft, billing, masked, ..request };
                self.phase = Phase::Judging(Box::new(waiting), judging);
                Ok(Outcome::AskAll(calls))
            }
            Ok(Prepared::Fetched(Fetched::Kept(entry), _)) => {
                Ok(self.replay(Box::new(RequestState::new(draft, billing)), *entry, cx))
            }
            Ok(Prepared::Fetched(Fetched::Asks(call), masked)) => {
                self.phase = Phase::LookingUp(Box::new(Waiting { draft, billing, masked, ..request }));
                Ok(Outcome::Ask(call))
            }
            Ok(Prepared::Fetched(Fetched::Embeds(call), masked)) => {
                let similar = self.log_context.about.cache_state.similar.as_deref();
                billing.owe_embedding(similar.and_then(|similar| similar.cost), false);
                self.phase = Phase::Embedding(Box::new(Waiting { draft, billing, masked, ..request }));
                Ok(Outcome::Ask(call))
            }
            Ok(Prepared::Fetched(Fetched::Waits, masked)) => {
                let waits = request.waits.or(Some(cx.now()));
                self.phase = Phase::Waiting(Box::new(Waiting { draft, billing, masked, waits, ..request }));
                Ok(Outcome::Wait)
            }
            Ok(Prepared::Fetched(Fetched::Ready, masked)) => {
                Ok(self.depart(RequestState::new(draft, billing), size, masked, cx))
            }
            Err(refused) => {
                self.settle_refused(&draft, &billing, cx);
                Err(refused)
            }
        }
    }

    /// Settles a granted request that is rejected: it counts as one request.
    fn settle_refused(&self, draft: &Draft, billing: &Billing, cx: &mut Context<'_>) {
        self.settle(billing, &draft.request.caller, &draft.route.model, &mut cx.moment());
    }

    /// Applies guardrails to the prompt. Returns the new body if they masked something.
    pub(super) fn screen(
        &mut self,
        draft: &mut Draft,
        body: &[u8],
        cx: &mut Context<'_>,
    ) -> Result<Option<Vec<u8>>, Refused> {
        let Some((masked, placeholders)) = self.screened(draft, body, cx)? else { return Ok(None) };
        self.rewrite(draft, &masked, placeholders)?;
        Ok(Some(masked))
    }

    /// Reads the body that guardrails have masked.
    pub(super) fn rewrite(&self, draft: &mut Draft, masked: &[u8], placeholders: Placeholders) -> Result<(), Refused> {
        is_not_too_large(draft, masked)?;
        draft.memory.request.grow(masked.len())?;
        draft.memory.keep_rewritten(masked);
        draft.request.rewritten(peek(masked, self.client, draft.request.pass_through.as_ref())?);
        keep_head(draft, masked);
        draft.request.checks = screening::checks(draft, masked, placeholders)?;
        Ok(())
    }

    /// Applies guardrails to the prompt, looks up the cache, and writes the request for its first target.
    fn prepare(
        &mut self,
        (draft, billing): (&mut Draft, &Billing),
        planned: Time,
        body: Vec<u8>,
        cx: &mut Context<'_>,
    ) -> Result<Prepared, Refused> {
        if !Rc::ptr_eq(&draft.route.model, &draft.request.model) {
            // A budget led to another model, whose policy may forbid more.
            let policy = Policy::of(
                &draft.worker.config,
                &draft.request.caller,
                &draft.route.model,
                draft.request.scanned.client,
            );
            permitted(&policy, &draft.request.scanned.peek, draft.request.pass_through.as_ref(), &body)?;
            if draft.route.model.policy.prompt_cache == PromptCache::Off {
                draft.request.scanned.peek.caching = Caching::default();
            }
        }
        let model_at = draft.request.scanned.peek.model_at().clone();
        let masked = self.screen(draft, &body, cx)?;
        match self.ask_judges(draft, (&body, &model_at), masked.as_deref(), cx)? {
            None => self.prepare_screened((draft, billing), planned, (body, masked), cx),
            Some((judging, _)) if judging.is_done() => {
                self.prepare_judged((draft, billing), planned, (body, masked), judging.decided(cx.now()), cx)
            }
            Some((judging, calls)) => Ok(Prepared::Judges(judging, calls, masked)),
        }
    }

    /// Looks up the cache, and writes the request for its first target. `masked`: the body, if guardrails masked something in it.
    pub(super) fn prepare_screened(
        &mut self,
        (draft, billing): (&mut Draft, &Billing),
        planned: Time,
        (body, masked): (Vec<u8>, Option<Vec<u8>>),
        cx: &mut Context<'_>,
    ) -> Result<Prepared, Refused> {
        let body = masked.as_deref().map_or(Cow::Owned(body), Cow::Borrowed);
        if let Some(count) = count(draft, &body) {
            return Ok(Prepared::Counted(count));
        }
        draft.request.masked = self.masked();
        self.log_context.prompt = self.prompt(&body);
        let fetched = self.fetch((draft, billing), planned, &body, Look::First, cx)?;
        Ok(Prepared::Fetched(fetched, masked))
    }

    /// Looks up the cache, and writes the request for its first target. At first, it may have to wait for an identical request, for Redis, or
    /// for an embedding.
    pub(super) fn fetch(
        &mut self,
        (draft, billing): (&mut Draft, &Billing),
        planned: Time,
        body: &[u8],
        look: Look,
        cx: &mut Context<'_>,
    ) -> Result<Fetched, Refused> {
        let cache_state = &mut self.log_context.about.cache_state;
        let only_if_cached = draft.request.routing_headers.caching.only_if_cached;
        let now = cx.now();
        let kept = match look {
            Look::First | Look::Again => cache_state.look(draft, body, planned, now, cx.shared),
            Look::Similar => cache_state.look_similar(draft, body, now, cx.shared),
            Look::Nowhere => None,
        };
        notes::looked(draft.request.request_id(), cache_state.word());
        if let Some(entry) = kept {
            return Ok(Fetched::Kept(entry.into()));
        }
        if look == Look::First {
            let dice = self.worker.dice();
            if !only_if_cached && cache_state.board(draft, dice, now, cx.shared) == Boarding::Waits {
                return Ok(Fetched::Waits);
            }
            if let Some(call) = cache_state.ask_redis(draft, now, cx.effects) {
                return Ok(Fetched::Asks(call));
            }
        }
        if look == Look::Similar {
            if let Some(call) = cache_state.ask_redis_similar(draft, now, cx.effects) {
                return Ok(Fetched::Asks(call));
            }
        } else if let Some(call) =
            cache_state.ask_embedding(draft, body, billing.has_budget(), planned, &mut cx.moment())
        {
            return Ok(Fetched::Embeds(call));
        }
        if only_if_cached {
            count_miss(cache_state, cx.effects);
            let headers = cache_state.headers().collect();
            return Err(Refused { error: cache_state.not_cached().into(), headers });
        }
        choose_first(draft, body)?;
        if let Some(written) = &draft.route.ready {
            draft.memory.request.grow(written.body.len())?;
        }
        Ok(Fetched::Ready)
    }

    /// Forwards the request to its first target, with the masked body if there is one.
    fn depart(
        &mut self,
        mut state: RequestState,
        size: usize,
        masked: Option<Vec<u8>>,
        cx: &mut Context<'_>,
    ) -> Outcome {
        count_miss(&self.log_context.about.cache_state, cx.effects);
        if let Some(with) = masked {
            cx.effects.push(Effect::SetHeader("content-length", with.len().to_string().into()));
            cx.effects.push(Effect::ReplaceBody { drain: size, with });
        }
        self.phase = Phase::Underway(None);
        state.depart(cx.now(), cx.shared);
        forward(&mut state, cx.effects);
        Outcome::Forward(Box::new(state))
    }
}

fn count_miss(cache_state: &CacheState, effects: &mut Vec<Effect>) {
    if cache_state.word() == Some("miss") {
        effects.push(Effect::Count(metric::CACHE_MISS));
    }
}

/// The error when neither a store nor a policy decides.
fn unchecked() -> ApiError {
    let message = "The gateway cannot check rate limits and budgets right now. Try again in a moment.";
    ApiError::new(503, ErrorKind::Server, message).with_code("limits_unavailable")
}

/// The next step of a granted request.
pub(super) enum Prepared {
    /// It is a token count request; this is the response.
    Counted(Vec<u8>),
    /// Judges judge the prompt, with the calls to them, and its masked body if guardrails masked something.
    Judges(Box<Judging>, Vec<Call>, Option<Vec<u8>>),
    /// Any other request, with its masked body if guardrails masked something.
    Fetched(Fetched, Option<Vec<u8>>),
}

/// Where a request looks for a cached response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Look {
    /// In Envoy's memory, at an identical request, and in Redis.
    First,
    /// In Envoy's memory, after one of the others.
    Again,
    /// Neither has one.
    Nowhere,
    /// At similar requests.
    Similar,
}

/// The next step of a request once guardrails are done.
pub(super) enum Fetched {
    /// The cache has a response.
    Kept(Box<CachedResponse>),
    /// An identical request is on its way to a provider.
    Waits,
    /// Redis may have a response.
    Asks(Call),
    /// A similar request may have a response: this call gets the embedding that finds it.
    Embeds(Call),
    /// It can be forwarded.
    Ready,
}

/// Rejects a masked body that is too large for Envoy.
fn is_not_too_large(draft: &Draft, masked: &[u8]) -> Result<(), ApiError> {
    let largest = draft.worker.config.memory.rewritten;
    if masked.len() <= largest { Ok(()) } else { Err(rewrite::too_large(largest)) }
}

/// Counts, once a request, whether a budget is nearly or wholly used up.
fn count_warnings(billing: &Billing, effects: &mut Vec<Effect>) {
    let highest = billing.reservation.warnings().iter().map(|warning| warning.percent).max().unwrap_or_default();
    match highest {
        100.. => effects.push(Effect::Count(metric::BUDGET_100)),
        80.. => effects.push(Effect::Count(metric::BUDGET_80)),
        _ => {}
    }
}

/// Sets Envoy's properties and headers for the first target.
fn forward(state: &mut RequestState, effects: &mut Vec<Effect>) {
    effects.extend(state.route.announce());
    if state.request.scanned.peek.stream {
        effects.push(Effect::SetProperty(property::MODE, "stream".into()));
    }
    if endpoint::reads_anthropics_errors(state.request.scanned.client) {
        effects.push(Effect::SetProperty(property::CLIENT, Id::Anthropic.name().into()));
    }
    // The routes have the gateway's default timeouts.
    let routes = state.worker.config.timeouts;
    let limit = if state.request.scanned.peek.stream { routes.first_token.plain } else { routes.answer.plain };
    let total = state.route.timeouts.total.saturating_sub(state.route.waited);
    for (name, wanted, rendered) in [(TOTAL_TIMEOUT, total, routes.total), (ATTEMPT_TIMEOUT, state.limit(), limit)] {
        if wanted != rendered {
            effects.push(Effect::SetHeader(name, wanted.as_millis().max(1).to_string().into()));
        }
    }
    effects.push(Effect::ClearRoute);
}

/// Request headers with timeouts in milliseconds for Envoy's router, which removes them.
const TOTAL_TIMEOUT: &str = "x-envoy-upstream-rq-timeout-ms";
const ATTEMPT_TIMEOUT: &str = "x-envoy-upstream-rq-per-try-timeout-ms";
