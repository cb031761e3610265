//! Chooses the target after a failed attempt: targets that cannot take the request, or whose limits it exceeds, are skipped.
//!
//! This happens when an attempt is over, so most requests pay nothing for it. The body and reservation for the next target are the ones
//! used in its attempt. The body is written from the request as parsed for the first target.
//!
//! A request that is not retained ([`RetainedBody`]: it is long, or parts of it were masked) is written only in the next attempt, and a
//! target that cannot express it then ends the queue.

use std::rc::Rc;

use sluice_wire::time::Time;

use crate::routing::target::Target;
use crate::store::SharedData;

use super::super::notes;
use super::super::redaction::RetainedBody;
use super::super::rewrite::{self, Source};
use super::{RequestState, Stage};

/// The logged reason of a target that cannot express the request.
pub const CANNOT_EXPRESS: &str = "cannot_express";
/// The logged reason of a target whose limits the request exceeds.
pub const OVER_LIMIT: &str = "over_limit";

/// A target that was skipped in its turn.
#[derive(Debug)]
pub struct SkippedTarget {
    /// The target.
    pub target: Rc<Target>,
    /// The logged reason.
    pub reason: &'static str,
    /// The number of attempts before it.
    pub after: usize,
}

/// How an attempt without a response ended, as far as Envoy reports it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// It lost a new connection, or timed out on it.
    Lost,
    /// The same with a pooled connection, which had served before.
    Forgotten,
    /// It had no connection, or the response broke off before the filter saw any of it.
    Failed,
    /// Without a failure, or with a response.
    Other,
}

impl RequestState {
    /// Whether the next queued target can take the request; skips it if not.
    pub(super) fn admits_next(&mut self, now: Time, shared: &dyn SharedData) -> bool {
        let Some(target) = self.route.queue.next().cloned() else { return false };
        let Err(reason) = self.writes_for(&target, now, shared) else { return true };
        notes::skipped(self.request.request_id(), &target, reason);
        self.progress.skipped_targets.push(SkippedTarget { target, reason, after: self.progress.attempts.len() });
        self.route.queue.skip_next();
        false
    }

    /// Whether this attempt is in flight without a callback on its end.
    pub fn is_unheard(&self, number: usize) -> bool {
        let failed = self.progress.attempts.last().is_none_or(|attempt| attempt.failure.is_some());
        let over = failed || self.progress.shut_down;
        self.progress.attempts.len() == number && self.progress.stage == Stage::Underway && !over
    }

    /// The attempt ended without a callback. Returns whether the next target differs from the one announced at its beginning.
    pub fn ends_unheard(&mut self, ending: Ending, now: Time, shared: &dyn SharedData) -> bool {
        if ending == Ending::Other {
            return false;
        }
        let pooled = ending == Ending::Forgotten;
        if (pooled || ending == Ending::Lost) && self.loses_connection(pooled, now, shared) {
            return true;
        }
        if !self.another_waits() {
            return false;
        }
        let planned = self.route.queue.next().cloned();
        while !self.admits_next(now, shared) {
            if !self.route.queue.elsewhere(|_| true) {
                break;
            }
        }
        self.choose_key(now, shared);
        let same = |(next, planned)| Rc::ptr_eq(next, planned);
        !self.route.queue.next().zip(planned.as_ref()).is_some_and(same)
    }

    /// Writes the request for a target, if needed, and reserves its debits there.
    fn writes_for(&mut self, target: &Rc<Target>, now: Time, shared: &dyn SharedData) -> Result<(), &'static str> {
        let format = target.provider.format_for(self.request.scanned.client, &target.model).ok_or(CANNOT_EXPRESS)?;
        let (client, peek) = (self.request.scanned.client, &self.request.scanned.peek);
        let written = match &self.memory.body {
            // The retained body is the original, but masked content must not be forwarded.
            RetainedBody::Whole(body)
                if self.request.masked.is_empty()
                    && body.len() == peek.length
                    && rewrite::is_needed(client, format, peek, target) =>
            {
                let largest = self.worker.config.memory.rewritten;
                let (headers, snapshot) = (&self.request.forwarded, &mut self.memory.snapshot);
                let source = Source { client, peek, headers, body, snapshot };
                Some(rewrite::request(source, format, target, largest).map_err(|_| CANNOT_EXPRESS)?)
            }
            _ => None,
        };
        let lease = self.request.lease();
        if !self.bill.billing.moves_to(target, lease, shared, now) {
            return Err(OVER_LIMIT);
        }
        self.route.ready = written;
        Ok(())
    }
}
