//! Cohere's chat, version 2: `POST /v2/chat`, read and written in both directions, though only providers speak it to us.
//!
//! Source: the types of Cohere's Python SDK (`src/cohere/types`, `src/cohere/v2`) and its error reference. What becomes of a
//! conversation's parameters on the way to Cohere is in `FIELDS`, by the names of OpenAI's chat completions.
//!
//! Two things that Cohere has are one here: `tool_plan`, what a model says before it calls tools, and `thinking` content
//! are both reasoning without a seal. In a message with calls reasoning goes back as `tool_plan`, in any other as
//! `thinking` content. Reasoning under another provider's seal is left out.

use crate::conversation::{Request, Response, Usage};
use crate::dialect::aliases::{self, Rules};
use crate::error::ApiError;

use super::{Chat, Content, Dialect, Field, Glance, Opening, StreamPeeker, StreamReader, StreamWriter, Written};

mod body;
mod embed;
mod error;
mod message_out;
mod peek;
mod read_message;
mod read_request;
mod response;
mod seen;
mod stream_in;
mod stream_out;
mod table;
mod thinking;
mod usage;
mod words;
mod write_request;

#[cfg(test)]
mod tests;

pub use embed::CohereEmbed;

/// The dialect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cohere;

impl Dialect for Cohere {
    fn name(&self) -> &'static str {
        "cohere"
    }

    fn content(&'static self) -> Content {
        Content::Chat(self)
    }

    fn fields(&self) -> &'static [Field] {
        table::FIELDS
    }

    fn path(&self, _model: &str, _stream: bool) -> String {
        "/chat".to_owned()
    }

    fn read_error(&self, status: u16, _hint: Option<&str>, body: &[u8]) -> ApiError {
        error::read(status, body)
    }

    fn write_error(&self, error: &ApiError) -> Vec<u8> {
        error::write(error)
    }

    fn peek_response(&self, body: &[u8]) -> Result<Glance, ApiError> {
        peek::response(body)
    }

    fn usage_of(&self, body: &[u8]) -> Option<Usage> {
        usage::of(body)
    }
}

impl Chat for Cohere {
    fn rules(&self) -> Rules {
        aliases::COHERE
    }

    fn read_request(&self, body: &[u8]) -> Result<Request, ApiError> {
        read_request::read(body)
    }

    fn write_request(&self, request: &Request, model: &str) -> Result<Written, ApiError> {
        write_request::write(request, model)
    }

    fn read_response(&self, body: &[u8]) -> Result<Response, ApiError> {
        response::read(body)
    }

    fn write_response(&self, response: &Response, _now: u64) -> Vec<u8> {
        response::write(response)
    }

    fn stream_reader(&self) -> Box<dyn StreamReader> {
        Box::<stream_in::Reader>::default()
    }

    fn stream_writer(&self, _opening: Opening) -> Box<dyn StreamWriter> {
        Box::<stream_out::Writer>::default()
    }

    fn stream_peeker(&self) -> Box<dyn StreamPeeker> {
        Box::<peek::Peeker>::default()
    }
}
