//! What Anthropic's models want, whoever hosts them and in whichever format they are asked: how hard to think, which excludes
//! other wishes, and the parameters of chance. What each generation takes stands in [`models`](super::models::claude).
//!
//! | effort | `output_config.effort`, beside adaptive thinking | `budget_tokens`, for models without it |
//! |---|---|---|
//! | `none` | thinking `disabled` | the same |
//! | `minimal` | `low` | 1024, the least that Anthropic takes |
//! | `low` | `low` | 2048 |
//! | `medium` | `medium` | 8192 |
//! | `high` | `high` | 16384 |
//! | `xhigh` | `xhigh`; for 4.6 `high` | 24576 |
//! | `max` | `max` | 24576 |
//!
//! A budget in tokens, where the model takes none, is the effort `low` up to 4,096, `medium` up to 16,384, and beyond `high`.
//! An effort of Anthropic's clients that says nothing of thinking goes where the model knows efforts, and is left out elsewhere.
//! What is changed or left out is named.
//!
//! Without a `max_tokens` of the client's the answer gets [`DEFAULT_MAX_TOKENS`] beyond what thinking may take. With one, an
//! effort takes as a budget at most half of it, so that an answer can follow; a budget in tokens takes at most all but one of
//! them. Where that is less than 1024, thinking is left out and named.

use serde::Serialize;

use crate::conversation::{Reasoning, Request, ToolChoice};
use crate::error::ApiError;

use super::bounds::Numbers;
use super::effort;
use super::hints::Dropped;
use super::models::claude::{Calls, Chance, Claude, Thinks};

/// Anthropic requires `max_tokens`; this is what a request without one gets, and what is left for an answer beside thinking.
pub const DEFAULT_MAX_TOKENS: u64 = 4096;

/// Anthropic takes no smaller budget.
const LEAST_BUDGET: u64 = 1024;

/// How hard a model thinks that thinks as it sees fit and is told nothing.
const DEFAULT_EFFORT: &str = "high";

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
#[derive(Debug, Default, PartialEq)]
pub struct Plan {
    /// The parameter, if it is to stand in the request.
    pub thinking: Option<Thinking>,
    /// How much work the answer is worth, if it is to stand in the request.
    pub effort: Option<&'static str>,
    /// The most tokens to produce; `None` when nobody wants a limit.
    pub max_tokens: Option<u64>,
    /// The wish could not be met, or not in full: its name.
    dropped: Option<&'static str>,
}

/// What decides how a model can be asked to think.
struct Situation<'a> {
    model: &'static Claude,
    request: &'a Request,
    /// Whether a call is required.
    forced: bool,
    /// Whether a budget of thinking can go on from where the conversation stands.
    can_think: bool,
}

impl Plan {
    /// For a model that cannot be told to think.
    pub fn without(request: &Request) -> Self {
        Self { max_tokens: request.max_tokens, ..Self::default() }
    }

    /// Decides for `model`; `can_think` is whether a budget of thinking can go on from where the conversation stands. The only
    /// error is an effort that has no meaning.
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

    /// Whether sampling must be left at its defaults.
    pub fn thinks(&self) -> bool {
        matches!(self.thinking, Some(Thinking::Enabled { .. } | Thinking::Adaptive))
    }
}

