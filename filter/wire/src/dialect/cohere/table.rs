//! The policy for each parameter of a conversation on the way to Cohere, by the names of OpenAI's chat completions.

use super::super::Field;
use super::super::FieldPolicy::{Dropped, Mapped, Refused};

/// The policies. A rejected field passes if its value has no effect.
pub const FIELDS: &[Field] = &[
    ("model", Mapped, "the target's model"),
    ("messages", Mapped, "`messages`, see below"),
    ("max_completion_tokens", Mapped, "`max_tokens`"),
    ("max_tokens", Mapped, "the same; `max_completion_tokens` wins"),
    ("temperature", Mapped, "`temperature`, clamped to 1 and reported"),
    ("top_p", Mapped, "`p`, clamped to 0.01 to 0.99 and reported"),
    ("top_k", Mapped, "`k`, clamped to 500 and reported"),
    ("n", Refused, "passes when 1"),
    ("stop", Mapped, "`stop_sequences`; more than five: 400"),
    ("seed", Mapped, "`seed`, dropped and reported if negative"),
    ("frequency_penalty", Mapped, "above 1, clamped and reported; below 0: 400; 0 is omitted"),
    ("presence_penalty", Mapped, "as `frequency_penalty`"),
    (
        "response_format",
        Mapped,
        "`json_object`; a schema becomes its `json_schema`; `name`, `description` and `strict` have no equivalent",
    ),
    ("tools", Mapped, "`tools`; `strict` on all of them is `strict_tools`, on some it is dropped and reported"),
    (
        "tool_choice",
        Mapped,
        "`none` is `NONE`, `required` is `REQUIRED`, `auto` is the default; a function is `REQUIRED` without the other tools",
    ),
    ("parallel_tool_calls", Dropped, "`false`, with tools: the gateway keeps only the first call"),
    ("stream", Mapped, "`stream`"),
    (
        "reasoning_effort",
        Mapped,
        "`thinking`: `none` is `disabled`; else a `token_budget` (1024, 2048, 8192, 16384, 24576), at most half of `max_tokens`",
    ),
    ("thinking", Mapped, "`thinking`; `adaptive` is Cohere's default"),
    ("service_tier", Dropped, ""),
    ("user", Dropped, ""),
    ("cache_control", Dropped, "at any position"),
    ("messages[].role", Mapped, "`developer` is `system`"),
    ("messages[].content", Mapped, "text or parts"),
    ("messages[].name", Dropped, ""),
    ("messages[].refusal", Mapped, "text"),
    ("messages[].tool_calls", Mapped, "`tool_calls`"),
    ("messages[].tool_call_id", Mapped, "`tool_call_id`; the error flag has no equivalent"),
    ("messages[].reasoning_content", Mapped, "`tool_plan` in a message with calls, else a `thinking` part"),
    ("messages[].thinking_blocks", Dropped, "if signed or encrypted by another provider; else as `reasoning_content`"),
    ("messages[].content[].image_url", Mapped, "in a user message; in a tool message: 400"),
    ("messages[].content[].file", Refused, ""),
];
