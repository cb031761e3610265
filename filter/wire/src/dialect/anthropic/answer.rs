//! Values shared by whole responses and streams: kinds of blocks, stop reasons, service tiers.

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::conversation::Finish;
use crate::error::ApiError;
use crate::json;

/// The kind of a content block in a response.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum BlockKind {
    Text,
    Thinking,
    RedactedThinking,
    ToolUse,
    /// Tools that the provider runs, and kinds that we do not know: dropped.
    #[default]
    #[serde(other)]
    Other,
}

/// A block of a response, whole or as `content_block_start` opens it.
#[derive(Debug, Default, Deserialize)]
pub(super) struct BlockIn<'a> {
    #[serde(default)]
    pub(super) r#type: BlockKind,
    #[serde(default)]
    pub(super) text: Option<String>,
    #[serde(default)]
    pub(super) thinking: Option<String>,
    #[serde(default)]
    pub(super) signature: Option<String>,
    #[serde(default)]
    pub(super) data: Option<String>,
    #[serde(default)]
    pub(super) id: Option<String>,
    #[serde(default)]
    pub(super) name: Option<String>,
    #[serde(default, borrow)]
    pub(super) input: Option<&'a RawValue>,
}

impl<'a> BlockIn<'a> {
    /// Reads a block. A block of an unknown kind may have fields of any shape.
    pub(super) fn parse(raw: &'a RawValue) -> Result<Self, ApiError> {
        #[derive(Deserialize)]
        struct Kind {
            #[serde(default)]
            r#type: BlockKind,
        }
        json::read(raw.get()).or_else(|error| match json::read(raw.get()) {
            Ok(Kind { r#type: BlockKind::Other }) => Ok(Self::default()),
            _ => Err(ApiError::unreadable(&error)),
        })
    }
}

/// The explanation in the `stop_details` of a refusal, if there is one.
pub(super) fn explanation(finish: Finish, details: Option<&RawValue>) -> Option<String> {
    json::text_in(details.filter(|_| finish == Finish::ContentFilter)?.get(), "explanation")
}

/// Converts a stop reason; an unknown reason is a stop.
pub(super) fn finish_of(stop_reason: &str) -> Finish {
    match stop_reason {
        "max_tokens" | "model_context_window_exceeded" => Finish::Length,
        "tool_use" => Finish::ToolCalls,
        "refusal" => Finish::ContentFilter,
        // `end_turn`, `stop_sequence`, `pause_turn`
        _ => Finish::Stop,
    }
}

/// The inverse of [`finish_of`].
fn stop_reason_of(finish: Finish) -> &'static str {
    match finish {
        Finish::Stop => "end_turn",
        Finish::Length => "max_tokens",
        Finish::ToolCalls => "tool_use",
        Finish::ContentFilter => "refusal",
    }
}

/// Converts a finish reason. A refusal in the model's own text is also `refusal`, as Anthropic's clients expect.
pub(super) fn reason_of(finish: Finish, refused: bool) -> &'static str {
    match finish {
        Finish::Stop if refused => stop_reason_of(Finish::ContentFilter),
        finish => stop_reason_of(finish),
    }
}

/// The service tier that served the request, in OpenAI's words.
pub(super) fn tier_of(given: &str) -> &str {
    if given == "standard" { "default" } else { given }
}
