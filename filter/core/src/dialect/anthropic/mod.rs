//! Anthropic's messages: `POST /v1/messages`, read and written in both directions.
//!
//! Source: the types of Anthropic's Python SDK (`src/anthropic/types`). What becomes of every field of a client's request is in
//! `FIELDS`; what becomes of a conversation's parameters on the way to Anthropic stands at the head of `write_request`. Clouds that
//! host Anthropic's models take the same bodies in other envelopes: `hosted`.

mod answer;
mod block;
mod count;
mod error;
mod hosted;
mod hosted_stream;
mod peek;
mod read_message;
mod read_request;
mod response;
mod stream_in;
mod stream_out;
mod turns;
mod usage;
mod write_request;

#[cfg(test)]
mod tests;

pub use hosted::{AnthropicOnBedrock, AnthropicOnVertex};

use self::write_request::Envelope;
use super::{Chat, Content, Dialect, Fate, Field, Glance, Opening, StreamPeeker, StreamReader, StreamWriter, Written};
use crate::conversation::{Request, Response, Usage};
use crate::dialect::rate_limits;
use crate::error::ApiError;
use crate::headers::HeaderMap;

pub use count::CountTokens;

/// The dialect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Anthropic;

/// Every field of a request by Anthropic's names, and its fate. Fields that are not here are refused.
const FIELDS: &[Field] = &[
    ("model", Fate::Mapped, "the target's model"),
    ("messages", Fate::Mapped, "`messages`; a tool's result becomes a message of its own"),
    ("max_tokens", Fate::Mapped, "`max_completion_tokens`"),
    ("system", Fate::Mapped, "a system message"),
    ("tools", Fate::Mapped, "`tools`; tools that run at Anthropic are a 400"),
    ("tool_choice", Fate::Mapped, "`tool_choice`, and `parallel_tool_calls`"),
    ("stop_sequences", Fate::Mapped, "`stop`"),
    ("temperature", Fate::Mapped, "`temperature`"),
    ("top_p", Fate::Mapped, "`top_p`"),
    ("top_k", Fate::Mapped, "left out: OpenAI has none"),
    ("thinking", Fate::Mapped, "`reasoning_effort`: a budget up to 4096 is `low`, up to 16384 `medium`, beyond `high`"),
    ("output_config", Fate::Mapped, "`effort` as `reasoning_effort`, `max` as `xhigh`; `format` as `response_format`"),
    ("metadata", Fate::Mapped, "`user_id` as `user`; other fields are a 400"),
    ("service_tier", Fate::Mapped, "`standard_only` as `default`"),
    ("stream", Fate::Mapped, "`stream`, always with `stream_options.include_usage`"),
    // Hints to Anthropic about speed and cost.
    ("cache_control", Fate::Dropped, ""),
    ("speed", Fate::Dropped, ""),
    // State and tools on Anthropic's side, which other providers do not have.
    ("container", Fate::Refused, ""),
    ("mcp_servers", Fate::Refused, ""),
    ("context_management", Fate::Refused, ""),
    ("inference_geo", Fate::Refused, ""),
];

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

    fn forwards(&self) -> &'static [&'static str] {
        &["anthropic-beta", "anthropic-version"]
    }

    fn rate_limits(&self, headers: &HeaderMap, now: u64) -> Vec<(&'static str, String)> {
        rate_limits::of_anthropic(headers, now)
    }

    /// Anthropic documents about 3.5 English characters for a token.
    fn bytes_per_100_tokens(&self) -> u64 {
        350
    }

    fn read_error(&self, status: u16, _hint: Option<&str>, body: &[u8]) -> ApiError {
        error::read(status, body)
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
    fn read_request(&self, body: &[u8]) -> Result<Request, ApiError> {
        read_request::read(body)
    }

    fn write_request(&self, request: &Request, model: &str) -> Result<Written, ApiError> {
        let envelope = Envelope { model: Some(model), version: None, stream: true, tiers: true };
        write_request::write(request, envelope)
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
        Box::new(stream_out::Writer::new(opening))
    }

    fn stream_peeker(&self) -> Box<dyn StreamPeeker> {
        Box::<peek::Peeker>::default()
    }
}
