//! From the body to the way out: what is asked, whether it may be used and spent, and where it goes first.

use std::borrow::Cow;
use std::rc::Rc;

use sluice_wire::dialect::Client;
use sluice_wire::dialect::pass_through::is_stored;
use sluice_wire::dialect::translate::Translated;
use sluice_wire::error::{ApiError, ErrorKind};
use sluice_wire::time::Time;

use crate::batch::{Errand, book};
use crate::cache::Entry;
use crate::callout::Called;
use crate::gateway::Gateway;
use crate::peek::mentions::{Mention, first_denied};
use crate::peek::{Outline, form};
use crate::reservation::Plan;
use crate::routing::queue::Queue;
use crate::routing::target::{Model, Target};
use crate::store::{Order, Settlement, SharedData};
use crate::usage::answers;
use crate::usage::estimate::Prompt;
use crate::usage::surcharge::Wishes;

use super::super::charge::{Charge, Ledger};
use super::super::journey::{Arrival, Draft, Journey, Passage, Probe, from_envoy};
use super::super::notes;
use super::super::rewrite;
use super::super::worker::{Decision, Worker};
use super::super::{Context, Effect, Flow, LARGEST_BODY, metric};
use super::batches::{self, Seek};
use super::counting::{count, is_counted_here};
use super::permission::Policy;
use super::{Exchange, Outcome, Phase, Refused, models, screening, set_out, unpacking};

/// The most of a body's front that is kept for splicing; past it, it is fetched again.
const LONGEST_HEAD: usize = 1024;

/// So much of a model's name is in the log, which may be a name of nothing.
const LONGEST_NAME: usize = 128;

/// The most answers that one request may ask for, as OpenAI has it: a reservation for more than any provider gives would
/// keep everybody else from a budget for as long as the request lasts.
const MOST_ANSWERS: u64 = 128;

/// The most prompts in one request, as many as OpenAI takes inputs of embeddings; for the same reason.
const MOST_PROMPTS: u64 = 2048;

/// A request that Redis is asked about. Its body stays in Envoy's buffer: many may wait for a slow Redis.
#[derive(Debug)]
pub(super) struct Reserving {
    pub(super) draft: Draft,
    charge: Charge,
    order: Order,
    /// The body's size.
    size: usize,
    /// When its targets were put in order.
    planned: Time,
    /// Whether the script was named by its hash.
    by_hash: bool,
}

impl Reserving {
    /// The client left before Redis had answered: whatever it has reserved is given back.
    pub(super) fn withdrawn(&self, now: Time) -> (Settlement, Ledger) {
        let Draft { request, route, .. } = &self.draft;
        (self.charge.withdrawn(&request.caller, &route.model, now), Ledger::Redis)
    }
}

/// A request of which Redis is asked what is known of its batch. Its body stays in Envoy's buffer.
#[derive(Debug)]
pub(super) struct Seeking {
    pub(super) arrival: Arrival,
    size: usize,
    seek: Seek,
}

impl Exchange {
    /// So much of the body is here: the gate lets it in, or the request goes no further.
    pub(super) fn arrives(&mut self, size: usize) -> Result<(), Refused> {
        match &mut self.phase {
            Phase::Body(_) if size > LARGEST_BODY => Err(from_envoy(413).into()),
            Phase::Body(arrival) => Ok(arrival.share.grow(size)?),
            Phase::Knocking(knock) => Ok(knock.arrives(size)?),
            _ => Ok(()),
        }
    }

    /// The whole body is here. It may have to wait until the caller is known.
    pub(super) fn body(&mut self, size: usize, cx: &mut Context<'_>) -> Result<Outcome, Refused> {
        let mut arrival = match std::mem::replace(&mut self.phase, Phase::Taken) {
            Phase::Body(arrival) => arrival,
            mut other => {
                if let Phase::Knocking(knock) = &mut other {
                    knock.body = Some(size);
                }
                let flow = if matches!(other, Phase::Underway(_)) { Flow::Continue } else { Flow::Pause };
                self.phase = other;
                return Ok(Outcome::Step(flow));
            }
        };
        // Unless something else becomes of it.
        self.phase = Phase::Answered { error: None };
        let body = cx.view.body(0..size)?;
        if let Some(unpacked) = unpacking::unpack(&mut arrival, &body, cx.view, cx.effects)? {
            self.phase = Phase::Body(arrival);
            return Ok(Outcome::Unpacked(unpacked));
        }
        let errand = match Seek::of(&arrival, &body)? {
            None => batches::uploaded(&self.worker.gateway, &arrival, &body, cx.shared)?.map(Errand::Upload),
            Some(seek) => match self.worker.note(&seek.page(), cx.view.now()) {
                Some(call) => {
                    self.phase = Phase::Seeking(Box::new(Seeking { arrival, size, seek }));
                    return Ok(Outcome::Ask(call));
                }
                None => {
                    let page = book::recall(cx.shared, &seek.page());
                    seek.errand(page, &arrival.caller)?
                }
            },
        };
        self.whole(arrival, errand, body, cx)
    }

