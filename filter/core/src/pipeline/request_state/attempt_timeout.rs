//! How long a request waits for its targets.
//!
//! Envoy has one per-try timeout for all attempts of a request, which it reads once, when the request is forwarded. So this is the longest
//! timeout of any queued target. While a response is held, the worker's tick applies each target's own timeout.

use std::time::Duration;

use crate::routing::conditional_timeout::TimeoutCondition;
use crate::routing::target::Target;

use super::super::failure::SLACK;
use super::{Request, Route};

/// Measured on a busy machine: 20 MiB took more than 440 ms.
const SLACK_OF_A_MEBIBYTE: Duration = Duration::from_millis(100);
/// The most that other requests of a busy worker add: an iteration of its event loop is rarely longer.
const SLACK_OF_A_BUSY_WORKER: Duration = Duration::from_millis(200);

impl Route {
    /// How long one attempt may take until it has output for the client.
    pub fn limit(&self, request: &Request) -> Duration {
        self.limit_within(request, self.timeouts.total)
    }

    /// The same, without a client's shorter timeout.
    pub(super) fn fair_limit(&self, request: &Request) -> Duration {
        let total = self.model.policy.timeouts.total;
        self.limit_within(request, total).min(total)
    }

    fn limit_within(&self, request: &Request, total: Duration) -> Duration {
        let targets = match self.queue.targets() {
            [] => &self.model.targets[..],
            queued => queued,
        };
        let condition = TimeoutCondition {
            slow: targets.iter().any(|target| self.is_slow(request, target)),
            last: self.alone(total),
        };
        // Its first window waits for judges.
        let is_judged = request.checks.as_ref().is_some_and(|checks| !checks.judges.is_empty());
        match (request.scanned.peek.stream, is_judged || self.is_delivered_whole(request)) {
            (false, _) => self.timeouts.answer.of(condition),
            (true, true) => self.timeouts.whole.of(condition),
            (true, false) => self.timeouts.first_token.of(condition),
        }
    }

    /// How much earlier than configured Envoy may end an attempt. Its timer starts at the event loop's iteration, in which a long body may
    /// be parsed and written before the attempt begins here; with a pooled connection, that is the same iteration. A busy worker serves
    /// other requests in it too.
    pub(super) fn slack(&self, request: &Request, limit: Duration) -> Duration {
        let mebibytes = u32::try_from(request.scanned.peek.length >> 20).unwrap_or(u32::MAX);
        SLACK_OF_A_MEBIBYTE
            .saturating_mul(mebibytes)
            .min(limit / 2)
            .max(SLACK_OF_A_BUSY_WORKER.min(limit / 50))
            .max(SLACK)
    }

    /// How long the first token may take after the response's headers arrived.
    pub(super) fn first_token_of(&self, request: &Request, target: &Target) -> Duration {
        self.timeouts
            .first_token
            .of(TimeoutCondition { slow: self.is_slow(request, target), last: self.alone(self.timeouts.total) })
    }

    /// How long a stream may be silent.
    pub(super) fn idle(&self, request: &Request) -> Duration {
        self.timeouts.idle.of(TimeoutCondition { slow: request.scanned.wishes.runs_tools(), last: None })
    }

    /// Whether the target may take long before its first output.
    fn is_slow(&self, request: &Request, target: &Target) -> bool {
        (target.capabilities.reasoning == Some(true) && !request.scanned.wishes.quick) || target.provider.loads
    }

    /// The total timeout, if no target follows the first.
    fn alone(&self, total: Duration) -> Option<Duration> {
        (self.queue.targets().len() == 1).then_some(total)
    }
}
