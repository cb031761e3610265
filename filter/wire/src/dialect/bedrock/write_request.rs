//! Writes a conversation as the body of `POST /model/{model}/converse`.
//!
//! Parameters that Converse does not have in the same form; for tools see `tools`, for files `media`:
//!
//! | parameter | policy |
//! |---|---|
//! | `top_k` | a parameter of Anthropic's and Amazon's own models; else dropped and reported |
//! | reasoning | Anthropic's `thinking`, by the rules of `claude`; dropped and reported for other models |
//! | numbers out of range | clamped and reported, or 400, see `bounds` |
//! | `seed`, `user` | dropped and reported |
//! | a schema for the response | `outputConfig.textFormat`, always enforced, reduced to the enforced keywords, see `schema`; models without it answer 400 |
//! | any JSON object as the response | requested in `system`, and reported, as AWS does not enforce it |
//! | `service_tier` | `priority`, `flex` and `reserved`; `auto` and `default` are the absence of the field; others dropped and reported |
//! | cache marks | `cachePoint` blocks for models that know them; else dropped and reported |

use serde::Serialize;

use crate::conversation::{OutputFormat, Reasoning, Request};
use crate::dialect::WrittenRequest;
use crate::dialect::bounds::{self, Numbers};
use crate::dialect::claude::{self, Choice, Plan, Sampling, Thinking};
use crate::dialect::hints::{ANSWER_JSON, Dropped};
use crate::dialect::models::claude::Claude;
use crate::dialect::out;
use crate::dialect::schema;
use crate::dialect::turns;
use crate::error::ApiError;

use super::answer::Typed;
use super::block::{Block, Content};
use super::model::Family;
use super::tools::{ToolConfig, Tools};
use super::turns::Turns;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Body<'a> {
    #[serde(skip_serializing_if = "Content::is_empty")]
    system: Content<'a>,
    messages: turns::Turns<Content<'a>>,
    #[serde(skip_serializing_if = "Inference::is_empty")]
    inference_config: Inference<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_config: Option<ToolConfig<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    output_config: Option<OutputConfig<'a>>,
    #[serde(skip_serializing_if = "Extras::is_empty")]
    additional_model_request_fields: Extras<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    service_tier: Option<Typed<&'a str>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Inference<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    max_tokens: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    temperature: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    top_p: Option<f64>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    stop_sequences: Vec<&'a str>,
}

impl Inference<'_> {
    fn is_empty(&self) -> bool {
        self.max_tokens.is_none()
            && self.temperature.is_none()
            && self.top_p.is_none()
            && self.stop_sequences.is_empty()
    }
}

/// Parameters of the model's own, which AWS forwards to it.
#[derive(Serialize, Default)]
struct Extras<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    top_k: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    thinking: Option<Thinking>,
    #[serde(skip_serializing_if = "Option::is_none")]
    output_config: Option<Effort>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_choice: Option<Choice<'a>>,
    #[serde(rename = "inferenceConfig", skip_serializing_if = "Option::is_none")]
    nova: Option<NovaConfig>,
}

/// Anthropic's `output_config`, for the part that Converse does not have.
#[derive(Serialize)]
struct Effort {
    effort: &'static str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct NovaConfig {
    top_k: u64,
}

impl Extras<'_> {
    fn is_empty(&self) -> bool {
        self.top_k.is_none()
            && self.thinking.is_none()
            && self.output_config.is_none()
            && self.tool_choice.is_none()
            && self.nova.is_none()
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct OutputConfig<'a> {
    text_format: TextFormat<'a>,
}

#[derive(Serialize)]
#[serde(tag = "type", rename = "json_schema")]
struct TextFormat<'a> {
    structure: Structure<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Structure<'a> {
    json_schema: JsonSchema<'a>,
}

#[derive(Serialize)]
struct JsonSchema<'a> {
    /// The schema, as a string of JSON.
    schema: String,
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<&'a str>,
}

