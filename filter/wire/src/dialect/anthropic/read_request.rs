//! Reads a client's request field by field; an unknown field is rejected by name.

use std::collections::BTreeSet;

use serde_json::value::RawValue;

use crate::conversation::{Json, Message, OutputFormat, Reasoning, Request, Role, Tool, ToolChoice};
use crate::dialect::FieldPolicy;
use crate::dialect::fields::{Fields, drop_hint, join, needed, refuse_rest};
use crate::error::ApiError;

use super::origin::Origin;
use super::read_message::{Turns, cache, texts};
use super::table::FATES;

/// The schema's name for OpenAI, which requires one; Anthropic's format has none.
pub(super) const SCHEMA_NAME: &str = "answer";

pub(super) fn read(body: &[u8]) -> Result<Request, ApiError> {
    let mut fields = Fields::of(body)?;
    let model = needed(fields.take("", "model")?, "model")?;
    rest(fields, model)
}

/// Reads all fields but the model, which clouds take from the path.
pub(super) fn rest(mut fields: Fields<'_>, model: String) -> Result<Request, ApiError> {
    let mut request = Request {
        model,
        max_tokens: Some(needed(fields.take("", "max_tokens")?, "max_tokens")?),
        stop: fields.take("", "stop_sequences")?.unwrap_or_default(),
        temperature: fields.take("", "temperature")?,
        top_p: fields.take("", "top_p")?,
        top_k: fields.take("", "top_k")?,
        stream: fields.take("", "stream")?.unwrap_or_default(),
        // Anthropic's streams always report usage.
        include_usage: true,
        ..Request::default()
    };
    messages(&mut fields, &mut request)?;
    tools(&mut fields, &mut request)?;
    reasoning_and_output(&mut fields, &mut request)?;
    if let Some(raw) = fields.take_raw("metadata") {
        let mut metadata = Fields::parse(raw.get(), "metadata")?;
        request.user = metadata.take("metadata", "user_id")?;
        refuse_rest(&metadata, "metadata")?;
    }
    request.service_tier = fields.take("", "service_tier")?.map(|tier: String| match tier.as_str() {
        "standard_only" => "default".to_owned(),
        _ => tier,
    });
    context_management(fields.take_raw("context_management"), &mut request.dropped)?;
    // An empty list has no effect.
    if fields.take_raw("mcp_servers").is_some_and(|servers| servers.get() != "[]") {
        return Err(ApiError::unsupported(
            "mcp_servers",
            "'mcp_servers': the gateway cannot translate MCP servers for the provider that serves this model. Remove \
             it, or use another model.",
        ));
    }
    for (name, policy) in FATES {
        if *policy == FieldPolicy::Dropped && fields.take_raw(name).is_some() {
            request.dropped.push((*name).to_owned());
        }
    }
    refuse_rest(&fields, "")?;
    Ok(request)
}

/// Reads `system`, as the first message, and the turns. Returns where the parts of each message came from.
pub(super) fn messages(fields: &mut Fields<'_>, request: &mut Request) -> Result<Vec<Origin>, ApiError> {
    let mut origins = Vec::new();
    if let Some(raw) = fields.take_raw("system") {
        let (parts, blocks) = texts(raw, "system", &mut request.dropped)?.into_iter().unzip();
        let parts: Vec<_> = parts;
        if !parts.is_empty() {
            origins.push(Origin { turn: Origin::SYSTEM, blocks });
            request.messages.push(Message { role: Role::System, parts, name: None });
        }
    }
    let raw: Vec<&RawValue> = needed(fields.take("", "messages")?, "messages")?;
    if raw.is_empty() {
        return Err(ApiError::invalid("messages", "'messages' must contain at least one message."));
    }
    let mut turns = Turns::of(request, origins);
    for (index, raw) in raw.into_iter().enumerate() {
        turns.read(raw, index)?;
    }
    Ok(turns.origins)
}

/// Drops Anthropic's context management: the conversation is sent without clearing or compaction. Only a pause is not a hint, because the
/// client waits for it.
pub(super) fn context_management(raw: Option<&RawValue>, dropped: &mut Vec<String>) -> Result<(), ApiError> {
    let Some(raw) = raw else { return Ok(()) };
    let at = "context_management";
    let mut fields = Fields::parse(raw.get(), at)?;
    let edits: Vec<&RawValue> = fields.take(at, "edits")?.unwrap_or_default();
    refuse_rest(&fields, at)?;
    for (index, raw) in edits.into_iter().enumerate() {
        let at = format!("{at}.edits[{index}]");
        let mut edit = Fields::parse(raw.get(), &at)?;
        if edit.take(&at, "pause_after_compaction")? == Some(true) {
            let at = join(&at, "pause_after_compaction");
            let message =
                format!("'{at}': the gateway cannot translate compaction for the provider that serves this model.");
            return Err(ApiError::unsupported(at, message));
        }
    }
    drop_hint(dropped, at);
    Ok(())
}

