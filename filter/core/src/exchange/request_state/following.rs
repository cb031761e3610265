//! Who follows an attempt that failed: targets that cannot take the request, or that it cannot afford, are passed over, and the list goes
//! on behind them.
//!
//! It is decided when an attempt is over, so that most requests pay nothing for it: what is written for the next target is what
//! leaves, and what is reserved for it is what it takes. The body for the next target is written from the request that was parsed for the first.
//!
//! A request that is not kept ([`Kept`]: it is long, or something in it was masked) is written only when its turn has come, and then a
//! target without words for it ends the list.

use std::rc::Rc;

use sluice_wire::time::Time;

use crate::routing::target::Target;
use crate::store::SharedData;

use super::super::echo::Kept;
use super::super::notes;
use super::super::rewrite::{self, Source};
use super::{RequestState, Stage};

/// The words of the log.
pub const CANNOT_EXPRESS: &str = "cannot_express";
/// Likewise.
pub const OVER_LIMIT: &str = "over_limit";

/// A target that was not asked when its turn came.
#[derive(Debug)]
pub struct PassedOver {
    /// Which.
    pub target: Rc<Target>,
    /// Why.
    pub reason: &'static str,
    /// Behind so many attempts.
    pub after: usize,
}

/// How an attempt ended that gave no answer, as far as Envoy says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// It had a new connection, and lost it, or its time was over.
    Lost,
    /// The same of a connection that was there when it began: it had served before.
    Forgotten,
    /// No connection, or an answer that broke off before any of it was seen.
    Failed,
    /// By nobody's failure, or with an answer.
    Other,
}

impl RequestState {
    /// Whether the target that the queue names next takes the request; it is passed over if not.
    pub(super) fn admits_next(&mut self, now: Time, shared: &dyn SharedData) -> bool {
        let Some(target) = self.route.queue.next().cloned() else { return false };
        let Err(reason) = self.writes_for(&target, now, shared) else { return true };
        notes::passed_over(self.request.request_id(), &target, reason);
        self.progress.passed_over.push(PassedOver { target, reason, after: self.progress.attempts.len() });
        self.route.queue.pass_over();
        false
    }

    /// Whether this attempt is under way, and no callback has told how it ended.
    pub fn is_unheard(&self, number: usize) -> bool {
        let failed = self.progress.attempts.last().is_none_or(|tried| tried.failure.is_some());
        self.progress.attempts.len() == number && self.progress.stage == Stage::Underway && !failed
    }

    /// The attempt under way is over without a callback that told of it. Whether another target follows than it seemed when it began.
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

    /// Writes the request for a target, where it has to be written, and reserves what it takes there.
    fn writes_for(&mut self, target: &Rc<Target>, now: Time, shared: &dyn SharedData) -> Result<(), &'static str> {
        let format = target.provider.format_for(self.request.asks.client, &target.model).ok_or(CANNOT_EXPRESS)?;
        let (client, peek) = (self.request.asks.client, &self.request.asks.peek);
        let written = match &self.held.body {
            // What was masked must not leave.
            Kept::Whole(body)
                if self.request.masked.is_empty()
                    && body.len() == peek.length
                    && rewrite::is_needed(client, format, peek, target) =>
            {
                let largest = self.worker.gateway.memory.rewritten;
                let (headers, snapshot) = (&self.request.forwarded, &mut self.held.snapshot);
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
