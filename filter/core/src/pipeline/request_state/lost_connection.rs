//! A connection lost before any byte of a response. Load balancers in front of providers drop idle connections silently, and Envoy learns
//! that only from the next request. The provider is healthy, and a new connection reaches it.
//!
//! So the same target is retried, which counts neither as a circuit failure nor against the retry budget. After a pooled connection, this
//! repeats, because the pool may contain many dead ones: each retry uses one up, so their number is limited by the responses the provider
//! has given. After a new connection, it happens once, and only if no connection was lost before. The retries and the bytes they resend are
//! bounded for each request. Other ends without a callback (a refused connection, a timeout) are judged when the next attempt begins.

use std::rc::Rc;

use sluice_wire::time::Time;

use crate::routing::spec::Trigger;
use crate::store::SharedData;

use super::super::failure::Failure;
use super::RequestState;

/// The most connections that one request may lose: Envoy retries no more often (`num_retries` in the output of `sluice render`).
const MOST_LOST: usize = 64;
/// The most bytes that are resent, for requests with a body of several MiB.
const MOST_RESENT: usize = 64 << 20;

impl RequestState {
    /// The current attempt lost its connection, and nothing else is known about it. Returns whether the same target is retried. `pooled`:
    /// the connection had served before.
    pub(super) fn loses_connection(&mut self, pooled: bool, now: Time, shared: &dyn SharedData) -> bool {
        let Some(attempt) = self.progress.attempts.last() else { return false };
        let spared = self.progress.attempts.iter().filter(|before| before.is_spared());
        let here = spared.clone().filter(|before| Rc::ptr_eq(&before.target, &attempt.target)).count();
        let lost = spared.count();
        let resent = lost.saturating_mul(self.request.scanned.peek.length);
        let left = self.route.timeouts.total.saturating_sub(attempt.started.since(self.request.started));
        let (elapsed, limit) = (now.since(attempt.started), self.limit().min(left));
        let timed_out = elapsed.saturating_add(self.route.slack(&self.request, limit)) >= limit;
        // A dead connection fails immediately: a slow failure is not repeated.
        let again = pooled && lost < MOST_LOST && resent < MOST_RESENT && elapsed < limit / 2;
        let bearable = (here == 0 || again) && !timed_out && attempt.status.is_none();
        if !bearable || !self.route.model.policy.retry.covers(Trigger::Unreachable) {
            return false;
        }
        self.route.queue.again();
        self.choose_key(now, shared);
        self.ended(Some(Failure::lost_connection()), now, shared);
        true
    }
}
