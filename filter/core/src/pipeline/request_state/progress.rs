//! The progress of a request: its attempts, skipped targets, and stage.

use std::rc::Rc;

use sluice_wire::error::ApiError;
use sluice_wire::time::Time;

use crate::routing::spec::{Strategy, Trigger};
use crate::routing::target::Target;
use crate::store::SharedData;

use super::super::complaint::Complaint;
use super::super::failure::Failure;
use super::super::notes::Asked;
use super::super::worker::Worker;
use super::PassedOver;

/// The attempts so far, and their result.
#[derive(Debug, Default)]
pub struct Progress {
    /// All attempts, in order.
    pub attempts: Vec<Tried>,
    /// Targets that were skipped in their turn.
    pub passed_over: Vec<PassedOver>,
    /// The request's stage.
    pub stage: Stage,
    /// The client's error, if there is one.
    pub refusal: Option<Box<ApiError>>,
}

/// One attempt.
#[derive(Debug)]
pub struct Tried {
    /// The target.
    pub target: Rc<Target>,
    /// The index of the provider's key.
    pub key: usize,
    /// When it began.
    pub started: Time,
    /// When it was over.
    pub ended: Option<Time>,
    /// The status of the provider's response.
    pub status: Option<u16>,
    /// Why it failed.
    pub failure: Option<Failure>,
    /// The provider's own error.
    pub complaint: Option<Box<Complaint>>,
    /// The result shared with all workers: `true` for success.
    pub(super) told: Option<bool>,
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
        self.attempts.last().map(|tried| &tried.target)
    }

    /// How often the current target was tried in a row.
    pub(super) fn tries_of_current(&self) -> usize {
        let Some(current) = self.current() else { return 0 };
        let tries = self.attempts.iter().rev().take_while(|tried| Rc::ptr_eq(&tried.target, current));
        tries.filter(|tried| !tried.is_spared()).count()
    }

    /// The last attempt's failure.
    pub fn last_failure(&self) -> Option<&Failure> {
        self.attempts.last()?.failure.as_ref()
    }
}

impl Tried {
    /// Target and key, for the debug log.
    pub(super) fn asked(&self) -> Asked<'_> {
        Asked { target: &self.target, key: self.key }
    }

    /// Ends the attempt.
    pub(super) fn leave(&mut self, strategy: Strategy, worker: &Worker, now: Time, shared: &dyn SharedData) {
        if self.ended.is_none() {
            self.ended = Some(now);
            if strategy == Strategy::LeastBusy {
                worker.leaves(&self.target, now, shared);
            }
        }
    }

    /// Whether it lost its connection and was retried for that reason.
    pub(super) fn is_spared(&self) -> bool {
        self.failure.as_ref().is_some_and(|failure| failure.excused && failure.trigger == Some(Trigger::Unreachable))
    }
}

/// Response headers about the attempts: their number, and why some failed.
pub fn attempt_headers(attempts: &[Tried]) -> impl Iterator<Item = (&'static str, String)> {
    let failed = |tried: &Tried| Some(format!("{}: {}", tried.target.name, tried.failure.as_ref()?.reason));
    let failures: Vec<String> = attempts.iter().filter_map(failed).collect();
    let failures = (!failures.is_empty()).then(|| ("x-sluice-failures", failures.join(", ")));
    std::iter::once(("x-sluice-attempts", attempts.len().to_string())).chain(failures)
}
