//! Writes a conversation as the body of `POST /v1/messages`.
//!
//! Parameters that Anthropic does not have in the same form:
//!
//! | parameter | policy |
//! |---|---|
//! | `max_tokens` absent | [`DEFAULT_MAX_TOKENS`](crate::dialect::claude::DEFAULT_MAX_TOKENS): Anthropic requires it |
//! | thinking, efforts, `temperature`, `top_p`, `top_k` | by the model's generation, see `claude` |
//! | blank stop texts | dropped and reported: Anthropic rejects them |
//! | numbers out of range | clamped and reported, or 400, see `bounds` |
//! | `seed` | dropped and reported |
//! | a schema for the response, and a strict function's | reduced to the keywords that Anthropic enforces, see `schema` |
//! | a schema for the response | `output_config.format`, which has no name, description or `strict` |
//! | any JSON object as the response | requested in `system`, and reported, as Anthropic does not enforce it |
//! | `service_tier` | `auto`, and `default` as `standard_only`; others dropped and reported |
//! | `parallel_tool_calls: false` | in `tool_choice`, `auto` if the client gave none; ignored without tools |

use std::borrow::Cow;

use serde::Serialize;

use crate::conversation::{Json, OutputFormat, Request, Tool};
use crate::dialect::WrittenRequest;
use crate::dialect::bounds::{self, Numbers};
use crate::dialect::claude::{self, Choice, DEFAULT_MAX_TOKENS, Plan, Sampling, Thinking, choice};
use crate::dialect::functions::Schema;
use crate::dialect::hints::{ANSWER_JSON, Dropped};
use crate::dialect::models::claude::Claude;
use crate::dialect::out;
use crate::dialect::schema;
use crate::dialect::turns;
use crate::error::ApiError;

use super::block::{Block, CacheControl, Content};
use super::turns::Turns;

/// The differences between Anthropic's bodies and those of the clouds that host its models.
#[derive(Debug, Clone, Copy)]
pub(super) struct Envelope<'a> {
    /// The model; `None` if the path names it.
    pub(super) model: Option<&'a str>,
    /// The version of the format; `None` if a header names it.
    pub(super) version: Option<&'static str>,
    /// Whether the body, and not only the path, says that the response is streamed.
    pub(super) stream: bool,
    /// Whether the body may ask for a service tier.
    pub(super) tiers: bool,
}

#[derive(Serialize)]
struct Body<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    anthropic_version: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    model: Option<&'a str>,
    max_tokens: u64,
    // Google's cache matches the body's bytes from the front, so the fields that stay the same from turn to turn come first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tools: Vec<ToolOut<'a>>,
    #[serde(skip_serializing_if = "Content::is_empty")]
    system: Content<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_choice: Option<Choice<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    stop_sequences: Vec<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    temperature: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    top_p: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    top_k: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    thinking: Option<Thinking>,
    #[serde(skip_serializing_if = "Option::is_none")]
    output_config: Option<OutputConfig<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    metadata: Option<Metadata<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    service_tier: Option<&'static str>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    stream: bool,
    messages: turns::Turns<Content<'a>>,
}

#[derive(Serialize)]
struct ToolOut<'a> {
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<&'a str>,
    input_schema: Schema<'a>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    strict: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    cache_control: Option<CacheControl<'a>>,
}

#[derive(Serialize)]
struct OutputConfig<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    effort: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    format: Option<Format<'a>>,
}

#[derive(Serialize)]
#[serde(tag = "type", rename = "json_schema")]
struct Format<'a> {
    schema: Cow<'a, Json>,
}

#[derive(Serialize)]
struct Metadata<'a> {
    user_id: &'a str,
}

/// Writes `request` for `model` into `envelope`.
pub(super) fn write(request: &Request, model: &str, envelope: Envelope<'_>) -> Result<WrittenRequest, ApiError> {
    let mut dropped = Dropped::of(request);
    let numbers = Numbers::of(request, bounds::ANTHROPIC, &mut dropped.0)?;
    let model = Claude::of(model);
    let mut turns = Turns::of(&request.messages)?;
    claude::refuse(request, model, turns.turns.ends_with_answer())?;
    turns.dropped.iter().for_each(|name| dropped.name(name));
    let plan = Plan::of(request, model, turns.turns.can_think(), &mut dropped)?;

    let sampling = Sampling::of(&numbers, model, &plan, &mut dropped);
    let format = match &request.output {
        Some(OutputFormat::JsonSchema { schema, .. }) => {
            Some(Format { schema: schema::fitted(schema, &schema::ANTHROPIC, schema::ANSWER, &mut dropped.0) })
        }
        Some(OutputFormat::JsonObject) => {
            turns.system.0.push(Block::Text { text: ANSWER_JSON, cache_control: None });
            dropped.name("response_format");
            None
        }
        None => None,
    };
    if request.seed.is_some() {
        dropped.name("seed");
    }
    let body = Body {
        anthropic_version: envelope.version,
        model: envelope.model,
        max_tokens: plan.max_tokens.unwrap_or(DEFAULT_MAX_TOKENS),
        tools: request.tools.iter().map(|tool| self::tool(tool, &mut dropped)).collect(),
        tool_choice: choice(request)?,
        stop_sequences: dropped.stops(&request.stop),
        temperature: sampling.temperature,
        top_p: sampling.top_p,
        top_k: sampling.top_k,
        thinking: plan.thinking,
        output_config: (plan.effort.is_some() || format.is_some())
            .then_some(OutputConfig { effort: plan.effort, format }),
        metadata: request.user.as_deref().map(|user_id| Metadata { user_id }),
        service_tier: tier(request, envelope, &mut dropped),
        stream: request.stream && envelope.stream,
        system: turns.system,
        messages: turns.turns,
    };
    Ok(WrittenRequest { body: out::body(&body), dropped: dropped.0 })
}

fn tier(request: &Request, envelope: Envelope<'_>, dropped: &mut Dropped) -> Option<&'static str> {
    match request.service_tier.as_deref()? {
        // `auto` is the default.
        "auto" if !envelope.tiers => None,
        "auto" => Some("auto"),
        "default" if envelope.tiers => Some("standard_only"),
        _ => {
            dropped.name("service_tier");
            None
        }
    }
}

fn tool<'a>(tool: &'a Tool, dropped: &mut Dropped) -> ToolOut<'a> {
    ToolOut {
        name: &tool.name,
        description: tool.description.as_deref(),
        input_schema: Schema::of(schema::anthropics(tool, &mut dropped.0)),
        strict: tool.strict == Some(true),
        cache_control: CacheControl::of(&tool.cache),
    }
}
