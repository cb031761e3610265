//! The policy for each parameter of a conversation on the way to Google, by OpenAI's names.

use super::super::Field;
use super::super::FieldPolicy::{Dropped, Mapped};

/// Parameters by path; `[]` stands for any index of an array.
///
/// A mapped parameter may have values that are not mapped; the note says which. Those are rejected if they would change the response, else
/// dropped and reported in [`Written::dropped`](crate::dialect::Written::dropped).
pub const FIELDS: &[Field] = &[
    ("model", Mapped, "in the path; a name with a `/` stands in place of `models/{model}`"),
    ("messages", Mapped, "`systemInstruction` and `contents`; neighbours of one role share a turn"),
    ("max_completion_tokens", Mapped, "`maxOutputTokens`"),
    ("temperature", Mapped, "`temperature`"),
    ("top_p", Mapped, "`topP`"),
    ("top_k", Mapped, "`topK`; 0 is left out, and before Gemini 2.0 it is at most 40; both are named"),
    ("n", Mapped, "`candidateCount`, 1 to 8, of previews of Gemini 3 and later 1; beyond, it is a 400"),
    ("stop", Mapped, "`stopSequences`; more than 5 are a 400, empty texts are left out"),
    ("seed", Mapped, "`seed`; of numbers beyond 32 bits the lower 31"),
    (
        "frequency_penalty",
        Mapped,
        "`frequencyPenalty`, up to 1.99 where 2 is named; Gemini 2.5 and later have none: a 400, but for 0",
    ),
    ("presence_penalty", Mapped, "as `frequency_penalty`"),
    (
        "response_format",
        Mapped,
        "`responseMimeType` and, for `json_schema`, `responseJsonSchema`; its name, description and `strict` have no place there",
    ),
    ("tools", Mapped, "one tool of all `functionDeclarations`; the schema whole, as `parametersJsonSchema`"),
    ("tools[].function.strict", Mapped, "of any tool: the mode `VALIDATED` instead of `AUTO`; `ANY` validates always"),
    (
        "tool_choice",
        Mapped,
        "`AUTO`, `NONE`, `required` as `ANY`, a function as `ANY` with its name. A call required without `tools` is a 400",
    ),
    ("parallel_tool_calls", Dropped, "`false`, with tools: Google is not told, and of several calls the first is kept"),
    ("stream", Mapped, "in the path"),
    ("stream_options.include_usage", Mapped, "streams always bring it"),
    ("reasoning_effort", Mapped, "`thinkingBudget` of Gemini 2.5, `thinkingLevel` of Gemini 3; others do not think"),
    ("thinking", Mapped, "`thinkingBudget`, within the model's bounds"),
    ("service_tier", Dropped, ""),
    ("user", Dropped, ""),
    ("messages[].name", Dropped, ""),
    ("messages[].reasoning_content", Dropped, "but for Google's own seals in `thinking_blocks`, which go back"),
    ("messages[].tool_calls", Mapped, "`functionCall`; `arguments` must be a JSON object, else 400"),
    ("messages[].refusal", Mapped, "text"),
    (
        "messages[].tool_call_id",
        Mapped,
        "`functionResponse` by the call's name; an identifier that no earlier call has is a 400",
    ),
    ("messages[].content[].image_url", Mapped, "`inlineData`, or `fileData` when the address tells its media type"),
    ("messages[].content[].image_url.detail", Dropped, ""),
    ("messages[].content[].file", Mapped, "`inlineData`"),
    ("messages[].content[].file.filename", Dropped, ""),
    ("messages[].content[].cache_control", Dropped, "Google caches by itself"),
    ("tools[].cache_control", Dropped, "the same"),
];
