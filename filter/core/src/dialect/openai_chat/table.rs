//! Every field of a request that the dialect knows, and what becomes of it; the reader decides by this table about what
//! it did not map.

use super::super::Fate::{Dropped, Mapped, Refused};
use super::super::Field;
use super::super::openai::table::Table;

/// Fields by path; `[]` stands for any place in an array. What is not here is refused as unknown.
///
/// A refused field passes when its value is the default that changes nothing (`"logprobs": false`). Dropped are wishes
/// about storage, routing and wording that leave the meaning of the answer alone: `verbosity` asks for longer or
/// shorter words, `store` and `metadata` for what a dashboard shows, `prompt_cache_*` and `safety_identifier` are
/// addresses in the provider's own house.
pub(super) const FIELDS: &[Field] = &[
    ("model", Mapped, "the target's model"),
    ("messages", Mapped, "`system` and `messages`, see below"),
    ("max_completion_tokens", Mapped, "`max_tokens`; 4096 when absent, for Anthropic requires it"),
    ("max_tokens", Mapped, "the same; `max_completion_tokens` goes first"),
    ("temperature", Mapped, "up to 1; above 1 it becomes 1. With thinking only 1 stays"),
    ("top_p", Mapped, "left out when it is 1 beside a temperature. With thinking only 0.95 and above stays"),
    ("top_k", Mapped, "an extension to OpenAI's format; left out with thinking"),
    ("n", Mapped, "must be 1, else 400"),
    ("stop", Mapped, "`stop_sequences`; blank texts are left out"),
    ("seed", Mapped, "left out: Anthropic has none"),
    ("frequency_penalty", Mapped, "must be 0, else 400"),
    ("presence_penalty", Mapped, "must be 0, else 400"),
    (
        "response_format",
        Mapped,
        "`json_schema`: `output_config.format`. `json_object`: a sentence in `system`, nothing enforces it. `text`: nothing",
    ),
    ("tools", Mapped, "`tools`"),
    (
        "tool_choice",
        Mapped,
        "`auto`, `none`, `required` as `any`, a function as `tool`. A call required without `tools` is a 400",
    ),
    ("parallel_tool_calls", Mapped, "`false` is `tool_choice.disable_parallel_tool_use`; nothing without tools"),
    ("stream", Mapped, "`stream`"),
    ("stream_options", Mapped, "see `include_usage`"),
    ("reasoning_effort", Mapped, "`thinking`, see below"),
    (
        "thinking",
        Mapped,
        "Anthropic's own parameter, an extension to OpenAI's format; not together with `reasoning_effort`",
    ),
    ("service_tier", Mapped, "`auto`, and `default` as `standard_only`; other values are left out"),
    ("user", Mapped, "`metadata.user_id`"),
    ("logit_bias", Refused, "passes when `{}`"),
    ("logprobs", Refused, "passes when `false`"),
    ("top_logprobs", Refused, "passes when 0"),
    ("audio", Refused, ""),
    ("modalities", Refused, "passes when `[\"text\"]`"),
    ("prediction", Refused, ""),
    ("web_search_options", Refused, ""),
    ("function_call", Refused, "passes when `\"none\"` or `\"auto\"`"),
    ("functions", Refused, "passes when `[]`"),
    ("metadata", Dropped, ""),
    ("store", Dropped, ""),
    ("prompt_cache_key", Dropped, ""),
    ("prompt_cache_retention", Dropped, ""),
    ("safety_identifier", Dropped, ""),
    ("verbosity", Dropped, ""),
    ("stream_options.include_usage", Mapped, "decides whether the client's stream ends with a usage chunk"),
    ("stream_options.include_obfuscation", Dropped, ""),
    (
        "messages[].role",
        Mapped,
        "`system` and `developer`: `system`. `user` and `tool`: user turns. `assistant`: assistant turns",
    ),
    ("messages[].content", Mapped, "text or parts; texts that are blank are left out"),
    ("messages[].name", Mapped, "left out: Anthropic has none"),
    ("messages[].refusal", Mapped, "text"),
    ("messages[].tool_calls", Mapped, "`tool_use` blocks"),
    (
        "messages[].tool_call_id",
        Mapped,
        "`tool_result.tool_use_id`; letters that Anthropic does not take become `_`, in the call too",
    ),
    ("messages[].reasoning_content", Mapped, "left out: without a signature Anthropic refuses it"),
    ("messages[].reasoning", Mapped, "as `reasoning_content`"),
    ("messages[].thinking_blocks", Mapped, "`thinking` and `redacted_thinking` blocks, signatures included"),
    ("messages[].cache_control", Mapped, "`cache_control` on the message's last block"),
    ("messages[].annotations", Dropped, ""),
    ("messages[].audio", Refused, ""),
    ("messages[].function_call", Refused, "passes when `\"none\"` or `\"auto\"`"),
    ("messages[].content[].text", Mapped, "a `text` block"),
    ("messages[].content[].refusal", Mapped, "a `text` block"),
    (
        "messages[].content[].image_url",
        Mapped,
        "an `image` block: JPEG, PNG, GIF or WebP in base64, or an http(s) URL. A PDF becomes a document. `detail` is left out",
    ),
    ("messages[].content[].file", Mapped, "a `document` block; `file_data` in base64, PDF only"),
    ("messages[].content[].cache_control", Mapped, "`cache_control` on the block"),
    ("messages[].content[].input_audio", Refused, ""),
    ("messages[].content[].file.file_id", Refused, ""),
    ("messages[].tool_calls[].function", Mapped, "`name` and `input`; `arguments` must be a JSON object, else 400"),
    ("messages[].tool_calls[].custom", Refused, ""),
    ("tools[].function", Mapped, "`name`, `description`, `input_schema`, `strict` when true"),
    ("tools[].cache_control", Mapped, "`cache_control` on the tool"),
    ("tools[].custom", Refused, ""),
    ("tool_choice.function", Mapped, "`tool_choice.name`"),
    ("tool_choice.allowed_tools", Refused, ""),
    ("tool_choice.custom", Refused, ""),
    ("response_format.json_schema", Mapped, "`schema`; its name, description and `strict` have no place there"),
];

/// How the table is read.
pub(super) const TABLE: Table = Table { fields: FIELDS, changes_nothing };

/// Whether a field holds the value that OpenAI assumes without it.
fn changes_nothing(path: &str, value: &str) -> bool {
    match path.rsplit('.').next().unwrap_or(path) {
        "logprobs" => value == "false",
        "top_logprobs" => value == "0",
        "logit_bias" => value == "{}",
        "modalities" => value == r#"["text"]"#,
        "functions" => value == "[]",
        "function_call" => matches!(value, r#""none""# | r#""auto""#),
        _ => false,
    }
}
