//! Mistral: it rejects unknown fields with a list of errors and their locations, calls a seed `random_seed` and a
//! required tool `any`, and accepts only its own form of call ids.
//!
//! Source: <https://docs.mistral.ai/api>.

use serde_json::{Value, json};

use crate::simulator::prompt::Prompt;
use crate::simulator::reply::Refusal;
use crate::simulator::wire::bounds;
use crate::simulator::wire::openai::chat_request;

const FIELDS: [&str; 21] = [
    "model",
    "messages",
    "temperature",
    "top_p",
    "max_tokens",
    "stream",
    "stop",
    "random_seed",
    "response_format",
    "tools",
    "tool_choice",
    "presence_penalty",
    "frequency_penalty",
    "n",
    "prediction",
    "parallel_tool_calls",
    "prompt_mode",
    "reasoning_effort",
    "safe_prompt",
    "metadata",
    "guardrails",
];
const MESSAGE: [&str; 6] = ["role", "content", "tool_calls", "tool_call_id", "name", "prefix"];

/// Reads a request's body.
pub fn read(mut body: Value) -> Result<Prompt, Refusal> {
    only(&body, &FIELDS, "body")?;
    for (index, message) in body["messages"].as_array().into_iter().flatten().enumerate() {
        only(message, &MESSAGE, &format!("body.messages.{index}"))?;
        if !["system", "user", "assistant", "tool"].contains(&message["role"].as_str().unwrap_or("")) {
            return Err(wrong(
                &format!("body.messages.{index}.role"),
                "Input tag does not match any of the expected tags",
            ));
        }
    }
    identifiers(&body)?;
    bounds::check(&body, &bounds::MISTRAL, |name, value, range| {
        let (sign, bound) = if value < *range.start() { ("greater", range.start()) } else { ("less", range.end()) };
        wrong(&format!("body.{name}"), &format!("Input should be {sign} than or equal to {bound}"))
    })?;
    if body["tool_choice"] == "any" {
        body["tool_choice"] = json!("required");
    }
    // Every stream ends with the usage, even if the request does not ask for it.
    if body["stream"] == true {
        body["stream_options"] = json!({"include_usage": true});
    }
    chat_request::read(&body)
}

/// Checks the call ids: nine letters and digits.
fn identifiers(body: &Value) -> Result<(), Refusal> {
    for message in body["messages"].as_array().into_iter().flatten() {
        let calls = message["tool_calls"].as_array().into_iter().flatten().map(|call| &call["id"]);
        for id in calls.chain([&message["tool_call_id"]]).filter_map(Value::as_str) {
            if id.len() != 9 || !id.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
                return Err(Refusal::invalid(format!(
                    "{IDENTIFIER}{id} but must be a-z, A-Z, 0-9, with a length of 9."
                )));
            }
        }
    }
    Ok(())
}

/// The start of the error message for a call id.
const IDENTIFIER: &str = "Tool call id was ";

fn only(value: &Value, known: &[&str], place: &str) -> Result<(), Refusal> {
    let mut names = value.as_object().into_iter().flatten().map(|(name, _)| name);
    match names.find(|name| !known.contains(&name.as_str())) {
        Some(name) => Err(wrong(&format!("{place}.{name}"), "Extra inputs are not permitted")),
        None => Ok(()),
    }
}

/// An error at a location, which [`error`] takes apart.
fn wrong(place: &str, what: &str) -> Refusal {
    Refusal::new(422, format!("{place}: {what}"))
}

pub fn error(refusal: &Refusal) -> Value {
    match (refusal.status, refusal.message.split_once(": ")) {
        (422, Some((place, what))) => {
            let kind = if what.starts_with("Extra") { "extra_forbidden" } else { "union_tag_invalid" };
            json!({"detail": [{"type": kind, "loc": place.split('.').collect::<Vec<_>>(), "msg": what}]})
        }
        (401, _) => json!({"detail": "Unauthorized"}),
        (status, _) => {
            let kind = if status == 429 { "rate_limited" } else { "invalid_request_error" };
            let code = if refusal.message.starts_with(IDENTIFIER) { "3280" } else { "3000" };
            json!({"object": "error", "message": refusal.message, "type": kind, "param": null, "code": code})
        }
    }
}
