//! Reads a Converse request field by field; an unknown field is rejected by name. The path has the model, and says whether the response is
//! streamed.

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::conversation::{Json, OutputFormat, Reasoning, Request, Tool, ToolChoice};
use crate::dialect::fields::{Fields, needed, refuse_rest};
use crate::error::ApiError;

use super::read_message::{cache_point, message, system};

/// Fields that do not change the meaning of the response.
const HINTS: [&str; 2] = ["performanceConfig", "requestMetadata"];

pub(super) fn read(body: &[u8]) -> Result<Request, ApiError> {
    let mut fields = Fields::of(body)?;
    // Converse's streams always report usage.
    let mut request = Request { include_usage: true, ..Request::default() };
    if let Some(raw) = fields.take::<Vec<&RawValue>>("", "system")? {
        system(&raw, &mut request)?;
    }
    let messages: Vec<&RawValue> = needed(fields.take("", "messages")?, "messages")?;
    for (index, raw) in messages.into_iter().enumerate() {
        message(raw, &format!("messages[{index}]"), &mut request)?;
    }
    inference(fields.take_raw("inferenceConfig"), &mut request)?;
    tool_config(fields.take_raw("toolConfig"), &mut request)?;
    extras(fields.take_raw("additionalModelRequestFields"), &mut request)?;
    output(fields.take_raw("outputConfig"), &mut request)?;
    if let Some(raw) = fields.take_raw("serviceTier") {
        let mut tier = Fields::parse(raw.get(), "serviceTier")?;
        request.service_tier = tier.take("serviceTier", "type")?;
        refuse_rest(&tier, "serviceTier")?;
    }
    for name in HINTS {
        if fields.take_raw(name).is_some() {
            request.dropped.push(name.to_owned());
        }
    }
    refuse_rest(&fields, "")?;
    Ok(request)
}

fn inference(raw: Option<&RawValue>, request: &mut Request) -> Result<(), ApiError> {
    let Some(raw) = raw else { return Ok(()) };
    let at = "inferenceConfig";
    let mut fields = Fields::parse(raw.get(), at)?;
    request.max_tokens = fields.take(at, "maxTokens")?;
    request.temperature = fields.take(at, "temperature")?;
    request.top_p = fields.take(at, "topP")?;
    request.stop = fields.take(at, "stopSequences")?.unwrap_or_default();
    refuse_rest(&fields, at)
}

fn tool_config(raw: Option<&RawValue>, request: &mut Request) -> Result<(), ApiError> {
    let Some(raw) = raw else { return Ok(()) };
    let at = "toolConfig";
    let mut fields = Fields::parse(raw.get(), at)?;
    let tools: Vec<&RawValue> = needed(fields.take(at, "tools")?, "toolConfig.tools")?;
    for (index, raw) in tools.into_iter().enumerate() {
        tool(raw, &format!("toolConfig.tools[{index}]"), request)?;
    }
    if let Some(raw) = fields.take_raw("toolChoice") {
        let at = "toolConfig.toolChoice";
        let mut choice = Fields::parse(raw.get(), at)?;
        request.tool_choice = if choice.take_raw("auto").is_some() {
            Some(ToolChoice::Auto)
        } else if choice.take_raw("any").is_some() {
            Some(ToolChoice::Required)
        } else {
            #[derive(Deserialize)]
            struct Named {
                name: String,
            }
            choice.take::<Named>(at, "tool")?.map(|named| ToolChoice::Named(named.name))
        };
        refuse_rest(&choice, at)?;
    }
    refuse_rest(&fields, at)
}

fn tool(raw: &RawValue, at: &str, request: &mut Request) -> Result<(), ApiError> {
    let mut fields = Fields::parse(raw.get(), at)?;
    if let Some(raw) = fields.take_raw("cachePoint") {
        let mark = cache_point(raw, &format!("{at}.cachePoint"))?;
        match request.tools.last_mut() {
            Some(tool) => tool.cache = Some(mark),
            None => return Err(ApiError::invalid(at, format!("'{at}': a cache point must follow a tool."))),
        }
        return refuse_rest(&fields, at);
    }
    let place = format!("{at}.toolSpec");
    let raw = needed(fields.take_raw("toolSpec"), &place)?;
    let mut tool = Fields::parse(raw.get(), &place)?;
    let place = place.as_str();
    #[derive(Deserialize)]
    struct Schema {
        json: Json,
    }
    request.tools.push(Tool {
        name: needed(tool.take(place, "name")?, &format!("{place}.name"))?,
        description: tool.take(place, "description")?,
        parameters: tool.take::<Schema>(place, "inputSchema")?.map(|schema| schema.json),
        strict: tool.take(place, "strict")?,
        cache: None,
    });
    refuse_rest(&tool, place)?;
    refuse_rest(&fields, at)
}

