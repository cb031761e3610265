//! OpenAI's chat completions, as a client speaks it to us and as we speak it to a provider.
//!
//! What a client sees is OpenAI's shape to the letter; what a provider sends may be any compatible server's, and is
//! read with patience (`loose`). Requests are read without any: a field that is not in [`Dialect::fields`] is refused,
//! for a translated request must not lose what we do not know.
//!
//! Beyond OpenAI's own fields the dialect reads and writes what compatible clients already know:
//! - `reasoning_content` on messages and deltas carries reasoning, never `content`.
//! - `thinking_blocks` on messages and deltas carries reasoning that must come back unchanged, as LiteLLM's clients
//!   know it: `[{"type":"thinking","thinking","signature"},{"type":"redacted_thinking","data"}]`. In a stream each
//!   item is a whole block with its number as `index`, so a client collects them and sends them back with its next request.
//! - `cache_control` on content parts, messages and tools is Anthropic's caching mark.
//! - `thinking` and `top_k` in a request are Anthropic's parameters of that name.

use std::fmt::Debug;

use crate::conversation::{Request, Response, Usage};
use crate::error::ApiError;

use super::aliases::Rules;
use super::bounds::Bounds;
use super::models::openai::OpenAi;
use super::openai::{chunks, error, peek, usage};
use super::places::Place;
use super::quirk::Quirk;
use super::{Chat, Content, Dialect, Field, Glance, Opening, Shape, StreamPeeker, StreamReader, StreamWriter, Written};

mod body;
mod message;
mod out;
mod parts;
mod replayed;
mod request;
mod response;
mod stream_write;
mod table;
mod tools;
pub mod variations;
mod write;

#[cfg(test)]
mod tests;

/// OpenAI chat completions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OpenAiChat;

/// The same as a server speaks it that departs from OpenAI.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct OpenAiCompatible(pub Variation);

/// How a server that speaks this dialect departs from OpenAI, as far as a request must know: its answers are read with
/// patience, whoever it is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Variation {
    /// It takes `cache_control`, `thinking_blocks`, `thinking`, `top_k`, and images in tool messages, as LiteLLM and
    /// OpenRouter do. OpenAI answers 400 to them, so without this they are left out or expressed otherwise.
    pub extensions: bool,
    /// What it takes as identifiers and names.
    pub rules: Rules,
    /// What it calls by another name, or has no words for.
    pub quirks: &'static [Quirk],
    /// The numbers that it takes.
    pub bounds: Bounds,
}

/// Whoever speaks this dialect.
trait Speaker: Debug + Sync + 'static {
    fn variation(&self) -> Variation;
}

impl Speaker for OpenAiChat {
    fn variation(&self) -> Variation {
        variations::OPENAI
    }
}

impl Speaker for OpenAiCompatible {
    fn variation(&self) -> Variation {
        self.0
    }
}

impl<S: Speaker> Dialect for S {
    fn name(&self) -> &'static str {
        "openai_chat"
    }

    fn content(&'static self) -> Content {
        Content::Chat(self)
    }

    fn fields(&self) -> &'static [Field] {
        table::FIELDS
    }

    fn shape(&self) -> Shape {
        Shape { stream_options: true, limits: &["max_tokens", "max_completion_tokens"], ..Shape::default() }
    }

    fn quirks(&self) -> &'static [Quirk] {
        self.variation().quirks
    }

    fn bounds(&self, _model: &str) -> Bounds {
        self.variation().bounds
    }

    fn suits(&self, model: &str) -> bool {
        OpenAi::of(model).is_none_or(|model| model.calls_in_chat)
    }

    fn path(&self, _model: &str, _stream: bool) -> String {
        "/chat/completions".to_owned()
    }

    fn read_error(&self, status: u16, _hint: Option<&str>, body: &[u8]) -> ApiError {
        error::read(status, body)
    }

    fn status(&self, error: &ApiError) -> u16 {
        error::status(error)
    }

    fn write_error(&self, error: &ApiError) -> Vec<u8> {
        error::body(error)
    }

    fn peek_response(&self, body: &[u8]) -> Result<Glance, ApiError> {
        peek::response(body)
    }

    fn usage_of(&self, body: &[u8]) -> Option<Usage> {
        usage::of(body)
    }
}

impl<S: Speaker> Chat for S {
    fn rules(&self) -> Rules {
        self.variation().rules
    }

    fn read_request(&self, body: &[u8]) -> Result<Request, ApiError> {
        request::read(body)
    }

    fn place(&self, body: &[u8], place: &Place<'_>) -> Option<String> {
        message::place(body, place)
    }

    fn write_request(&self, request: &Request, model: &str) -> Result<Written, ApiError> {
        write::write(request, model, &self.variation())
    }

    fn read_response(&self, body: &[u8]) -> Result<Response, ApiError> {
        response::read(body)
    }

    fn write_response(&self, response: &Response, now: u64) -> Vec<u8> {
        response::write(response, now)
    }

    fn stream_reader(&self) -> Box<dyn StreamReader> {
        Box::<chunks::Reader>::default()
    }

    fn stream_writer(&self, opening: Opening) -> Box<dyn StreamWriter> {
        Box::new(stream_write::Writer::new(opening))
    }

    fn stream_peeker(&self) -> Box<dyn StreamPeeker> {
        Box::<peek::Peeker>::default()
    }
}
