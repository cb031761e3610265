//! Whole responses. Writes OpenAI's format; reads it from OpenAI and from compatible servers.
//!
//! An assistant message groups its parts by kind, so reading yields them in a fixed order: thinking, text, refusal, tool calls. Several
//! texts of one message are joined.

use std::borrow::Cow;

use serde::Serialize;

use crate::conversation::{Choice, Finish, Form, Guises, Part, Response};
use crate::dialect::functions::made_up_id;
use crate::dialect::openai::answer::{self, ChoiceIn};
use crate::dialect::openai::body::CallOut;
use crate::dialect::openai::chunks::MOST_CHOICES;
use crate::dialect::openai::loose::{Block as BlockIn, Sort};
use crate::dialect::openai::{json, words};
use crate::dialect::text_argument;
use crate::dialect::tiers;
use crate::error::ApiError;

use super::out::Block;

/// Reads a response. An error hidden in a 200 is returned as an error.
pub(super) fn read(body: &[u8]) -> Result<Response, ApiError> {
    answer::read(body, MOST_CHOICES, read_choice)
}

fn read_choice(seen: ChoiceIn<'_>, answer: &str, index: u32, guises: &mut Guises) -> Result<Choice, ApiError> {
    let mut said = seen.message.unwrap_or_default();
    let (reasoning, calls) = (said.reasoning(), said.calls());
    let mut parts: Vec<Part> = said.blocks().map(block).collect();
    let has_text = parts.iter().any(|part| matches!(part, Part::Thinking { text, .. } if !text.is_empty()));
    if !has_text && !reasoning.is_empty() {
        parts.insert(0, Part::Thinking { text: reasoning.into_owned(), signature: None });
    }
    said.content.pieces(&mut |sort, text| {
        let text = text.into_owned();
        parts.push(match sort {
            Sort::Text => Part::Text { text, cache: None },
            Sort::Thinking => Part::Thinking { text, signature: None },
            Sort::Refusal => Part::Refusal { text },
        });
    });
    if !said.refusal.is_empty() {
        parts.push(Part::Refusal { text: said.refusal.0.into_owned() });
    }
    let mut called = false;
    for (call, seen) in calls.enumerate() {
        called = true;
        let is_custom = seen.custom.is_some();
        let function = seen.custom.or(seen.function).unwrap_or_default();
        let id = if seen.id.is_empty() { made_up_id(answer, index, call) } else { seen.id.0.into_owned() };
        let arguments = if is_custom {
            guises.add_called("", &function.name.0, Form::Text);
            text_argument::wrap(&function.input.0)
        } else {
            function.arguments().into_owned()
        };
        parts.push(Part::ToolCall { id, name: function.name.0.into_owned(), arguments });
    }
    let finish = match &*seen.finish_reason.0 {
        "" if called => Finish::ToolCalls,
        word => words::finish(word)?,
    };
    Ok(Choice { parts, finish })
}

fn block(seen: BlockIn<'_>) -> Part {
    if !seen.data.is_empty() {
        return Part::RedactedThinking { data: seen.data.0.into_owned() };
    }
    let signature = (!seen.signature.is_empty()).then(|| seen.signature.0.into_owned());
    Part::Thinking { text: seen.thinking.0.into_owned(), signature }
}

#[derive(Serialize)]
struct ChoiceShown<'a> {
    index: usize,
    message: MessageShown<'a>,
    logprobs: Option<()>,
    finish_reason: &'static str,
}

#[derive(Serialize)]
struct MessageShown<'a> {
    role: &'static str,
    content: Option<Cow<'a, str>>,
    refusal: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reasoning_content: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    thinking_blocks: Vec<Block<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tool_calls: Vec<CallOut<'a>>,
}

/// Writes a response. The creation time is the provider's, or else `now`.
pub(super) fn write(response: &Response, now: u64) -> Vec<u8> {
    let service_tier = response.service_tier.as_deref().and_then(tiers::openais);
    answer::write(response, now, "chat.completion", service_tier, write_choice)
}

fn write_choice<'a>(index: usize, choice: &'a Choice, guises: &Guises) -> ChoiceShown<'a> {
    let parts = || choice.parts.iter();
    let content = json::joined(parts().filter_map(|part| match part {
        Part::Text { text, .. } => Some(text.as_str()),
        _ => None,
    }));
    let refusal = json::joined(parts().filter_map(|part| match part {
        Part::Refusal { text } => Some(text.as_str()),
        _ => None,
    }));
    let reasoning_content = json::joined(parts().filter_map(|part| match part {
        Part::Thinking { text, .. } if !text.is_empty() => Some(text.as_str()),
        _ => None,
    }));
    let tool_calls: Vec<_> = parts().filter_map(|part| CallOut::in_form(part, guises)).collect();
    let content = content.or_else(|| (tool_calls.is_empty() && refusal.is_none()).then_some(Cow::Borrowed("")));
    let message = MessageShown {
        role: "assistant",
        content,
        refusal,
        reasoning_content,
        thinking_blocks: if needs_blocks(&choice.parts) { parts().filter_map(Block::of).collect() } else { Vec::new() },
        tool_calls,
    };
    ChoiceShown { index, message, logprobs: None, finish_reason: words::finish_reason(choice.finish) }
}

/// Whether `reasoning_content` is insufficient: for signatures, encrypted blocks, or several blocks.
fn needs_blocks(parts: &[Part]) -> bool {
    let mut blocks = 0;
    parts.iter().any(|part| {
        blocks += usize::from(matches!(part, Part::Thinking { .. }));
        matches!(part, Part::Thinking { signature: Some(_), .. } | Part::RedactedThinking { .. }) || blocks > 1
    })
}
