//! Queues a draft's targets and chooses the first one.

use std::rc::Rc;

use sluice_wire::dialect::translate::{ParsedRequest, Translated};
use sluice_wire::error::ApiError;
use sluice_wire::time::Time;

use crate::reservation::Plan;
use crate::routing::queue::Queue;
use crate::routing::target::{Model, Target};
use crate::store::SharedData;

use super::super::request_state::{Draft, from_envoy};
use super::super::rewrite::{self, Source};

/// Queues the targets in this order and plans the debits at each.
pub(super) fn line_up(
    draft: &mut Draft,
    mut reserve_request: Vec<Rc<Target>>,
    (now, dice): (Time, u64),
    shared: &dyn SharedData,
) -> Result<Plan, ApiError> {
    let config = &draft.worker.config;
    let estimate = |target: &Target| draft.estimate(target, config.reservation.output_tokens);
    // If a budget leads to another model, that model's own routing policy applies.
    let other_order = |other: &Rc<Model>| {
        draft.decide(other, now, dice, shared).map(|decision| decision.targets_in_order()).unwrap_or_default()
    };
    let plan = Plan::new(config, &draft.request.caller, &draft.route.model, &reserve_request, other_order, estimate)?;
    // A target without a price, or too small, is not in the plan, because its usage would not be counted.
    reserve_request.retain(|target| plan.candidates.iter().any(|way| Rc::ptr_eq(&way.target, target)));
    draft.route.queue = Queue::new(reserve_request);
    Ok(plan)
}

/// Drops targets from the head of the queue that cannot take this request; an error if none can. Later targets are checked only in their
/// turn: most never are.
pub(super) fn choose_first(draft: &mut Draft, body: &[u8]) -> Result<(), ApiError> {
    let mut refused = None;
    let mut snapshot = ParsedRequest::default();
    draft.route.ready = None;
    while let Some(target) = draft.route.queue.next() {
        match rewritten(draft, target, body, &mut snapshot) {
            None => return Ok(()),
            Some(Ok(written)) => {
                draft.route.ready = Some(written);
                if draft.route.queue.targets().len() > 1 && draft.request.masked.is_empty() {
                    draft.memory.keep_reading(snapshot);
                }
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

/// The request rewritten for `target`, or why it cannot be expressed there; `None` if it passes unchanged.
pub(super) fn rewritten(
    draft: &Draft,
    target: &Target,
    body: &[u8],
    snapshot: &mut ParsedRequest,
) -> Option<Result<Translated, ApiError>> {
    let client = draft.request.scanned.client;
    let dialect = target.provider.format_for(client, &target.model)?;
    let largest = draft.worker.config.memory.rewritten;
    let written = || {
        let (peek, headers) = (&draft.request.scanned.peek, &draft.request.forwarded);
        rewrite::request(Source { client, peek, headers, body, snapshot }, dialect, target, largest)
    };
    rewrite::is_needed(client, dialect, &draft.request.scanned.peek, target).then(written)
}
