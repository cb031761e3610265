//! Reads a Converse request's configuration and tools. [`history`](super::history) reads its turns.
//!
//! The real service ignores unknown members. The simulator rejects them, so that a test notices a lost field.

use serde_json::{Map, Value, json};

use super::history;
use crate::simulator::prompt::{Prompt, Tool, ToolChoice};
use crate::simulator::reply::Refusal;
use crate::simulator::wire::generation;

const FIELDS: [&str; 12] = [
    "messages",
    "system",
    "inferenceConfig",
    "toolConfig",
    "guardrailConfig",
    "additionalModelRequestFields",
    "additionalModelResponseFieldPaths",
    "promptVariables",
    "requestMetadata",
    "performanceConfig",
    "serviceTier",
    "outputConfig",
];

/// Reads a request's body for a model.
pub fn read(body: &Value, model: &str) -> Result<Prompt, Refusal> {
    only(body, "", &FIELDS)?;
    let mut prompt = Prompt { model: model.to_owned(), choices: 1, parallel: true, ..Prompt::default() };
    inference(&body["inferenceConfig"], &mut prompt)?;
    let schema = body["outputConfig"]["textFormat"]["structure"]["jsonSchema"]["schema"].as_str();
    let mut given = body["additionalModelRequestFields"].clone();
    if !given.is_object() {
        given = json!({});
    }
    given["temperature"] = body["inferenceConfig"]["temperature"].clone();
    given["top_p"] = body["inferenceConfig"]["topP"].clone();
    let schema = schema.and_then(|schema| serde_json::from_str(schema).ok()).unwrap_or(Value::Null);
    generation::claude(model, &given, &schema)?;
    if model.contains("anthropic") && given["top_k"].as_u64().is_some_and(|top_k| top_k > 500) {
        return Err(Refusal::invalid(
            "Malformed input request: #/top_k: must be less than or equal to 500, please reformat your input and try again.",
        ));
    }
    prompt.thinking = thinking(&body["additionalModelRequestFields"]["thinking"], body)?;
    if let Some(schema) = body["outputConfig"]["textFormat"]["structure"]["jsonSchema"]["schema"].as_str() {
        let schema = serde_json::from_str(schema);
        prompt.schema = Some(schema.map_err(|_| Refusal::invalid("The JSON schema of outputConfig is not JSON."))?);
    }
    (prompt.tools, prompt.tool_choice) = tools(&body["toolConfig"])?;
    history::system(&body["system"], &mut prompt)?;
    history::read(&body["messages"], !body["toolConfig"].is_null(), &mut prompt)?;
    Ok(prompt)
}

/// Rejects unknown members of an object.
pub fn only(value: &Value, place: &str, known: &[&str]) -> Result<(), Refusal> {
    let none = Map::new();
    let mut names = value.as_object().unwrap_or(&none).keys();
    match names.find(|name| !known.contains(&name.as_str())) {
        Some(name) => Err(Refusal::invalid(format!(
            "Malformed input request: #/{place}: extraneous key [{name}] is not permitted, please reformat your input and try again."
        ))),
        None => Ok(()),
    }
}

fn inference(config: &Value, prompt: &mut Prompt) -> Result<(), Refusal> {
    only(config, "inferenceConfig", &["maxTokens", "temperature", "topP", "stopSequences"])?;
    for name in ["temperature", "topP"] {
        if config[name].as_f64().is_some_and(|value| !(0.0..=1.0).contains(&value)) {
            return Err(Refusal::invalid(format!(
                "1 validation error detected: Value at 'inferenceConfig.{name}' failed to satisfy constraint: Member must have value less than or equal to 1"
            )));
        }
    }
    if config["maxTokens"] == 0 {
        return Err(Refusal::invalid(
            "1 validation error detected: Value '0' at 'inferenceConfig.maxTokens' failed to satisfy constraint: Member must have value greater than or equal to 1",
        ));
    }
    prompt.max_tokens = config["maxTokens"].as_u64();
    for stop in config["stopSequences"].as_array().into_iter().flatten() {
        let stop = stop.as_str().filter(|stop| !stop.trim().is_empty());
        prompt.stop.push(stop.ok_or_else(|| Refusal::invalid("Stop sequences must contain non-whitespace."))?.into());
    }
    Ok(())
}