    /// Redis has said what is known of the request's batch.
    pub(super) fn found(
        &mut self,
        seeking: Seeking,
        called: &Called,
        cx: &mut Context<'_>,
    ) -> Result<Outcome, Refused> {
        let Seeking { arrival, size, seek } = seeking;
        self.phase = Phase::Answered { error: None };
        let noted = self.worker.noted(called, &mut cx.moment());
        // What this Envoy was told a moment ago Redis may not know yet.
        let page = noted.clone().unwrap_or_default().or_else(|| book::recall(cx.shared, &seek.page()));
        let errand = match (noted, &seek, &page) {
            (Err(_), Seek::File(_), None) => return Err(unchecked().into()),
            _ => seek.errand(page, &arrival.caller)?,
        };
        self.whole(arrival, errand, cx.view.body(0..size)?, cx)
    }

    /// All that the request says is known: what it asks for, and whether it may.
    fn whole(
        &mut self,
        arrival: Arrival,
        errand: Option<Errand>,
        body: Vec<u8>,
        cx: &mut Context<'_>,
    ) -> Result<Outcome, Refused> {
        let size = body.len();
        let outline = read(&body, self.client, arrival.passage.as_ref())?;
        let gateway = self.worker.gateway.clone();
        let known = gateway.find(&outline.model, true);
        self.trail.asked_model = Some(super::bounded(&outline.model, LONGEST_NAME)).filter(|name| !name.is_empty());
        self.trail.model = known.map(|found| found.model.name.clone());
        let model = asked(&gateway, &arrival, &outline, &body)?;
        let mut draft = set_up(self.worker.clone(), arrival, model, (outline, &body), cx.shared);
        let (now, dice) = (cx.view.now(), self.worker.dice());
        if is_counted_here(&draft) {
            return self.counted(draft, &body, cx);
        }
        let decision = draft.decide(&draft.route.model, now, dice, cx.shared)?;
        draft.route.strategy = decision.strategy;
        notes::decided(draft.request.request_id(), &draft.request.model.name, &decision);
        draft.route.probe = decision.probe().map_or(Probe::None, |target| Probe::Chosen(target.clone()));
        let mut plan = line_up(&mut draft, decision.order(), (now, dice), cx.shared)?;
        if let Some(Errand::Create(work)) = &errand {
            batches::add(&gateway, work, &mut plan)?;
        }
        draft.request.errand = errand;
        if gateway.redis.is_some() {
            plan.cover_fallbacks();
        }
        let charge = Charge::new(self.worker.order_id(), plan);
        let Some(order) = charge.plan.order(charge.id.clone(), draft.request.lease()) else {
            return self.granted(draft, charge, now, body, cx);
        };
        let decision = self.worker.reserve(&order, &mut cx.moment());
        let reserving = Reserving { draft, charge, order, size, planned: now, by_hash: true };
        self.decided(reserving, decision, Some(body), cx)
    }

