//! How far a request has come: its attempts, the targets that were passed over, and its stage.

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
    /// Targets that were passed over when their turn came.
    pub passed_over: Vec<PassedOver>,
    /// The request's stage.
    pub stage: Stage,
    /// The error that the client got in place of an answer.
    pub refusal: Option<Box<ApiError>>,
}

/// One attempt.
#[derive(Debug)]
pub struct Tried {
    /// The target.
    pub target: Rc<Target>,
    /// With which of its provider's keys; the first is 0.
    pub key: usize,
    /// When it began.
    pub started: Time,
    /// When it was over, once it is.
    pub ended: Option<Time>,
    /// The status of the provider's answer, once its headers are there.
    pub status: Option<u16>,
    /// Why it failed, once it has.
    pub failure: Option<Failure>,
    /// The provider's own error.
    pub complaint: Option<Box<Complaint>>,
    /// The result that all workers were told: `true` for success.
    pub(super) told: Option<bool>,
}

/// The stage of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Stage {
    #[default]
    /// No answer fit for the client yet.
    Underway,
    /// The last attempt's answer goes to the client.
    Answering,
    /// All of it went.
    Complete,
    /// An answer that had begun broke off, and the client was told.
    Broken,
    /// An error goes to the client, written by us.
    Refused,
}

impl Progress {
    /// The target of the current attempt, or of the last one.
    pub fn current(&self) -> Option<&Rc<Target>> {
        self.attempts.last().map(|tried| &tried.target)
    }

    /// How often the target of the attempt under way was tried in a row.
    pub(super) fn tries_of_current(&self) -> usize {
        let Some(current) = self.current() else { return 0 };
        let tries = self.attempts.iter().rev().take_while(|tried| Rc::ptr_eq(&tried.target, current));
        tries.filter(|tried| !tried.is_spared()).count()
    }

    /// The last attempt, and why it failed, if it did.
    pub fn last_failure(&self) -> Option<&Failure> {
        self.attempts.last()?.failure.as_ref()
    }
}

impl Tried {
    /// Target and key, for the debug log.
    pub(super) fn asked(&self) -> Asked<'_> {
        Asked { target: &self.target, key: self.key }
    }

    /// It is over.
    pub(super) fn leave(&mut self, strategy: Strategy, worker: &Worker, now: Time, shared: &dyn SharedData) {
        if self.ended.is_none() {
            self.ended = Some(now);
            if strategy == Strategy::LeastBusy {
                worker.leaves(&self.target, now, shared);
            }
        }
    }

    /// It lost its connection and was retried for that reason.
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
