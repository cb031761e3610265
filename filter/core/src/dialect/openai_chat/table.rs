//! Every field of a request that the dialect knows, and what becomes of it; the reader decides by this table about what
//! it did not map.

use serde_json::value::RawValue;

use super::super::Fate::{self, Dropped, Mapped, Refused};
use super::super::fields::{Fields, join};
use crate::error::ApiError;

/// Fields by path; `[]` stands for any place in an array. What is not here is refused as unknown.
///
/// A refused field passes when its value is the default that changes nothing (`"logprobs": false`). Dropped are wishes
/// about storage, routing and wording that leave the meaning of the answer alone: `verbosity` asks for longer or
/// shorter words, `store` and `metadata` for what a dashboard shows, `prompt_cache_*` and `safety_identifier` are
/// addresses in the provider's own house.
pub(super) const FIELDS: &[(&str, Fate)] = &[
    ("model", Mapped),
    ("messages", Mapped),
    ("max_completion_tokens", Mapped),
    ("max_tokens", Mapped),
    ("temperature", Mapped),
    ("top_p", Mapped),
    ("top_k", Mapped),
    ("n", Mapped),
    ("stop", Mapped),
    ("seed", Mapped),
    ("frequency_penalty", Mapped),
    ("presence_penalty", Mapped),
    ("response_format", Mapped),
    ("tools", Mapped),
    ("tool_choice", Mapped),
    ("parallel_tool_calls", Mapped),
    ("stream", Mapped),
    ("stream_options", Mapped),
    ("reasoning_effort", Mapped),
    ("thinking", Mapped),
    ("service_tier", Mapped),
    ("user", Mapped),
    ("logit_bias", Refused),
    ("logprobs", Refused),
    ("top_logprobs", Refused),
    ("audio", Refused),
    ("modalities", Refused),
    ("prediction", Refused),
    ("web_search_options", Refused),
    ("function_call", Refused),
    ("functions", Refused),
    ("metadata", Dropped),
    ("store", Dropped),
    ("prompt_cache_key", Dropped),
    ("prompt_cache_retention", Dropped),
    ("safety_identifier", Dropped),
    ("verbosity", Dropped),
    ("stream_options.include_usage", Mapped),
    ("stream_options.include_obfuscation", Dropped),
    ("messages[].role", Mapped),
    ("messages[].content", Mapped),
    ("messages[].name", Mapped),
    ("messages[].refusal", Mapped),
    ("messages[].tool_calls", Mapped),
    ("messages[].tool_call_id", Mapped),
    ("messages[].reasoning_content", Mapped),
    ("messages[].reasoning", Mapped),
    ("messages[].thinking_blocks", Mapped),
    ("messages[].cache_control", Mapped),
    ("messages[].annotations", Dropped),
    ("messages[].audio", Refused),
    ("messages[].function_call", Refused),
    ("messages[].content[].text", Mapped),
    ("messages[].content[].refusal", Mapped),
    ("messages[].content[].image_url", Mapped),
    ("messages[].content[].file", Mapped),
    ("messages[].content[].cache_control", Mapped),
    ("messages[].content[].input_audio", Refused),
    ("messages[].content[].file.file_id", Refused),
    ("messages[].tool_calls[].function", Mapped),
    ("messages[].tool_calls[].custom", Refused),
    ("tools[].function", Mapped),
    ("tools[].cache_control", Mapped),
    ("tools[].custom", Refused),
    ("tool_choice.function", Mapped),
    ("tool_choice.allowed_tools", Refused),
    ("tool_choice.custom", Refused),
    ("response_format.json_schema", Mapped),
];

/// Settles what nobody took from `fields`, an object at `at` whose fields stand in the table under `prefix`.
pub(super) fn settle(fields: &Fields<'_>, at: &str, prefix: &str, dropped: &mut Vec<String>) -> Result<(), ApiError> {
    for (name, raw) in fields.rest() {
        let known = FIELDS.iter().find(|(path, _)| path.strip_prefix(prefix) == Some(name));
        match known {
            Some((_, Refused)) if !changes_nothing(name, raw) => return Err(refused(&join(at, name))),
            Some((path, Dropped)) => {
                if !matches!(raw.get(), "[]" | "{}") && !dropped.iter().any(|other| other == path) {
                    dropped.push((*path).to_owned());
                }
            }
            Some((_, Refused)) => {}
            Some((_, Mapped)) | None => return Err(unknown(&join(at, name))),
        }
    }
    Ok(())
}

/// Checks that nothing is left of an object that has no fields in the table.
pub(super) fn nothing_left(fields: &Fields<'_>, at: &str) -> Result<(), ApiError> {
    match fields.rest().next() {
        None => Ok(()),
        Some((name, _)) => Err(unknown(&join(at, name))),
    }
}

/// A 400 for a field that is known, and has no words in another provider's language.
pub(super) fn refused(path: &str) -> ApiError {
    let message = format!("'{path}' is not supported with the provider that serves this model.");
    ApiError::unsupported(path, message)
}

/// A 400 for a field that is missing.
pub(super) fn missing(path: &str) -> ApiError {
    ApiError::invalid(path, format!("Missing required parameter: '{path}'.")).with_code("missing_required_parameter")
}

fn unknown(path: &str) -> ApiError {
    ApiError::invalid(path, format!("Unknown parameter: '{path}'.")).with_code("unknown_parameter")
}

/// Whether a refused field holds the value that OpenAI assumes without it.
fn changes_nothing(name: &str, raw: &RawValue) -> bool {
    let value: String = raw.get().split_ascii_whitespace().collect();
    match name {
        "logprobs" => value == "false",
        "top_logprobs" => value == "0",
        "logit_bias" => value == "{}",
        "modalities" => value == r#"["text"]"#,
        "functions" => value == "[]",
        "function_call" => matches!(value.as_str(), r#""none""# | r#""auto""#),
        _ => false,
    }
}
