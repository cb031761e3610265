//! Parameters of Anthropic's models, for any host and format: thinking, its conflicts with other parameters, and sampling.
//! [`models`](super::models::claude) has the parameters of each generation.
//!
//! | effort | `output_config.effort`, beside adaptive thinking | `budget_tokens`, for models without it |
//! |---|---|---|
//! | `none` | thinking `disabled` | the same |
//! | `minimal` | `low` | 1024, Anthropic's minimum |
//! | `low` | `low` | 2048 |
//! | `medium` | `medium` | 8192 |
//! | `high` | `high` | 16384 |
//! | `xhigh` | `xhigh`; for 4.6 `high` | 24576 |
//! | `max` | `max` | 24576 |
//!
//! A budget in tokens, for a model that takes none, is the effort `low` up to 4,096, `medium` up to 16,384, and `high` above. An effort
//! without `thinking`, from Anthropic's clients, is sent to models with efforts and dropped for others. Every change is reported.
//!
//! Without a `max_tokens` of the client's, the response gets [`DEFAULT_MAX_TOKENS`] beyond the tokens for thinking. With one, an effort
//! becomes a budget of at most half of it, which leaves room for the response; a budget in tokens is at most `max_tokens - 1`. If less than
//! 1024 remain, thinking is dropped and reported.

use serde::Serialize;

use crate::conversation::{Reasoning, Request, ToolChoice};
use crate::dialect::functions;
use crate::error::ApiError;

use super::bounds::Numbers;
use super::effort;
use super::hints::Dropped;
use super::models::claude::{Calls, Chance, Claude, Thinks};

/// The default for `max_tokens`, which Anthropic requires, and the room for a response beside thinking.
pub const DEFAULT_MAX_TOKENS: u64 = 4096;

/// The smallest budget that Anthropic takes.
const LEAST_BUDGET: u64 = 1024;

/// The effort of adaptive thinking by default.
const DEFAULT_EFFORT: &str = "high";

/// Anthropic's `thinking`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(tag = "type", rename_all = "lowercase")]
pub enum Thinking {
    /// With a budget in tokens.
    Enabled {
        /// The budget.
        budget_tokens: u64,
    },
    /// Without thinking.
    Disabled,
    /// The model decides how much to think.
    Adaptive,
}

/// The decision about thinking and token limits.
#[derive(Debug, Default, PartialEq)]
pub struct Plan {
    /// The parameter, if it is sent.
    pub thinking: Option<Thinking>,
    /// `output_config.effort`, if it is sent.
    pub effort: Option<&'static str>,
    /// The token limit; `None` for no limit.
    pub max_tokens: Option<u64>,
    /// The name of the parameter that was dropped or changed.
    dropped: Option<&'static str>,
}

/// The input to the decision.
struct Situation<'a> {
    model: &'static Claude,
    request: &'a Request,
    /// Whether the request requires a call.
    forced: bool,
    /// Whether thinking with a budget can continue this conversation.
    can_think: bool,
}

impl Plan {
    /// The plan for a model without parameters for thinking.
    pub fn without(request: &Request) -> Self {
        Self { max_tokens: request.max_tokens, ..Self::default() }
    }

    /// Decides for `model`; `can_think` says whether thinking with a budget can continue this conversation. The only error is an unknown
    /// effort.
    pub fn of(
        request: &Request,
        model: &'static Claude,
        can_think: bool,
        dropped: &mut Dropped,
    ) -> Result<Self, ApiError> {
        let plan = Self::within(request, model, can_think)?;
        plan.dropped.iter().for_each(|name| dropped.name(name));
        let max_tokens = plan.max_tokens.map(|most| most.min(model.most_tokens.unwrap_or(most)));
        if request.max_tokens.is_some() && max_tokens != plan.max_tokens {
            dropped.name("max_completion_tokens");
        }
        Ok(Self { max_tokens, ..plan })
    }

