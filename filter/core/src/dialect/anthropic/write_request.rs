//! From a conversation to the body of `POST /v1/messages`.
//!
//! What becomes of each parameter that Anthropic does not have in the same form:
//!
//! | parameter | fate |
//! |---|---|
//! | `max_tokens` absent | [`DEFAULT_MAX_TOKENS`](super::thinking::DEFAULT_MAX_TOKENS): Anthropic requires it |
//! | `temperature` above 1 | 1, and named: Anthropic's scale ends there |
//! | `temperature`, `top_p`, `top_k` with thinking | left out and named, unless Anthropic takes the value |
//! | `top_p` of 1 beside a temperature | left out: it says nothing, and newer models refuse the pair |
//! | blank stop texts | left out and named: Anthropic refuses them |
//! | `n` above 1; penalties that are not 0 | 400: they change the answer |
//! | `seed` | left out and named |
//! | a schema for the answer | `output_config.format`; its name, description and `strict` have no place there |
//! | any JSON object as the answer | asked for in `system`, and named, for nothing enforces it |
//! | `service_tier` | `auto`, and `default` as `standard_only`; others left out and named |
//! | `parallel_tool_calls: false` | in `tool_choice`, `auto` when the client gave none; nothing without tools |

use serde::Serialize;

use super::block::{Block, CacheControl, Content};
use super::thinking::{Plan, Thinking};
use super::turns::{Turn, Turns};
use crate::conversation::{Json, OutputFormat, Request, Tool, ToolChoice};
use crate::dialect::Written;
use crate::error::{ApiError, ErrorKind};

/// What stands in `system` when the answer must be JSON and no schema says which.
const ANSWER_JSON: &str =
    "Answer with one valid JSON object and nothing else: no Markdown fence, no text before or after it.";

#[derive(Serialize)]
struct Body<'a> {
    model: &'a str,
    max_tokens: u64,
    #[serde(skip_serializing_if = "Content::is_empty")]
    system: Content<'a>,
    messages: Vec<Turn<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tools: Vec<ToolOut<'a>>,
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

/// A tool's schema, whole; Anthropic wants one even of a tool without arguments.
#[derive(Serialize)]
#[serde(untagged)]
enum Schema<'a> {
    Whole(&'a Json),
    NoArguments { r#type: &'static str, properties: Nothing },
}

#[derive(Serialize)]
struct Nothing {}

#[derive(Serialize)]
struct Choice<'a> {
    r#type: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    disable_parallel_tool_use: bool,
}

#[derive(Serialize)]
struct OutputConfig<'a> {
    format: Format<'a>,
}

#[derive(Serialize)]
#[serde(tag = "type", rename = "json_schema")]
struct Format<'a> {
    schema: &'a Json,
}

#[derive(Serialize)]
struct Metadata<'a> {
    user_id: &'a str,
}

/// Writes `request` for the provider's `model`.
pub(super) fn write(request: &Request, model: &str) -> Result<Written, ApiError> {
    refuse(request)?;
    let mut turns = Turns::of(&request.messages)?;
    let plan = Plan::of(request, &turns)?;
    let mut dropped = Dropped(request.dropped.clone());
    turns.dropped.iter().chain(&plan.dropped).for_each(|name| dropped.name(name));

    let sampling = Sampling::of(request, &plan, &mut dropped);
    let output_config = match &request.output {
        Some(OutputFormat::JsonSchema { schema, .. }) => Some(OutputConfig { format: Format { schema } }),
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
        model,
        max_tokens: plan.max_tokens,
        tools: request.tools.iter().map(tool).collect(),
        tool_choice: choice(request)?,
        stop_sequences: stops(request, &mut dropped),
        temperature: sampling.temperature,
        top_p: sampling.top_p,
        top_k: sampling.top_k,
        thinking: plan.thinking,
        output_config,
        metadata: request.user.as_deref().map(|user_id| Metadata { user_id }),
        service_tier: tier(request, &mut dropped),
        stream: request.stream,
        system: turns.system,
        messages: turns.turns,
    };
    let mut bytes = Vec::with_capacity(1024);
    serde_json::to_writer(&mut bytes, &body)
        .map_err(|_| ApiError::new(500, ErrorKind::Server, "The provider's request cannot be written."))?;
    Ok(Written { body: bytes, dropped: dropped.0 })
}

/// What would change the answer and has no words in Anthropic's format.
fn refuse(request: &Request) -> Result<(), ApiError> {
    if request.n.is_some_and(|n| n != 1) {
        return Err(ApiError::unsupported("n", "The provider gives one answer: 'n' must be 1."));
    }
    let penalties = [("frequency_penalty", request.frequency_penalty), ("presence_penalty", request.presence_penalty)];
    for (name, penalty) in penalties {
        if penalty.is_some_and(|penalty| penalty != 0.0) {
            return Err(ApiError::unsupported(name, format!("The provider does not know '{name}'.")));
        }
    }
    Ok(())
}

/// Names of what was left out, each once.
struct Dropped(Vec<String>);

impl Dropped {
    fn name(&mut self, name: &str) {
        if !self.0.iter().any(|known| known == name) {
            self.0.push(name.to_owned());
        }
    }

    /// `value` if it can stay; else its name goes on the list.
    fn unless<T>(&mut self, name: &str, value: Option<T>, fits: impl Fn(&T) -> bool) -> Option<T> {
        let fits = value.as_ref().is_none_or(fits);
        if !fits {
            self.name(name);
        }
        value.filter(|_| fits)
    }
}

/// The parameters of chance that stay.
struct Sampling {
    temperature: Option<f64>,
    top_p: Option<f64>,
    top_k: Option<u64>,
}

impl Sampling {
    fn of(request: &Request, plan: &Plan, dropped: &mut Dropped) -> Self {
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

fn stops<'a>(request: &'a Request, dropped: &mut Dropped) -> Vec<&'a str> {
    let stops: Vec<&str> = request.stop.iter().map(String::as_str).filter(|stop| !stop.trim().is_empty()).collect();
    if stops.len() != request.stop.len() {
        dropped.name("stop");
    }
    stops
}

fn tier(request: &Request, dropped: &mut Dropped) -> Option<&'static str> {
    match request.service_tier.as_deref()? {
        "auto" => Some("auto"),
        "default" => Some("standard_only"),
        _ => {
            dropped.name("service_tier");
            None
        }
    }
}

fn tool(tool: &Tool) -> ToolOut<'_> {
    let input_schema = match &tool.parameters {
        Some(schema) if !is_empty_object(schema.text()) => Schema::Whole(schema),
        _ => Schema::NoArguments { r#type: "object", properties: Nothing {} },
    };
    ToolOut {
        name: &tool.name,
        description: tool.description.as_deref(),
        input_schema,
        strict: tool.strict == Some(true),
        cache_control: CacheControl::of(&tool.cache),
    }
}

fn is_empty_object(json: &str) -> bool {
    json.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')).is_some_and(|inside| inside.trim().is_empty())
}

/// `tool_choice`, which also says whether several calls may come at once.
fn choice(request: &Request) -> Result<Option<Choice<'_>>, ApiError> {
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
