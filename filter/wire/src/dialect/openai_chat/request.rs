//! Reads a client's request: the top-level fields. [`message`](super::message) reads messages; [`tools`](super::tools) reads tools and the
//! output format.
//!
//! Errors are 400s that name the field by its path, `messages[2].content[0].type`.

use crate::conversation::{Reasoning, Request};
use crate::dialect::fields::Fields;
use crate::dialect::fields::{missing, nothing_left};
use crate::dialect::fields::{object, required, wrong_word};
use crate::dialect::openai::carried;
use crate::dialect::openai::request::{count, include_usage, stop};
use crate::error::ApiError;

use super::table::TABLE;
use super::{message, tools};

pub(super) fn read(text: &[u8]) -> Result<Request, ApiError> {
    let mut fields = Fields::of(text)?;
    let mut dropped = Vec::new();
    let model: String = fields.take("", "model")?.ok_or_else(|| missing("model"))?;
    let messages = message::read_all(&mut fields, &mut dropped)?;
    let newer: Option<u64> = fields.take("", "max_completion_tokens")?;
    let older: Option<u64> = fields.take("", "max_tokens")?;
    let mut request = Request {
        model,
        messages,
        tools: tools::read_all(&mut fields, &mut dropped)?,
        tool_choice: tools::read_choice(&mut fields)?,
        parallel_tool_calls: fields.take("", "parallel_tool_calls")?,
        output: tools::read_output(&mut fields)?,
        max_tokens: newer.or(older),
        temperature: fields.take("", "temperature")?,
        top_p: fields.take("", "top_p")?,
        top_k: fields.take("", "top_k")?,
        stop: stop(&mut fields)?,
        seed: fields.take("", "seed")?,
        frequency_penalty: fields.take("", "frequency_penalty")?,
        presence_penalty: fields.take("", "presence_penalty")?,
        n: count(&mut fields)?,
        reasoning: reasoning(&mut fields)?,
        user: fields.take("", "user")?,
        service_tier: fields.take("", "service_tier")?,
        stream: fields.take("", "stream")?.unwrap_or_default(),
        include_usage: include_usage(&mut fields, &TABLE, &mut dropped)?,
        ..Request::default()
    };
    request.dropped = dropped;
    carried::read(&mut fields, &[carried::VERBOSITY.0], &mut request)?;
    TABLE.settle(&fields, "", "", &mut request.dropped)?;
    Ok(request)
}

/// Reads `reasoning_effort` or Anthropic's `thinking`; both together are contradictory.
fn reasoning(fields: &mut Fields<'_>) -> Result<Option<Reasoning>, ApiError> {
    let effort: Option<String> = fields.take("", "reasoning_effort")?;
    let at = "thinking";
    let Some(raw) = fields.take_raw(at) else { return Ok(effort.map(Reasoning::Effort)) };
    if effort.is_some() {
        return Err(ApiError::invalid(at, "Set either 'thinking' or 'reasoning_effort', not both."));
    }
    let mut thinking = object(raw, at)?;
    let read = match required(&mut thinking, at, "type")?.as_str() {
        "enabled" => {
            let budget = thinking.take(at, "budget_tokens")?.ok_or_else(|| missing("thinking.budget_tokens"))?;
            Reasoning::Budget(budget)
        }
        "disabled" => Reasoning::Disabled,
        "adaptive" => Reasoning::Adaptive,
        other => return Err(wrong_word("thinking.type", other, "enabled, disabled, adaptive")),
    };
    nothing_left(&thinking, at)?;
    Ok(Some(read))
}
