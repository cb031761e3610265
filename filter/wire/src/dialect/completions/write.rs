//! Writes a request for a provider if it can be a prompt: a single user message of text. Instructions, earlier turns, media, tools and a
//! response format are rejected. Reasoning, the service tier, `top_k`, a name and cache marks are dropped and reported in
//! [`Written::dropped`].
//!
//! Without a limit the format would stop after 16 tokens, so a default is written: 1,024, which leaves room for a prompt in the smallest
//! context (4,097) that OpenAI still serves in this format.

use serde::Serialize;

use crate::conversation::{Part, Request, Role};
use crate::dialect::WrittenRequest;
use crate::dialect::bounds::{self, Numbers};
use crate::dialect::fields::drop_hint;
use crate::dialect::openai::body::Sampling;
use crate::dialect::openai::json;
use crate::dialect::openai::request::Streaming;
use crate::dialect::openai::table::refused;
use crate::error::ApiError;

/// The `max_tokens` of a request without a limit.
const ROOM: u64 = 1024;

#[derive(Serialize)]
struct Body<'a> {
    model: &'a str,
    prompt: &'a str,
    max_tokens: u64,
    #[serde(flatten)]
    sampling: Sampling<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user: Option<&'a str>,
    #[serde(flatten)]
    streaming: Streaming,
}

/// Writes `request` for the provider's `model`.
pub(super) fn write(request: &Request, model: &str) -> Result<WrittenRequest, ApiError> {
    let prompt = prompt(request)?;
    if !request.tools.is_empty() {
        return Err(refused("tools"));
    }
    if request.output.is_some() {
        return Err(refused("response_format"));
    }
    let mut dropped = dropped(request);
    let numbers = Numbers::of(request, bounds::OPENAI, &mut dropped)?;
    let body = Body {
        model,
        prompt,
        max_tokens: request.max_tokens.unwrap_or(ROOM),
        sampling: Sampling::of(&numbers, &request.stop),
        user: request.user.as_deref(),
        streaming: Streaming::of(request.stream),
    };
    Ok(WrittenRequest { body: json::body(&body), dropped })
}

fn prompt(request: &Request) -> Result<&str, ApiError> {
    let [message] = request.messages.as_slice() else {
        let message = "The provider that serves this model completes a single text. Send one user message, without \
                       instructions and earlier turns.";
        return Err(ApiError::unsupported("messages", message));
    };
    match (message.role, message.parts.as_slice()) {
        (Role::User, [Part::Text { text, .. }]) => Ok(text),
        (Role::User, _) => Err(refused("messages[0].content")),
        _ => Err(refused("messages[0].role")),
    }
}

fn dropped(request: &Request) -> Vec<String> {
    let mut dropped = request.dropped.clone();
    let message = request.messages.first();
    let marked =
        message.is_some_and(|message| matches!(message.parts.first(), Some(Part::Text { cache: Some(_), .. })));
    let hints = [
        (message.is_some_and(|message| message.name.is_some()), "messages[].name"),
        (marked, "cache_control"),
        (request.reasoning.is_some(), "reasoning_effort"),
        (request.top_k.is_some(), "top_k"),
        (request.service_tier.is_some(), "service_tier"),
    ];
    for (given, name) in hints {
        if given {
            drop_hint(&mut dropped, name);
        }
    }
    dropped
}
