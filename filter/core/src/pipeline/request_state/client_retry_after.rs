//! When a client may retry after all attempts failed: when the first of the tried targets accepts requests again, not the last.

use std::rc::Rc;
use std::time::Duration;

use sluice_wire::error::ApiError;
use sluice_wire::time::Time;

use super::super::failure::Failure;
use super::{AttemptState, RequestState};

/// The shortest wait, for one that has passed: zero is not allowed.
const AT_ONCE: Duration = Duration::from_millis(1);

impl RequestState {
    /// The client's error for the last failure.
    pub fn closing_error(&self, failure: &Failure, now: Time) -> ApiError {
        let mut error = (*failure.error).clone();
        if failure.is_limit() || error.retry_after.is_some() {
            let last_words = self
                .progress
                .attempts
                .iter()
                .enumerate()
                .filter(|(index, attempt)| self.is_last_word_of(*index, attempt));
            let soonest = last_words.filter_map(|(_, attempt)| back_in(attempt, now)).min();
            error.retry_after = soonest.or(error.retry_after);
        }
        error
    }

    /// Whether its target was not tried again with the same key.
    fn is_last_word_of(&self, index: usize, attempt: &AttemptState) -> bool {
        let same = |later: &AttemptState| Rc::ptr_eq(&later.target, &attempt.target) && later.key == attempt.key;
        !self.progress.attempts.iter().skip(index + 1).any(same)
    }
}

/// When its provider accepts requests again, if it has said so.
fn back_in(attempt: &AttemptState, now: Time) -> Option<Duration> {
    let asked = attempt.failure.as_ref()?.error.retry_after?;
    let passed = attempt.ended.map(|ended| now.since(ended)).unwrap_or_default();
    Some(asked.saturating_sub(passed).max(AT_ONCE.min(asked)))
}
