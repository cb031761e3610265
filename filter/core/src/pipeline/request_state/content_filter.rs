//! The results of the providers' own content filters, of each attempt.
//!
//! A provider may block a text and give no result: then the finish reason, or the error, is one of no known category.

use sluice_wire::content_filter::{FilterAction, FilterCategory, FilterResults, FilterSide};
use sluice_wire::error::ErrorKind;

use super::super::failure::{Failure, GUARDRAIL};
use super::{AttemptState, RequestState};

/// How Anthropic, and AWS for its models, report a blocked response as an error.
const OUTPUT_BLOCKED: &str = "Output blocked by content filtering policy";

impl RequestState {
    /// Adds results to the current attempt.
    pub fn add_filter_results(&mut self, results: FilterResults) {
        if let Some(attempt) = self.progress.attempts.last_mut() {
            attempt.filters |= results;
        }
    }

    /// The results of an attempt.
    #[inline(never)]
    pub fn filter_results(&self, attempt: &AttemptState) -> FilterResults {
        let mut results = attempt.filters;
        let is_last = self.progress.attempts.last().is_some_and(|last| std::ptr::eq(last, attempt));
        let blocked = match &attempt.failure {
            _ if results.intervened() => None,
            Some(failure) => blocked_side(failure),
            None => (is_last && self.answer.is_filtered()).then_some(FilterSide::Answer),
        };
        if let Some(side) = blocked {
            results |= FilterResults::of(side, FilterCategory::Other, FilterAction::Blocked);
        }
        results
    }
}

/// The side that a provider blocked with this error. A match of the gateway's own guardrail is no result.
fn blocked_side(failure: &Failure) -> Option<FilterSide> {
    if failure.error.kind != ErrorKind::ContentPolicy || failure.reason == GUARDRAIL {
        return None;
    }
    let of_prompt = failure.reason.starts_with("status_") && !failure.error.message.contains(OUTPUT_BLOCKED);
    Some(if of_prompt { FilterSide::Prompt } else { FilterSide::Answer })
}