/// `thinking` belongs to Anthropic's models; Bedrock forwards it.
fn thinking(thinking: &Value, body: &Value) -> Result<bool, Refusal> {
    let budget = match thinking["type"].as_str() {
        None | Some("disabled") => return Ok(false),
        Some("adaptive") => None,
        Some(_) => thinking["budget_tokens"].as_u64(),
    };
    let most = body["inferenceConfig"]["maxTokens"].as_u64();
    let refuse = |message: &str| Err(Refusal::invalid(format!("The model returned the following errors: {message}")));
    match budget {
        Some(..1024) => refuse("thinking.enabled.budget_tokens: Input should be greater than or equal to 1024"),
        Some(budget) if most.is_some_and(|most| most <= budget) => {
            refuse("`max_tokens` must be greater than `thinking.budget_tokens`.")
        }
        _ if body["inferenceConfig"]["temperature"].as_f64().is_some_and(|given| given != 1.0) => {
            refuse("`temperature` may only be set to 1 when thinking is enabled.")
        }
        _ => Ok(true),
    }
}

fn tools(config: &Value) -> Result<(Vec<Tool>, ToolChoice), Refusal> {
    if config.is_null() {
        return Ok((Vec::new(), ToolChoice::Auto));
    }
    only(config, "toolConfig", &["tools", "toolChoice"])?;
    let listed = config["tools"].as_array().filter(|tools| !tools.is_empty());
    let listed = listed.ok_or_else(|| {
        Refusal::invalid("1 validation error detected: Value at 'toolConfig.tools' failed to satisfy constraint: Member must have length greater than or equal to 1")
    })?;
    let mut tools = Vec::new();
    for (index, tool) in listed.iter().enumerate() {
        let place = format!("toolConfig/tools/{index}");
        only(tool, &place, &["toolSpec", "cachePoint", "systemTool"])?;
        if tool["toolSpec"].is_object() {
            tools.push(specification(&tool["toolSpec"], &place)?);
        }
    }
    let choice = &config["toolChoice"];
    only(choice, "toolConfig/toolChoice", &["auto", "any", "tool"])?;
    let choice = match choice["tool"]["name"].as_str() {
        Some(name) if tools.iter().any(|tool| tool.name == name) => ToolChoice::Named(name.to_owned()),
        Some(_) => return Err(Refusal::invalid("The tool that toolChoice names is not in toolConfig.tools.")),
        None if choice["any"].is_object() => ToolChoice::Any,
        None => ToolChoice::Auto,
    };
    Ok((tools, choice))
}

fn specification(spec: &Value, place: &str) -> Result<Tool, Refusal> {
    only(spec, place, &["name", "description", "inputSchema", "strict"])?;
    let named = |byte: u8| byte.is_ascii_alphanumeric() || b"_-".contains(&byte);
    let name = spec["name"].as_str().filter(|name| (1..=64).contains(&name.len()) && name.bytes().all(named));
    let constraint = |what: &str, rule: &str| {
        Refusal::invalid(format!(
            "1 validation error detected: Value at '{place}/{what}' failed to satisfy constraint: {rule}"
        ))
    };
    let name =
        name.ok_or_else(|| constraint("name", "Member must satisfy regular expression pattern: [a-zA-Z0-9_-]+"))?;
    if spec["description"] == "" {
        return Err(constraint("description", "Member must have length greater than or equal to 1"));
    }
    if spec["inputSchema"]["json"]["type"] != json!("object") {
        return Err(Refusal::invalid(format!(
            "The value at {place}.inputSchema.json.type must be one of the following: object."
        )));
    }
    Ok(Tool { name: name.to_owned(), schema: spec["inputSchema"]["json"].clone(), ..Tool::default() })
}