/// Reads the model's own parameters, Anthropic's and Amazon's, that the conversation has.
fn extras(raw: Option<&RawValue>, request: &mut Request) -> Result<(), ApiError> {
    #[derive(Deserialize)]
    #[serde(tag = "type", rename_all = "lowercase")]
    enum Thinking {
        Enabled { budget_tokens: u64 },
        Disabled,
        Adaptive,
    }
    #[derive(Deserialize)]
    struct Config {
        effort: String,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Nova {
        top_k: Option<u64>,
    }
    let Some(raw) = raw else { return Ok(()) };
    let at = "additionalModelRequestFields";
    let mut fields = Fields::parse(raw.get(), at)?;
    let nova = fields.take::<Nova>(at, "inferenceConfig")?.and_then(|nova| nova.top_k);
    request.top_k = fields.take(at, "top_k")?.or(nova);
    request.reasoning = fields.take(at, "thinking")?.map(|thinking| match thinking {
        Thinking::Enabled { budget_tokens } => Reasoning::Budget(budget_tokens),
        Thinking::Disabled => Reasoning::Disabled,
        Thinking::Adaptive => Reasoning::Adaptive,
    });
    if let Some(config) = fields.take::<Config>(at, "output_config")? {
        request.reasoning = match request.reasoning.take() {
            None => Some(Reasoning::Work(config.effort)),
            Some(_) => Some(Reasoning::Effort(config.effort)),
        };
    }
    if let Some(raw) = fields.take_raw("tool_choice") {
        anthropics_choice(raw, request)?;
    }
    refuse_rest(&fields, at)
}

fn anthropics_choice(raw: &RawValue, request: &mut Request) -> Result<(), ApiError> {
    let at = "additionalModelRequestFields.tool_choice";
    let mut fields = Fields::parse(raw.get(), at)?;
    let kind: Option<String> = fields.take(at, "type")?;
    request.tool_choice = Some(match (kind.as_deref(), fields.take(at, "name")?) {
        (Some("any"), _) => ToolChoice::Required,
        (Some("none"), _) => ToolChoice::None,
        (Some("tool"), Some(name)) => ToolChoice::Named(name),
        (Some("auto"), _) => ToolChoice::Auto,
        _ => return Err(ApiError::invalid(at, format!("'{at}' must be a choice in Anthropic's form."))),
    });
    request.parallel_tool_calls = fields.take(at, "disable_parallel_tool_use")?.map(|disable: bool| !disable);
    refuse_rest(&fields, at)
}

fn output(raw: Option<&RawValue>, request: &mut Request) -> Result<(), ApiError> {
    #[derive(Deserialize)]
    struct Format<'a> {
        r#type: String,
        #[serde(borrow)]
        structure: Structure<'a>,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Structure<'a> {
        #[serde(borrow)]
        json_schema: &'a RawValue,
    }
    let Some(raw) = raw else { return Ok(()) };
    let mut fields = Fields::parse(raw.get(), "outputConfig")?;
    if let Some(format) = fields.take::<Format<'_>>("outputConfig", "textFormat")? {
        let at = "outputConfig.textFormat";
        if format.r#type != "json_schema" {
            return Err(ApiError::invalid(at, format!("'{at}.type' must be json_schema.")));
        }
        let mut schema = Fields::parse(format.structure.json_schema.get(), at)?;
        let text: String = needed(schema.take(at, "schema")?, "outputConfig.textFormat.structure.jsonSchema.schema")?;
        request.output = Some(OutputFormat::JsonSchema {
            name: schema.take(at, "name")?.unwrap_or_else(|| "answer".to_owned()),
            description: schema.take(at, "description")?,
            schema: Json::parse(&text).map_err(|_| ApiError::invalid(at, format!("'{at}' contains no JSON.")))?,
            // AWS always enforces the schema.
            strict: Some(true),
        });
        refuse_rest(&schema, at)?;
    }
    refuse_rest(&fields, "outputConfig")
}
