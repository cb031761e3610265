//! Chooses the provider key of each attempt, and shares keys' failures with all workers.
//!
//! Keys rotate, except for requests that stick to a target by their conversation: these have the same key each time, because the keys may be
//! those of several accounts, and each account has its own prompt cache. All workers skip a key that is used up or rejected until it recovers. The request that found out retries immediately with
//! the target's other keys, each at most once, before another target is tried.

use std::rc::Rc;
use std::time::Duration;

use sluice_wire::error::ErrorKind;
use sluice_wire::time::Time;

use crate::routing::target::Target;
use crate::store::SharedData;

use super::super::failure::Failure;
use super::super::worker::{LONGEST_LIMIT, NO_MONEY};
use super::RequestState;

/// How long a rate-limited key is skipped if the provider does not say when its limit resets. Most limits are per minute.
const LIMITED: Duration = Duration::from_secs(15);

impl RequestState {
    /// Chooses the next attempt's key.
    pub(super) fn choose_key(&mut self, now: Time, shared: &dyn SharedData) {
        self.route.next_key = match self.route.queue.next() {
            Some(target) if target.keys.several() => {
                let first = self.own_key().unwrap_or_else(|| self.worker.next_key(target));
                target.keys.next(shared, now, first, |key| self.has_failed(target, key))
            }
            _ => 0,
        };
    }

    /// A number that selects the conversation's key, if requests stick by their conversation.
    fn own_key(&self) -> Option<usize> {
        let conversation =
            self.request.scanned.conversation.filter(|_| self.route.model.policy.follows_conversations());
        // As many bits as fit in a number of every build.
        conversation.map(|conversation| usize::from((conversation.place() >> 48) as u16))
    }

    /// Takes the key of the attempt that begins and advances the rotation.
    pub(super) fn take_key(&mut self, target: &Target) -> usize {
        if target.keys.several() && self.own_key().is_none() {
            self.worker.advance_key(target, self.route.next_key);
        }
        self.route.next_key
    }

    /// Whether the current target has an available key that this request has not failed with.
    pub(super) fn another_key(&self, now: Time, shared: &dyn SharedData) -> bool {
        let Some(current) = self.progress.current().filter(|current| current.keys.several()) else { return false };
        let used = self.progress.attempts.last().map(|attempt| attempt.key);
        current.keys.another(shared, now, |key| Some(key) == used || self.has_failed(current, key))
    }

    /// Tells all workers that the current attempt's key is used up, or rejected.
    pub(super) fn blame_key(&self, failure: &Failure, now: Time, shared: &dyn SharedData) {
        let Some(attempt) = self.progress.attempts.last().filter(|attempt| attempt.target.keys.several()) else {
            return;
        };
        if !failure.blames_key() {
            return;
        }
        let (keys, asked) = (&attempt.target.keys, failure.error.retry_after);
        match failure.error.kind {
            ErrorKind::RateLimit => keys.limited(shared, attempt.key, now, asked.unwrap_or(LIMITED).min(LONGEST_LIMIT)),
            ErrorKind::InsufficientQuota => {
                keys.refused(shared, attempt.key, now, asked.unwrap_or(NO_MONEY).min(LONGEST_LIMIT));
            }
            _ => keys.refused(shared, attempt.key, now, attempt.target.provider.key_rest),
        }
    }

    /// Whether this request has failed at a target because of this key.
    fn has_failed(&self, target: &Rc<Target>, key: usize) -> bool {
        let because = |failure: &Option<Failure>| failure.as_ref().is_some_and(Failure::blames_key);
        self.progress
            .attempts
            .iter()
            .any(|attempt| Rc::ptr_eq(&attempt.target, target) && attempt.key == key && because(&attempt.failure))
    }
}
