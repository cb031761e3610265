//! Reads and writes whole responses.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::conversation::{Choice, FinishReasons, Guises, Part, Response};
use crate::dialect::ResponseSummary;
use crate::dialect::bare;
use crate::dialect::few::Few;
use crate::dialect::functions::Input;
use crate::dialect::out;
use crate::dialect::tiers;
use crate::error::ApiError;
use crate::json;
use crate::lenient::maybe;

use super::answer::{BlockIn, BlockKind, explanation, finish_of, reason_of, tier_of};
use super::block::Block;
use super::error;
use super::usage::{UsageIn, UsageOut};

/// The most blocks in a response.
pub(super) const MOST_BLOCKS: usize = 4096;

/// A response as received, or the error in its place.
#[derive(Deserialize)]
struct MessageIn<'a> {
    #[serde(default)]
    id: Option<String>,
    #[serde(default)]
    model: Option<String>,
    #[serde(default, borrow)]
    content: Option<Few<&'a RawValue, MOST_BLOCKS>>,
    #[serde(default)]
    stop_reason: Option<String>,
    #[serde(default, borrow)]
    stop_details: Option<&'a RawValue>,
    #[serde(default, deserialize_with = "maybe")]
    usage: Option<UsageIn>,
    #[serde(default)]
    error: Option<error::Body>,
}

impl<'a> MessageIn<'a> {
    fn parse(body: &'a [u8]) -> Result<Self, ApiError> {
        let message: Self = json::from_slice(body)
            .map_err(|error| bare::error(body).unwrap_or_else(|| ApiError::unreadable(&error)))?;
        match (&message.error, &message.content) {
            (Some(error), _) => Err(error.without_status()),
            (None, None) => {
                let none = || ApiError::bad_answer("The provider's answer has no content.");
                Err(bare::error(body).unwrap_or_else(none))
            }
            (None, Some(_)) => Ok(message),
        }
    }
}

/// Reads a provider's response.
pub(super) fn read(body: &[u8]) -> Result<Response, ApiError> {
    let message = MessageIn::parse(body)?;
    let mut parts = Vec::new();
    for raw in message.content.iter().flat_map(|list| list.iter()) {
        parts.extend(part(BlockIn::parse(raw)?));
    }
    let finish = finish_of(message.stop_reason.as_deref().unwrap_or_default());
    parts.extend(explanation(finish, message.stop_details).map(|text| Part::Refusal { text }));
    let usage = message.usage.as_ref();
    let tier = usage.and_then(|usage| usage.service_tier.as_deref());
    Ok(Response {
        id: message.id.unwrap_or_default(),
        model: message.model.unwrap_or_default(),
        created: None,
        choices: vec![Choice { parts, finish }],
        usage: usage.map(UsageIn::inclusive),
        service_tier: tier.map(|given| tier_of(given).to_owned()),
        guises: Guises::none(),
    })
}

/// Peeks at a response that passes unchanged.
pub(in crate::dialect) fn peek(body: &[u8]) -> Result<ResponseSummary, ApiError> {
    let message = MessageIn::parse(body)?;
    Ok(ResponseSummary {
        extras: message.usage.as_ref().map(UsageIn::extras).unwrap_or_default(),
        reasons: message.stop_reason.as_deref().map(finish_of).map_or_else(FinishReasons::default, FinishReasons::of),
        model: message.model,
        usage: message.usage.map(|usage| usage.inclusive()),
        finished: true,
        ..ResponseSummary::default()
    })
}

fn part(block: BlockIn<'_>) -> Option<Part> {
    Some(match block.r#type {
        BlockKind::Text => Part::Text { text: block.text.unwrap_or_default(), cache: None },
        BlockKind::Thinking => Part::Thinking {
            text: block.thinking.unwrap_or_default(),
            signature: block.signature.filter(|signature| !signature.is_empty()),
        },
        BlockKind::RedactedThinking => Part::RedactedThinking { data: block.data.unwrap_or_default() },
        BlockKind::ToolUse => Part::ToolCall {
            id: block.id.unwrap_or_default(),
            name: block.name.unwrap_or_default(),
            arguments: block.input.map_or("{}", RawValue::get).to_owned(),
        },
        BlockKind::Other => return None,
    })
}

#[derive(Serialize)]
#[serde(tag = "type", rename = "message")]
struct MessageOut<'a> {
    id: &'a str,
    role: &'static str,
    model: &'a str,
    content: Vec<Block<'a>>,
    stop_reason: &'static str,
    stop_sequence: Option<&'a str>,
    usage: UsageOut<'a>,
}

/// Writes a response for a client. Anthropic's format has room for one choice: the first.
pub(super) fn write(response: &Response) -> Vec<u8> {
    let choice = response.choices.first();
    let refused = choice.is_some_and(|choice| choice.parts.iter().any(|part| matches!(part, Part::Refusal { .. })));
    let message = MessageOut {
        id: &response.id,
        role: "assistant",
        model: &response.model,
        content: choice.map(|choice| choice.parts.iter().filter_map(block).collect()).unwrap_or_default(),
        stop_reason: reason_of(choice.map(|choice| choice.finish).unwrap_or_default(), refused),
        stop_sequence: None,
        usage: UsageOut::of(
            &response.usage.unwrap_or_default(),
            response.service_tier.as_deref().and_then(tiers::anthropics),
        ),
    };
    out::body(&message)
}

/// Converts a part; parts that an assistant cannot send are dropped.
fn block(part: &Part) -> Option<Block<'_>> {
    Some(match part {
        Part::Text { text, .. } | Part::Refusal { text } => Block::Text { text, cache_control: None },
        Part::ToolCall { id, name, arguments } => {
            Block::ToolUse { id: id.into(), name, input: Input::parse(arguments).unwrap_or(Input::Invalid(arguments)) }
        }
        Part::Thinking { text, signature } => {
            Block::Thinking { thinking: text, signature: signature.as_deref().unwrap_or_default() }
        }
        Part::RedactedThinking { data } => Block::RedactedThinking { data },
        Part::Image { .. } | Part::Document { .. } | Part::ToolResult { .. } => return None,
    })
}
