//! How long a request waits for its targets.
//!
//! Envoy has one limit for every attempt of a request, which it reads once, when the request leaves. So that is the longest that any
//! target of the list is worth. Where answers are held, the worker's tick knows each target's own.

use std::time::Duration;

use crate::routing::patience::Waited;
use crate::routing::target::Target;

use super::super::failure::SLACK;
use super::{Request, Route};

/// On a busy machine 20 MiB were found to take more than 440 ms.
const SLACK_OF_A_MEBIBYTE: Duration = Duration::from_millis(100);

impl Route {
    /// How long one attempt may take until there is something for the client.
    pub fn limit(&self, request: &Request) -> Duration {
        self.limit_within(request, self.timeouts.total)
    }

    /// The same for a client that waits as long as the gateway would.
    pub(super) fn fair_limit(&self, request: &Request) -> Duration {
        let total = self.model.way.timeouts.total;
        self.limit_within(request, total).min(total)
    }

    fn limit_within(&self, request: &Request, total: Duration) -> Duration {
        let targets = match self.queue.targets() {
            [] => &self.model.targets[..],
            queued => queued,
        };
        let waited =
            Waited { slow: targets.iter().any(|target| self.is_slow(request, target)), last: self.alone(total) };
        match (request.asks.peek.stream, self.is_delivered_whole(request)) {
            (false, _) => self.timeouts.answer.of(waited),
            (true, true) => self.timeouts.whole.of(waited),
            (true, false) => self.timeouts.first_token.of(waited),
        }
    }

    /// How much earlier than it was told Envoy ends an attempt. Its clock begins with the turn of its loop, in which a long body is read
    /// and written anew before the attempt begins here; where the connection was there already, that is the same turn.
    pub(super) fn slack(&self, request: &Request, limit: Duration) -> Duration {
        let mebibytes = u32::try_from(request.asks.peek.length >> 20).unwrap_or(u32::MAX);
        SLACK_OF_A_MEBIBYTE.saturating_mul(mebibytes).min(limit / 2).max(SLACK)
    }

    /// How long the first token of an answer may take whose headers are here.
    pub(super) fn first_token_of(&self, request: &Request, target: &Target) -> Duration {
        self.timeouts
            .first_token
            .of(Waited { slow: self.is_slow(request, target), last: self.alone(self.timeouts.total) })
    }

    /// How long a stream may be silent.
    pub(super) fn idle(&self, request: &Request) -> Duration {
        self.timeouts.idle.of(Waited { slow: request.asks.wishes.runs_tools(), last: None })
    }

    /// Whether the target may take long before it says anything.
    fn is_slow(&self, request: &Request, target: &Target) -> bool {
        (target.capabilities.reasoning == Some(true) && !request.asks.wishes.quick) || target.provider.loads
    }

    /// The whole time, where nothing could follow the first attempt.
    fn alone(&self, total: Duration) -> Option<Duration> {
        (self.queue.targets().len() == 1).then_some(total)
    }
}