    fn within(request: &Request, model: &'static Claude, can_think: bool) -> Result<Self, ApiError> {
        let forced = matches!(request.tool_choice, Some(ToolChoice::Required | ToolChoice::Named(_)));
        let now = Situation { model, request, forced, can_think };
        match &request.reasoning {
            None if model.by_itself => now.room(None, DEFAULT_EFFORT),
            None => Ok(now.plain(None)),
            Some(Reasoning::Disabled) => Ok(now.off("thinking")),
            Some(Reasoning::Adaptive) if model.adapts() => now.adaptive("thinking", None, false),
            Some(Reasoning::Adaptive) => now.budget("thinking", effort::budget("medium")?.unwrap_or_default(), true),
            Some(Reasoning::Budget(_)) if model.thinks == Thinks::Never => Ok(now.plain(Some("thinking"))),
            Some(Reasoning::Budget(tokens)) if model.thinks == Thinks::Adaptive => {
                now.adaptive("thinking", Some(effort::of_budget(*tokens)), true)
            }
            Some(Reasoning::Budget(tokens)) => now.budget("thinking", *tokens, false),
            Some(Reasoning::Effort(word)) => now.effort(word),
            Some(Reasoning::Work(word)) => now.work(word),
        }
    }

    /// Whether it asks for thinking; sampling must keep its defaults then.
    pub fn thinks(&self) -> bool {
        matches!(self.thinking, Some(Thinking::Enabled { .. } | Thinking::Adaptive))
    }
}

impl Situation<'_> {
    fn plain(&self, dropped: Option<&'static str>) -> Plan {
        Plan { max_tokens: self.request.max_tokens, dropped, ..Plan::default() }
    }

    /// Disables thinking, if the model can do that.
    fn off(&self, name: &'static str) -> Plan {
        match self.model {
            Claude { thinks: Thinks::Never, .. } => self.plain(None),
            Claude { can_be_off: false, .. } => self.plain(Some(name)),
            _ => Plan { thinking: Some(Thinking::Disabled), ..self.plain(None) },
        }
    }

    /// Handles an effort of OpenAI's, which asks for thinking.
    fn effort(&self, word: &str) -> Result<Plan, ApiError> {
        let name = "reasoning_effort";
        let Some(tokens) = effort::budget(word)? else { return Ok(self.off(name)) };
        let known = effort::nearest(word, self.model.efforts)?;
        match known {
            Some(known) if self.model.adapts() => self.adaptive(name, Some(known), known != word),
            _ => self.budget(name, tokens, false),
        }
    }

    /// Handles an effort of Anthropic's, which does not ask for thinking.
    fn work(&self, word: &str) -> Result<Plan, ApiError> {
        let known = effort::nearest(word, self.model.efforts)?;
        let dropped = (known != Some(word)).then_some("reasoning_effort");
        let plan = if self.model.by_itself { self.room(None, known.unwrap_or(word))? } else { self.plain(None) };
        Ok(Plan { effort: known, dropped, ..plan })
    }

    /// Adaptive thinking with an effort; `altered` if the client asked for something else.
    fn adaptive(&self, name: &'static str, effort: Option<&'static str>, altered: bool) -> Result<Plan, ApiError> {
        let excluded = self.forced && self.model.calls == Calls::WithoutThinking;
        let thinking = (!excluded).then_some(Thinking::Adaptive);
        let plan = match thinking {
            Some(_) => self.room(thinking, effort.unwrap_or(DEFAULT_EFFORT))?,
            None => self.plain(None),
        };
        Ok(Plan { effort, dropped: (excluded || altered).then_some(name), ..plan })
    }

    /// Thinking, with a token limit that leaves room for it if the client sets none.
    fn room(&self, thinking: Option<Thinking>, effort: &str) -> Result<Plan, ApiError> {
        let room = effort::budget(effort)?.unwrap_or_default().saturating_add(DEFAULT_MAX_TOKENS);
        Ok(Plan { thinking, max_tokens: Some(self.request.max_tokens.unwrap_or(room)), ..Plan::default() })
    }

    /// Thinking with a budget; `altered` if the client asked for something else.
    fn budget(&self, name: &'static str, asked: u64, altered: bool) -> Result<Plan, ApiError> {
        let in_tokens = matches!(self.request.reasoning, Some(Reasoning::Budget(_)));
        let limit = self.request.max_tokens.map(|most| most.min(self.model.most_tokens.unwrap_or(most)));
        let most = limit.map(|most| if in_tokens { most.saturating_sub(1) } else { most / 2 });
        let budget = asked.max(LEAST_BUDGET).min(most.unwrap_or(u64::MAX));
        if budget < LEAST_BUDGET || self.forced || !self.can_think || self.model.thinks == Thinks::Never {
            return Ok(self.plain(Some(name)));
        }
        Ok(Plan {
            thinking: Some(Thinking::Enabled { budget_tokens: budget }),
            max_tokens: Some(self.request.max_tokens.unwrap_or(budget.saturating_add(DEFAULT_MAX_TOKENS))),
            dropped: (altered || (in_tokens && budget != asked)).then_some(name),
            ..Plan::default()
        })
    }
}

