//! Anthropic's messages: `POST /v1/messages`, read and written in both directions.
//!
//! Source: the types of Anthropic's Python SDK (`src/anthropic/types`). What becomes of every field of a client's request is in
//! [`table`]; what becomes of a conversation's parameters on the way to Anthropic stands at the head of `write_request`. Clouds
//! that host Anthropic's models take the same bodies in other envelopes: `hosted`.

mod answer;
mod block;
mod envelope;
mod error;
mod hosted;
mod hosted_stream;
mod origin;
mod peek;
mod read_document;
mod read_message;
mod read_request;
mod response;
mod stream_in;
mod stream_out;
mod table;
mod turns;
mod usage;
mod write_request;

#[cfg(test)]
mod tests;

pub use hosted::{AnthropicOnBedrock, AnthropicOnVertex};

use crate::conversation::{Request, Response, Usage};
use crate::dialect::aliases::{self, Rules};
use crate::dialect::in_turn::InTurn;
use crate::dialect::places::Place;
use crate::dialect::rate_limits;
use crate::error::{ApiError, ErrorKind};
use crate::headers::HeaderMap;

use self::table::FIELDS;
use self::write_request::Envelope;
use super::{Chat, Content, Dialect, Field, Glance, Opening, StreamPeeker, StreamReader, StreamWriter, Written};

/// The dialect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Anthropic;

impl Dialect for Anthropic {
    fn name(&self) -> &'static str {
        "anthropic"
    }

    fn content(&'static self) -> Content {
        Content::Chat(self)
    }

    fn fields(&self) -> &'static [Field] {
        FIELDS
    }

    fn path(&self, _model: &str, _stream: bool) -> String {
        "/messages".to_owned()
    }

    fn headers(&self) -> &'static [(&'static str, &'static str)] {
        &[("anthropic-version", "2023-06-01")]
    }

    fn filtered(&self) -> &'static str {
        "refusal"
    }

    fn runs_tool(&self, kind: &str) -> bool {
        read_request::runs_there(kind)
    }

    fn forwards(&self) -> &'static [&'static str] {
        &["anthropic-beta", "anthropic-version"]
    }

    fn answers(&self) -> &'static [&'static str] {
        rate_limits::ANTHROPICS
    }

    fn own_names(&self) -> &'static [(&'static str, &'static str)] {
        &[
            ("file.filename", "messages[].content[].document.title"),
            ("is_error", "messages[].content[].tool_result.is_error"),
            ("max_completion_tokens", "max_tokens"),
            ("messages.reasoning_content", "messages[].content[].thinking"),
            ("messages[].reasoning_content", "messages[].content[].thinking"),
            ("messages[].thinking_blocks", "messages[].content[].thinking"),
            ("parallel_tool_calls", "tool_choice.disable_parallel_tool_use"),
            ("reasoning_effort", "output_config.effort"),
            ("response_format", "output_config.format"),
            ("response_format.json_schema", "output_config.format"),
            ("response_format.json_schema.schema", "output_config.format.schema"),
            ("response_format.json_schema.strict", "output_config.format"),
            ("stop", "stop_sequences"),
            ("thinking_blocks", "messages[].content[].thinking"),
            ("tools[].function.parameters", "tools[].input_schema"),
            ("tools[].function.strict", "tools[].strict"),
            ("user", "metadata.user_id"),
        ]
    }

    fn rate_limits(&self, headers: &HeaderMap, now: u64) -> Vec<(&'static str, String)> {
        rate_limits::of_anthropic(headers, now)
    }

    fn request_id(&self) -> Option<&'static str> {
        Some("request-id")
    }

    /// Anthropic documents about 3.5 English characters for a token.
    fn bytes_per_100_tokens(&self) -> u64 {
        350
    }

    fn read_error(&self, status: u16, _hint: Option<&str>, body: &[u8]) -> ApiError {
        error::read(status, body)
    }

    /// Anthropic's clients know its own status for a provider that has too much to do.
    fn status(&self, error: &ApiError) -> u16 {
        if error.kind == ErrorKind::Overloaded { 529 } else { error.status }
    }

    fn write_error(&self, error: &ApiError) -> Vec<u8> {
        let mut out = Vec::with_capacity(256);
        error::write(error, &mut out);
        out
    }

    fn peek_response(&self, body: &[u8]) -> Result<Glance, ApiError> {
        response::peek(body)
    }

    fn usage_of(&self, body: &[u8]) -> Option<Usage> {
        usage::of(body)
    }
}

impl Chat for Anthropic {
    fn rules(&self) -> Rules {
        aliases::ANTHROPIC
    }

    fn read_request(&self, body: &[u8]) -> Result<Request, ApiError> {
        read_request::read(body)
    }

    fn place(&self, body: &[u8], place: &Place<'_>) -> Option<String> {
        origin::place(body, place)
    }

    fn write_request(&self, request: &Request, model: &str) -> Result<Written, ApiError> {
        let envelope = Envelope { model: Some(model), version: None, stream: true, tiers: true };
        write_request::write(request, model, envelope)
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

    fn stream_writer(&self, opening: Opening) -> Box<dyn StreamWriter> {
        Box::new(InTurn::new(stream_out::Writer::new(opening)))
    }

    fn stream_peeker(&self) -> Box<dyn StreamPeeker> {
        Box::<peek::Peeker>::default()
    }
}
