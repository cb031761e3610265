//! The progress of a request: its attempts, skipped targets, and stage.

use std::rc::Rc;

use sluice_wire::content_filter::FilterResults;
use sluice_wire::conversation::Usage;
use sluice_wire::error::ApiError;
use sluice_wire::time::Time;

use crate::routing::spec::{Strategy, Trigger};
use crate::routing::target::Target;
use crate::store::SharedData;
use crate::usage::price::MicroUsd;

use super::super::failure::Failure;
use super::super::notes::TargetKey;
use super::super::provider_error::ProviderError;
use super::super::worker::Worker;
use super::{ChunkTimes, SkippedTarget};

/// The attempts so far, and their result.
#[derive(Debug, Default)]
pub struct Progress {
    /// All attempts, in order.
    pub attempts: Vec<AttemptState>,
    /// Targets that were skipped in their turn.
    pub skipped_targets: Vec<SkippedTarget>,
    /// The request's stage.
    pub stage: Stage,
    /// The client's error, if there is one.
    pub refusal: Option<Box<ApiError>>,
    /// Whether the gateway ends the request because it shuts down.
    pub shut_down: bool,
}

/// One attempt.
#[derive(Debug)]
pub struct AttemptState {
    /// The target.
    pub target: Rc<Target>,
    /// The index of the provider's key.
    pub key: usize,
    /// Its span, if the request has a trace.
    pub span: u64,
    /// When it began.
    pub started: Time,
    /// When it was over.
    pub ended: Option<Time>,
    /// The status of the provider's response.
    pub status: Option<u16>,
    /// Why it failed.
    pub failure: Option<Failure>,
    /// The provider's own error.
    pub provider_error: Option<Box<ProviderError>>,
    /// Results of the provider's content filters.
    pub filters: FilterResults,
    /// Its usage, once it is charged.
    pub usage: Option<Usage>,
    /// Its cost, once it is charged; `None` without a price.
    pub cost: Option<MicroUsd>,
    /// When the portions of its stream arrived.
    pub chunks: ChunkTimes,
    /// The result shared with all workers: `true` for success.
    pub(super) published: Option<bool>,
}

/// The stage of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Stage {
    #[default]
    /// No response fit for the client yet.
    Underway,
    /// The last attempt's response is being sent to the client.
    Answering,
    /// The response was sent completely.
    Complete,
    /// A response broke off, and the client got an error event.
    Broken,
    /// The client gets an error of the gateway.
    Refused,
}

impl Progress {
    /// The target of the current, or last, attempt.
    pub fn current(&self) -> Option<&Rc<Target>> {
        self.attempts.last().map(|attempt| &attempt.target)
    }

    /// How often the current target was tried in a row.
    pub(super) fn tries_of_current(&self) -> usize {
        let Some(current) = self.current() else { return 0 };
        let tries = self.attempts.iter().rev().take_while(|attempt| Rc::ptr_eq(&attempt.target, current));
        tries.filter(|attempt| !attempt.is_spared()).count()
    }

    /// The last attempt's failure.
    pub fn last_failure(&self) -> Option<&Failure> {
        self.attempts.last()?.failure.as_ref()
    }
}

impl AttemptState {
    /// Target and key, for the debug log.
    pub(super) fn target_key(&self) -> TargetKey<'_> {
        TargetKey { target: &self.target, key: self.key }
    }

    /// Ends the attempt.
    pub(super) fn leave(&mut self, strategy: Strategy, worker: &Worker, now: Time, shared: &dyn SharedData) {
        if self.ended.is_none() {
            self.ended = Some(now);
            if strategy == Strategy::LeastBusy {
                worker.attempt_ended(&self.target, now, shared);
            }
        }
    }

    /// Whether it lost its connection and was retried for that reason.
    pub(super) fn is_spared(&self) -> bool {
        self.failure.as_ref().is_some_and(|failure| failure.excused && failure.trigger == Some(Trigger::Unreachable))
    }
}

/// Response headers about the attempts: their number, and why some failed.
pub fn attempt_headers(attempts: &[AttemptState]) -> impl Iterator<Item = (&'static str, String)> {
    let failed =
        |attempt: &AttemptState| Some(format!("{}: {}", attempt.target.name, attempt.failure.as_ref()?.reason));
    let failures: Vec<String> = attempts.iter().filter_map(failed).collect();
    let failures = (!failures.is_empty()).then(|| ("x-sluice-failures", failures.join(", ")));
    std::iter::once(("x-sluice-attempts", attempts.len().to_string())).chain(failures)
}
