//! The policy for each parameter of a conversation on the way to Cohere, by the names of OpenAI's chat completions.

use super::super::Field;
use super::super::FieldPolicy::{Dropped, Mapped, Refused};

/// The policies. A rejected field passes if its value has no effect.
pub const FIELDS: &[Field] = &[
    ("model", Mapped, "the target's model"),
    ("messages", Mapped, "`messages`, see below"),
    ("max_completion_tokens", Mapped, "`max_tokens`"),
    ("max_tokens", Mapped, "the same; `max_completion_tokens` goes first"),
    ("temperature", Mapped, "`temperature`, at most 1: beyond, it is 1 and named as dropped"),
    ("top_p", Mapped, "`p`, moved into 0.01 to 0.99 where it is beyond, and then named as dropped"),
    ("top_k", Mapped, "`k`, at most 500: beyond, it is 500 and named as dropped"),
    ("n", Refused, "passes when 1"),
    ("stop", Mapped, "`stop_sequences`; more than five are a 400"),
    ("seed", Mapped, "`seed`; left out when negative, and then named as dropped"),
    ("frequency_penalty", Mapped, "0 to 1: above it is 1 and named as dropped, below it is a 400; 0 is left out"),
    ("presence_penalty", Mapped, "as `frequency_penalty`"),
    (
        "response_format",
        Mapped,
        "`json_object`; a schema goes into its `json_schema`, its name, description and `strict` have no place there",
    ),
    (
        "tools",
        Mapped,
        "`tools`; `strict` on all of them is `strict_tools`, on some it is left out and named as dropped",
    ),
    (
        "tool_choice",
        Mapped,
        "`none` is `NONE`, `required` is `REQUIRED`, `auto` is the default. A function: `REQUIRED`, and no other tool is sent",
    ),
    ("parallel_tool_calls", Dropped, "`false`, with tools: of several calls the first is kept"),
    ("stream", Mapped, "`stream`"),
    (
        "reasoning_effort",
        Mapped,
        "`thinking`: `none` is `disabled`; else a `token_budget` (1024, 2048, 8192, 16384, 24576), at most half of `max_tokens`",
    ),
    ("thinking", Mapped, "`thinking`; `adaptive` is Cohere's default"),
    ("service_tier", Dropped, ""),
    ("user", Dropped, ""),
    ("cache_control", Dropped, "wherever it stands"),
    ("messages[].role", Mapped, "`developer` is `system`"),
    ("messages[].content", Mapped, "text or parts"),
    ("messages[].name", Dropped, ""),
    ("messages[].refusal", Mapped, "text"),
    ("messages[].tool_calls", Mapped, "`tool_calls`"),
    ("messages[].tool_call_id", Mapped, "`tool_call_id`; that a call failed has no place there"),
    ("messages[].reasoning_content", Mapped, "`tool_plan` in a message with calls, else a `thinking` part"),
    (
        "messages[].thinking_blocks",
        Dropped,
        "when sealed or encrypted by another provider; else as `reasoning_content`",
    ),
    ("messages[].content[].image_url", Mapped, "in a user's message; in a tool's a 400"),
    ("messages[].content[].file", Refused, ""),
];
