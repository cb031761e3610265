//! Guardrails: checks that prompts and responses do not contain forbidden texts, and that responses have the requested format.
//!
//! [`prompt`] checks a request before anything else processes it. [`answer`] checks a response before the client receives any of it. Both
//! work on complete texts and know no wire format: a prompt is all string literals of its JSON, a response what its dialect parses. A
//! checked text is never logged or reported, only the label of a match.

use std::rc::Rc;

use sluice_wire::error::{ApiError, ErrorKind};

use crate::guard::spec::{Action, GuardDelivery, MaskStyle, Side};
use crate::keys::caller::Caller;
use crate::matching::Match;
use crate::store::dimension::Dimension;

pub mod answer;
mod automaton;
pub mod channel;
mod detector;
#[cfg(test)]
pub(crate) mod each_string;
pub mod early;
mod escapes;
mod folded;
pub mod judge;
pub mod mask;
pub mod matcher;
mod media;
mod numbers;
pub mod prompt;
mod response_format;
pub mod response_texts;
pub mod schema;
pub mod spec;
pub mod steps;

use matcher::Matcher;

/// A compiled guardrail.
#[derive(Debug)]
pub struct Guard {
    /// The name in the gateway file.
    pub name: String,
    /// The requests it applies to. It cannot select by provider: prompts are checked before routing.
    pub matches: Match,
    /// The texts it checks.
    pub sides: Vec<Side>,
    /// The action for a match.
    pub action: Action,
    /// How it delivers streams.
    pub delivery: GuardDelivery,
    /// The placeholders of masked texts.
    pub style: MaskStyle,
    /// Whether the client gets the masked texts of its prompt back where the response has their placeholders.
    pub restore: bool,
    /// The matcher.
    pub matcher: Matcher,
    /// A hash of its configuration. A changed guardrail with the same name has another digest.
    pub digest: [u8; 32],
}

/// The guardrails that check this side of a caller's requests for a model.
pub fn concerning(guards: &[Rc<Guard>], side: Side, caller: &Caller, model: &str) -> Vec<Rc<Guard>> {
    let concerns = |guard: &&Rc<Guard>| guard.sides.contains(&side) && is_about(&guard.matches, caller, model);
    guards.iter().filter(concerns).cloned().collect()
}

/// Whether a guardrail applies to a caller's requests for a model.
fn is_about(matches: &Match, caller: &Caller, model: &str) -> bool {
    matches.is_about(&caller.key_id, &caller.team, caller.app.as_deref())
        && matches.allows(Dimension::Model, Some(model))
}

/// The label of a text whose judge failed.
pub const UNJUDGED: &str = "not judged";

/// A guardrail's match.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The guardrail's name.
    pub guard: String,
    /// The name of a detector or pattern, `words`, a judge's word, or [`UNJUDGED`].
    pub label: String,
    /// The side of the checked text.
    pub side: Side,
    /// The action taken.
    pub action: Action,
}

impl Finding {
    fn of(guard: &Guard, label: &str, side: Side) -> Self {
        Self { guard: guard.name.clone(), label: label.to_owned(), side, action: guard.action }
    }

    /// A match in a response that blocks it, although it should perhaps be masked.
    fn blocking(guard: &Guard, label: &str) -> Self {
        Self { action: Action::Block, ..Self::of(guard, label, Side::Answers) }
    }

    /// `check_structured_output` passed a response that it could not check completely.
    fn unchecked() -> Self {
        let (guard, label) = ("check_structured_output".to_owned(), "unchecked".to_owned());
        Self { guard, label, side: Side::Answers, action: Action::Log }
    }

    /// The error that the client receives for a blocked text.
    pub fn error(&self) -> ApiError {
        let Self { guard, label, .. } = self;
        if label == UNJUDGED {
            let text = if self.side == Side::Prompts { "request" } else { "model's answer" };
            let message = format!("The guardrail `{guard}` could not check the {text}. Try again in a moment.");
            return ApiError::new(503, ErrorKind::Server, message).with_code("guardrail_unavailable");
        }
        let message = match self.side {
            Side::Prompts => format!(
                "The request was blocked by the guardrail `{guard}` because it contains `{label}`. Remove the match \
                 and try again."
            ),
            Side::Answers => {
                format!("The model's answer was blocked by the guardrail `{guard}` because it contains `{label}`.")
            }
        };
        ApiError::new(400, ErrorKind::ContentPolicy, message).with_code("guardrail_blocked")
    }
}

/// For the log and the header: `secrets: api_key (prompts, block)`.
impl std::fmt::Display for Finding {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {} ({}, {})", self.guard, self.label, self.side.name(), self.action.name())
    }
}

/// Adds a guardrail's match unless it was added before.
fn note(findings: &mut Vec<Finding>, guard: &Guard, label: &str, side: Side) {
    if !findings.iter().any(|finding| finding.guard == guard.name && finding.label == label) {
        findings.push(Finding::of(guard, label, side));
    }
}
