//! Guardrails: what prompts and answers must not have in them, and what answers must be.
//!
//! [`prompt`] looks at a request before anything else is done with it, [`answer`] at an answer of which nobody has seen anything.
//! Both work on whole texts, and know no wire format: a prompt is the string literals of its JSON, whatever they stand for, and
//! an answer what its dialect reads. No text that was looked at is ever told to anybody: only what was found in it.

use std::rc::Rc;

use sluice_wire::error::{ApiError, ErrorKind};

use crate::guard::spec::{Action, Side};
use crate::keys::caller::Caller;
use crate::matching::Match;
use crate::store::dimension::Dimension;

pub mod answer;
mod asked;
mod automaton;
mod detector;
mod escapes;
mod folded;
pub mod matcher;
mod media;
mod numbers;
pub mod overheard;
#[cfg(test)]
pub(crate) mod places;
pub mod prompt;
pub mod schema;
pub mod spec;
pub mod steps;

use matcher::Matcher;

/// A guardrail, ready to be applied.
#[derive(Debug)]
pub struct Guard {
    /// Its name in the gateway file.
    pub name: String,
    /// Whose requests. It knows no provider: a prompt is looked at before one is chosen.
    pub matches: Match,
    /// Which texts it looks at.
    pub sides: Vec<Side>,
    /// What becomes of a text in which it finds something.
    pub action: Action,
    /// What it looks for.
    pub finder: Matcher,
    /// A hash of all that the gateway file says of it: of another one under the same name it is another.
    pub digest: [u8; 32],
}

/// The guardrails that look at this side of a caller's requests for a model.
pub fn concerning(guards: &[Rc<Guard>], side: Side, caller: &Caller, model: &str) -> Vec<Rc<Guard>> {
    let concerns = |guard: &&Rc<Guard>| {
        guard.sides.contains(&side)
            && guard.matches.is_about(&caller.key_id, &caller.team, caller.app.as_deref())
            && guard.matches.allows(Dimension::Model, Some(model))
    };
    guards.iter().filter(concerns).cloned().collect()
}

/// What a guardrail has found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The guardrail.
    pub guard: String,
    /// What it was: a detector's name, a pattern's, or `words`.
    pub label: String,
    /// The target.
    pub side: Side,
    /// What became of it.
    pub action: Action,
}

impl Finding {
    fn of(guard: &Guard, label: &str, side: Side) -> Self {
        Self { guard: guard.name.clone(), label: label.to_owned(), side, action: guard.action }
    }

    /// The check of structured output passed an answer that it could not hold against all of its schema.
    fn unchecked() -> Self {
        let (guard, label) = ("check_structured_output".to_owned(), "unchecked".to_owned());
        Self { guard, label, side: Side::Answers, action: Action::Log }
    }

    /// What the client reads of a text that was blocked.
    pub fn error(&self) -> ApiError {
        let Self { guard, label, .. } = self;
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
        let side = match self.side {
            Side::Prompts => "prompts",
            Side::Answers => "answers",
        };
        let action = match self.action {
            Action::Block => "block",
            Action::Mask => "mask",
            Action::Log => "log",
        };
        write!(f, "{}: {} ({side}, {action})", self.guard, self.label)
    }
}

/// Notes once what a guardrail has found.
fn note(findings: &mut Vec<Finding>, guard: &Guard, label: &str, side: Side) {
    if !findings.iter().any(|finding| finding.guard == guard.name && finding.label == label) {
        findings.push(Finding::of(guard, label, side));
    }
}