    /// Redis has said whether the request fits.
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
        let decision = self.worker.reserved(&reserving.order, by_hash, withdrawn, called, at);
        self.decided(reserving, decision, None, cx)
    }

    /// A store has decided, or asks. `body` is the request's, where it has been read already.
    fn decided(
        &mut self,
        reserving: Reserving,
        decision: Decision,
        body: Option<Vec<u8>>,
        cx: &mut Context<'_>,
    ) -> Result<Outcome, Refused> {
        let Reserving { mut draft, mut charge, size, planned, .. } = match decision {
            Decision::Ask(call) => {
                self.phase = Phase::Reserving(Box::new(reserving));
                return Ok(Outcome::Ask(call));
            }
            _ => reserving,
        };
        self.phase = Phase::Answered { error: None };
        match decision {
            Decision::Granted { ledger, chosen, readings } => {
                charge.granted(ledger, chosen, readings);
                count_warnings(&charge, cx.effects);
                if chosen > 0 {
                    draft.route.take_way(&charge.plan, chosen);
                }
            }
            Decision::Unchecked | Decision::Ask(_) => {}
            Decision::Refused(obstacles) => {
                let refusal = charge.plan.refuse(&obstacles);
                let budget = refusal.error.kind == ErrorKind::InsufficientQuota;
                cx.effects.push(Effect::Count(if budget { metric::OVER_BUDGET } else { metric::LIMITED }));
                return Err(Refused { error: refusal.error.into(), headers: refusal.headers });
            }
            Decision::Undecided => return Err(unchecked().into()),
        }
        match body.map_or_else(|| cx.view.body(0..size), Ok) {
            Ok(body) => self.granted(draft, charge, planned, body, cx),
            Err(unreadable) => {
                self.settle_refused(&draft, &charge, cx);
                Err(unreadable.into())
            }
        }
    }

    /// The request fits its limits and budgets. Whatever refuses it from here on, it counts as a request and costs nothing.
    fn granted(
        &mut self,
        mut draft: Draft,
        charge: Charge,
        planned: Time,
        body: Vec<u8>,
        cx: &mut Context<'_>,
    ) -> Result<Outcome, Refused> {
        let size = body.len();
        draft.held.keep(&body);
        match self.prepare(&mut draft, planned, body, cx) {
            Ok(Prepared::Counted(answer)) => self.answer(answer),
            Ok(Prepared::Kept(entry)) => {
                Ok(self.replay(Box::new(Journey::new(draft, charge)), entry, cx.view.now(), cx.effects))
            }
            Ok(Prepared::Ready { masked }) => Ok(self.leave(Journey::new(draft, charge), size, masked, cx)),
            Err(refused) => {
                self.settle_refused(&draft, &charge, cx);
                Err(refused)
            }
        }
    }

    /// A request that was granted goes no further: it counts as one.
    fn settle_refused(&self, draft: &Draft, charge: &Charge, cx: &mut Context<'_>) {
        let now = cx.view.now();
        let settlement = || charge.settlement(&draft.request.caller, &draft.route.model, now);
        self.settle(charge, settlement, now, cx.shared, cx.effects);
    }

    /// Guardrails look at the prompt: another body, if something in it was masked.
    pub(super) fn screen(
        &mut self,
        draft: &mut Draft,
        body: &[u8],
        cx: &mut Context<'_>,
    ) -> Result<Option<Vec<u8>>, Refused> {
        let Some(masked) = self.screened(draft, body, cx)? else { return Ok(None) };
        is_not_too_large(draft, &masked)?;
        draft.held.request.grow(masked.len())?;
        draft.request.rewritten(read(&masked, self.client, draft.request.passage.as_ref())?);
        keep_head(draft, &masked);
        draft.request.checks = screening::checks(draft, &masked);
        Ok(Some(masked))
    }

    /// Guardrails look at the prompt, then an answer is looked for in the cache, then the request is written for its first target.
    fn prepare(
        &mut self,
        draft: &mut Draft,
        planned: Time,
        body: Vec<u8>,
        cx: &mut Context<'_>,
    ) -> Result<Prepared, Refused> {
        if !Rc::ptr_eq(&draft.route.model, &draft.request.model) {
            // A budget led to another model, which forbids more.
            let policy =
                Policy::of(&draft.worker.gateway, &draft.request.caller, &draft.route.model, draft.request.asks.client);
            permitted(&policy, &draft.request.asks.outline, draft.request.passage.as_ref(), &body)?;
        }
        let masked = self.screen(draft, &body, cx)?;
        let body = masked.as_deref().map_or(Cow::Owned(body), Cow::Borrowed);
        if let Some(count) = count(draft, &body) {
            return Ok(Prepared::Counted(count));
        }
        draft.request.masked = self.masked();
        let recall = &mut self.trail.about.recall;
        let kept = recall.look(draft, &body, planned, cx.view.now(), cx.shared);
        notes::looked(draft.request.request_id(), recall.word());
        if let Some(entry) = kept {
            return Ok(Prepared::Kept(entry));
        }
        choose_first(draft, &body)?;
        if let Some(written) = &draft.route.ready {
            draft.held.request.grow(written.body.len())?;
        }
        Ok(Prepared::Ready { masked })
    }

    /// The request leaves for its first target, with another body in place of its own if something in that was masked.
    fn leave(&mut self, mut journey: Journey, size: usize, masked: Option<Vec<u8>>, cx: &mut Context<'_>) -> Outcome {
        if self.trail.about.recall.word() == Some("miss") {
            cx.effects.push(Effect::Count(metric::CACHE_MISS));
        }
        if let Some(with) = masked {
            cx.effects.push(Effect::SetHeader("content-length", with.len().to_string().into()));
            cx.effects.push(Effect::ReplaceBody { drain: size, with });
        }
        self.phase = Phase::Underway(None);
        journey.depart(cx.view.now(), cx.shared);
        set_out(&journey, cx.effects);
        Outcome::Depart(Box::new(journey))
    }
}