fn tools(fields: &mut Fields<'_>, request: &mut Request) -> Result<(), ApiError> {
    let raw: Vec<&RawValue> = fields.take("", "tools")?.unwrap_or_default();
    request.tools.reserve(raw.len());
    let mut hosted = Vec::new();
    for (index, raw) in raw.into_iter().enumerate() {
        let at = format!("tools[{index}]");
        let mut fields = Fields::parse(raw.get(), &at)?;
        match fields.take::<String>(&at, "type")? {
            Some(kind) if runs_there(&kind) => {
                hosted.push((format!("{at}.type"), kind, fields.take::<String>(&at, "name")?));
                continue;
            }
            Some(kind) if kind != "custom" => return Err(own_tool(&format!("{at}.type"), &kind)),
            _ => {}
        }
        request.tools.push(Tool {
            name: needed(fields.take(&at, "name")?, &format!("{at}.name"))?,
            description: fields.take(&at, "description")?,
            parameters: fields.take::<Json>(&at, "input_schema")?,
            strict: fields.take(&at, "strict")?,
            cache: cache(&mut fields, &at)?,
        });
        called_directly(&mut fields, &at, &mut request.dropped)?;
        // Hints about the latency and quality of calls, not about what a call may contain.
        for hint in ["defer_loading", "eager_input_streaming", "input_examples"] {
            if fields.take_raw(hint).is_some() {
                drop_hint(&mut request.dropped, &format!("tools[].{hint}"));
            }
        }
        refuse_rest(&fields, &at)?;
    }
    leave_out(&hosted, fields.take_raw("tool_choice"), request)
}

/// Anthropic's tools that the client executes. It would wait for calls that no other model makes.
const CARRIED_OUT: [&str; 4] = ["bash_", "text_editor_", "computer_", "memory_"];

/// Whether a tool of this type runs at Anthropic.
pub(super) fn runs_there(kind: &str) -> bool {
    kind != "custom" && !CARRIED_OUT.iter().any(|own| kind.starts_with(own))
}

/// Drops the tools that run at Anthropic if there are functions beside them. Rejects the request if there are none, or if such a tool must
/// be called, since the model could not do the task.
fn leave_out(
    hosted: &[(String, String, Option<String>)],
    choice: Option<&RawValue>,
    request: &mut Request,
) -> Result<(), ApiError> {
    tool_choice(choice, request)?;
    let mut kinds = BTreeSet::new();
    for (place, kind, name) in hosted {
        let demanded =
            matches!((&request.tool_choice, name), (Some(ToolChoice::Named(chosen)), Some(name)) if chosen == name);
        if request.tools.is_empty() || demanded {
            return Err(own_tool(place, kind));
        }
        let shown: String =
            kind.chars().filter(|letter| letter.is_ascii_alphanumeric() || *letter == '_').take(64).collect();
        kinds.insert(shown);
    }
    // Real clients have fewer; further names are not reported.
    kinds.iter().take(16).for_each(|kind| drop_hint(&mut request.dropped, &format!("tools.{kind}")));
    Ok(())
}

fn own_tool(place: &str, kind: &str) -> ApiError {
    let kind: String = kind.chars().take(64).collect();
    let message = format!(
        "'{place}': '{kind}' is an Anthropic tool, and the provider has no equivalent. Remove the tool, or use \
         another model."
    );
    ApiError::unsupported(place, message)
}

/// Checks `allowed_callers`: outside Anthropic only the model itself calls tools.
pub(super) fn called_directly(fields: &mut Fields<'_>, at: &str, dropped: &mut Vec<String>) -> Result<(), ApiError> {
    let Some(callers) = fields.take::<Vec<String>>(at, "allowed_callers")? else { return Ok(()) };
    if !callers.iter().any(|caller| caller == "direct") {
        let at = join(at, "allowed_callers");
        let message = format!("'{at}': the provider allows only the model itself to call tools.");
        return Err(ApiError::unsupported(at, message));
    }
    drop_hint(dropped, "tools[].allowed_callers");
    Ok(())
}

