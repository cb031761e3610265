//! A connection that is lost before any byte of an answer. Whoever balances load before a provider forgets connections that nobody uses,
//! and Envoy learns of it when it sends the next request. The provider is well, and a new connection reaches it.
//!
//! So the same target is asked once more, which counts neither as a failure of its circuit nor for the retry budget: once for each
//! attempt that is not such a second try itself. What else ends without a callback (a refused connection, a timeout) is judged when the
//! next attempt begins.

use std::rc::Rc;

use crate::config::file::Trigger;
use crate::store::SharedData;

use super::super::Time;
use super::super::failure::{Failure, SLACK};
use super::{Journey, Tried};

impl Journey {
    /// The attempt under way has lost its connection, and nothing else is known of it. Whether the same target is asked once more.
    pub(super) fn loses_connection(&mut self, now: Time, shared: &dyn SharedData) -> bool {
        let Some(tried) = self.attempts.last() else { return false };
        let first = !self.attempts.iter().any(|before| before.is_spared() && Rc::ptr_eq(&before.target, &tried.target));
        let left = self.timeouts.total.saturating_sub(tried.started.since(self.started));
        let timed_out = now.since(tried.started).saturating_add(SLACK) >= self.limit().min(left);
        if timed_out || tried.status.is_some() || !first || !self.model.way.retry.covers(Trigger::Unreachable) {
            return false;
        }
        self.queue.again();
        self.choose_key(now, shared);
        self.ended(Some(Failure::lost_connection()), now, shared);
        true
    }
}

impl Tried {
    /// Whether it lost its connection, and was made again for that.
    pub(super) fn is_spared(&self) -> bool {
        self.failure.as_ref().is_some_and(|failure| failure.excused && failure.trigger == Some(Trigger::Unreachable))
    }
}
