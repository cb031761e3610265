//! Writes a conversation's parameters as the body of `POST /v2/chat`. Messages are in [`message_out`](super::message_out), policies in the
//! dialect's table.

use std::borrow::Cow;

use crate::conversation::{Json, OutputFormat, Request, Tool, ToolChoice};
use crate::dialect::WrittenRequest;
use crate::dialect::aliases;
use crate::dialect::bounds::{self, Numbers};
use crate::dialect::fields::drop_hint;
use crate::dialect::functions;
use crate::dialect::openai::body::{FunctionOut, ToolOut};
use crate::dialect::openai::json;
use crate::error::ApiError;

use super::body::{Body, FormatOut};
use super::{message_out, thinking};

/// Writes `request` for the provider's `model`.
pub(super) fn write(request: &Request, model: &str) -> Result<WrittenRequest, ApiError> {
    let mut dropped = request.dropped.clone();
    let numbers = Numbers::of(request, bounds::COHERE, &mut dropped)?;
    // Some models reject two penalties even if one is 0, so a 0 is omitted.
    let penalty = |penalty: Option<f64>| penalty.filter(|penalty| *penalty != 0.0);
    let messages = message_out::write(&request.messages, &mut dropped)?;
    let (tool_choice, tools) = tools(request, &mut dropped)?;
    for (name, given) in [
        ("parallel_tool_calls", aliases::is_not_told(request)),
        ("service_tier", request.service_tier.is_some()),
        ("user", request.user.is_some()),
    ] {
        if given {
            drop_hint(&mut dropped, name);
        }
    }
    let body = Body {
        model,
        messages,
        strict_tools: !tools.is_empty() && tools.iter().all(|tool| tool.strict == Some(true)),
        tools: tools.into_iter().map(tool).collect(),
        tool_choice,
        response_format: request.output.as_ref().map(format),
        max_tokens: request.max_tokens,
        stop_sequences: &request.stop,
        temperature: numbers.temperature,
        p: numbers.top_p,
        k: numbers.top_k,
        seed: numbers.seed,
        frequency_penalty: penalty(numbers.frequency_penalty),
        presence_penalty: penalty(numbers.presence_penalty),
        thinking: thinking::of(request, &mut dropped)?,
        stream: request.stream,
    };
    Ok(WrittenRequest { body: json::body(&body), dropped })
}

/// `tool_choice` and the tools. Cohere has no choice of one tool, so a named tool is sent alone.
fn tools<'a>(
    request: &'a Request,
    dropped: &mut Vec<String>,
) -> Result<(Option<&'static str>, Vec<&'a Tool>), ApiError> {
    let mut tools: Vec<&Tool> = request.tools.iter().collect();
    let word = match functions::choice(request)? {
        Some(ToolChoice::Named(name)) => {
            tools.retain(|tool| tool.name == *name);
            if tools.is_empty() {
                return Err(ApiError::invalid("tool_choice", "'tool_choice' names a function that is not in 'tools'."));
            }
            Some("REQUIRED")
        }
        Some(ToolChoice::Required) => Some("REQUIRED"),
        Some(ToolChoice::None) => Some("NONE"),
        Some(ToolChoice::Auto) | None => None,
    };
    let strict = tools.iter().filter(|tool| tool.strict == Some(true)).count();
    if strict > 0 && strict < tools.len() {
        drop_hint(dropped, "tools[].function.strict");
    }
    if tools.iter().any(|tool| tool.cache.is_some()) {
        drop_hint(dropped, "cache_control");
    }
    Ok((word, tools))
}

/// Writes a tool. Cohere requires a schema even for a tool without arguments.
fn tool(tool: &Tool) -> ToolOut<'_> {
    let none = || Json::parse(r#"{"type":"object","properties":{}}"#).ok().map(Cow::Owned);
    let parameters = tool.parameters.as_ref().map(Cow::Borrowed).or_else(none);
    let description = tool.description.as_deref();
    let function = FunctionOut { name: &tool.name, description, parameters, strict: None };
    ToolOut { r#type: "function", function, cache_control: None }
}

fn format(output: &OutputFormat) -> FormatOut<'_> {
    FormatOut {
        json_schema: match output {
            OutputFormat::JsonObject => None,
            OutputFormat::JsonSchema { schema, .. } => Some(schema),
        },
    }
}
