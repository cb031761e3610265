//! The fields that the Gemini API knows, at every depth. It rejects a request with other fields and lists all of them.
//! Field names may be in camel case or snake case.

use serde_json::Value;

use crate::simulator::reply::Refusal;

/// The type of a field.
enum Kind {
    Any,
    One(&'static Message),
    Many(&'static Message),
    /// A map from names to messages.
    Map(&'static Message),
}

/// The fields of a message.
struct Message(&'static [(&'static str, Kind)]);

use Kind::{Any, Many, Map, One};

static REQUEST: Message = Message(&[
    ("model", Any),
    ("contents", Many(&CONTENT)),
    ("system_instruction", One(&CONTENT)),
    ("tools", Many(&TOOL)),
    ("tool_config", One(&TOOL_CONFIG)),
    ("safety_settings", Many(&SAFETY_SETTING)),
    ("generation_config", One(&GENERATION_CONFIG)),
    ("cached_content", Any),
    ("labels", Any),
    ("service_tier", Any),
]);
static CONTENT: Message = Message(&[("role", Any), ("parts", Many(&PART))]);
static PART: Message = Message(&[
    ("text", Any),
    ("thought", Any),
    ("thought_signature", Any),
    ("inline_data", One(&BLOB)),
    ("file_data", One(&FILE)),
    ("function_call", One(&FUNCTION_CALL)),
    ("function_response", One(&FUNCTION_RESPONSE)),
    ("executable_code", Any),
    ("code_execution_result", Any),
    ("video_metadata", Any),
    ("media_resolution", Any),
]);
static BLOB: Message = Message(&[("mime_type", Any), ("data", Any), ("display_name", Any)]);
static FILE: Message = Message(&[("mime_type", Any), ("file_uri", Any), ("display_name", Any)]);
static FUNCTION_CALL: Message = Message(&[("id", Any), ("name", Any), ("args", Any)]);
static FUNCTION_RESPONSE: Message = Message(&[
    ("id", Any),
    ("name", Any),
    ("response", Any),
    ("parts", Any),
    ("will_continue", Any),
    ("scheduling", Any),
]);
static TOOL: Message = Message(&[
    ("function_declarations", Many(&DECLARATION)),
    ("google_search", Any),
    ("google_search_retrieval", Any),
    ("code_execution", Any),
    ("url_context", Any),
]);
static DECLARATION: Message = Message(&[
    ("name", Any),
    ("description", Any),
    ("behavior", Any),
    ("parameters", One(&SCHEMA)),
    ("parameters_json_schema", Any),
    ("response", One(&SCHEMA)),
    ("response_json_schema", Any),
]);
static TOOL_CONFIG: Message =
    Message(&[("function_calling_config", One(&FUNCTION_CALLING_CONFIG)), ("retrieval_config", Any)]);
static FUNCTION_CALLING_CONFIG: Message =
    Message(&[("mode", Any), ("allowed_function_names", Any), ("stream_function_call_arguments", Any)]);
static SAFETY_SETTING: Message = Message(&[("category", Any), ("threshold", Any), ("method", Any)]);
static GENERATION_CONFIG: Message = Message(&[
    ("stop_sequences", Any),
    ("response_mime_type", Any),
    ("response_schema", One(&SCHEMA)),
    ("response_json_schema", Any),
    ("_response_json_schema", Any),
    ("response_modalities", Any),
    ("candidate_count", Any),
    ("max_output_tokens", Any),
    ("temperature", Any),
    ("top_p", Any),
    ("top_k", Any),
    ("seed", Any),
    ("presence_penalty", Any),
    ("frequency_penalty", Any),
    ("response_logprobs", Any),
    ("logprobs", Any),
    ("enable_enhanced_civic_answers", Any),
    ("speech_config", Any),
    ("thinking_config", One(&THINKING_CONFIG)),
    ("image_config", Any),
    ("media_resolution", Any),
]);
static THINKING_CONFIG: Message =
    Message(&[("include_thoughts", Any), ("thinking_budget", Any), ("thinking_level", Any)]);
static SCHEMA: Message = Message(&[
    ("type", Any),
    ("format", Any),
    ("title", Any),
    ("description", Any),
    ("nullable", Any),
    ("enum", Any),
    ("max_items", Any),
    ("min_items", Any),
    ("properties", Map(&SCHEMA)),
    ("required", Any),
    ("min_properties", Any),
    ("max_properties", Any),
    ("min_length", Any),
    ("max_length", Any),
    ("pattern", Any),
    ("example", Any),
    ("any_of", Many(&SCHEMA)),
    ("property_ordering", Any),
    ("default", Any),
    ("items", One(&SCHEMA)),
    ("minimum", Any),
    ("maximum", Any),
]);

/// Rejects unknown fields.
pub fn check(body: &Value) -> Result<(), Refusal> {
    let mut unknown = Vec::new();
    REQUEST.walk(body, "", &mut unknown);
    if unknown.is_empty() { Ok(()) } else { Err(Refusal::invalid(unknown.join("\n"))) }
}

impl Message {
    fn walk(&self, value: &Value, place: &str, unknown: &mut Vec<String>) {
        for (name, value) in value.as_object().into_iter().flatten() {
            let snake = snake(name);
            let Some((_, kind)) = self.0.iter().find(|(known, _)| *known == snake) else {
                let at = if place.is_empty() { String::new() } else { format!(" at '{place}'") };
                unknown.push(format!("Invalid JSON payload received. Unknown name \"{name}\"{at}: Cannot find field."));
                continue;
            };
            let place = if place.is_empty() { snake } else { format!("{place}.{snake}") };
            kind.walk(value, &place, unknown);
        }
    }
}

impl Kind {
    fn walk(&self, value: &Value, place: &str, unknown: &mut Vec<String>) {
        match self {
            Any => {}
            One(message) => message.walk(value, place, unknown),
            Many(message) => {
                for (index, value) in value.as_array().into_iter().flatten().enumerate() {
                    message.walk(value, &format!("{place}[{index}]"), unknown);
                }
            }
            Map(message) => {
                for (index, (_, value)) in value.as_object().into_iter().flatten().enumerate() {
                    message.walk(value, &format!("{place}[{index}].value"), unknown);
                }
            }
        }
    }
}

fn snake(name: &str) -> String {
    let mut snake = String::with_capacity(name.len() + 4);
    for character in name.chars() {
        if character.is_ascii_uppercase() {
            snake.push('_');
        }
        snake.push(character.to_ascii_lowercase());
    }
    snake
}

/// A field by its camel-case name; the request may use snake case.
pub fn field<'a>(value: &'a Value, name: &str) -> &'a Value {
    value.get(name).or_else(|| value.get(snake(name))).unwrap_or(&Value::Null)
}
