//! Requests that wait for the response to an identical one.

use sluice_wire::time::Time;

use crate::cache::flight::Boarding;
use crate::callout::Called;
use crate::store::SharedData;

use super::super::billing::Billing;
use super::super::request_state::Draft;
use super::super::{Context, Effect, View};
use super::planning::{Look, Prepared};
use super::{Outcome, Phase, Refused, RequestPipeline};

/// A granted request that waits. Its body stays in Envoy's buffer.
#[derive(Debug)]
pub(super) struct Waiting {
    pub(super) draft: Draft,
    pub(super) billing: Billing,
    /// When the targets were ranked.
    pub(super) planned: Time,
    /// The size of the client's body.
    pub(super) size: usize,
    /// The body, if guardrails masked something in it.
    pub(super) masked: Option<Vec<u8>>,
    /// When it was granted.
    pub(super) since: Time,
    /// Since when it waits for an identical request.
    pub(super) waits: Option<Time>,
}

impl RequestPipeline {
    /// Whether it waits for an identical request.
    pub fn waits(&self) -> bool {
        matches!(self.phase, Phase::Waiting(_))
    }

    /// Looks again whether it still waits. It waits at most as long as an attempt may take, and half of the total timeout. Then it goes to a
    /// provider itself.
    pub fn woken(&mut self, view: &dyn View, shared: &dyn SharedData, effects: &mut Vec<Effect>) -> Outcome {
        let cx = &mut Context::new(view, shared, effects);
        let waiting = match std::mem::replace(&mut self.phase, Phase::Taken) {
            Phase::Waiting(waiting) => waiting,
            other => {
                self.phase = other;
                return Outcome::Wait;
            }
        };
        let outcome = self.look_again(waiting, cx);
        self.conclude(outcome, cx)
    }

    fn look_again(&mut self, mut waiting: Box<Waiting>, cx: &mut Context<'_>) -> Result<Outcome, Refused> {
        let now = cx.now();
        let waited = now.since(waiting.waits.unwrap_or(now));
        let route = &mut waiting.draft.route;
        route.waited = now.since(waiting.since);
        let may_wait = waited < route.limit(&waiting.draft.request) && route.waited < route.timeouts.total / 2;
        let cache_state = &mut self.log_context.about.cache_state;
        cache_state.waited = Some(waited);
        if may_wait && cache_state.board(&waiting.draft, self.worker.dice(), cx.now(), cx.shared) == Boarding::Waits {
            self.phase = Phase::Waiting(waiting);
            return Ok(Outcome::Wait);
        }
        self.goes_on(waiting, Look::Again, cx)
    }

    /// Handles Redis's reply to the lookup of a cached response, which then is in Envoy's memory too.
    pub(super) fn looked_up(
        &mut self,
        mut waiting: Box<Waiting>,
        called: &Called,
        cx: &mut Context<'_>,
    ) -> Result<Outcome, Refused> {
        waiting.draft.route.waited = cx.now().since(waiting.since);
        let cache_state = &mut self.log_context.about.cache_state;
        let found = cache_state.redis_answered(&waiting.draft, called, &mut cx.moment());
        let look = match &cache_state.similar {
            Some(_) => Look::Similar,
            None if found => Look::Again,
            None => Look::Nowhere,
        };
        self.goes_on(waiting, look, cx)
    }

    /// Handles the reply to the call for an embedding.
    pub(super) fn embedded(
        &mut self,
        mut waiting: Box<Waiting>,
        called: &Called,
        cx: &mut Context<'_>,
    ) -> Result<Outcome, Refused> {
        waiting.draft.route.waited = cx.now().since(waiting.since);
        let cache_state = &mut self.log_context.about.cache_state;
        if let Some((cost, known)) = cache_state.embedded(&waiting.draft, called, &mut cx.moment()) {
            waiting.billing.owe_embedding(cost, known);
        }
        self.goes_on(waiting, Look::Similar, cx)
    }

    fn goes_on(&mut self, mut waiting: Box<Waiting>, look: Look, cx: &mut Context<'_>) -> Result<Outcome, Refused> {
        // The default, unless a later step sets another phase.
        self.phase = Phase::Answered { error: None };
        let prepared = self.fetch_waiting(&mut waiting, look, cx);
        self.prepared(prepared, *waiting, cx)
    }

    fn fetch_waiting(&mut self, waiting: &mut Waiting, look: Look, cx: &mut Context<'_>) -> Result<Prepared, Refused> {
        let masked = waiting.masked.take();
        let body = match &masked {
            Some(_) => None,
            None => Some(cx.view.body(0..waiting.size)?),
        };
        let body = masked.as_deref().or(body.as_deref()).unwrap_or_default();
        let fetched = self.fetch((&mut waiting.draft, &waiting.billing), waiting.planned, body, look, cx)?;
        Ok(Prepared::Fetched(fetched, masked))
    }
}
