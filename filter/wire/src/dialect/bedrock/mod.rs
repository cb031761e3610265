//! AWS Bedrock's Converse: `POST /model/{model}/converse`, and `converse-stream`, read and written in both directions.
//!
//! One API for the models of many makers. Only providers speak it, so what is written are requests, and what is read are
//! answers; the other directions are there so that reading what was written can be held against it.
//!
//! Source: AWS's description of the Bedrock runtime (`Converse`, `ConverseStream` and their types in the API reference). What
//! becomes of a conversation's parameters is in `FIELDS` and, with its reasons, at the head of `write_request`.

mod answer;
mod block;
mod media;
mod model;
mod read_message;
mod read_request;
mod response;
mod stream_in;
mod stream_out;
mod tools;
mod turns;
mod write_request;

#[cfg(test)]
mod tests;

use crate::conversation::{Request, Response, Usage};
use crate::dialect::aliases::{self, Rules};
use crate::error::ApiError;

use super::{
    Chat, Content, Dialect, Fate, Field, Glance, Opening, StreamPeeker, StreamReader, StreamWriter, Written, aws,
};

/// The dialect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bedrock;

/// What becomes of a conversation's parameters, by OpenAI's names.
const FIELDS: &[Field] = &[
    ("model", Fate::Mapped, "in the path"),
    ("messages", Fate::Mapped, "`messages` and `system`"),
    ("messages.name", Fate::Dropped, ""),
    ("messages.reasoning_content", Fate::Dropped, "kept for Anthropic's models, if it has Anthropic's seal"),
    ("image_url", Fate::Mapped, "an image in the request: JPEG, PNG, GIF or WebP; by URL it is a 400"),
    ("image_url.detail", Fate::Dropped, ""),
    (
        "file",
        Fate::Mapped,
        "a document in the request: PDF, CSV, Word, Excel, HTML, text or Markdown; beside no text `(document)` is one, which AWS wants",
    ),
    ("cache_control", Fate::Mapped, "`cachePoint`, for Anthropic's and Amazon's models; left out for others"),
    ("tools", Fate::Mapped, "`toolConfig.tools`; `strict` for Anthropic's models only"),
    (
        "tool_choice",
        Fate::Mapped,
        "`toolConfig.toolChoice`; `none` takes the tools away, unless they were called before",
    ),
    ("parallel_tool_calls", Fate::Mapped, "for Anthropic's models; of several calls of others the first is kept"),
    ("response_format", Fate::Dropped, "any JSON object is asked for in `system`"),
    ("response_format.json_schema", Fate::Mapped, "`outputConfig.textFormat`"),
    ("max_completion_tokens", Fate::Mapped, "`inferenceConfig.maxTokens`"),
    ("temperature", Fate::Mapped, "up to 1"),
    ("top_p", Fate::Mapped, "`inferenceConfig.topP`"),
    ("top_k", Fate::Mapped, "for Anthropic's models, at most 500, and Amazon's; left out for others"),
    ("stop", Fate::Mapped, "`inferenceConfig.stopSequences`"),
    ("seed", Fate::Dropped, ""),
    ("frequency_penalty", Fate::Refused, ""),
    ("presence_penalty", Fate::Refused, ""),
    ("n", Fate::Refused, "above 1"),
    ("reasoning_effort", Fate::Mapped, "`thinking`, for Anthropic's models; left out for others"),
    ("thinking", Fate::Mapped, "for Anthropic's models; left out for others"),
    ("user", Fate::Dropped, ""),
    ("service_tier", Fate::Mapped, "`priority`, `flex` and `reserved`; `default` is what no word means"),
    ("stream", Fate::Mapped, "in the path"),
];

impl Dialect for Bedrock {
    fn name(&self) -> &'static str {
        "bedrock"
    }

    fn content(&'static self) -> Content {
        Content::Chat(self)
    }

    fn fields(&self) -> &'static [Field] {
        FIELDS
    }

    fn path(&self, model: &str, stream: bool) -> String {
        aws::path(model, if stream { "converse-stream" } else { "converse" })
    }

    fn stream_type(&self) -> &'static str {
        aws::STREAM_TYPE
    }

    fn error_header(&self) -> Option<&'static str> {
        Some(aws::ERROR_HEADER)
    }

    fn read_error(&self, status: u16, hint: Option<&str>, body: &[u8]) -> ApiError {
        aws::read_error(status, hint, body)
    }

    fn write_error(&self, error: &ApiError) -> Vec<u8> {
        aws::write_error(error)
    }

    fn peek_response(&self, body: &[u8]) -> Result<Glance, ApiError> {
        response::peek(body)
    }

    fn usage_of(&self, body: &[u8]) -> Option<Usage> {
        response::usage_of(body)
    }
}

impl Chat for Bedrock {
    fn rules(&self) -> Rules {
        aliases::BEDROCK
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
        Box::<aws::NoPeeker>::default()
    }
}
