//! All request fields that the dialect knows, with their policies. The reader handles every field that it does not map by this table.

use super::super::FieldPolicy::{Dropped, Mapped, Refused};
use super::super::openai::table::Table;
use super::super::{Field, policies};

/// Fields by path; `[]` stands for any array index. Any other field is rejected as unknown.
///
/// A refused field is accepted if it has its default value (`"logprobs": false`). Dropped fields concern storage, routing and wording, and
/// do not change the response's meaning: `verbosity` asks for more or fewer words, `store` and `metadata` affect a dashboard,
/// `prompt_cache_*` and `safety_identifier` are used inside the provider only.
pub const FIELDS: &[Field; 79] = &[
    ("model", Mapped, "the target's model"),
    ("messages", Mapped, ""),
    ("max_completion_tokens", Mapped, "4096 if absent and the provider requires a limit"),
    ("max_tokens", Mapped, "the same; `max_completion_tokens` wins"),
    ("temperature", Mapped, "clamped to 1 if that is the provider's maximum"),
    ("top_p", Mapped, ""),
    ("top_k", Mapped, "an extension to OpenAI's format"),
    ("n", Mapped, "above 1: 400 if the provider returns one choice"),
    ("stop", Mapped, "one string or several"),
    ("seed", Mapped, "dropped if the provider has none"),
    ("frequency_penalty", Mapped, "other than 0: 400 if the provider has none"),
    ("presence_penalty", Mapped, "the same"),
    (
        "response_format",
        Mapped,
        "the provider enforces `json_schema`; `json_object` is enforced if possible, else requested in the prompt; `text` has no effect",
    ),
    ("tools", Mapped, "functions"),
    ("tool_choice", Mapped, "`auto`, `none`, `required` or a function; a required call without `tools`: 400"),
    (
        "parallel_tool_calls",
        Mapped,
        "if the provider cannot limit calls, the gateway keeps only the first; no effect without tools",
    ),
    ("stream", Mapped, ""),
    ("stream_options", Mapped, "see `include_usage`"),
    ("reasoning_effort", Mapped, "the provider's effort values, or a token budget"),
    (
        "thinking",
        Mapped,
        "Anthropic's parameter, an extension to OpenAI's format; not together with `reasoning_effort`",
    ),
    ("service_tier", Mapped, "dropped if the provider has no such tier"),
    ("user", Mapped, "dropped if the provider has no such field"),
    ("logit_bias", Refused, "passes when `{}`"),
    ("logprobs", Refused, "passes when `false`"),
    ("top_logprobs", Refused, "passes when 0"),
    ("audio", Refused, ""),
    ("modalities", Refused, "passes when `[\"text\"]`"),
    ("prediction", Refused, ""),
    ("web_search_options", Refused, ""),
    ("function_call", Refused, "passes when `\"none\"` or `\"auto\"`"),
    ("functions", Refused, "passes when `[]`"),
    ("metadata", Dropped, "forwarded to OpenAI's models in Responses"),
    ("store", Dropped, "the same"),
    ("prompt_cache_key", Dropped, "the same"),
    ("prompt_cache_retention", Dropped, ""),
    ("prompt_cache_options", Dropped, ""),
    ("moderation", Dropped, ""),
    ("safety_identifier", Dropped, "as `metadata`"),
    ("verbosity", Dropped, "the same, to GPT-5 and newer"),
    ("stream_options.include_usage", Mapped, "decides whether the client's stream ends with a usage chunk"),
    ("stream_options.include_obfuscation", Dropped, ""),
    ("messages[].role", Mapped, "`system`, `developer`, `user`, `assistant`, `tool`"),
    ("messages[].content", Mapped, "text or parts"),
    ("messages[].name", Mapped, "dropped if the provider has none"),
    ("messages[].refusal", Mapped, "text"),
    ("messages[].tool_calls", Mapped, "function calls"),
    ("messages[].tool_call_id", Mapped, "the call of the result"),
    ("messages[].reasoning_content", Mapped, "dropped if the provider requires a signature"),
    ("messages[].reasoning", Mapped, "as `reasoning_content`"),
    ("messages[].thinking_blocks", Mapped, "reasoning with its signatures, each for its own provider"),
    ("messages[].cache_control", Mapped, "a cache mark, if the provider supports it"),
    ("messages[].annotations", Dropped, ""),
    ("messages[].audio", Refused, ""),
    (
        "messages[].reasoning_details",
        Mapped,
        "OpenRouter's field: reasoning signed by Anthropic or Google, for its own provider; the rest is dropped",
    ),
    ("messages[].extra_content", Mapped, "Google's `thought_signature`; the rest is dropped"),
    ("messages[].provider_specific_fields", Dropped, ""),
    ("messages[].prefix", Refused, "passes when `false`"),
    ("messages[].function_call", Refused, "passes when `\"none\"` or `\"auto\"`"),
    ("messages[].content[].text", Mapped, ""),
    ("messages[].content[].refusal", Mapped, "text"),
    (
        "messages[].content[].image_url",
        Mapped,
        "base64 JPEG, PNG, GIF or WebP, or an http(s) URL if the provider fetches it; a PDF is a `file`",
    ),
    ("messages[].content[].file", Mapped, "`file_data`: a base64 PDF"),
    ("messages[].content[].cache_control", Mapped, "as on a message"),
    ("messages[].content[].prompt_cache_breakpoint", Dropped, ""),
    ("messages[].content[].input_audio", Refused, ""),
    ("messages[].content[].file.file_id", Refused, ""),
    (
        "messages[].tool_calls[].function",
        Mapped,
        "`name` and `arguments`; 400 if the provider requires an object and they are none",
    ),
    ("messages[].tool_calls[].id", Mapped, "[in the provider's form](#identifiers-and-names)"),
    ("messages[].tool_calls[].extra_content", Mapped, "as on a message"),
    ("messages[].tool_calls[].provider_specific_fields", Mapped, "LiteLLM's field for Google's `thought_signature`"),
    ("messages[].tool_calls[].cache_control", Dropped, ""),
    ("messages[].tool_calls[].custom", Refused, ""),
    ("tools[].function", Mapped, "`name`, `description`, `parameters`, `strict`"),
    ("tools[].cache_control", Mapped, "as on a message"),
    ("tools[].custom", Refused, ""),
    ("tool_choice.function", Mapped, "its `name`"),
    ("tool_choice.allowed_tools", Refused, ""),
    ("tool_choice.custom", Refused, ""),
    (
        "response_format.json_schema",
        Mapped,
        "`schema`; `name`, `description` and `strict` if the provider has these fields",
    ),
];

/// The table for the reader.
pub(super) const TABLE: Table = Table { policies: &policies(FIELDS), changes_nothing };

/// Whether a field has OpenAI's default value.
fn changes_nothing(path: &str, value: &str) -> bool {
    match path.rsplit('.').next().unwrap_or(path) {
        "logprobs" | "prefix" => value == "false",
        "top_logprobs" => value == "0",
        "logit_bias" => value == "{}",
        "modalities" => value == r#"["text"]"#,
        "functions" => value == "[]",
        "function_call" => matches!(value, r#""none""# | r#""auto""#),
        _ => false,
    }
}
