//! Writes a conversation as the body of `generateContent`.
//!
//! Schemas are sent whole (except siblings of a `$ref`: [`schema`]), as `parametersJsonSchema` and `responseJsonSchema`: the older
//! `parameters` and `responseSchema` take a subset of OpenAPI's that has neither `$defs` nor `additionalProperties`. The policy for each
//! parameter is in [`FIELDS`](super::table::FIELDS).

use std::borrow::Cow;

use serde::Serialize;

use crate::conversation::{Json, OutputFormat, Request, Tool, ToolChoice};
use crate::dialect::WrittenRequest;
use crate::dialect::aliases;
use crate::dialect::bounds::Numbers;
use crate::dialect::functions;
use crate::dialect::out;
use crate::dialect::schema;
use crate::error::ApiError;

use super::part::Turn;
use super::thinking::{self, Plan, ThinkingConfig};
use super::turns::Turns;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Body<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    system_instruction: Option<Turn<'a>>,
    contents: Vec<Turn<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tools: Option<[ToolOut<'a>; 1]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_config: Option<ToolConfig<'a>>,
    #[serde(skip_serializing_if = "GenerationConfig::is_empty")]
    generation_config: GenerationConfig<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ToolOut<'a> {
    function_declarations: Vec<Function<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Function<'a> {
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    parameters_json_schema: Option<Cow<'a, Json>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ToolConfig<'a> {
    function_calling_config: CallingConfig<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct CallingConfig<'a> {
    mode: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    allowed_function_names: Option<[&'a str; 1]>,
}

#[derive(Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
struct GenerationConfig<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    max_output_tokens: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    temperature: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    top_p: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    top_k: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    candidate_count: Option<u64>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    stop_sequences: Vec<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    seed: Option<i32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    presence_penalty: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    frequency_penalty: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    response_mime_type: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    response_json_schema: Option<Cow<'a, Json>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    thinking_config: Option<ThinkingConfig>,
}

impl GenerationConfig<'_> {
    fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// Writes `request` for the provider's `model`.
pub(super) fn write(request: &Request, model: &str) -> Result<WrittenRequest, ApiError> {
    let mut dropped = request.dropped.clone();
    let numbers = Numbers::of(request, thinking::bounds(model), &mut dropped)?;
    let mut turns = Turns::of(&request.messages)?;
    if thinking::needs_signatures(model) {
        turns.sign_steps();
    }
    let plan = Plan::of(request.reasoning.as_ref(), model)?;
    let stop_sequences: Vec<&str> = request.stop.iter().map(String::as_str).filter(|stop| !stop.is_empty()).collect();
    let hints = [
        plan.dropped,
        (stop_sequences.len() != request.stop.len()).then_some("stop"),
        request.user.is_some().then_some("user"),
        request.service_tier.is_some().then_some("service_tier"),
        aliases::is_not_told(request).then_some("parallel_tool_calls"),
        request.tools.iter().any(|tool| tool.cache.is_some()).then_some("cache_control"),
    ];
    for name in turns.dropped.iter().copied().chain(hints.into_iter().flatten()) {
        if !dropped.iter().any(|known| known == name) {
            dropped.push(name.to_owned());
        }
    }
    let body = Body {
        system_instruction: (!turns.system.parts.is_empty()).then_some(turns.system),
        contents: turns.turns,
        tools: tools(&request.tools, &mut dropped),
        tool_config: choice(request)?,
        generation_config: config(request, &numbers, stop_sequences, plan.config, &mut dropped),
    };
    Ok(WrittenRequest { body: out::body(&body), dropped })
}

fn config<'a>(
    request: &'a Request,
    numbers: &Numbers,
    stop_sequences: Vec<&'a str>,
    thinking_config: Option<ThinkingConfig>,
    dropped: &mut Vec<String>,
) -> GenerationConfig<'a> {
    GenerationConfig {
        max_output_tokens: request.max_tokens,
        temperature: numbers.temperature,
        top_p: numbers.top_p,
        top_k: numbers.top_k,
        candidate_count: numbers.n,
        stop_sequences,
        seed: numbers.seed.map(seed),
        presence_penalty: numbers.presence_penalty,
        frequency_penalty: numbers.frequency_penalty,
        response_mime_type: request.output.as_ref().map(|_| "application/json"),
        response_json_schema: match &request.output {
            Some(OutputFormat::JsonSchema { schema, .. }) => {
                Some(schema::fitted(schema, &schema::GEMINI, schema::ANSWER, dropped))
            }
            Some(OutputFormat::JsonObject) | None => None,
        },
        thinking_config,
    }
}

/// Maps a seed to Google's 32 bits; equal seeds stay equal.
fn seed(wide: i64) -> i32 {
    i32::try_from(wide).unwrap_or_else(|_| i32::try_from(wide & i64::from(i32::MAX)).unwrap_or_default())
}

fn tools<'a>(tools: &'a [Tool], dropped: &mut Vec<String>) -> Option<[ToolOut<'a>; 1]> {
    let mut function = |tool: &'a Tool| {
        let Tool { name, description, parameters, .. } = tool;
        let schema = parameters.as_ref();
        let parameters_json_schema =
            schema.map(|schema| schema::fitted(schema, &schema::GEMINI, schema::PARAMETERS, dropped));
        Function { name, description: description.as_deref(), parameters_json_schema }
    };
    (!tools.is_empty()).then(|| [ToolOut { function_declarations: tools.iter().map(&mut function).collect() }])
}

/// The tool choice. Only `VALIDATED` and `ANY` guarantee arguments that match their schema.
fn choice(request: &Request) -> Result<Option<ToolConfig<'_>>, ApiError> {
    let strict = request.tools.iter().any(|tool| tool.strict == Some(true));
    let (mode, name) = match functions::choice(request)? {
        _ if request.tools.is_empty() => return Ok(None),
        None if !strict => return Ok(None),
        None | Some(ToolChoice::Auto) if strict => ("VALIDATED", None),
        None | Some(ToolChoice::Auto) => ("AUTO", None),
        Some(ToolChoice::None) => ("NONE", None),
        Some(ToolChoice::Required) => ("ANY", None),
        Some(ToolChoice::Named(name)) => ("ANY", Some([name.as_str()])),
    };
    Ok(Some(ToolConfig { function_calling_config: CallingConfig { mode, allowed_function_names: name } }))
}
