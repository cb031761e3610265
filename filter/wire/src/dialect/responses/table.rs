//! All request fields that the dialect knows, with their policies for providers of other formats. The reader handles every field that it
//! does not map by this table.

use crate::dialect::openai::table::Table;
use crate::error::ApiError;

use super::super::FieldPolicy::{Dropped, Mapped, Refused};
use super::super::{Field, policies};

/// Fields by path; `[]` stands for any array index. Any other field is rejected as unknown.
///
/// A refused field is accepted if it has its default value (`"background": false`); a dropped field with its default value is not counted
/// (`"store": false`).
pub const FIELDS: &[Field; 93] = &[
    ("model", Mapped, "the target's model"),
    ("input", Mapped, "a string, or items: messages, calls, results and reasoning"),
    ("instructions", Mapped, "the first system message"),
    ("tools", Mapped, "functions, namespaces, custom tools, and tool search by the client"),
    ("tool_choice", Mapped, "`auto`, `none`, `required`, a function or a custom tool"),
    ("parallel_tool_calls", Mapped, ""),
    ("text", Mapped, "see `text.format`"),
    ("reasoning", Mapped, "see `reasoning.effort`"),
    ("max_output_tokens", Mapped, "`max_completion_tokens`"),
    ("temperature", Mapped, ""),
    ("top_p", Mapped, ""),
    ("service_tier", Mapped, ""),
    ("user", Mapped, ""),
    ("stream", Mapped, ""),
    ("previous_response_id", Refused, "stored state"),
    ("conversation", Refused, "stored state"),
    ("prompt", Refused, "stored state"),
    ("background", Refused, "passes when `false`; stored state"),
    ("background_options", Refused, ""),
    ("context_management", Refused, "passes when `[]`"),
    ("moderation", Refused, ""),
    ("access_programs", Refused, ""),
    ("top_logprobs", Refused, "passes when 0"),
    ("store", Dropped, "passes when `false`; translated responses are not stored"),
    ("truncation", Dropped, "passes when `disabled`; the provider rejects a conversation that is too long"),
    (
        "include",
        Dropped,
        "passes for `reasoning.encrypted_content`, which is always included; `message.output_text.logprobs`: 400",
    ),
    ("max_tool_calls", Dropped, "only for tools that run at OpenAI"),
    ("metadata", Dropped, "forwarded to OpenAI's models in chat completions with `store`"),
    ("prompt_cache_key", Dropped, "forwarded to OpenAI's models in chat completions"),
    ("prompt_cache_retention", Dropped, ""),
    ("prompt_cache_options", Dropped, ""),
    ("safety_identifier", Dropped, "the same"),
    ("stream_options", Dropped, "its `include_obfuscation`"),
    ("image", Dropped, ""),
    ("client_metadata", Dropped, ""),
    ("text.format", Mapped, "`json_schema` and `json_object`; `text` has no effect"),
    ("text.verbosity", Dropped, "forwarded to GPT-5 and newer in chat completions"),
    ("reasoning.effort", Mapped, "`reasoning_effort`"),
    ("reasoning.summary", Dropped, "the summary is the provider's visible reasoning"),
    ("reasoning.generate_summary", Dropped, ""),
    ("reasoning.context", Dropped, ""),
    ("reasoning.mode", Refused, "passes when `standard`"),
    ("tool_choice.function", Mapped, "its `name`"),
    ("tool_choice.allowed_tools", Mapped, "the other tools are dropped; `mode` is the choice"),
    ("tool_choice.custom", Mapped, "its `name`"),
    ("tool_choice.hosted", Refused, "tools that run at OpenAI, including `mcp`"),
    ("tools[].name", Mapped, ""),
    ("tools[].description", Mapped, ""),
    ("tools[].parameters", Mapped, ""),
    ("tools[].strict", Mapped, "if absent, the provider's default"),
    ("tools[].tools", Mapped, "the functions of a `namespace`, named after both; calls return both names"),
    (
        "tools[].custom",
        Mapped,
        "a function with one string, the grammar in its description; calls return as `custom_tool_call`",
    ),
    ("tools[].tool_search", Mapped, "if the client searches; calls return as `tool_search_call`"),
    ("tools[].hosted", Refused, "any other `type` runs at OpenAI; dropped as `tools.{type}` if functions remain"),
    ("tools[].defer_loading", Dropped, "passes when `false`; the model sees all tools from the start"),
    ("tools[].async", Refused, "passes when `false`"),
    ("tools[].allowed_callers", Refused, "passes when `[\"direct\"]`"),
    ("tools[].output_schema", Dropped, ""),
    ("input[].role", Mapped, ""),
    ("input[].content", Mapped, "text or parts; for reasoning without a summary, its text"),
    ("input[].call_id", Mapped, ""),
    ("input[].name", Mapped, ""),
    ("input[].arguments", Mapped, ""),
    ("input[].output", Mapped, "text or parts"),
    ("input[].summary", Mapped, "reasoning; its parts are joined"),
    ("input[].encrypted_content", Mapped, "the signature of the reasoning, for its own provider"),
    ("input[].id", Mapped, "kept for reasoning; else ignored, because the gateway stores nothing"),
    ("input[].status", Dropped, "passes when `completed`"),
    ("input[].phase", Dropped, ""),
    ("input[].item_reference", Refused, "stored state; passes if the item itself precedes it"),
    ("input[].web_search_call", Dropped, "the response after it includes the result"),
    ("input[].file_search_call", Dropped, "the same"),
    ("input[].code_interpreter_call", Dropped, "the same"),
    ("input[].image_generation_call", Dropped, "the same; the image is lost"),
    ("input[].mcp_call", Dropped, "the same"),
    ("input[].mcp_list_tools", Dropped, ""),
    ("input[].hosted", Refused, "items of other types"),
    ("input[].namespace", Mapped, "with `name`"),
    ("input[].input", Mapped, "of a `custom_tool_call`"),
    ("input[].tools", Mapped, "in `additional_tools` and `tool_search_output`; added to the others"),
    ("input[].internal_chat_message_metadata_passthrough", Dropped, ""),
    ("input[].caller", Refused, "passes when `direct`"),
    ("input[].content[].text", Mapped, ""),
    ("input[].content[].refusal", Mapped, ""),
    ("input[].content[].image_url", Mapped, "an http(s) URL or a base64 data URI"),
    ("input[].content[].detail", Mapped, "for an image; dropped for a file"),
    ("input[].content[].file_data", Mapped, "a base64 data URI"),
    ("input[].content[].file_url", Mapped, "an http(s) URL"),
    ("input[].content[].filename", Mapped, ""),
    ("input[].content[].file_id", Refused, "stored state"),
    ("input[].content[].annotations", Dropped, ""),
    ("input[].content[].logprobs", Dropped, ""),
    ("input[].content[].prompt_cache_breakpoint", Dropped, ""),
];

