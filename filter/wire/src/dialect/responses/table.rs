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
    ("input", Mapped, "a text, or items: messages, calls, results and reasoning"),
    ("instructions", Mapped, "a system message before all others"),
    (
        "tools",
        Mapped,
        "functions, namespaces of them, tools of a text, and a search for tools that the client carries out",
    ),
    ("tool_choice", Mapped, "`auto`, `none`, `required`, a function, or a tool of a text"),
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
    ("store", Dropped, "passes when `false`: an answer that was translated is not stored"),
    ("truncation", Dropped, "passes when `disabled`; a conversation that is too long is the provider's error"),
    (
        "include",
        Dropped,
        "passes for `reasoning.encrypted_content`, which is always there; `message.output_text.logprobs` is a 400",
    ),
    ("max_tool_calls", Dropped, "counts calls of tools that run at OpenAI"),
    ("metadata", Dropped, "carried to OpenAI's models in chat completions beside `store`"),
    ("prompt_cache_key", Dropped, "carried to OpenAI's models in chat completions"),
    ("prompt_cache_retention", Dropped, ""),
    ("prompt_cache_options", Dropped, ""),
    ("safety_identifier", Dropped, "the same"),
    ("stream_options", Dropped, "its `include_obfuscation`"),
    ("image", Dropped, ""),
    ("client_metadata", Dropped, ""),
    ("text.format", Mapped, "`json_schema` and `json_object`; `text` is nothing"),
    ("text.verbosity", Dropped, "carried to GPT-5 and newer in chat completions"),
    ("reasoning.effort", Mapped, "`reasoning_effort`"),
    ("reasoning.summary", Dropped, "what the provider shows of its reasoning is the summary"),
    ("reasoning.generate_summary", Dropped, ""),
    ("reasoning.context", Dropped, ""),
    ("reasoning.mode", Refused, "passes when `standard`"),
    ("tool_choice.function", Mapped, "its `name`"),
    ("tool_choice.allowed_tools", Mapped, "the other tools are left out, and `mode` is the choice"),
    ("tool_choice.custom", Mapped, "its `name`"),
    ("tool_choice.hosted", Refused, "tools that run at OpenAI, `mcp` among them"),
    ("tools[].name", Mapped, ""),
    ("tools[].description", Mapped, ""),
    ("tools[].parameters", Mapped, ""),
    ("tools[].strict", Mapped, "absent, it is the provider's default"),
    ("tools[].tools", Mapped, "of a `namespace`: functions by its name and theirs; calls come back with both"),
    (
        "tools[].custom",
        Mapped,
        "a function of one text, the grammar in its description; calls come back as `custom_tool_call`",
    ),
    ("tools[].tool_search", Mapped, "that the client carries out; calls come back as `tool_search_call`"),
    (
        "tools[].hosted",
        Refused,
        "any other `type` runs at OpenAI: left out, as `tools.{type}`, beside functions that remain",
    ),
    ("tools[].defer_loading", Dropped, "passes when `false`; the model knows all tools from the start"),
    ("tools[].async", Refused, "passes when `false`"),
    ("tools[].allowed_callers", Refused, "passes when `[\"direct\"]`"),
    ("tools[].output_schema", Dropped, ""),
    ("input[].role", Mapped, ""),
    ("input[].content", Mapped, "a text or parts; of reasoning its text, where there is no summary"),
    ("input[].call_id", Mapped, ""),
    ("input[].name", Mapped, ""),
    ("input[].arguments", Mapped, ""),
    ("input[].output", Mapped, "a text or parts"),
    ("input[].summary", Mapped, "reasoning; its parts become one text"),
    ("input[].encrypted_content", Mapped, "the seal on reasoning, for the provider that made it"),
    ("input[].id", Mapped, "kept with reasoning, of which it is a part; else it names what is stored, and nothing is"),
    ("input[].status", Dropped, "passes when `completed`"),
    ("input[].phase", Dropped, ""),
    ("input[].item_reference", Refused, "stored state; passes where the item itself stands before it"),
    ("input[].web_search_call", Dropped, "what came of it stands in the answer behind it"),
    ("input[].file_search_call", Dropped, "the same"),
    ("input[].code_interpreter_call", Dropped, "the same"),
    ("input[].image_generation_call", Dropped, "the same; the picture is gone"),
    ("input[].mcp_call", Dropped, "the same"),
    ("input[].mcp_list_tools", Dropped, ""),
    ("input[].hosted", Refused, "items of other types"),
    ("input[].namespace", Mapped, "with `name`"),
    ("input[].input", Mapped, "of a `custom_tool_call`"),
    ("input[].tools", Mapped, "of `additional_tools` and of a `tool_search_output`: offered with the others"),
    ("input[].internal_chat_message_metadata_passthrough", Dropped, ""),
    ("input[].caller", Refused, "passes when it is `direct`"),
    ("input[].content[].text", Mapped, ""),
    ("input[].content[].refusal", Mapped, ""),
    ("input[].content[].image_url", Mapped, "an http(s) URL, or a data URI in base64"),
    ("input[].content[].detail", Mapped, "of a picture; of a file it is left out"),
    ("input[].content[].file_data", Mapped, "a data URI in base64"),
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
