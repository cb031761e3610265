//! OpenAI's Responses: `POST /v1/responses`, read and written in both directions.
//!
//! Translated, it is stateless: a conversation travels whole with every request, and what lives at OpenAI (stored
//! responses, conversations, prompt templates, tools that run there) is refused by name. Between a client and a provider
//! that both speak it nothing is translated, and all of that works.
//!
//! Reasoning that must come back unchanged travels in `encrypted_content`, whoever's it is: see `reasoning`.
//!
//! Source: the types of OpenAI's Python SDK (`src/openai/types/responses`).

mod answer;
mod body;
mod content;
mod emit;
mod event;
mod input;
mod item;
mod origin;
mod output;
mod peek;
mod reasoning;
mod request;
mod stream_read;
mod stream_write;
mod table;
mod toolbox;
mod tools;
mod usage;
mod write;

#[cfg(test)]
mod tests;

use crate::conversation::{Request, Response, Usage};
use crate::dialect::aliases::{self, Rules};
use crate::dialect::places::Place;
use crate::error::ApiError;

use super::openai::error;
use super::{Chat, Content, Dialect, Field, Glance, Opening, Shape, StreamPeeker, StreamReader, StreamWriter, Written};

/// OpenAI Responses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Responses;

impl Dialect for Responses {
    fn name(&self) -> &'static str {
        "responses"
    }

    fn content(&'static self) -> Content {
        Content::Chat(self)
    }

    fn fields(&self) -> &'static [Field] {
        table::TABLE.fields
    }

    fn shape(&self) -> Shape {
        Shape { asked: "input", limits: &["max_output_tokens"], ..Shape::default() }
    }

    fn path(&self, _model: &str, _stream: bool) -> String {
        "/responses".to_owned()
    }

    fn runs_tool(&self, kind: &str) -> bool {
        toolbox::runs_there(kind)
    }

    fn own_names(&self) -> &'static [(&'static str, &'static str)] {
        &[
            ("file.filename", "input[].content[].filename"),
            ("image_url.detail", "input[].content[].detail"),
            ("max_completion_tokens", "max_output_tokens"),
            ("max_tokens", "max_output_tokens"),
            ("messages", "input"),
            ("messages.reasoning_content", "input[].encrypted_content"),
            ("messages[].reasoning_content", "input[].encrypted_content"),
            ("messages[].thinking_blocks", "input[].encrypted_content"),
            ("reasoning_effort", "reasoning.effort"),
            ("response_format", "text.format"),
            ("response_format.json_schema", "text.format"),
            ("response_format.json_schema.schema", "text.format.schema"),
            ("response_format.json_schema.strict", "text.format.strict"),
            ("thinking_blocks", "input[].encrypted_content"),
            ("tools[].function.parameters", "tools[].parameters"),
            ("tools[].function.strict", "tools[].strict"),
            ("verbosity", "text.verbosity"),
        ]
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

impl Chat for Responses {
    fn rules(&self) -> Rules {
        aliases::RESPONSES
    }

    fn read_request(&self, body: &[u8]) -> Result<Request, ApiError> {
        request::read(body)
    }

    fn place(&self, body: &[u8], place: &Place<'_>) -> Option<String> {
        origin::place(body, place)
    }

    fn write_request(&self, request: &Request, model: &str) -> Result<Written, ApiError> {
        write::write(request, model)
    }

    fn read_response(&self, body: &[u8]) -> Result<Response, ApiError> {
        answer::read(body)
    }

    fn write_response(&self, response: &Response, now: u64) -> Vec<u8> {
        answer::write(response, now)
    }

    fn stream_reader(&self) -> Box<dyn StreamReader> {
        Box::<stream_read::Reader>::default()
    }

    fn stream_writer(&self, opening: Opening) -> Box<dyn StreamWriter> {
        Box::new(stream_write::Writer::new(opening))
    }

    fn stream_peeker(&self) -> Box<dyn StreamPeeker> {
        Box::<peek::Peeker>::default()
    }
}
