//! Counts a request's events, for operators.

use std::rc::Rc;

use crate::guard::Finding;
use crate::guard::spec::Action;
use crate::routing::spec::Trigger;

use super::super::request_state::{RequestState, Stage};
use super::super::{Effect, metric};

/// Counts failed attempts, fallbacks and lower tiers.
pub(super) fn attempts(state: &RequestState, effects: &mut Vec<Effect>) {
    let triggers = state.progress.attempts.iter().filter_map(|attempt| attempt.failure.as_ref()?.trigger);
    effects.extend(triggers.map(|trigger| Effect::Count(failed(trigger))));
    if !matches!(state.progress.stage, Stage::Answering | Stage::Complete | Stage::Broken) {
        return;
    }
    let first = state.progress.attempts.first().map(|attempt| &attempt.target);
    if state.progress.current().zip(first).is_some_and(|(served, first)| !Rc::ptr_eq(served, first)) {
        effects.push(Effect::Count(metric::FALLBACK));
    }
    if state.lower_tier().is_some() {
        effects.push(Effect::Count(metric::LOWER_TIER));
    }
}

/// The counter of a failure's trigger.
fn failed(trigger: Trigger) -> &'static str {
    match trigger {
        Trigger::Unreachable => metric::FAILED_UNREACHABLE,
        Trigger::Timeout => metric::FAILED_TIMEOUT,
        Trigger::Stalled => metric::FAILED_STALLED,
        Trigger::Truncated => metric::FAILED_TRUNCATED,
        Trigger::RequestTimeout => metric::FAILED_REQUEST_TIMEOUT,
        Trigger::Conflict => metric::FAILED_CONFLICT,
        Trigger::RateLimited => metric::FAILED_RATE_LIMITED,
        Trigger::ServerError => metric::FAILED_SERVER_ERROR,
        Trigger::RefusedCredential => metric::FAILED_REFUSED_CREDENTIAL,
        Trigger::BadAnswer => metric::FAILED_BAD_ANSWER,
        Trigger::ErrorInAnswer => metric::FAILED_ERROR_IN_ANSWER,
        Trigger::EmptyAnswer => metric::FAILED_EMPTY_ANSWER,
        Trigger::ContextLength => metric::FAILED_CONTEXT_LENGTH,
        Trigger::ModelNotFound => metric::FAILED_MODEL_NOT_FOUND,
        Trigger::Guardrail => metric::FAILED_GUARDRAIL,
        Trigger::InvalidStructuredOutput => metric::FAILED_INVALID_STRUCTURED_OUTPUT,
    }
}

/// Counts guardrail findings.
pub(super) fn findings(findings: &[Finding], effects: &mut Vec<Effect>) {
    effects.extend(findings.iter().map(|finding| Effect::Count(found(finding.action))));
}

fn found(action: Action) -> &'static str {
    match action {
        Action::Block => metric::GUARD_BLOCKED,
        Action::Mask => metric::GUARD_MASKED,
        Action::Log => metric::GUARD_LOGGED,
    }
}
