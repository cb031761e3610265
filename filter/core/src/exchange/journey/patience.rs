//! How long a request waits for its targets.
//!
//! Envoy has one limit for every attempt of a request, which it reads once, when the request leaves. So that is the longest that any
//! target of the list is worth. Where answers are held, the worker's tick knows each target's own.

use std::time::Duration;

use crate::routing::patience::Waited;
use crate::routing::target::Target;

use super::super::failure::SLACK;
use super::Journey;

/// On a busy machine 20 MiB were found to take more than 440 ms.
const SLACK_OF_A_MEBIBYTE: Duration = Duration::from_millis(100);

impl Journey {
    /// How long one attempt may take until there is something for the client.
    pub fn limit(&self) -> Duration {
        self.limit_within(self.route.timeouts.total)
    }

    /// The same for a client that waits as long as the gateway would.
    pub(super) fn fair_limit(&self) -> Duration {
        let total = self.route.model.way.timeouts.total;
        self.limit_within(total).min(total)
    }

    fn limit_within(&self, total: Duration) -> Duration {
        let targets = match self.route.queue.targets() {
            [] => &self.route.model.targets[..],
            queued => queued,
        };
        let waited = Waited { slow: targets.iter().any(|target| self.is_slow(target)), last: self.alone(total) };
        match (self.outline.stream, self.is_delivered_whole()) {
            (false, _) => self.route.timeouts.answer.of(waited),
            (true, true) => self.route.timeouts.whole.of(waited),
            (true, false) => self.route.timeouts.first_token.of(waited),
        }
    }

    /// How much earlier than it was told Envoy ends an attempt. Its clock begins with the turn of its loop, in which a long body is read
    /// and written anew before the attempt begins here; where the connection was there already, that is the same turn.
    pub(super) fn slack(&self, limit: Duration) -> Duration {
        let mebibytes = u32::try_from(self.outline.length >> 20).unwrap_or(u32::MAX);
        SLACK_OF_A_MEBIBYTE.saturating_mul(mebibytes).min(limit / 2).max(SLACK)
    }

    /// How long the first token of an answer may take whose headers are here.
    pub(super) fn first_token_of(&self, target: &Target) -> Duration {
        self.route
            .timeouts
            .first_token
            .of(Waited { slow: self.is_slow(target), last: self.alone(self.route.timeouts.total) })
    }

    /// How long a stream may be silent.
    pub(super) fn idle(&self) -> Duration {
        self.route.timeouts.idle.of(Waited { slow: self.wishes.runs_tools(), last: None })
    }

    /// Whether the target may take long before it says anything.
    fn is_slow(&self, target: &Target) -> bool {
        (target.capabilities.reasoning == Some(true) && !self.wishes.quick) || target.provider.loads
    }

    /// The whole time, where nothing could follow the first attempt.
    fn alone(&self, total: Duration) -> Option<Duration> {
        (self.route.queue.targets().len() == 1).then_some(total)
    }
}