/// The table for the reader.
pub(super) const TABLE: Table = Table { policies: &policies(FIELDS), changes_nothing };

/// Whether a field has OpenAI's default value.
fn changes_nothing(path: &str, value: &str) -> bool {
    match path {
        "top_logprobs" => value == "0",
        "context_management" => value == "[]",
        "store" | "background" | "tools[].defer_loading" | "tools[].async" => value == "false",
        "truncation" => value == r#""disabled""#,
        "reasoning.mode" => value == r#""standard""#,
        "tools[].allowed_callers" => value == r#"["direct"]"#,
        "input[].status" => value == r#""completed""#,
        "input[].caller" => value == r#"{"type":"direct"}"#,
        _ => false,
    }
}

/// The 400 for a reference to state stored at OpenAI.
pub(super) fn stored(path: &str) -> ApiError {
    let message = format!(
        "'{path}' refers to stored state, which only a provider with its own Responses API supports. Send the content \
         itself instead of the reference; some clients do so with `store: false`."
    );
    ApiError::unsupported(path, message)
}

/// The 400 for a reference to an item that is not included.
pub(super) fn referred(path: &str) -> ApiError {
    let message = format!(
        "'{path}' refers to a stored item, and only a provider with its own Responses API stores items. Send whole \
         items: clients do so with `store: false` (in the AI SDK `providerOptions.openai.store`)."
    );
    ApiError::unsupported(path, message)
}

/// The 400 for a tool that runs at OpenAI; `word` is the value at `path`.
pub(super) fn hosted(path: &str, word: &str) -> ApiError {
    let word: String = word.chars().take(64).collect();
    let message = format!(
        "'{path}' is '{word}', which only a provider with its own Responses API supports. Use another value or \
         another model."
    );
    ApiError::unsupported(path, message)
}
