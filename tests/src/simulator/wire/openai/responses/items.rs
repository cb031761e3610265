//! Reads a request's items: messages, calls and their outputs, reasoning. A call requires its output, an output its
//! call, and reasoning the item that follows from it.

use serde_json::{Value, json};

use crate::simulator::prompt::{Prompt, image_at};
use crate::simulator::reply::Refusal;

/// The signed reasoning; the simulator rejects a returned item with other content.
pub const SIGNATURE: &str = "gAAAAABsim0sealed-thoughts==";

/// The input's items; a plain text stands for a message.
pub fn given(input: &Value) -> Result<Vec<Value>, Refusal> {
    match input {
        Value::String(text) => Ok(vec![json!({"type": "message", "role": "user", "content": text})]),
        Value::Array(items) if !items.is_empty() => Ok(items.clone()),
        _ => Err(Refusal::invalid("Missing required parameter: 'input'.")),
    }
}

/// Reads the items; `stored` tells whether the provider keeps them.
pub fn read(items: &[Value], stored: bool, prompt: &mut Prompt) -> Result<(), Refusal> {
    let mut open: Vec<&str> = Vec::new();
    for (index, item) in items.iter().enumerate() {
        let text_of = |name: &str| {
            let missing = || Refusal::invalid(format!("Missing required parameter: 'input[{index}].{name}'."));
            item[name].as_str().ok_or_else(missing)
        };
        match item["type"].as_str() {
            None | Some("message") => message(index, item, prompt)?,
            Some("function_call") => {
                text_of("name")?;
                text_of("arguments")?;
                open.push(text_of("call_id")?);
            }
            Some("custom_tool_call") => {
                text_of("name")?;
                text_of("input")?;
                open.push(text_of("call_id")?);
            }
            Some("function_call_output" | "custom_tool_call_output") => {
                let id = text_of("call_id")?;
                let place = open.iter().position(|call| *call == id).ok_or_else(|| {
                    Refusal::invalid(format!("No tool call found for function call output with call_id {id}."))
                })?;
                open.remove(place);
                let said = said(&item["output"]);
                prompt.text_bytes += said.len();
                prompt.tool_results.push(said);
            }
            Some("reasoning") => reasoning(item, items.get(index + 1), stored)?,
            Some("item_reference" | "additional_tools") => {}
            Some(other) => {
                return Err(Refusal::invalid(format!("Invalid value: '{other}' for 'input[{index}].type'.")));
            }
        }
    }
    match open.first() {
        Some(id) => Err(Refusal::invalid(format!("No tool output found for function call {id}."))),
        None => Ok(()),
    }
}

fn message(index: usize, item: &Value, prompt: &mut Prompt) -> Result<(), Refusal> {
    let role = item["role"].as_str().unwrap_or("");
    let known: &[&str] = match role {
        "user" | "system" | "developer" => &["input_text", "input_image", "input_file"],
        "assistant" => &["output_text", "refusal"],
        other => return Err(Refusal::invalid(format!("Invalid value: '{other}' for 'input[{index}].role'."))),
    };
    let parts = match &item["content"] {
        Value::String(text) => vec![json!({"type": known[0], "text": text})],
        Value::Array(parts) => parts.clone(),
        _ => return Err(Refusal::invalid(format!("Missing required parameter: 'input[{index}].content'."))),
    };
    if let Some(other) = parts.iter().find(|part| !known.contains(&part["type"].as_str().unwrap_or(""))) {
        return Err(Refusal::invalid(format!(
            "Invalid value: {}. Supported values are: '{}'.",
            other["type"],
            known.join("', '")
        )));
    }
    let text = parts.iter().filter_map(|part| part["text"].as_str()).collect::<String>();
    prompt.text_bytes += text.len();
    if role == "user" {
        prompt.hear(text, parts.iter().filter_map(|part| part["image_url"].as_str().map(image_at)).collect());
    }
    Ok(())
}

fn reasoning(item: &Value, next: Option<&Value>, stored: bool) -> Result<(), Refusal> {
    let id = item["id"].as_str().unwrap_or("");
    match item["encrypted_content"].as_str() {
        None if !stored => {
            let message =
                format!("Item with id '{id}' not found. Items are not persisted when `store` is set to false.");
            return Err(Refusal::new(404, message));
        }
        Some(signature) if signature != SIGNATURE => {
            let message = format!("The encrypted content for item {id} could not be verified.");
            return Err(Refusal { code: Some("invalid_encrypted_content"), ..Refusal::invalid(message) });
        }
        _ if !item["summary"].is_array() => {
            return Err(Refusal::invalid(
                "Missing required parameter: 'input.summary' of an item of type 'reasoning'.",
            ));
        }
        _ => {}
    }
    let follows = next.is_some_and(|next| {
        next["role"] == "assistant"
            || ["function_call", "custom_tool_call", "reasoning"].iter().any(|kind| next["type"] == *kind)
    });
    if follows {
        return Ok(());
    }
    let message = format!("Item '{id}' of type 'reasoning' was provided without its required following item.");
    Err(Refusal::invalid(message))
}

fn said(output: &Value) -> String {
    match output {
        Value::String(text) => text.clone(),
        parts => parts.as_array().into_iter().flatten().filter_map(|part| part["text"].as_str()).collect(),
    }
}