/// Neither a store nor a policy says whether the request fits.
fn unchecked() -> ApiError {
    let message = "The gateway cannot check limits and budgets at the moment. Try again in a moment.";
    ApiError::new(503, ErrorKind::Server, message).with_code("limits_unavailable")
}

/// What becomes of a request that was granted.
enum Prepared {
    /// It asks for a count, and this is it.
    Counted(Vec<u8>),
    /// An answer to the same request was kept.
    Kept(Entry),
    /// It can leave.
    Ready { masked: Option<Vec<u8>> },
}

/// A masked body that Envoy could not take is refused before it is given to it.
fn is_not_too_large(draft: &Draft, masked: &[u8]) -> Result<(), ApiError> {
    let largest = draft.worker.gateway.memory.rewritten;
    if masked.len() <= largest { Ok(()) } else { Err(rewrite::too_large(largest)) }
}

/// Reads what is asked; an error when nobody would be.
pub(super) fn read(body: &[u8], client: &Client, passage: Option<&Passage>) -> Result<Outline, ApiError> {
    if is_stored(client) {
        return Ok(Outline::opaque(String::new(), body.len()));
    }
    let content_type = passage.and_then(|passage| passage.content_type.as_deref());
    let outline = match content_type.filter(|content_type| form::is_form(content_type)) {
        Some(content_type) => Outline::of_form(body, form::boundary(content_type)?)?,
        None => Outline::read(body, client.shape)?,
    };
    if outline.amount.n > MOST_ANSWERS {
        let message = format!("Invalid 'n' or 'best_of': at most {MOST_ANSWERS} answers can be asked for at once.");
        return Err(ApiError::invalid("n", message));
    }
    if outline.amount.prompts > MOST_PROMPTS {
        let message = format!("Invalid 'prompt': at most {MOST_PROMPTS} prompts can be asked at once.");
        return Err(ApiError::invalid("prompt", message));
    }
    Ok(outline)
}

/// The model that is asked for, if the caller may ask for it, and for all that the body asks for.
pub(super) fn asked(
    gateway: &Gateway,
    arrival: &Arrival,
    outline: &Outline,
    body: &[u8],
) -> Result<Rc<Model>, ApiError> {
    if is_stored(arrival.client) {
        return models::stored(gateway);
    }
    let model = models::resolve(gateway, &arrival.caller, &outline.model)?;
    permitted(&Policy::of(gateway, &arrival.caller, &model, arrival.client), outline, arrival.passage.as_ref(), body)?;
    Ok(model)
}

/// Whether a policy permits all that the body asks for.
fn permitted(policy: &Policy<'_>, outline: &Outline, passage: Option<&Passage>, body: &[u8]) -> Result<(), ApiError> {
    if outline.is_json() {
        return policy.permits(body);
    }
    match passage.and_then(|passage| passage.content_type.as_deref()) {
        Some(content_type) => policy.permits_form(body, form::boundary(content_type)?),
        None => Ok(()),
    }
}

/// The draft of a request whose caller may ask for this model: without targets yet.
pub(super) fn set_up(
    worker: Rc<Worker>,
    arrival: Arrival,
    model: Rc<Model>,
    (outline, body): (Outline, &[u8]),
    shared: &dyn SharedData,
) -> Draft {
    let prompt = prompt(arrival.client, &outline, body, shared);
    let mut draft = Draft::new(worker, arrival, model, outline, prompt);
    if draft.request.asks.outline.is_json() && !draft.request.asks.client.shape.free {
        draft.request.asks.wishes = Wishes::of(body);
    }
    draft.request.asks.outline.wants.hosted = needs_hosted(&draft, body);
    draft.request.checks = screening::checks(&draft, body);
    keep_head(&mut draft, body);
    draft
}

