//! Reads whole responses, which name neither an id nor a model.

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::conversation::{Choice, Part, Response, Usage};
use crate::dialect::few::Few;
use crate::error::ApiError;
use crate::json;
use crate::lenient::{maybe, usage_in};

use super::answer::{Tokens, Typed, finish_of};

/// The most blocks in a response.
const MOST_BLOCKS: usize = 4096;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct AnswerIn<'a> {
    #[serde(default, borrow)]
    output: Option<OutputIn<'a>>,
    #[serde(default)]
    stop_reason: Option<String>,
    #[serde(default, deserialize_with = "maybe")]
    usage: Option<Tokens>,
    #[serde(default)]
    service_tier: Option<Typed<String>>,
}

#[derive(Deserialize)]
struct OutputIn<'a> {
    #[serde(default, borrow)]
    message: Option<MessageIn<'a>>,
}

#[derive(Deserialize)]
struct MessageIn<'a> {
    #[serde(default, borrow)]
    content: Few<BlockIn<'a>, MOST_BLOCKS>,
}

/// A block, by the member that it has; a block of an unknown kind has none of these.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct BlockIn<'a> {
    #[serde(default)]
    text: Option<String>,
    #[serde(default, borrow)]
    tool_use: Option<ToolUseIn<'a>>,
    #[serde(default)]
    reasoning_content: Option<ReasoningIn>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ToolUseIn<'a> {
    #[serde(default)]
    tool_use_id: String,
    #[serde(default)]
    name: String,
    #[serde(default, borrow)]
    input: Option<&'a RawValue>,
}

/// Reasoning, readable or redacted.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ReasoningIn {
    #[serde(default)]
    reasoning_text: Option<ReasoningTextIn>,
    #[serde(default)]
    redacted_content: Option<String>,
}

#[derive(Deserialize)]
struct ReasoningTextIn {
    #[serde(default)]
    text: String,
    #[serde(default)]
    signature: Option<String>,
}

impl ReasoningIn {
    pub(super) fn part(self) -> Option<Part> {
        if let Some(ReasoningTextIn { text, signature }) = self.reasoning_text {
            return Some(Part::Thinking { text, signature: signature.filter(|signature| !signature.is_empty()) });
        }
        self.redacted_content.map(|data| Part::RedactedThinking { data })
    }
}

impl BlockIn<'_> {
    fn part(self) -> Option<Part> {
        if let Some(text) = self.text {
            return Some(Part::Text { text, cache: None });
        }
        if let Some(ToolUseIn { tool_use_id, name, input }) = self.tool_use {
            let arguments = input.map_or("{}", RawValue::get).to_owned();
            return Some(Part::ToolCall { id: tool_use_id, name, arguments });
        }
        self.reasoning_content.and_then(ReasoningIn::part)
    }
}

/// Returns the response and its blocks. AWS may send a 200 without output.
fn parse(body: &[u8]) -> Result<(AnswerIn<'_>, Few<BlockIn<'_>, MOST_BLOCKS>), ApiError> {
    let mut answer: AnswerIn<'_> = json::from_slice(body).map_err(|error| ApiError::unreadable(&error))?;
    let message = answer.output.take().and_then(|output| output.message);
    let message = message.ok_or_else(|| ApiError::bad_answer("The provider's answer has no output."))?;
    Ok((answer, message.content))
}

/// Reads a provider's response.
pub(super) fn read(body: &[u8]) -> Result<Response, ApiError> {
    let (answer, blocks) = parse(body)?;
    let finish = finish_of(answer.stop_reason.as_deref().unwrap_or_default());
    Ok(Response {
        choices: vec![Choice { parts: blocks.into_iter().filter_map(BlockIn::part).collect(), finish }],
        usage: answer.usage.map(Usage::from),
        service_tier: answer.service_tier.map(|tier| tier.r#type),
        ..Response::default()
    })
}

/// Reads only the usage of a response.
pub(super) fn usage_of(body: &[u8]) -> Option<Usage> {
    usage_in::<Tokens>(body).map(Usage::from)
}
