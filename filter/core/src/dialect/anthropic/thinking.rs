//! How hard to think: from the conversation's wish to Anthropic's `thinking`, which needs room below `max_tokens` and
//! excludes other wishes.
//!
//! | effort | `budget_tokens` |
//! |---|---|
//! | `none` | thinking `disabled` |
//! | `minimal` | 1024, the least that Anthropic takes |
//! | `low` | 2048 |
//! | `medium` | 8192 |
//! | `high` | 16384 |
//! | `xhigh` | 24576 |
//!
//! Without a `max_tokens` of the client's the answer gets [`DEFAULT_MAX_TOKENS`] beyond the budget. With one, an effort
//! takes at most half of it, so that an answer can follow; a budget in tokens takes at most all but one of them. Where that is
//! less than 1024, thinking is left out and named.

use serde::Serialize;

use super::turns::Turns;
use crate::conversation::{Reasoning, Request, ToolChoice};
use crate::dialect::effort;
use crate::error::ApiError;

/// Anthropic requires `max_tokens`; this is what a request without one gets.
pub(super) const DEFAULT_MAX_TOKENS: u64 = 4096;

/// Anthropic takes no smaller budget.
const LEAST_BUDGET: u64 = 1024;

/// Anthropic's `thinking`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(tag = "type", rename_all = "lowercase")]
pub(super) enum Thinking {
    Enabled { budget_tokens: u64 },
    Disabled,
    Adaptive,
}

/// What was decided about thinking and room.
#[derive(Debug, PartialEq)]
pub(super) struct Plan {
    pub(super) thinking: Option<Thinking>,
    pub(super) max_tokens: u64,
    /// The wish could not be met, or not in full: its name.
    pub(super) dropped: Option<&'static str>,
}

impl Plan {
    /// Decides. The only error is an effort that has no meaning.
    pub(super) fn of(request: &Request, turns: &Turns<'_>) -> Result<Self, ApiError> {
        let max_tokens = request.max_tokens.unwrap_or(DEFAULT_MAX_TOKENS);
        let plain = |thinking, dropped| Self { thinking, max_tokens, dropped };
        let Some(wish) = &request.reasoning else { return Ok(plain(None, None)) };
        let forced = matches!(request.tool_choice, Some(ToolChoice::Required | ToolChoice::Named(_)));
        let (name, asked, most) = match wish {
            Reasoning::Disabled => return Ok(plain(Some(Thinking::Disabled), None)),
            Reasoning::Adaptive if forced => return Ok(plain(None, Some("thinking"))),
            Reasoning::Adaptive => return Ok(plain(Some(Thinking::Adaptive), None)),
            Reasoning::Budget(budget) => ("thinking", *budget, request.max_tokens.map(|most| most.saturating_sub(1))),
            Reasoning::Effort(effort) => match effort::budget(effort)? {
                None => return Ok(plain(Some(Thinking::Disabled), None)),
                Some(budget) => ("reasoning_effort", budget, request.max_tokens.map(|most| most / 2)),
            },
        };
        let budget = asked.max(LEAST_BUDGET).min(most.unwrap_or(u64::MAX));
        if budget < LEAST_BUDGET || forced || !turns.can_think() {
            return Ok(plain(None, Some(name)));
        }
        let altered = matches!(wish, Reasoning::Budget(_)) && budget != asked;
        Ok(Self {
            thinking: Some(Thinking::Enabled { budget_tokens: budget }),
            max_tokens: request.max_tokens.unwrap_or(budget.saturating_add(DEFAULT_MAX_TOKENS)),
            dropped: altered.then_some(name),
        })
    }

    /// Whether sampling must be left at its defaults.
    pub(super) fn thinks(&self) -> bool {
        matches!(self.thinking, Some(Thinking::Enabled { .. } | Thinking::Adaptive))
    }
}
