//! Settles and logs a request before its stream ends, once the client has the complete response but the provider keeps the stream open.
//! This frees the request's concurrency slot, so the client's next request need not wait.
//!
//! Envoy still writes the access log's line when the stream is over.

use super::super::request_state::RequestState;
use super::super::{Context, Effect, View};
use super::{Phase, RequestPipeline};
use crate::store::SharedData;

impl RequestPipeline {
    /// Whether the request can be settled early. A response that is collected for the cache waits for its end, because only a completed one
    /// is stored.
    pub fn is_served(&self, state: &RequestState) -> bool {
        matches!(self.phase, Phase::Underway(None)) && state.stream_activity.lingering.is_some()
    }

    /// Settles the request; the rest of its stream changes nothing.
    pub fn settle_early(
        &mut self,
        state: &mut RequestState,
        view: &dyn View,
        shared: &dyn SharedData,
        effects: &mut Vec<Effect>,
    ) {
        self.close(state, &mut Context::new(view, shared, effects));
        self.phase = Phase::Settled;
    }
}
