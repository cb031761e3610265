//! Anthropic's models at clouds that take Anthropic's own bodies: AWS Bedrock's InvokeModel and Google's Vertex AI.
//!
//! The path names the model and whether the answer is streamed, the body the version of the format; everything else is
//! Anthropic's. So what Anthropic's own clients send is not translated, but put into another envelope (`envelope`). Bedrock frames streams in its own way (`hosted_stream`) and has errors of AWS's; Vertex streams as Anthropic does.
//! Only providers speak these formats.
//!
//! Source: Anthropic's Python SDK (`src/anthropic/lib/bedrock`, `src/anthropic/lib/vertex`), and AWS's user guide, "Anthropic
//! Claude Messages API".

use serde::Deserialize;

use crate::conversation::{Message, Part, Request, Response, Usage};
use crate::dialect::aliases::{self, Rules};
use crate::dialect::gemini::Gemini;
use crate::dialect::in_turn::InTurn;
use crate::dialect::{
    Chat, Content, Dialect, Fate, Field, Glance, Opening, StreamOpener, StreamPeeker, StreamReader, StreamWriter,
    Written, aws, data_uri,
};
use crate::error::ApiError;
use crate::headers::HeaderMap;
use crate::lenient::Filled;
use crate::percent::{AsciiSet, RESERVED, encoded_once};

use super::write_request::Envelope;
use super::{
    envelope, error, hosted_stream, peek, read_request, response, stream_in, stream_out, usage, write_request,
};

/// In a path of Vertex: a version stands behind an `@`.
const MODEL: AsciiSet = RESERVED.remove(b'@');

/// Anthropic's format on AWS Bedrock: `InvokeModel`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AnthropicOnBedrock;

/// Anthropic's format on Google's Vertex AI, below a base URL that ends in `/publishers/anthropic`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AnthropicOnVertex;

/// What becomes of a conversation's parameters, by OpenAI's names.
const FIELDS: &[Field] = &[
    ("model", Fate::Mapped, "in the path"),
    ("messages", Fate::Mapped, "`messages` and `system`"),
    ("messages.name", Fate::Dropped, ""),
    ("messages.reasoning_content", Fate::Dropped, "kept, if it has Anthropic's seal"),
    ("image_url", Fate::Mapped, "an image in the request; AWS fetches none: by URL it is a 400 there"),
    ("image_url.detail", Fate::Dropped, ""),
    ("file", Fate::Mapped, "a PDF"),
    ("cache_control", Fate::Mapped, "`cache_control`"),
    ("tools", Fate::Mapped, "`tools`"),
    ("tool_choice", Fate::Mapped, "`tool_choice`"),
    ("parallel_tool_calls", Fate::Mapped, "in `tool_choice`"),
    ("response_format", Fate::Dropped, "any JSON object is asked for in `system`"),
    ("response_format.json_schema", Fate::Mapped, "`output_config.format`"),
    ("max_completion_tokens", Fate::Mapped, "`max_tokens`, 4096 if nothing is said"),
    ("temperature", Fate::Mapped, "up to 1"),
    ("top_p", Fate::Mapped, "`top_p`"),
    ("top_k", Fate::Mapped, "`top_k`"),
    ("stop", Fate::Mapped, "`stop_sequences`"),
    ("seed", Fate::Dropped, ""),
    ("frequency_penalty", Fate::Refused, ""),
    ("presence_penalty", Fate::Refused, ""),
    ("n", Fate::Refused, "above 1"),
    ("reasoning_effort", Fate::Mapped, "`thinking`"),
    ("thinking", Fate::Mapped, "`thinking`"),
    ("user", Fate::Mapped, "`metadata.user_id`"),
    ("service_tier", Fate::Dropped, "the clouds' classes are bought, not asked for"),
    ("stream", Fate::Mapped, "in the path"),
];

impl Dialect for AnthropicOnBedrock {
    fn name(&self) -> &'static str {
        "anthropic_bedrock"
    }

    fn content(&'static self) -> Content {
        Content::Chat(self)
    }

    fn fields(&self) -> &'static [Field] {
        FIELDS
    }

    fn bodies(&self) -> &'static str {
        super::Anthropic.name()
    }

    fn envelop(&self, body: &[u8], model: &str, headers: &HeaderMap) -> Result<Written, ApiError> {
        envelope::AWS.body(body, model, headers)
    }

    fn path(&self, model: &str, stream: bool) -> String {
        aws::path(model, if stream { "invoke-with-response-stream" } else { "invoke" })
    }

    fn bytes_per_100_tokens(&self) -> u64 {
        super::Anthropic.bytes_per_100_tokens()
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
        usage::of(body)
    }
}

impl Chat for AnthropicOnBedrock {
    fn rules(&self) -> Rules {
        aliases::ANTHROPIC
    }

    fn read_request(&self, body: &[u8]) -> Result<Request, ApiError> {
        read_request::read_hosted(body)
    }