fn tool_choice(raw: Option<&RawValue>, request: &mut Request) -> Result<(), ApiError> {
    let Some(raw) = raw else { return Ok(()) };
    let at = "tool_choice";
    let mut fields = Fields::parse(raw.get(), at)?;
    let kind: String = needed(fields.take(at, "type")?, "tool_choice.type")?;
    request.tool_choice = Some(match kind.as_str() {
        "auto" => ToolChoice::Auto,
        "any" => ToolChoice::Required,
        "none" => ToolChoice::None,
        "tool" => ToolChoice::Named(needed(fields.take(at, "name")?, "tool_choice.name")?),
        _ => {
            let message = "'tool_choice.type' must be one of auto, any, none, tool.";
            return Err(ApiError::invalid("tool_choice.type", message));
        }
    });
    request.parallel_tool_calls = fields.take(at, "disable_parallel_tool_use")?.map(|disable: bool| !disable);
    refuse_rest(&fields, at)
}

/// Reads `thinking` and `output_config`, which share the effort. A budget, or disabled thinking, is more specific than an effort, which is
/// dropped then.
fn reasoning_and_output(fields: &mut Fields<'_>, request: &mut Request) -> Result<(), ApiError> {
    let thinking = fields.take_raw("thinking").map(|raw| thinking(raw, &mut request.dropped)).transpose()?;
    let mut effort = None;
    let mut format = None;
    if let Some(raw) = fields.take_raw("output_config") {
        let mut config = Fields::parse(raw.get(), "output_config")?;
        effort = config.take::<String>("output_config", "effort")?;
        format = config.take_raw("format").map(|raw| self::format(raw, "output_config.format")).transpose()?;
        // The model sees this budget; it is not a limit.
        if config.take_raw("task_budget").is_some() {
            drop_hint(&mut request.dropped, "output_config.task_budget");
        }
        refuse_rest(&config, "output_config")?;
    }
    let older = fields.take_raw("output_format").map(|raw| self::format(raw, "output_format")).transpose()?;
    request.output = format.or(older);
    request.reasoning = match (thinking, effort) {
        (None, Some(effort)) => Some(Reasoning::Work(known_effort(effort)?)),
        (Some(Reasoning::Adaptive), Some(effort)) => Some(Reasoning::Effort(known_effort(effort)?)),
        (thinking, None) => thinking,
        (thinking, Some(_)) => {
            drop_hint(&mut request.dropped, "output_config.effort");
            thinking
        }
    };
    Ok(())
}

fn known_effort(effort: String) -> Result<String, ApiError> {
    match effort.as_str() {
        "low" | "medium" | "high" | "xhigh" | "max" => Ok(effort),
        _ => {
            let message = "'output_config.effort' must be one of low, medium, high, xhigh, max.";
            Err(ApiError::invalid("output_config.effort", message))
        }
    }
}

fn thinking(raw: &RawValue, dropped: &mut Vec<String>) -> Result<Reasoning, ApiError> {
    let at = "thinking";
    let mut fields = Fields::parse(raw.get(), at)?;
    let kind: String = needed(fields.take(at, "type")?, "thinking.type")?;
    let reasoning = match kind.as_str() {
        "enabled" => Reasoning::Budget(needed(fields.take(at, "budget_tokens")?, "thinking.budget_tokens")?),
        "disabled" => Reasoning::Disabled,
        "adaptive" => Reasoning::Adaptive,
        // Other providers' models decide themselves when to think.
        "between_tools" => {
            drop_hint(dropped, "thinking.type");
            Reasoning::Adaptive
        }
        _ => {
            let message = "'thinking.type' must be one of enabled, disabled, adaptive, between_tools.";
            return Err(ApiError::invalid("thinking.type", message));
        }
    };
    // Hints: whether thinking is shown, and how Anthropic treats thinking blocks that come back changed.
    for hint in ["display", "block_binding"] {
        if fields.take_raw(hint).is_some() {
            drop_hint(dropped, &format!("thinking.{hint}"));
        }
    }
    refuse_rest(&fields, at)?;
    Ok(reasoning)
}

/// Reads a format. Anthropic always enforces the schema, which is OpenAI's `strict`.
fn format(raw: &RawValue, at: &str) -> Result<OutputFormat, ApiError> {
    let mut fields = Fields::parse(raw.get(), at)?;
    let kind: String = needed(fields.take(at, "type")?, &format!("{at}.type"))?;
    if kind != "json_schema" {
        return Err(ApiError::invalid(format!("{at}.type"), format!("'{at}.type' must be json_schema.")));
    }
    let schema = needed(fields.take(at, "schema")?, &format!("{at}.schema"))?;
    refuse_rest(&fields, at)?;
    Ok(OutputFormat::JsonSchema { name: SCHEMA_NAME.to_owned(), description: None, schema, strict: Some(true) })
}
