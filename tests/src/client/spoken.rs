//! Extracts the text of a stream event, in any wire format.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

/// The text in an event's data.
pub fn text(data: &Value) -> Option<String> {
    // An Anthropic event inside a Bedrock frame.
    if let Some(bytes) = data["bytes"].as_str() {
        return text(&serde_json::from_slice(&STANDARD.decode(bytes).ok()?).ok()?);
    }
    let choice = &data["choices"][0];
    let part = &data["candidates"][0]["content"]["parts"][0];
    let places = [
        // OpenAI chat completions and legacy completions.
        &choice["delta"]["content"],
        &choice["text"],
        // Anthropic messages and Bedrock Converse.
        &data["delta"]["text"],
        // Cohere.
        &data["delta"]["message"]["content"]["text"],
        // Gemini, without thoughts.
        if part["thought"] == true { &Value::Null } else { &part["text"] },
        // OpenAI responses.
        if data["type"] == "response.output_text.delta" { &data["delta"] } else { &Value::Null },
    ];
    places.into_iter().find_map(Value::as_str).map(str::to_owned)
}
