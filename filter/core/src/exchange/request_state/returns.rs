//! When a client may come back whose request nobody has served: when the first of the targets that were asked takes requests again,
//! not when the last one does.

use std::rc::Rc;
use std::time::Duration;

use sluice_wire::error::ApiError;
use sluice_wire::time::Time;

use super::super::failure::Failure;
use super::{RequestState, Tried};

/// What is over is told as the shortest time there is: it has to be one.
const AT_ONCE: Duration = Duration::from_millis(1);

impl RequestState {
    /// What the client reads of the failure that was the last.
    pub fn closing_error(&self, failure: &Failure, now: Time) -> ApiError {
        let mut error = (*failure.error).clone();
        if failure.is_limit() || error.retry_after.is_some() {
            let last_words =
                self.progress.attempts.iter().enumerate().filter(|(index, tried)| self.is_last_word_of(*index, tried));
            let soonest = last_words.filter_map(|(_, tried)| back_in(tried, now)).min();
            error.retry_after = soonest.or(error.retry_after);
        }
        error
    }

    /// Whether its target was not asked once more with the same key.
    fn is_last_word_of(&self, index: usize, tried: &Tried) -> bool {
        let same = |later: &Tried| Rc::ptr_eq(&later.target, &tried.target) && later.key == tried.key;
        !self.progress.attempts.iter().skip(index + 1).any(same)
    }
}

/// In which time its provider takes requests again, if it has said so.
fn back_in(tried: &Tried, now: Time) -> Option<Duration> {
    let asked = tried.failure.as_ref()?.error.retry_after?;
    let passed = tried.ended.map(|ended| now.since(ended)).unwrap_or_default();
    Some(asked.saturating_sub(passed).max(AT_ONCE.min(asked)))
}