    fn write_request(&self, request: &Request, model: &str) -> Result<Written, ApiError> {
        refuse_urls(&request.messages)?;
        let version = Some(envelope::AWS.version);
        write_request::write(request, model, Envelope { model: None, version, stream: false, tiers: false })
    }

    fn read_response(&self, body: &[u8]) -> Result<Response, ApiError> {
        response::read(body)
    }

    fn write_response(&self, response: &Response, _now: u64) -> Vec<u8> {
        response::write(response)
    }

    fn stream_reader(&self) -> Box<dyn StreamReader> {
        Box::<hosted_stream::Reader>::default()
    }

    fn stream_writer(&self, opening: Opening) -> Box<dyn StreamWriter> {
        Box::new(hosted_stream::Writer::new(opening))
    }

    fn stream_peeker(&self) -> Box<dyn StreamPeeker> {
        Box::<peek::Peeker>::default()
    }

    fn stream_opener(&self) -> Option<Box<dyn StreamOpener>> {
        Some(Box::<hosted_stream::Opener>::default())
    }
}

impl Dialect for AnthropicOnVertex {
    fn name(&self) -> &'static str {
        "anthropic_vertex"
    }

    fn content(&'static self) -> Content {
        Content::Chat(self)
    }

    fn fields(&self) -> &'static [Field] {
        FIELDS
    }

    fn bodies(&self) -> &'static str {
        super::Anthropic.name()
    }

    fn envelop(&self, body: &[u8], model: &str, headers: &HeaderMap) -> Result<Written, ApiError> {
        envelope::GOOGLE.body(body, model, headers)
    }

    fn header_beside(&self, name: &str, value: &str) -> Option<String> {
        envelope::GOOGLE.header(name, value)
    }

    /// A model's version stands behind an `@`, which stays as it is.
    fn path(&self, model: &str, stream: bool) -> String {
        let method = if stream { "streamRawPredict" } else { "rawPredict" };
        format!("/models/{}:{method}", encoded_once(model, &MODEL))
    }

    fn bytes_per_100_tokens(&self) -> u64 {
        super::Anthropic.bytes_per_100_tokens()
    }

    fn read_error(&self, status: u16, hint: Option<&str>, body: &[u8]) -> ApiError {
        let body = without_list(body);
        if is_googles(body) { Gemini.read_error(status, hint, body) } else { error::read(status, body) }
    }

    fn write_error(&self, error: &ApiError) -> Vec<u8> {
        super::Anthropic.write_error(error)
    }

    fn peek_response(&self, body: &[u8]) -> Result<Glance, ApiError> {
        response::peek(body)
    }

    fn usage_of(&self, body: &[u8]) -> Option<Usage> {
        usage::of(body)
    }
}

impl Chat for AnthropicOnVertex {
    fn rules(&self) -> Rules {
        aliases::ANTHROPIC
    }

    fn read_request(&self, body: &[u8]) -> Result<Request, ApiError> {
        read_request::read_hosted(body)
    }

    fn write_request(&self, request: &Request, model: &str) -> Result<Written, ApiError> {
        let version = Some(envelope::GOOGLE.version);
        write_request::write(request, model, Envelope { model: None, version, stream: true, tiers: false })
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

/// AWS takes images and documents only as bytes in the request.
fn refuse_urls(messages: &[Message]) -> Result<(), ApiError> {
    for (index, message) in messages.iter().enumerate() {
        if let Some(part) = message.parts.iter().position(is_elsewhere) {
            let at = format!("messages[{index}].content[{part}]");
            let message = format!("'{at}': AWS Bedrock takes images and documents as base64 only, not by URL.");
            return Err(ApiError::unsupported(at, message));
        }
    }
    Ok(())
}

fn is_elsewhere(part: &Part) -> bool {
    match part {
        Part::Image { source, .. } | Part::Document { source, .. } => data_uri::is_elsewhere(source),
        Part::ToolResult { content, .. } => content.iter().any(|part| match part {
            Part::Image { source, .. } | Part::Document { source, .. } => data_uri::is_elsewhere(source),
            _ => false,
        }),
        _ => false,
    }
}

/// Whether an error is Google's own, of quotas and credentials: it names a status where Anthropic's names a type, and says in
/// its details when to try again.
fn is_googles(body: &[u8]) -> bool {
    #[derive(Deserialize)]
    struct Whole {
        error: Named,
    }
    #[derive(Deserialize)]
    struct Named {
        status: Filled,
    }
    serde_json::from_slice(body).is_ok_and(|whole: Whole| whole.error.status.0 > 0)
}

/// Google's own errors come in a list where the answer would have been a stream: `[{"error":…}]`.
fn without_list(body: &[u8]) -> &[u8] {
    let body = body.trim_ascii();
    body.strip_prefix(b"[").and_then(|body| body.strip_suffix(b"]")).unwrap_or(body)
}
