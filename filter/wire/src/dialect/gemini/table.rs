//! The policy for each parameter of a conversation on the way to Google, by OpenAI's names.

use super::super::Field;
use super::super::FieldPolicy::{Dropped, Mapped};

/// Parameters by path; `[]` stands for any index of an array.
///
/// A mapped parameter may have values that are not mapped; the note says which. Those are rejected if they would change the response, else
/// dropped and reported in [`Written::dropped`](crate::dialect::Written::dropped).
pub const FIELDS: &[Field] = &[
    ("model", Mapped, "in the path; a name with a `/` replaces `models/{model}`"),
    ("messages", Mapped, "`systemInstruction` and `contents`; adjacent messages of one role share a turn"),
    ("max_completion_tokens", Mapped, "`maxOutputTokens`"),
    ("temperature", Mapped, "`temperature`"),
    ("top_p", Mapped, "`topP`"),
    ("top_k", Mapped, "`topK`; 0 is dropped; before Gemini 2.0, clamped to 40; both are reported"),
    ("n", Mapped, "`candidateCount`, 1 to 8, for previews of Gemini 3 and later 1; else 400"),
    ("stop", Mapped, "`stopSequences`; more than 5: 400; empty strings are dropped"),
    ("seed", Mapped, "`seed`; the lower 31 bits of numbers above 32 bits"),
    (
        "frequency_penalty",
        Mapped,
        "`frequencyPenalty`, clamped to 1.99 and reported; Gemini 2.5 and later: 400, except for 0",
    ),
    ("presence_penalty", Mapped, "as `frequency_penalty`"),
    (
        "response_format",
        Mapped,
        "`responseMimeType` and, for `json_schema`, `responseJsonSchema`; `name`, `description` and `strict` have no equivalent",
    ),
    ("tools", Mapped, "one tool with all `functionDeclarations`; the schema as `parametersJsonSchema`"),
    ("tools[].function.strict", Mapped, "on any tool: the mode `VALIDATED` instead of `AUTO`; `ANY` always validates"),
    (
        "tool_choice",
        Mapped,
        "`AUTO`, `NONE`, `required` as `ANY`, a function as `ANY` with its name; a required call without `tools`: 400",
    ),
    ("parallel_tool_calls", Dropped, "`false`, with tools: the gateway keeps only the first call"),
    ("stream", Mapped, "in the path"),
    ("stream_options.include_usage", Mapped, "always in streams"),
    ("reasoning_effort", Mapped, "`thinkingBudget` for Gemini 2.5, `thinkingLevel` for Gemini 3; others do not think"),
    ("thinking", Mapped, "`thinkingBudget`, within the model's bounds"),
    ("service_tier", Dropped, ""),
    ("user", Dropped, ""),
    ("messages[].name", Dropped, ""),
    ("messages[].reasoning_content", Dropped, "except Google's own signatures in `thinking_blocks`"),
    ("messages[].tool_calls", Mapped, "`functionCall`; `arguments` must be a JSON object, else 400"),
    ("messages[].refusal", Mapped, "text"),
    ("messages[].tool_call_id", Mapped, "`functionResponse` with the call's name; an id without an earlier call: 400"),
    ("messages[].content[].image_url", Mapped, "`inlineData`, or `fileData` if the URL shows its media type"),
    ("messages[].content[].image_url.detail", Dropped, ""),
    ("messages[].content[].file", Mapped, "`inlineData`"),
    ("messages[].content[].file.filename", Dropped, ""),
    ("messages[].content[].cache_control", Dropped, "Google caches automatically"),
    ("tools[].cache_control", Dropped, "the same"),
];
