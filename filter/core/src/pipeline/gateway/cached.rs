//! Serves responses from the cache, and collects a provider's response for it.

use sluice_wire::conversation::Usage;

use crate::cache::CachedResponse;
use crate::cache::flight::Landing;
use crate::store::SharedData;
use crate::trace::messages;

use super::super::request_state::RequestState;
use super::super::worker::StoreContext;
use super::super::{Context, Effect, Event, Flow, Reply, View, metric};
use super::{Outcome, Phase, RequestPipeline};

impl RequestPipeline {
    /// Replies with the cached response of an equal request. Nothing of the reservation is used.
    pub(super) fn replay(
        &mut self,
        mut state: Box<RequestState>,
        entry: CachedResponse,
        cx: &mut Context<'_>,
    ) -> Outcome {
        let now = cx.now();
        // It claimed the flight after the response was stored, or Redis had it. The response to a similar request is stored for that one.
        let is_similar = self.log_context.about.cache_state.similar.is_some();
        let landing = if is_similar { Landing::Unstored } else { Landing::Stored };
        self.log_context.about.cache_state.land(landing, now, cx.shared);
        self.log_context.replied = Some(now);
        let age = entry.age(now).unwrap_or_default().as_secs();
        self.log_context.about.saved = Some(entry.spent());
        let CachedResponse { provider, model, content_type, dropped, body, .. } = entry;
        state.commit(now);
        state.complete();
        state.answer.usage = Some(Usage::default());
        let format = state.request.scanned.client.provider;
        state.record_content(|| messages::in_answer(format, &body));
        let dropped = (!dropped.is_empty()).then_some(("x-sluice-dropped", dropped));
        let mut headers = state.bill.billing.headers();
        headers.extend([("x-sluice-provider", provider), ("x-sluice-model", model), ("age", age.to_string())]);
        headers
            .extend(self.log_context.about.cache_state.headers().chain(dropped).chain(state.request.masked_header()));
        headers.extend(self.name().into_iter().chain(self.report(&state, cx.view)));
        cx.effects.push(Effect::Count(metric::CACHE_HIT));
        self.phase = Phase::CacheHit(state);
        Outcome::Step(Flow::Reply(Reply { status: 200, content_type: content_type.into(), headers, body }))
    }

    /// Whether [`RequestPipeline::response_body`] needs the response's body.
    pub fn collects(&self) -> bool {
        matches!(self.phase, Phase::Underway(Some(_)))
    }

    /// Collects a portion of the response's body, which continues unchanged. Each portion has one callback, as long as this role holds none
    /// back.
    pub fn response_body(
        &mut self,
        event: Event,
        state: Option<&RequestState>,
        view: &dyn View,
        shared: &dyn SharedData,
        effects: &mut Vec<Effect>,
    ) {
        let Phase::Underway(fill) = &mut self.phase else { return };
        let (size, end) = match event {
            Event::ResponseBody { size, end } => (size, end),
            _ => (0, matches!(event, Event::ResponseTrailers { .. })),
        };
        let largest = self.worker.config.cache.largest;
        // A response that is too large, or has no room, will not be stored: its collection stops.
        let mut dropped =
            fill.take_if(|fill| fill.size().saturating_add(size) > largest || !fill.has_room(size)).is_some();
        // The same for a response that cannot be read.
        if let Some(mut collected) = fill.take_if(|_| size > 0) {
            *fill = view.body(0..size).ok().map(|portion| {
                collected.add(portion);
                collected
            });
            dropped |= fill.is_none();
        }
        if dropped {
            self.log_context.about.cache_state.land(Landing::Unstored, view.now(), shared);
        }
        if let (true, Some(state)) = (end, state)
            && fill
                .take_if(|_| !state.judges.unjudged)
                .is_some_and(|fill| fill.keep(state, &mut StoreContext { now: view.now(), shared, effects }))
        {
            self.log_context.about.stored = true;
            self.log_context.about.cache_state.land(Landing::Stored, view.now(), shared);
            effects.push(Effect::Count(metric::CACHE_STORED));
        }
    }
}