impl Situation<'_> {
    fn plain(&self, dropped: Option<&'static str>) -> Plan {
        Plan { max_tokens: self.request.max_tokens, dropped, ..Plan::default() }
    }

    /// No thinking, where that can be had.
    fn off(&self, name: &'static str) -> Plan {
        match self.model {
            Claude { thinks: Thinks::Never, .. } => self.plain(None),
            Claude { can_be_off: false, .. } => self.plain(Some(name)),
            _ => Plan { thinking: Some(Thinking::Disabled), ..self.plain(None) },
        }
    }

    /// An effort in OpenAI's words, which is a wish for thinking.
    fn effort(&self, word: &str) -> Result<Plan, ApiError> {
        let name = "reasoning_effort";
        let Some(tokens) = effort::budget(word)? else { return Ok(self.off(name)) };
        let known = effort::nearest(word, self.model.efforts)?;
        match known {
            Some(known) if self.model.adapts() => self.adaptive(name, Some(known), known != word),
            _ => self.budget(name, tokens, false),
        }
    }

    /// An effort in Anthropic's words, which says nothing of thinking.
    fn work(&self, word: &str) -> Result<Plan, ApiError> {
        let known = effort::nearest(word, self.model.efforts)?;
        let dropped = (known != Some(word)).then_some("reasoning_effort");
        let plan = if self.model.by_itself { self.room(None, known.unwrap_or(word))? } else { self.plain(None) };
        Ok(Plan { effort: known, dropped, ..plan })
    }

    /// Thinking as the model sees fit, with an effort; `altered` if that is not what was wished for.
    fn adaptive(&self, name: &'static str, effort: Option<&'static str>, altered: bool) -> Result<Plan, ApiError> {
        let excluded = self.forced && self.model.calls == Calls::WithoutThinking;
        let thinking = (!excluded).then_some(Thinking::Adaptive);
        let plan = match thinking {
            Some(_) => self.room(thinking, effort.unwrap_or(DEFAULT_EFFORT))?,
            None => self.plain(None),
        };
        Ok(Plan { effort, dropped: (excluded || altered).then_some(name), ..plan })
    }

    /// Thinking with room for it, where the client sets no limit.
    fn room(&self, thinking: Option<Thinking>, effort: &str) -> Result<Plan, ApiError> {
        let room = effort::budget(effort)?.unwrap_or_default().saturating_add(DEFAULT_MAX_TOKENS);
        Ok(Plan { thinking, max_tokens: Some(self.request.max_tokens.unwrap_or(room)), ..Plan::default() })
    }

    /// Thinking with at most so many tokens; `altered` if that is not what was wished for.
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
    /// What stays of `numbers` beside `plan`.
    pub fn of(numbers: &Numbers, model: &Claude, plan: &Plan, dropped: &mut Dropped) -> Self {
        let Numbers { mut temperature, mut top_p, mut top_k, .. } = *numbers;
        if plan.thinks() || model.chance == Chance::Defaults {
            temperature = dropped.unless("temperature", temperature, |temperature| *temperature == 1.0);
            top_p = dropped.unless("top_p", top_p, |top_p| *top_p >= LEAST_TOP_P);
            top_k = dropped.unless("top_k", top_k, |_| false);
        }
        if model.chance == Chance::Defaults {
            // What they would be without a word.
            return Self { temperature: None, top_p: None, top_k: None };
        }
        if temperature.is_some() {
            top_p = top_p.filter(|top_p| *top_p != 1.0);
            top_p = dropped.unless("top_p", top_p, |_| model.chance != Chance::OneOfTwo);
        }
        Self { temperature, top_p, top_k }
    }
}

/// Beside thinking Anthropic takes no smaller `top_p`.
const LEAST_TOP_P: f64 = 0.95;

/// Refuses what would change the answer and this model does not take: a required call, or the beginning of its own answer.
pub fn refuse(request: &Request, model: &Claude, ends_with_answer: bool) -> Result<(), ApiError> {
    let forced = matches!(request.tool_choice, Some(ToolChoice::Required | ToolChoice::Named(_)));
    if forced && model.calls == Calls::Never {
        let message = "The model that serves this request does not support forced tool calls. Set 'tool_choice' to \
                       auto or none.";
        return Err(ApiError::unsupported("tool_choice", message));
    }
    if ends_with_answer && !model.prefill {
        let message = "The model that serves this request cannot continue an assistant message. The last message must \
                       have the role 'user'.";
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
    /// Whether there may be one call only.
    pub disable_parallel_tool_use: bool,
}

/// `tool_choice`, which also says whether several calls may come at once.
pub fn choice(request: &Request) -> Result<Option<Choice<'_>>, ApiError> {
    let (r#type, name) = match &request.tool_choice {
        Some(ToolChoice::Required | ToolChoice::Named(_)) if request.tools.is_empty() => {
            return Err(ApiError::invalid(
                "tool_choice",
                "'tool_choice' requires a tool call, but the request has no 'tools'. Add 'tools', or remove \
                 'tool_choice'.",
            ));
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
