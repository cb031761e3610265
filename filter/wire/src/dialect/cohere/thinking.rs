//! Converts reasoning to Cohere's `thinking`; models that can reason do so unless it is `disabled`.
//!
//! An effort is a budget (see [`effort`]), at most half of `max_tokens`, which leaves room for the response; a budget in tokens stays below
//! `max_tokens`. If no token is left, the parameter is dropped and reported. Adaptive thinking is the default.

use serde::Serialize;

use crate::conversation::{Reasoning, Request};
use crate::dialect::effort;
use crate::dialect::fields::drop_hint;
use crate::error::ApiError;

/// Cohere's `thinking`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(tag = "type", rename_all = "lowercase")]
pub(super) enum Thinking {
    Enabled { token_budget: u64 },
    Disabled,
}

/// Converts the request's reasoning.
pub(super) fn of(request: &Request, dropped: &mut Vec<String>) -> Result<Option<Thinking>, ApiError> {
    let Some(wish) = &request.reasoning else { return Ok(None) };
    let (name, asked, most) = match wish {
        Reasoning::Adaptive => return Ok(None),
        Reasoning::Disabled => return Ok(Some(Thinking::Disabled)),
        Reasoning::Budget(budget) => ("thinking", *budget, request.max_tokens.map(|most| most.saturating_sub(1))),
        Reasoning::Effort(word) | Reasoning::Work(word) => match effort::budget(word)? {
            None => return Ok(Some(Thinking::Disabled)),
            Some(budget) => ("reasoning_effort", budget, request.max_tokens.map(|most| most / 2)),
        },
    };
    let token_budget = asked.min(most.unwrap_or(u64::MAX));
    if token_budget == 0 || (token_budget != asked && matches!(wish, Reasoning::Budget(_))) {
        drop_hint(dropped, name);
    }
    Ok((token_budget > 0).then_some(Thinking::Enabled { token_budget }))
}
