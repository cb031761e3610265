//! What of a request is counted, for operators.

use std::rc::Rc;

use crate::guard::Finding;
use crate::guard::spec::Action;
use crate::routing::spec::Trigger;

use super::super::journey::{Journey, Stage};
use super::super::{Effect, metric};

/// Every failed attempt is counted, and an answer from elsewhere than it was asked for first.
pub(super) fn attempts(journey: &Journey, effects: &mut Vec<Effect>) {
    let triggers = journey.progress.attempts.iter().filter_map(|tried| tried.failure.as_ref()?.trigger);
    effects.extend(triggers.map(|trigger| Effect::Count(failed(trigger))));
    if !matches!(journey.progress.stage, Stage::Answering | Stage::Complete | Stage::Broken) {
        return;
    }
    let first = journey.progress.attempts.first().map(|tried| &tried.target);
    if journey.progress.current().zip(first).is_some_and(|(served, first)| !Rc::ptr_eq(served, first)) {
        effects.push(Effect::Count(metric::FALLBACK));
    }
    if journey.lower_tier().is_some() {
        effects.push(Effect::Count(metric::LOWER_TIER));
    }
}

/// The counter of a kind of failure.
fn failed(trigger: Trigger) -> &'static str {
    match trigger {
        Trigger::Unreachable => "sluice.failed.unreachable",
        Trigger::Timeout => "sluice.failed.timeout",
        Trigger::Stalled => "sluice.failed.stalled",
        Trigger::Truncated => "sluice.failed.truncated",
        Trigger::RequestTimeout => "sluice.failed.request_timeout",
        Trigger::Conflict => "sluice.failed.conflict",
        Trigger::RateLimited => "sluice.failed.rate_limited",
        Trigger::ServerError => "sluice.failed.server_error",
        Trigger::RefusedCredential => "sluice.failed.refused_credential",
        Trigger::BadAnswer => "sluice.failed.bad_answer",
        Trigger::ErrorInAnswer => "sluice.failed.error_in_answer",
        Trigger::EmptyAnswer => "sluice.failed.empty_answer",
        Trigger::ContextLength => "sluice.failed.context_length",
        Trigger::ModelNotFound => "sluice.failed.model_not_found",
        Trigger::Guardrail => "sluice.failed.guardrail",
        Trigger::InvalidStructuredOutput => "sluice.failed.invalid_structured_output",
    }
}

/// What guardrails found.
pub(super) fn findings(findings: &[Finding], effects: &mut Vec<Effect>) {
    effects.extend(findings.iter().map(|finding| Effect::Count(found(finding.action))));
}

/// The counter of what became of a find.
fn found(action: Action) -> &'static str {
    match action {
        Action::Block => metric::GUARD_BLOCKED,
        Action::Mask => metric::GUARD_MASKED,
        Action::Log => metric::GUARD_LOGGED,
    }
}
