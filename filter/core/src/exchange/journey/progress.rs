//! How far a request has come: what was tried, in order, who was passed over, and where it stands.

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

/// The attempts so far, and what they led to.
#[derive(Debug, Default)]
pub struct Progress {
    /// What was tried, in order.
    pub attempts: Vec<Tried>,
    /// Who was not, when it was their turn.
    pub passed_over: Vec<PassedOver>,
    /// Where the request stands.
    pub stage: Stage,
    /// What the client was told in place of an answer.
    pub refusal: Option<Box<ApiError>>,
}

/// One attempt.
#[derive(Debug)]
pub struct Tried {
    /// Where.
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
    /// What the provider itself says of that.
    pub complaint: Option<Box<Complaint>>,
    /// Whether all workers were told that it failed, or that it did not.
    pub(super) told: Option<bool>,
}

/// Where a request stands.
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
    /// Where the answer comes from, or the last one tried.
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
    /// Who was asked, for notes.
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

    /// Whether it lost its connection, and was made again for that.
    pub(super) fn is_spared(&self) -> bool {
        self.failure.as_ref().is_some_and(|failure| failure.excused && failure.trigger == Some(Trigger::Unreachable))
    }
}

/// What a client is told of the attempts: how many, and why those that failed did.
pub fn tale(attempts: &[Tried]) -> impl Iterator<Item = (&'static str, String)> {
    let failed = |tried: &Tried| Some(format!("{}: {}", tried.target.name, tried.failure.as_ref()?.reason));
    let failures: Vec<String> = attempts.iter().filter_map(failed).collect();
    let failures = (!failures.is_empty()).then(|| ("x-sluice-failures", failures.join(", ")));
    std::iter::once(("x-sluice-attempts", attempts.len().to_string())).chain(failures)
}
