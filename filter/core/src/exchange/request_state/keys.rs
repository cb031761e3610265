//! Which of a provider's keys each attempt is made with, and what becomes of one that the provider takes no more of.
//!
//! Keys take turns. One that is used up or refused is passed over by all workers until it is well again; the request that found
//! out is tried at once with another, each at most once, before any other target is looked at.

use std::rc::Rc;
use std::time::Duration;

use sluice_wire::error::ErrorKind;
use sluice_wire::time::Time;

use crate::routing::target::Target;
use crate::store::SharedData;

use super::super::failure::Failure;
use super::super::worker::{LONGEST_LIMIT, NO_MONEY};
use super::RequestState;

/// For how long a key is passed over whose provider does not say when its limit ends. Most are counted by the minute.
const LIMITED: Duration = Duration::from_secs(15);

impl RequestState {
    /// Chooses the key of the next attempt.
    pub(super) fn choose_key(&mut self, now: Time, shared: &dyn SharedData) {
        self.route.next_key = match self.route.queue.next() {
            Some(target) if target.keys.several() => {
                let first = self.worker.next_turn(target);
                target.keys.next(shared, now, first, |key| self.has_failed(target, key))
            }
            _ => 0,
        };
    }

    /// The key of the attempt that begins: the next turn is another's.
    pub(super) fn take_key(&mut self, target: &Target) -> usize {
        if target.keys.several() {
            self.worker.took_turn(target, self.route.next_key);
        }
        self.route.next_key
    }

    /// Whether the target of the attempt under way can be asked with a key that this request has not failed with.
    pub(super) fn another_key(&self, now: Time, shared: &dyn SharedData) -> bool {
        let Some(current) = self.progress.current().filter(|current| current.keys.several()) else { return false };
        let used = self.progress.attempts.last().map(|tried| tried.key);
        current.keys.another(shared, now, |key| Some(key) == used || self.has_failed(current, key))
    }

    /// Lets all workers know that the key of the attempt under way is used up, or refused.
    pub(super) fn blame_key(&self, failure: &Failure, now: Time, shared: &dyn SharedData) {
        let Some(tried) = self.progress.attempts.last().filter(|tried| tried.target.keys.several()) else { return };
        if !failure.blames_key() {
            return;
        }
        let (keys, asked) = (&tried.target.keys, failure.error.retry_after);
        match failure.error.kind {
            ErrorKind::RateLimit => keys.limited(shared, tried.key, now, asked.unwrap_or(LIMITED).min(LONGEST_LIMIT)),
            ErrorKind::InsufficientQuota => {
                keys.refused(shared, tried.key, now, asked.unwrap_or(NO_MONEY).min(LONGEST_LIMIT));
            }
            _ => keys.refused(shared, tried.key, now, tried.target.provider.key_rest),
        }
    }

    /// Whether this request has failed at a target because of one of its keys.
    fn has_failed(&self, target: &Rc<Target>, key: usize) -> bool {
        let because = |failure: &Option<Failure>| failure.as_ref().is_some_and(Failure::blames_key);
        self.progress
            .attempts
            .iter()
            .any(|tried| Rc::ptr_eq(&tried.target, target) && tried.key == key && because(&tried.failure))
    }
}
