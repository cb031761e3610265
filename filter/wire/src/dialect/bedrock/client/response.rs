//! Writes whole responses.

use serde::Serialize;

use crate::conversation::{Part, Response};
use crate::dialect::functions::Input;

use super::super::answer::Typed;
use super::super::block::{Block, Content, Reasoning};
use super::words::{Tokens, stop_reason_of};

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct AnswerOut<'a> {
    output: OutputOut<'a>,
    stop_reason: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    usage: Option<Tokens>,
    #[serde(skip_serializing_if = "Option::is_none")]
    service_tier: Option<Typed<&'a str>>,
}

#[derive(Serialize)]
struct OutputOut<'a> {
    message: MessageOut<'a>,
}

#[derive(Serialize)]
struct MessageOut<'a> {
    role: &'static str,
    content: Content<'a>,
}

/// Writes a response. Converse has room for one choice: the first.
pub(super) fn write(response: &Response) -> Vec<u8> {
    let choice = response.choices.first();
    let blocks = choice.map(|choice| choice.parts.iter().filter_map(block).map(Into::into).collect());
    let message = MessageOut { role: "assistant", content: Content(blocks.unwrap_or_default()) };
    let answer = AnswerOut {
        output: OutputOut { message },
        stop_reason: stop_reason_of(choice.map(|choice| choice.finish).unwrap_or_default()),
        usage: response.usage.map(Tokens::from),
        service_tier: response.service_tier.as_deref().map(|r#type| Typed { r#type }),
    };
    // Serialising strings, numbers and checked JSON cannot fail.
    crate::json::written(&answer)
}

/// Converts a part; parts that an assistant cannot send are dropped.
fn block(part: &Part) -> Option<Block<'_>> {
    Some(match part {
        Part::Text { text, .. } | Part::Refusal { text } => Block::Text(text),
        Part::ToolCall { id, name, arguments } => Block::ToolUse {
            tool_use_id: id.into(),
            name,
            input: Input::parse(arguments).unwrap_or(Input::Invalid(arguments)),
        },
        Part::Thinking { text, signature } => {
            Block::ReasoningContent(Reasoning::ReasoningText { text, signature: signature.as_deref() })
        }
        Part::RedactedThinking { data } => Block::ReasoningContent(Reasoning::RedactedContent(data)),
        Part::Image { .. } | Part::Document { .. } | Part::ToolResult { .. } => return None,
    })
}
