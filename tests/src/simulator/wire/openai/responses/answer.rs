//! Writes a whole response.

use serde_json::{Value, json};

use super::items::SIGNATURE;
use crate::simulator::fault::{Fault, Faults};
use crate::simulator::prompt::{Answer, Prompt, Stop, Usage};

const CREATED: u64 = 1_780_000_000;

fn usage(usage: Usage) -> Value {
    json!({
        "input_tokens": usage.input,
        "input_tokens_details": {"cached_tokens": usage.cached},
        "output_tokens": usage.output,
        "output_tokens_details": {"reasoning_tokens": usage.thinking},
        "total_tokens": usage.input + usage.output,
    })
}

/// The reason for an incomplete response.
fn incomplete(stop: &Stop) -> Option<&str> {
    match stop {
        Stop::Length => Some("max_output_tokens"),
        Stop::Word(word) => Some(word),
        Stop::End | Stop::Sequence(_) | Stop::Tools => None,
    }
}

/// The last word of the final event's name: `completed`, or `incomplete`.
pub fn status(stop: &Stop) -> &'static str {
    if incomplete(stop).is_some() { "incomplete" } else { "completed" }
}

/// The output items of an answer.
pub fn output(prompt: &Prompt, answer: &Answer, faults: &Faults) -> Vec<Value> {
    if faults.has(&Fault::Empty) {
        return Vec::new();
    }
    let mut output = Vec::new();
    if prompt.thinking {
        let summary = answer.thinking.iter().map(|text| json!({"type": "summary_text", "text": text}));
        let mut item = json!({"id": format!("rs_sim{}", prompt.messages), "type": "reasoning", "summary": summary.collect::<Vec<_>>()});
        if prompt.signed {
            item["encrypted_content"] = json!(SIGNATURE);
        }
        output.push(item);
    }
    if !answer.text.is_empty() {
        let part = json!({"type": "output_text", "text": answer.text.concat(), "annotations": [], "logprobs": []});
        output.push(json!({
            "id": format!("msg_sim{}", prompt.messages), "type": "message", "status": status(&answer.stop),
            "role": "assistant", "content": [part],
        }));
    }
    output.extend(answer.calls.iter().map(|call| {
        let tool = prompt.tools.iter().find(|tool| tool.name == call.name);
        let mut item = match tool.is_some_and(|tool| tool.custom) {
            false => json!({
                "id": format!("fc_{}", call.id), "type": "function_call", "status": "completed",
                "call_id": format!("call_{}", call.id), "name": call.name, "arguments": call.arguments.to_string(),
            }),
            true => json!({
                "id": format!("ctc_{}", call.id), "type": "custom_tool_call", "status": "completed",
                "call_id": format!("call_{}", call.id), "name": call.name, "input": call.arguments["input"],
            }),
        };
        if let Some(namespace) = tool.and_then(|tool| tool.namespace.as_ref()) {
            item["namespace"] = json!(namespace);
        }
        item
    }));
    output
}

/// A response with this status and output.
pub fn response(prompt: &Prompt, status: &str, output: Vec<Value>) -> Value {
    let mut body = prompt.echo.clone();
    for (name, value) in [
        ("object", json!("response")),
        ("created_at", json!(CREATED)),
        ("status", json!(status)),
        ("background", json!(false)),
        ("error", Value::Null),
        ("incomplete_details", Value::Null),
        ("model", json!(prompt.model)),
        ("output", Value::Array(output)),
        ("service_tier", json!("default")),
        ("usage", Value::Null),
    ] {
        body[name] = value;
    }
    body
}

/// Writes a whole answer.
pub fn whole(prompt: &Prompt, answer: &Answer, faults: &Faults) -> Value {
    let mut body = response(prompt, status(&answer.stop), output(prompt, answer, faults));
    if let Some(reason) = incomplete(&answer.stop) {
        body["incomplete_details"] = json!({"reason": reason});
    }
    if let Some(known) = answer.usage {
        body["usage"] = usage(known);
    }
    if faults.has(&Fault::Extra) {
        body["x_future"] = json!({"nested": [1, {"deep": null}]});
    }
    body
}
