//! A connection that is lost before any byte of an answer. Whoever balances load before a provider forgets connections that nobody uses,
//! and Envoy learns of it when it sends the next request. The provider is well, and a new connection reaches it.
//!
//! So the same target is asked once more, which counts neither as a failure of its circuit nor for the retry budget. After a connection
//! that had served before that goes on, as there may be as many dead ones as the pool has: each such try uses one of them up, so that no
//! provider has more of them than it has given answers. After a new connection it is done once, and only if none was lost before.
//! In any case the tries of one request have a bound, and so have the bytes that they send. What else ends without a callback (a
//! refused connection, a timeout) is judged when the next attempt begins.

use std::rc::Rc;

use sluice_wire::time::Time;

use crate::routing::spec::Trigger;
use crate::store::SharedData;

use super::super::failure::Failure;
use super::RequestState;

/// So many connections may be lost to one request: Envoy tries no more often (`num_retries` in what `sluice render` writes).
const MOST_LOST: usize = 64;
/// The most bytes that are sent again for this, where the request has a body of several MiB.
const MOST_RESENT: usize = 64 << 20;

impl RequestState {
    /// The attempt under way has lost its connection, and nothing else is known of it. Whether the same target is asked once more.
    /// `pooled`: the connection had served before.
    pub(super) fn loses_connection(&mut self, pooled: bool, now: Time, shared: &dyn SharedData) -> bool {
        let Some(tried) = self.progress.attempts.last() else { return false };
        let spared = self.progress.attempts.iter().filter(|before| before.is_spared());
        let here = spared.clone().filter(|before| Rc::ptr_eq(&before.target, &tried.target)).count();
        let lost = spared.count();
        let resent = lost.saturating_mul(self.request.asks.peek.length);
        let left = self.route.timeouts.total.saturating_sub(tried.started.since(self.request.started));
        let (elapsed, limit) = (now.since(tried.started), self.limit().min(left));
        let timed_out = elapsed.saturating_add(self.route.slack(&self.request, limit)) >= limit;
        // A connection that is forgotten is lost at once: what takes long is not asked for again and again.
        let again = pooled && lost < MOST_LOST && resent < MOST_RESENT && elapsed < limit / 2;
        let bearable = (here == 0 || again) && !timed_out && tried.status.is_none();
        if !bearable || !self.route.model.way.retry.covers(Trigger::Unreachable) {
            return false;
        }
        self.route.queue.again();
        self.choose_key(now, shared);
        self.ended(Some(Failure::lost_connection()), now, shared);
        true
    }
}
