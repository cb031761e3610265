//! Rejects parameters by model generation. The simulator knows a few real model names; all other models, including its
//! own, accept all parameters.
//!
//! Source: Anthropic's page "Troubleshoot thinking"; OpenAI's 400 responses that clients reported.

use serde_json::Value;

use crate::simulator::reply::Refusal;

const ADAPTIVE: [&str; 6] = ["opus-4-7", "opus-4-8", "opus-5", "sonnet-5", "fable-5", "mythos-5"];
const ONE_OF_TWO: [&str; 4] = ["opus-4-1", "opus-4-5", "sonnet-4-5", "haiku-4-5"];
/// Schema keywords that Anthropic does not enforce.
const UNKNOWN_WORDS: [&str; 6] = ["minimum", "maximum", "multipleOf", "minLength", "maxLength", "maxItems"];

fn is_one_of(model: &str, names: &[&str]) -> bool {
    names.iter().any(|name| model.contains(name))
}

/// Checks Anthropic's parameters on any host; `format` is the schema of the answer.
pub fn claude(model: &str, given: &Value, format: &Value) -> Result<(), Refusal> {
    let thinking = given["thinking"]["type"].as_str();
    let adaptive = is_one_of(model, &ADAPTIVE);
    if adaptive && thinking == Some("enabled") {
        return Err(Refusal::invalid(
            "\"thinking.type.enabled\" is not supported for this model. Use \"thinking.type.adaptive\" and \
             \"output_config.effort\" to control thinking behavior.",
        ));
    }
    let chance = ["temperature", "top_p", "top_k"].map(|name| !given[name].is_null() && given[name] != 1.0);
    if adaptive && chance.contains(&true) {
        return Err(Refusal::invalid("`temperature`, `top_p` and `top_k` are deprecated for this model."));
    }
    if is_one_of(model, &ONE_OF_TWO) {
        if thinking == Some("adaptive") {
            return Err(Refusal::invalid("adaptive thinking is not supported on this model"));
        }
        if !given["temperature"].is_null() && !given["top_p"].is_null() {
            return Err(Refusal::invalid("`temperature` and `top_p` cannot both be specified for this model."));
        }
    }
    if adaptive { schema(format) } else { Ok(()) }
}

/// Rejects schemas that Anthropic does not enforce.
fn schema(schema: &Value) -> Result<(), Refusal> {
    let Some(fields) = schema.as_object() else { return Ok(()) };
    if let Some(word) = UNKNOWN_WORDS.iter().find(|word| fields.contains_key(**word)) {
        return Err(Refusal::invalid(format!("output_config.format.schema: property '{word}' is not supported")));
    }
    if fields.get("type").is_some_and(|of| of == "object") && fields.get("additionalProperties") != Some(&false.into())
    {
        let message =
            "output_config.format.schema: For 'object' type, 'additionalProperties' must be explicitly set to false";
        return Err(Refusal::invalid(message));
    }
    for named in ["properties", "$defs"].iter().filter_map(|name| fields.get(*name)?.as_object()) {
        named.values().try_for_each(self::schema)?;
    }
    fields.get("items").map_or(Ok(()), self::schema)
}

/// Checks the parameters of OpenAI's chat completions.
pub fn gpt(model: &str, body: &Value) -> Result<(), Refusal> {
    if is_one_of(model, &["gpt-4o", "gpt-4.1"]) && !body["reasoning_effort"].is_null() {
        return Err(Refusal::invalid("Unrecognized request argument supplied: reasoning_effort"));
    }
    if is_one_of(model, &["gpt-5-mini", "gpt-5-nano"]) {
        if !body["max_tokens"].is_null() {
            let message = "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead.";
            return Err(Refusal::invalid(message));
        }
        if !body["temperature"].is_null() && body["temperature"] != 1.0 {
            return Err(Refusal::invalid(
                "Unsupported value: 'temperature' does not support this value with this model.",
            ));
        }
    }
    if !is_one_of(model, &["gpt-4o", "gpt-4.1", "gpt-5-"]) {
        return Ok(());
    }
    for tool in body["tools"].as_array().into_iter().flatten() {
        let parameters = &tool["function"]["parameters"];
        if parameters["type"] == "object" && parameters["properties"].is_null() {
            let name = &tool["function"]["name"];
            return Err(Refusal::invalid(format!(
                "Invalid schema for function {name}: In context=(), object schema missing properties."
            )));
        }
    }
    Ok(())
}