/// Writes `request` for `model`.
pub(super) fn write(request: &Request, model: &str) -> Result<WrittenRequest, ApiError> {
    let family = Family::of(model);
    let bounds = if family == Family::Claude { bounds::BEDROCK_CLAUDE } else { bounds::BEDROCK };
    let mut dropped = Dropped::of(request);
    let numbers = Numbers::of(request, bounds, &mut dropped.0)?;
    let mut turns = Turns::of(&request.messages, family, dropped)?;
    let mut dropped = std::mem::replace(&mut turns.dropped, Dropped(Vec::new()));
    let claude = (family == Family::Claude).then(|| Claude::of(model));
    let plan = plan(request, &turns, claude, &mut dropped)?;
    for (name, given) in [("seed", request.seed.is_some()), ("user", request.user.is_some())] {
        if given {
            dropped.name(name);
        }
    }
    let sampling = Sampling::of(&numbers, claude.unwrap_or(Claude::unknown()), &plan, &mut dropped);
    let tools = Tools::of(request, &turns, family, &mut dropped)?;
    let output_config = output(request, &mut turns, &mut dropped);
    let top_k = dropped.unless("top_k", sampling.top_k, |_| family != Family::Other);
    let (top_k, nova) = match family {
        Family::Nova => (None, top_k.map(|top_k| NovaConfig { top_k })),
        _ => (top_k, None),
    };
    let body = Body {
        inference_config: Inference {
            max_tokens: plan.max_tokens,
            temperature: sampling.temperature,
            top_p: sampling.top_p,
            stop_sequences: dropped.stops(&request.stop),
        },
        tool_config: tools.config,
        output_config,
        additional_model_request_fields: Extras {
            top_k,
            thinking: plan.thinking,
            output_config: plan.effort.map(|effort| Effort { effort }),
            tool_choice: tools.choice,
            nova,
        },
        service_tier: tier(request, &mut dropped),
        system: turns.system,
        messages: turns.turns,
    };
    Ok(WrittenRequest { body: out::body(&body), dropped: dropped.0 })
}

/// Decides about thinking; only Anthropic's models have parameters for it.
fn plan(
    request: &Request,
    turns: &Turns<'_>,
    claude: Option<&'static Claude>,
    dropped: &mut Dropped,
) -> Result<Plan, ApiError> {
    if let Some(claude) = claude {
        claude::refuse(request, claude, turns.turns.ends_with_answer())?;
        return Plan::of(request, claude, turns.turns.can_think(), dropped);
    }
    match &request.reasoning {
        None => {}
        Some(Reasoning::Effort(_) | Reasoning::Work(_)) => dropped.name("reasoning_effort"),
        Some(Reasoning::Budget(_) | Reasoning::Disabled | Reasoning::Adaptive) => dropped.name("thinking"),
    }
    Ok(Plan::without(request))
}

fn output<'a>(request: &'a Request, turns: &mut Turns<'_>, dropped: &mut Dropped) -> Option<OutputConfig<'a>> {
    match request.output.as_ref()? {
        OutputFormat::JsonSchema { name, description, schema, .. } => {
            let schema = schema::fitted(schema, &schema::ANTHROPIC, schema::ANSWER, &mut dropped.0);
            let schema = schema.text().to_owned();
            let json_schema = JsonSchema { schema, name, description: description.as_deref() };
            Some(OutputConfig { text_format: TextFormat { structure: Structure { json_schema } } })
        }
        OutputFormat::JsonObject => {
            turns.system.0.push(Block::Text(ANSWER_JSON).into());
            dropped.name("response_format");
            None
        }
    }
}

fn tier<'a>(request: &'a Request, dropped: &mut Dropped) -> Option<Typed<&'a str>> {
    let tier = request.service_tier.as_deref().filter(|tier| !matches!(*tier, "auto" | "default"));
    let known = |tier: &&str| matches!(*tier, "priority" | "flex" | "reserved");
    dropped.unless("service_tier", tier, known).map(|r#type| Typed { r#type })
}
