//! OpenAI's legacy completions: `POST /v1/completions`, read and written in both directions.
//!
//! A prompt is a single user's message, and an answer is text alone. So a conversation is written to a provider of this
//! format only if it is just such a message; and what an answer holds besides text has no place here: a refusal's words
//! are text, reasoning and calls (of tools nobody could have asked for) are left out.
//!
//! Source: the types of OpenAI's Python SDK (`src/openai/types/completion*.py`).

mod request;
mod response;
mod stream_write;
mod table;
mod write;

#[cfg(test)]
mod tests;

use crate::conversation::{Request, Response, Usage};
use crate::dialect::aliases::{self, Rules};
use crate::dialect::places::Place;
use crate::error::ApiError;

use super::openai::{chunks, error, peek, usage};
use super::{Chat, Content, Dialect, Field, Glance, Opening, Shape, StreamPeeker, StreamReader, StreamWriter, Written};

/// OpenAI legacy completions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Completions;

impl Dialect for Completions {
    fn name(&self) -> &'static str {
        "completions"
    }

    fn content(&'static self) -> Content {
        Content::Chat(self)
    }

    fn fields(&self) -> &'static [Field] {
        table::TABLE.fields
    }

    fn shape(&self) -> Shape {
        Shape { asked: "prompt", stream_options: true, ..Shape::default() }
    }

    fn path(&self, _model: &str, _stream: bool) -> String {
        "/completions".to_owned()
    }

    fn own_names(&self) -> &'static [(&'static str, &'static str)] {
        &[("max_completion_tokens", "max_tokens"), ("messages", "prompt")]
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

impl Chat for Completions {
    fn rules(&self) -> Rules {
        aliases::NONE
    }

    fn read_request(&self, body: &[u8]) -> Result<Request, ApiError> {
        request::read(body)
    }

    /// All of the conversation is one text.
    fn place(&self, _body: &[u8], _place: &Place<'_>) -> Option<String> {
        Some("prompt".to_owned())
    }

    fn write_request(&self, request: &Request, model: &str) -> Result<Written, ApiError> {
        write::write(request, model)
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
