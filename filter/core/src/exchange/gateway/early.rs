//! A request whose client has all that it will get, though its provider does not end the stream: it is settled and written down then,
//! not when the stream ends. Its place among concurrent requests is the next one's, and its client need not wait for that.
//!
//! The access log's line itself is Envoy's, and comes when the stream is over.

use super::super::request_state::RequestState;
use super::super::{Context, Effect, View};
use super::{Exchange, Phase};
use crate::store::SharedData;

impl Exchange {
    /// Whether there is such a request to settle. One whose answer is collected for the cache waits for its end: only what came to it
    /// is kept.
    pub fn is_served(&self, state: &RequestState) -> bool {
        matches!(self.phase, Phase::Underway(None)) && state.watch.lingering.is_some()
    }

    /// Settles it; what happens to its stream from now on changes nothing.
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
