//! The response headers with cost and times, for keys with [`Permission::Report`].

use std::time::Duration;

use crate::keys::spec::Permission;

use super::super::View;
use super::super::request_state::RequestState;
use super::RequestPipeline;

/// US dollars with six decimals.
pub(in crate::pipeline) const COST: &str = "x-sluice-cost";

/// Milliseconds with three decimals that the gateway itself took before it sent the first attempt, or its own response.
pub(in crate::pipeline) const OVERHEAD: &str = "x-sluice-overhead-ms";

/// Milliseconds until the first token of a stream.
pub(in crate::pipeline) const FIRST_TOKEN: &str = "x-sluice-ttft-ms";

impl RequestPipeline {
    /// The facts that are known when the response headers leave; none without the permission.
    pub(super) fn report(&self, state: &RequestState, view: &dyn View) -> Vec<(&'static str, String)> {
        if !state.request.caller.control.contains(&Permission::Report) {
            return Vec::new();
        }
        let cost = state.known_cost(view.now()).map(|cost| (COST, cost.to_string()));
        let overhead = self.overhead(Some(state)).map(|time| (OVERHEAD, milliseconds(time)));
        let first = state.answer.first_token.filter(|_| state.request.scanned.peek.stream);
        let first = first.map(|moment| (FIRST_TOKEN, moment.since(state.request.started).as_millis().to_string()));
        cost.into_iter().chain(overhead).chain(first).collect()
    }
}

fn milliseconds(time: Duration) -> String {
    format!("{}.{:03}", time.as_millis(), time.subsec_micros() % 1000)
}
