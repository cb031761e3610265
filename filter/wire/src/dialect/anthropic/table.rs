//! What becomes of every field of a client's request when it goes to a provider of another format. Fields that are not here
//! are refused. Names with a dot stand inside another field; a block's fields stand below its type.
//!
//! Coding agents send some of these with every request: marks for the cache, care for long conversations, tools that are
//! shown later. Such hints never keep a request from a provider.

use crate::dialect::{Fate, Field, fates};

/// Every field of a request by Anthropic's names, and its fate.
pub const FIELDS: &[Field; 70] = &[
    ("model", Fate::Mapped, "the target's model"),
    ("messages", Fate::Mapped, "`messages`; a tool's result becomes a message of its own"),
    ("max_tokens", Fate::Mapped, "`max_completion_tokens`"),
    ("system", Fate::Mapped, "a system message"),
    (
        "tools",
        Fate::Mapped,
        "`tools`; those that run at Anthropic are left out, as `tools.{type}`, beside functions that remain, else a 400; `bash`, `text_editor`, `computer` and `memory` are a 400",
    ),
    ("tool_choice", Fate::Mapped, "`tool_choice`, and `parallel_tool_calls`"),
    ("stop_sequences", Fate::Mapped, "`stop`"),
    ("temperature", Fate::Mapped, "`temperature`"),
    ("top_p", Fate::Mapped, "`top_p`"),
    ("top_k", Fate::Mapped, "left out: OpenAI has none"),
    ("thinking", Fate::Mapped, "`reasoning_effort`: a budget up to 4096 is `low`, up to 16384 `medium`, beyond `high`"),
    ("output_config", Fate::Mapped, "`effort` as `reasoning_effort`; `format` as `response_format`"),
    ("output_format", Fate::Mapped, "the older name of `output_config.format`"),
    ("metadata", Fate::Mapped, "`user_id` as `user`, left out beyond 64 characters; other fields are a 400"),
    ("service_tier", Fate::Mapped, "`standard_only` as `default`"),
    ("stream", Fate::Mapped, "`stream`, always with `stream_options.include_usage`"),
    // Hints to Anthropic about speed, cost and care, and what it is to tell of them.
    ("betas", Fate::Dropped, "and the header `anthropic-beta`: what they turn on is judged by its own field"),
    ("cache_control", Fate::Dropped, ""),
    ("context_management", Fate::Dropped, "an edit with `pause_after_compaction` is a 400"),
    ("diagnostics", Fate::Dropped, ""),
    ("fallback_credit_token", Fate::Dropped, ""),
    ("fallbacks", Fate::Dropped, "the gateway's own fallbacks hold; a list of models is refused"),
    ("speed", Fate::Dropped, ""),
    ("user_profile_id", Fate::Dropped, ""),
    ("workspace_id", Fate::Dropped, ""),
    // State and tools on Anthropic's side, which other providers do not have, and what its account is to be told.
    ("billing_policy", Fate::Refused, ""),
    ("compaction", Fate::Refused, ""),
    ("container", Fate::Refused, ""),
    ("inference_geo", Fate::Refused, ""),
    ("mcp_servers", Fate::Refused, "passes when `[]`"),
    ("thread", Fate::Refused, ""),
    ("output_config.task_budget", Fate::Dropped, ""),
    ("thinking.block_binding", Fate::Dropped, ""),
    ("thinking.display", Fate::Dropped, ""),
    ("tools[].allowed_callers", Fate::Dropped, "without `direct` it is a 400"),
    ("tools[].cache_control", Fate::Mapped, "for servers that take it; otherwise left out"),
    ("tools[].defer_loading", Fate::Dropped, "the tool is shown at once"),
    ("tools[].eager_input_streaming", Fate::Dropped, ""),
    ("tools[].input_examples", Fate::Dropped, ""),
    ("tools[].strict", Fate::Mapped, "`function.strict`"),
    ("messages[].role", Fate::Mapped, "`system` too, wherever it stands"),
    ("messages[].clear_at", Fate::Mapped, "a system message that a later message of the user's clears is left out"),
    ("messages[].output_config", Fate::Dropped, ""),
    ("messages[].content[].text", Fate::Mapped, "text"),
    ("messages[].content[].text.citations", Fate::Dropped, ""),
    ("messages[].content[].cache_control", Fate::Mapped, "for servers that take it; otherwise left out"),
    ("messages[].content[].image", Fate::Mapped, "`image_url`; a `source` of type `file` is a 400"),
    ("messages[].content[].image.transformations", Fate::Dropped, ""),
    (
        "messages[].content[].document",
        Fate::Mapped,
        "text, and images; a PDF in base64 as `file`; by `url` or `file` a 400",
    ),
    ("messages[].content[].document.citations", Fate::Refused, "passes when not `enabled`"),
    ("messages[].content[].search_result", Fate::Mapped, "text: title, source, and what was found"),
    ("messages[].content[].search_result.citations", Fate::Refused, "passes when not `enabled`"),
    ("messages[].content[].thinking", Fate::Mapped, "`thinking_blocks` for servers that take them; otherwise left out"),
    ("messages[].content[].redacted_thinking", Fate::Mapped, "the same"),
    ("messages[].content[].tool_use", Fate::Mapped, "`tool_calls`"),
    ("messages[].content[].tool_use.cache_control", Fate::Dropped, ""),
    ("messages[].content[].tool_use.caller", Fate::Dropped, ""),
    ("messages[].content[].tool_use.toolset_name", Fate::Dropped, ""),
    (
        "messages[].content[].tool_result",
        Fate::Mapped,
        "a `tool` message; its media follow in a user message; `is_error` is left out",
    ),
    ("messages[].content[].tool_result.toolset_name", Fate::Dropped, ""),
    ("messages[].content[].tool_reference", Fate::Mapped, "text that names the tool"),
    ("messages[].content[].compaction", Fate::Mapped, "its summary, as text"),
    ("messages[].content[].compaction.signature", Fate::Dropped, "and `encrypted_content`"),
    ("messages[].content[].compaction.tool_changes", Fate::Refused, ""),
    ("messages[].content[].fallback", Fate::Mapped, "left out: models are not shown it"),
    (
        "messages[].content[].server_tool_use",
        Fate::Dropped,
        "and the results of Anthropic's own tools: what came of them stands in the text behind them",
    ),
    ("messages[].content[].mcp_tool_use", Fate::Dropped, "and its result: the same"),
    ("messages[].content[].container_upload", Fate::Refused, ""),
    ("messages[].content[].tool_addition", Fate::Refused, "and `tool_removal`"),
    ("messages[].content[].browser_state", Fate::Refused, ""),
];

/// The same without its notes.
pub(super) const FATES: &[(&str, Fate)] = &fates(FIELDS);
