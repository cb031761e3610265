//! What Anthropic's models want, whoever hosts them and in whichever format they are asked: how hard to think, which needs
//! room below the most tokens and excludes other wishes, and the parameters of chance beside it.
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

use super::effort;
use super::hints::Dropped;
use crate::conversation::{Reasoning, Request, ToolChoice};
use crate::error::ApiError;

/// Anthropic requires `max_tokens`; this is what a request without one gets, and what is left for an answer beside thinking.
pub const DEFAULT_MAX_TOKENS: u64 = 4096;

/// Anthropic takes no smaller budget.
const LEAST_BUDGET: u64 = 1024;

/// Anthropic's `thinking`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(tag = "type", rename_all = "lowercase")]
pub enum Thinking {
    /// With at most so many tokens.
    Enabled {
        /// The tokens.
        budget_tokens: u64,
    },
    /// Not at all.
    Disabled,
    /// As the model sees fit.
    Adaptive,
}

/// What was decided about thinking and room.
#[derive(Debug, PartialEq)]
pub struct Plan {
    /// The parameter, if it is to stand in the request.
    pub thinking: Option<Thinking>,
    /// The most tokens to produce; `None` when nobody wants a limit.
    pub max_tokens: Option<u64>,
    /// The wish could not be met, or not in full: its name.
    pub dropped: Option<&'static str>,
}

impl Plan {
    /// Decides; `can_think` is whether thinking can go on from where the conversation stands. The only error is an effort
    /// that has no meaning.
    pub fn of(request: &Request, can_think: bool) -> Result<Self, ApiError> {
        let plain = |thinking, dropped| Self { thinking, max_tokens: request.max_tokens, dropped };
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
        if budget < LEAST_BUDGET || forced || !can_think {
            return Ok(plain(None, Some(name)));
        }
        let altered = matches!(wish, Reasoning::Budget(_)) && budget != asked;
        Ok(Self {
            thinking: Some(Thinking::Enabled { budget_tokens: budget }),
            max_tokens: Some(request.max_tokens.unwrap_or(budget.saturating_add(DEFAULT_MAX_TOKENS))),
            dropped: altered.then_some(name),
        })
    }

    /// Whether sampling must be left at its defaults.
    pub fn thinks(&self) -> bool {
        matches!(self.thinking, Some(Thinking::Enabled { .. } | Thinking::Adaptive))
    }
}

/// The parameters of chance that stay.
pub struct Sampling {
    /// 0 to 1.
    pub temperature: Option<f64>,
    /// Nucleus sampling.
    pub top_p: Option<f64>,
    /// Sampling from the k likeliest.
    pub top_k: Option<u64>,
}

impl Sampling {
    /// What stays beside `plan`; the scale of the temperature ends at 1.
    pub fn of(request: &Request, plan: &Plan, dropped: &mut Dropped) -> Self {
        let (mut temperature, mut top_p, mut top_k) = (request.temperature, request.top_p, request.top_k);
        if temperature.is_some_and(|temperature| temperature > 1.0) {
            temperature = Some(1.0);
            dropped.name("temperature");
        }
        if plan.thinks() {
            temperature = dropped.unless("temperature", temperature, |temperature| *temperature == 1.0);
            top_p = dropped.unless("top_p", top_p, |top_p| *top_p >= 0.95);
            top_k = dropped.unless("top_k", top_k, |_| false);
        }
        if temperature.is_some() {
            top_p = top_p.filter(|top_p| *top_p != 1.0);
        }
        Self { temperature, top_p, top_k }
    }
}

/// Anthropic's `tool_choice`.
#[derive(Debug, Serialize)]
pub struct Choice<'a> {
    /// `auto`, `any`, `none`, or `tool` with a name.
    pub r#type: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    /// The function that must be called.
    pub name: Option<&'a str>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    /// Whether there may be one call only.
    pub disable_parallel_tool_use: bool,
}

/// `tool_choice`, which also says whether several calls may come at once.
pub fn choice(request: &Request) -> Result<Option<Choice<'_>>, ApiError> {
    let (r#type, name) = match &request.tool_choice {
        Some(ToolChoice::Required | ToolChoice::Named(_)) if request.tools.is_empty() => {
            return Err(ApiError::invalid("tool_choice", "'tool_choice' requires a call, and there are no 'tools'."));
        }
        _ if request.tools.is_empty() => return Ok(None),
        None if request.parallel_tool_calls == Some(false) => ("auto", None),
        None => return Ok(None),
        Some(ToolChoice::Auto) => ("auto", None),
        Some(ToolChoice::None) => ("none", None),
        Some(ToolChoice::Required) => ("any", None),
        Some(ToolChoice::Named(name)) => ("tool", Some(name.as_str())),
    };
    let disable_parallel_tool_use = request.parallel_tool_calls == Some(false) && r#type != "none";
    Ok(Some(Choice { r#type, name, disable_parallel_tool_use }))
}