/// Whether it offers a tool that only some of its model's targets have. The body is looked through for it only where that is so.
fn needs_hosted(draft: &Draft, body: &[u8]) -> bool {
    let (client, targets) = (draft.request.asks.client, &draft.route.model.targets);
    let has = |target: &Rc<Target>| target.has_hosted_tools(client);
    let runs = |mention: &Mention<'_>| match mention {
        Mention::Tool(Some(kind)) if (client.runs_tool)(kind) => Some(()),
        _ => None,
    };
    targets.iter().any(has)
        && !targets.iter().all(has)
        && draft.request.asks.outline.is_json()
        && first_denied(body, runs).is_some()
}

/// What the body holds that is charged for.
pub(super) fn prompt(client: &Client, outline: &Outline, body: &[u8], shared: &dyn SharedData) -> Prompt {
    let mut prompt = match outline.is_json() {
        _ if client.shape.free => return Prompt::default(),
        true => Prompt::measure(body),
        false => Prompt::of_file(body),
    };
    prompt.elsewhere = prompt.elsewhere.saturating_add(outline.stored.kept);
    match outline.stored.previous.as_deref().map(|id| answers::tokens(shared, id)) {
        None => {}
        Some(Some(tokens)) => prompt.before = tokens,
        Some(None) => prompt.elsewhere = prompt.elsewhere.saturating_add(1),
    }
    prompt
}

/// Lines targets up in this order, with what the request takes of limits and budgets at each of them.
pub(super) fn line_up(
    draft: &mut Draft,
    mut order: Vec<Rc<Target>>,
    (now, dice): (Time, u64),
    shared: &dyn SharedData,
) -> Result<Plan, ApiError> {
    let gateway = &draft.worker.gateway;
    let estimate = |target: &Target| draft.estimate(target, gateway.reservation.output_tokens);
    // Where a budget leads to another model, that one's own way is gone.
    let other_order =
        |other: &Rc<Model>| draft.decide(other, now, dice, shared).map(|decision| decision.order()).unwrap_or_default();
    let plan = Plan::new(gateway, &draft.request.caller, &draft.route.model, &order, other_order, estimate)?;
    // A target that has no price, or is too small, is not in the plan: its use would not be counted.
    order.retain(|target| plan.candidates.iter().any(|way| Rc::ptr_eq(&way.target, target)));
    match order.is_empty() {
        true => draft.route.take_way(&plan, 0),
        false => draft.route.queue = Queue::new(order),
    }
    Ok(plan)
}

fn keep_head(draft: &mut Draft, body: &[u8]) {
    let head = body.get(..draft.request.asks.outline.reach()).filter(|head| head.len() <= LONGEST_HEAD);
    draft.request.head = head.unwrap_or_default().to_vec();
}

/// Leaves out targets at the head of the plan that cannot take this request, so that the first attempt is one that can;
/// an error when none can. A later target is only looked at when it is its turn: most never are.
pub(super) fn choose_first(draft: &mut Draft, body: &[u8]) -> Result<(), ApiError> {
    let mut refused = None;
    draft.route.ready = None;
    while let Some(target) = draft.route.queue.next() {
        match rewritten(draft, target, body) {
            None => return Ok(()),
            Some(Ok(written)) => {
                draft.route.ready = Some(written);
                return Ok(());
            }
            Some(Err(error)) => {
                refused.get_or_insert(error);
                draft.route.queue.drop_first();
            }
        }
    }
    Err(refused.unwrap_or_else(|| from_envoy(503)))
}

/// The request as `target` wants it, or why it cannot be said so; `None` where it passes as it is.
pub(super) fn rewritten(draft: &Draft, target: &Target, body: &[u8]) -> Option<Result<Translated, ApiError>> {
    let client = draft.request.asks.client;
    let dialect = target.provider.format_for(client, &target.model)?;
    let largest = draft.worker.gateway.memory.rewritten;
    let written = || {
        rewrite::request(
            client,
            dialect,
            &draft.request.asks.outline,
            (body, &draft.request.forwarded),
            target,
            largest,
        )
    };
    rewrite::is_needed(client, dialect, &draft.request.asks.outline, target).then(written)
}

/// Budgets that are nearly or wholly used up are counted, once a request.
fn count_warnings(charge: &Charge, effects: &mut Vec<Effect>) {
    let highest = charge.ticket.warnings().iter().map(|warning| warning.percent).max().unwrap_or_default();
    match highest {
        100.. => effects.push(Effect::Count(metric::BUDGET_100)),
        80.. => effects.push(Effect::Count(metric::BUDGET_80)),
        _ => {}
    }
}
