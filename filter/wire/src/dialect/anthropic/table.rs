//! The policy for each field of a client's request on the way to a provider of another format. Other fields are rejected. A dot separates a
//! field from the one inside it; a block's fields are listed below its type.
//!
//! Coding agents send some of these with every request: cache marks, context management, deferred tools. Such hints never cause a
//! rejection.

use crate::dialect::{Field, FieldPolicy, policies};

/// Each field by Anthropic's name, and its policy.
pub const FIELDS: &[Field; 70] = &[
    ("model", FieldPolicy::Mapped, "the target's model"),
    ("messages", FieldPolicy::Mapped, "`messages`; each tool result is a separate message"),
    ("max_tokens", FieldPolicy::Mapped, "`max_completion_tokens`"),
    ("system", FieldPolicy::Mapped, "a system message"),
    (
        "tools",
        FieldPolicy::Mapped,
        "`tools`; those that run at Anthropic are dropped as `tools.{type}` if functions remain, else 400; `bash`, `text_editor`, `computer` and `memory`: 400",
    ),
    ("tool_choice", FieldPolicy::Mapped, "`tool_choice` and `parallel_tool_calls`"),
    ("stop_sequences", FieldPolicy::Mapped, "`stop`"),
    ("temperature", FieldPolicy::Mapped, "`temperature`"),
    ("top_p", FieldPolicy::Mapped, "`top_p`"),
    ("top_k", FieldPolicy::Mapped, "dropped: OpenAI has none"),
    (
        "thinking",
        FieldPolicy::Mapped,
        "`reasoning_effort`: a budget up to 4096 is `low`, up to 16384 `medium`, above `high`",
    ),
    ("output_config", FieldPolicy::Mapped, "`effort` as `reasoning_effort`; `format` as `response_format`"),
    ("output_format", FieldPolicy::Mapped, "the older name of `output_config.format`"),
    ("metadata", FieldPolicy::Mapped, "`user_id` as `user`, dropped above 64 characters; other fields: 400"),
    ("service_tier", FieldPolicy::Mapped, "`standard_only` as `default`"),
    ("stream", FieldPolicy::Mapped, "`stream`, always with `stream_options.include_usage`"),
    // Hints to Anthropic about speed, cost and context, and about what it reports on them.
    (
        "betas",
        FieldPolicy::Dropped,
        "and the header `anthropic-beta`; the fields that they enable have their own policies",
    ),
    ("cache_control", FieldPolicy::Dropped, ""),
    ("context_management", FieldPolicy::Dropped, "an edit with `pause_after_compaction`: 400"),
    ("diagnostics", FieldPolicy::Dropped, ""),
    ("fallback_credit_token", FieldPolicy::Dropped, ""),
    ("fallbacks", FieldPolicy::Dropped, "the gateway's own fallbacks apply; a list of models: 400"),
    ("speed", FieldPolicy::Dropped, ""),
    ("user_profile_id", FieldPolicy::Dropped, ""),
    ("workspace_id", FieldPolicy::Dropped, ""),
    // State and tools at Anthropic that other providers do not have, and information for its account.
    ("billing_policy", FieldPolicy::Refused, ""),
    ("compaction", FieldPolicy::Refused, ""),
    ("container", FieldPolicy::Refused, ""),
    ("inference_geo", FieldPolicy::Refused, ""),
    ("mcp_servers", FieldPolicy::Refused, "passes when `[]`"),
    ("thread", FieldPolicy::Refused, ""),
    ("output_config.task_budget", FieldPolicy::Dropped, ""),
    ("thinking.block_binding", FieldPolicy::Dropped, ""),
    ("thinking.display", FieldPolicy::Dropped, ""),
    ("tools[].allowed_callers", FieldPolicy::Dropped, "without `direct`: 400"),
    ("tools[].cache_control", FieldPolicy::Mapped, "for servers that accept it; else dropped"),
    ("tools[].defer_loading", FieldPolicy::Dropped, "the model sees the tool at once"),
    ("tools[].eager_input_streaming", FieldPolicy::Dropped, ""),
    ("tools[].input_examples", FieldPolicy::Dropped, ""),
    ("tools[].strict", FieldPolicy::Mapped, "`function.strict`"),
    ("messages[].role", FieldPolicy::Mapped, "`system` too, at any position"),
    ("messages[].clear_at", FieldPolicy::Mapped, "a system message that a later user message clears is dropped"),
    ("messages[].output_config", FieldPolicy::Dropped, ""),
    ("messages[].content[].text", FieldPolicy::Mapped, "text"),
    ("messages[].content[].text.citations", FieldPolicy::Dropped, ""),
    ("messages[].content[].cache_control", FieldPolicy::Mapped, "for servers that accept it; else dropped"),
    ("messages[].content[].image", FieldPolicy::Mapped, "`image_url`; a `source` of type `file`: 400"),
    ("messages[].content[].image.transformations", FieldPolicy::Dropped, ""),
    (
        "messages[].content[].document",
        FieldPolicy::Mapped,
        "text and images; a base64 PDF as `file`; a `url` or `file`: 400",
    ),
    ("messages[].content[].document.citations", FieldPolicy::Refused, "passes when not `enabled`"),
    ("messages[].content[].search_result", FieldPolicy::Mapped, "text: title, source and content"),
    ("messages[].content[].search_result.citations", FieldPolicy::Refused, "passes when not `enabled`"),
    (
        "messages[].content[].thinking",
        FieldPolicy::Mapped,
        "`thinking_blocks` for servers that accept them, unsigned `reasoning_content` for DeepSeek; else dropped",
    ),
    ("messages[].content[].redacted_thinking", FieldPolicy::Mapped, "the same"),
    ("messages[].content[].tool_use", FieldPolicy::Mapped, "`tool_calls`"),
    ("messages[].content[].tool_use.cache_control", FieldPolicy::Dropped, ""),
    ("messages[].content[].tool_use.caller", FieldPolicy::Dropped, ""),
    ("messages[].content[].tool_use.toolset_name", FieldPolicy::Dropped, ""),
    (
        "messages[].content[].tool_result",
        FieldPolicy::Mapped,
        "a `tool` message; its media follow in a user message; `is_error` is dropped",
    ),
    ("messages[].content[].tool_result.toolset_name", FieldPolicy::Dropped, ""),
    ("messages[].content[].tool_reference", FieldPolicy::Mapped, "text that names the tool"),
    ("messages[].content[].compaction", FieldPolicy::Mapped, "its summary, as text"),
    ("messages[].content[].compaction.signature", FieldPolicy::Dropped, "and `encrypted_content`"),
    ("messages[].content[].compaction.tool_changes", FieldPolicy::Refused, ""),
    ("messages[].content[].fallback", FieldPolicy::Mapped, "omitted: models do not see it"),
    (
        "messages[].content[].server_tool_use",
        FieldPolicy::Dropped,
        "and the results of Anthropic's own tools; the text after them includes the results",
    ),
    ("messages[].content[].mcp_tool_use", FieldPolicy::Dropped, "the same"),
    ("messages[].content[].container_upload", FieldPolicy::Refused, ""),
    ("messages[].content[].tool_addition", FieldPolicy::Refused, "and `tool_removal`"),
    ("messages[].content[].browser_state", FieldPolicy::Refused, ""),
];

/// [`FIELDS`] without the notes.
pub(super) const FATES: &[(&str, FieldPolicy)] = &policies(FIELDS);