/// The sampling parameters to send.
pub struct Sampling {
    /// 0 to 1.
    pub temperature: Option<f64>,
    /// Nucleus sampling.
    pub top_p: Option<f64>,
    /// Sampling from the k likeliest tokens.
    pub top_k: Option<u64>,
}

impl Sampling {
    /// Filters the sampling parameters in `numbers` for `model` and `plan`.
    pub fn of(numbers: &Numbers, model: &Claude, plan: &Plan, dropped: &mut Dropped) -> Self {
        let Numbers { mut temperature, mut top_p, mut top_k, .. } = *numbers;
        if plan.thinks() || model.chance == Chance::Defaults {
            temperature = dropped.unless("temperature", temperature, |temperature| *temperature == 1.0);
            top_p = dropped.unless("top_p", top_p, |top_p| *top_p >= LEAST_TOP_P);
            top_k = dropped.unless("top_k", top_k, |_| false);
        }
        if model.chance == Chance::Defaults {
            // The remaining values are the defaults; a `top_p` of 0.95 or more counts as one.
            return Self { temperature: None, top_p: None, top_k: None };
        }
        if temperature.is_some() {
            top_p = top_p.filter(|top_p| *top_p != 1.0);
            top_p = dropped.unless("top_p", top_p, |_| model.chance != Chance::OneOfTwo);
        }
        Self { temperature, top_p, top_k }
    }
}

/// The smallest `top_p` that Anthropic takes beside thinking.
const LEAST_TOP_P: f64 = 0.95;

/// Rejects parameters that would change the response and that this model does not take: a required call, or a prefill.
pub fn refuse(request: &Request, model: &Claude, ends_with_answer: bool) -> Result<(), ApiError> {
    let forced = matches!(request.tool_choice, Some(ToolChoice::Required | ToolChoice::Named(_)));
    if forced && model.calls == Calls::Never {
        let message = "The model that serves this request does not support forced tool calls. Set 'tool_choice' to \
                       auto or none.";
        return Err(ApiError::unsupported("tool_choice", message));
    }
    if ends_with_answer && !model.prefill {
        let message = "The model that serves this request cannot continue an assistant message. The last message must \
                       not have the role 'assistant'.";
        return Err(ApiError::unsupported("messages", message));
    }
    Ok(())
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
    /// Whether the model may make only one call.
    pub disable_parallel_tool_use: bool,
}

/// Builds `tool_choice`, which also says whether parallel calls are allowed.
pub fn choice(request: &Request) -> Result<Option<Choice<'_>>, ApiError> {
    let (r#type, name) = match functions::choice(request)? {
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
