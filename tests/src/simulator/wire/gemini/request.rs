//! Reads a generation request's configuration and tools. [`history`](super::history) reads its turns.

use serde_json::{Value, json};

use super::fields::{check, field};
use super::history;
use crate::simulator::prompt::{Prompt, Tool, ToolChoice};
use crate::simulator::reply::Refusal;
use crate::simulator::wire::bounds;

/// Reads a request's body for a model.
pub fn read(body: &Value, model: &str) -> Result<Prompt, Refusal> {
    check(body)?;
    let mut prompt = Prompt { model: model.to_owned(), choices: 1, parallel: true, ..Prompt::default() };
    configuration(field(body, "generationConfig"), &mut prompt)?;
    prompt.tools = tools(field(body, "tools"))?;
    prompt.tool_choice = tool_choice(field(field(body, "toolConfig"), "functionCallingConfig"), &prompt.tools)?;
    for part in field(field(body, "systemInstruction"), "parts").as_array().into_iter().flatten() {
        prompt.text_bytes += part["text"].as_str().map_or(0, str::len);
    }
    history::read(&body["contents"], &mut prompt)?;
    Ok(prompt)
}

fn configuration(config: &Value, prompt: &mut Prompt) -> Result<(), Refusal> {
    let within = |name: &str, range: std::ops::RangeInclusive<f64>| match field(config, name).as_f64() {
        Some(value) if !range.contains(&value) => Err(Refusal::invalid(format!(
            "* GenerateContentRequest.generation_config.{name}: must be in the range [{}, {}]",
            range.start(),
            range.end()
        ))),
        _ => Ok(()),
    };
    within("temperature", 0.0..=2.0)?;
    within("topP", 0.0..=1.0)?;
    bounds::gemini(&prompt.model, |name| field(config, name).as_f64())?;
    prompt.choices = field(config, "candidateCount").as_u64().unwrap_or(1) as usize;
    prompt.max_tokens = field(config, "maxOutputTokens").as_u64();
    let stops = field(config, "stopSequences").as_array().map_or(&[][..], Vec::as_slice);
    if stops.len() > 5 || stops.iter().any(|stop| stop == "") {
        return Err(Refusal::invalid("The request has too many or empty stop sequences: at most 5 are allowed."));
    }
    prompt.stop = stops.iter().filter_map(|stop| stop.as_str().map(str::to_owned)).collect();
    prompt.schema = schema(config)?;
    thinking(field(config, "thinkingConfig"), prompt)
}

fn schema(config: &Value) -> Result<Option<Value>, Refusal> {
    let given =
        [field(config, "responseSchema"), field(config, "responseJsonSchema")].into_iter().find(|one| !one.is_null());
    match (field(config, "responseMimeType").as_str(), given) {
        (Some("application/json"), Some(schema)) => Ok(Some(lower(schema))),
        (Some("application/json"), None) => Ok(Some(json!({"properties": {"answer": {"type": "string"}}}))),
        (_, None) => Ok(None),
        (_, Some(_)) => Err(Refusal::invalid(
            "Response schema is only supported with response mime type: 'application/json' or 'text/x.enum'.",
        )),
    }
}

fn thinking(config: &Value, prompt: &mut Prompt) -> Result<(), Refusal> {
    let (budget, level) = (field(config, "thinkingBudget").as_i64(), field(config, "thinkingLevel").as_str());
    if budget.is_some() && level.is_some() {
        return Err(Refusal::invalid("You can only set only one of thinking budget and thinking level."));
    }
    if level.is_some() && !prompt.model.contains("gemini-3") {
        return Err(Refusal::invalid("Thinking level is not supported for this model."));
    }
    let told = field(config, "includeThoughts") == true;
    prompt.thinking = budget != Some(0) && (told || budget.is_some() || level.is_some());
    prompt.silent = !told;
    Ok(())
}

fn tools(listed: &Value) -> Result<Vec<Tool>, Refusal> {
    let mut tools: Vec<Tool> = Vec::new();
    let declared = listed.as_array().into_iter().flatten();
    for function in declared.flat_map(|tool| field(tool, "functionDeclarations").as_array().into_iter().flatten()) {
        let name = function["name"].as_str().unwrap_or("");
        if !name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_') {
            return Err(Refusal::invalid("Invalid function name. Must start with a letter or an underscore."));
        }
        let letters = |byte: u8| byte.is_ascii_alphanumeric() || b"_.:-".contains(&byte);
        if name.len() > 64 || !name.bytes().all(letters) {
            let rule =
                "Must be a-z, A-Z, 0-9, or contain underscores, dots, colons and dashes, with a maximum length of 64.";
            return Err(Refusal::invalid(format!("Invalid function name. {rule}")));
        }
        if tools.iter().any(|tool| tool.name == name) {
            return Err(Refusal::invalid(format!("Duplicate function declaration found: {name}")));
        }
        let (plain, json_schema) = (field(function, "parameters"), field(function, "parametersJsonSchema"));
        if !plain.is_null() && !json_schema.is_null() {
            return Err(Refusal::invalid("parameters and parameters_json_schema must not both be set."));
        }
        let schema = lower(if plain.is_null() { json_schema } else { plain });
        tools.push(Tool { name: name.to_owned(), schema, ..Tool::default() });
    }
    Ok(tools)
}

fn tool_choice(config: &Value, tools: &[Tool]) -> Result<ToolChoice, Refusal> {
    let names = field(config, "allowedFunctionNames").as_array().map_or(&[][..], Vec::as_slice);
    let mode = config["mode"].as_str().unwrap_or("AUTO");
    if !names.is_empty() && !["ANY", "VALIDATED"].contains(&mode) {
        return Err(Refusal::invalid("Function calling config: allowed_function_names may only be set with mode ANY."));
    }
    if let Some(other) = names.iter().find(|name| !tools.iter().any(|tool| *name == &tool.name)) {
        return Err(Refusal::invalid(format!("allowed_function_names has {other}, which is not declared.")));
    }
    match mode {
        "ANY" if tools.is_empty() => {
            Err(Refusal::invalid("Function calling config is set without function_declarations."))
        }
        "ANY" => {
            Ok(names.first().and_then(Value::as_str).map_or(ToolChoice::Any, |name| ToolChoice::Named(name.into())))
        }
        "NONE" => Ok(ToolChoice::None),
        "AUTO" | "VALIDATED" | "MODE_UNSPECIFIED" => Ok(ToolChoice::Auto),
        other => Err(Refusal::invalid(format!(
            "Invalid value at 'tool_config.function_calling_config.mode' (type.googleapis.com/google.ai.generativelanguage.v1beta.FunctionCallingConfig.Mode), \"{other}\""
        ))),
    }
}

/// Converts a schema's types to JSON Schema's lower case; Gemini also accepts capitals.
fn lower(schema: &Value) -> Value {
    match schema {
        Value::Object(fields) => fields
            .iter()
            .map(|(name, value)| match value.as_str().filter(|_| name == "type") {
                Some(kind) => (name.clone(), json!(kind.to_ascii_lowercase())),
                None => (name.clone(), lower(value)),
            })
            .collect(),
        Value::Array(items) => items.iter().map(lower).collect(),
        other => other.clone(),
    }
}
