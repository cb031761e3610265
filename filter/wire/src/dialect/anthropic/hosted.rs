//! Anthropic's models at clouds that take Anthropic's own bodies: AWS Bedrock's InvokeModel and Google's Vertex AI. Providers only.
//!
//! The path names the model and says whether the response is streamed; the body names the version of the format; the rest is Anthropic's.
//! So requests of Anthropic's clients are not translated but put into another envelope (`envelope`). Bedrock has its own stream framing
//! (`hosted_stream`) and AWS's errors; Vertex streams as Anthropic does.
//!
//! Source: Anthropic's Python SDK (`src/anthropic/lib/bedrock`, `src/anthropic/lib/vertex`), and AWS's user guide, "Anthropic Claude
//! Messages API".

use serde::Deserialize;

use crate::content_filter;
use crate::conversation::{Message, Part, Request};
use crate::dialect::provider::{
    ChatProvider, Departures, EVENTS, Envelope as Enveloped, Headers, Passing, Provider, Serves,
};
use crate::dialect::{Field, FieldPolicy, Id, WrittenRequest, aliases, aws, data_uri, gemini};
use crate::error::ApiError;
use crate::json;
use crate::lenient::Filled;
use crate::percent::{AsciiSet, RESERVED, encoded_once};

use super::write_request::Envelope;
use super::{envelope, error, hosted_stream, peek, response, stream_in, usage, write_request};

/// Vertex's paths put a version behind an `@`.
const MODEL: AsciiSet = RESERVED.remove(b'@');

/// The policy for each parameter of a conversation, by OpenAI's names.
pub const FIELDS: &[Field] = &[
    ("model", FieldPolicy::Mapped, "in the path"),
    ("messages", FieldPolicy::Mapped, "`messages` and `system`"),
    ("messages.name", FieldPolicy::Dropped, ""),
    ("messages.reasoning_content", FieldPolicy::Dropped, "kept if it has Anthropic's signature"),
    ("image_url", FieldPolicy::Mapped, "an inline image; on AWS, a URL is a 400: AWS fetches none"),
    ("image_url.detail", FieldPolicy::Dropped, ""),
    ("file", FieldPolicy::Mapped, "a PDF"),
    ("cache_control", FieldPolicy::Mapped, "`cache_control`"),
    ("tools", FieldPolicy::Mapped, "`tools`"),
    ("tool_choice", FieldPolicy::Mapped, "`tool_choice`"),
    ("parallel_tool_calls", FieldPolicy::Mapped, "in `tool_choice`"),
    ("response_format", FieldPolicy::Dropped, "`system` requests a JSON object"),
    ("response_format.json_schema", FieldPolicy::Mapped, "`output_config.format`"),
    ("max_completion_tokens", FieldPolicy::Mapped, "`max_tokens`, 4096 if absent"),
    ("temperature", FieldPolicy::Mapped, "up to 1"),
    ("top_p", FieldPolicy::Mapped, "`top_p`"),
    ("top_k", FieldPolicy::Mapped, "`top_k`"),
    ("stop", FieldPolicy::Mapped, "`stop_sequences`"),
    ("seed", FieldPolicy::Dropped, ""),
    ("frequency_penalty", FieldPolicy::Refused, ""),
    ("presence_penalty", FieldPolicy::Refused, ""),
    ("n", FieldPolicy::Refused, "above 1"),
    ("reasoning_effort", FieldPolicy::Mapped, "`thinking`"),
    ("thinking", FieldPolicy::Mapped, "`thinking`"),
    ("user", FieldPolicy::Mapped, "`metadata.user_id`"),
    ("service_tier", FieldPolicy::Dropped, "customers buy tiers; requests cannot choose"),
    ("stream", FieldPolicy::Mapped, "in the path"),
];

/// Anthropic's format on AWS Bedrock: `InvokeModel`.
pub static BEDROCK: Provider = Provider {
    id: Id::AnthropicOnBedrock,
    path: |model, stream| aws::path(model, if stream { "invoke-with-response-stream" } else { "invoke" }),
    headers: &aws::HEADERS,
    departs: Departures::NONE,
    envelope: Some(Enveloped {
        of: Id::Anthropic,
        envelop: |body, model, headers| envelope::AWS.body(body, model, headers),
        header_beside: |_, _| None,
    }),
    bytes_per_100_tokens: 350,
    filters: content_filter::ANTHROPIC,
    stream_type: aws::STREAM_TYPE,
    read_error: aws::read_error,
    peek_response: Some(response::peek),
    usage_of: usage::of,
    serves: Serves::Chat(ChatProvider {
        rules: aliases::ANTHROPIC,
        write_request: write_for_bedrock,
        read_response: response::read,
        stream_reader: || Box::<hosted_stream::Reader>::default(),
        passing: Some(Passing {
            peeker: || Box::<peek::Peeker>::default(),
            opener: Some(|| Box::<hosted_stream::Opener>::default()),
        }),
    }),
};

/// Anthropic's format on Google's Vertex AI, below a base URL that ends in `/publishers/anthropic`.
pub static VERTEX: Provider = Provider {
    id: Id::AnthropicOnVertex,
    path: |model, stream| {
        let method = if stream { "streamRawPredict" } else { "rawPredict" };
        format!("/models/{}:{method}", encoded_once(model, &MODEL))
    },
    headers: &Headers::OPENAI,
    departs: Departures::NONE,
    envelope: Some(Enveloped {
        of: Id::Anthropic,
        envelop: |body, model, headers| envelope::GOOGLE.body(body, model, headers),
        header_beside: |name, value| envelope::GOOGLE.header(name, value),
    }),
    bytes_per_100_tokens: 350,
    filters: content_filter::ANTHROPIC,
    stream_type: EVENTS,
    read_error: read_googles_error,
    peek_response: Some(response::peek),
    usage_of: usage::of,
    serves: Serves::Chat(ChatProvider {
        rules: aliases::ANTHROPIC,
        write_request: |request, model| {
            let version = Some(envelope::GOOGLE.version);
            write_request::write(request, model, Envelope { model: None, version, stream: true, tiers: false })
        },
        read_response: response::read,
        stream_reader: || Box::<stream_in::Reader>::default(),
        passing: Some(Passing { peeker: || Box::<peek::Peeker>::default(), opener: None }),
    }),
};

fn write_for_bedrock(request: &Request, model: &str) -> Result<WrittenRequest, ApiError> {
    refuse_urls(&request.messages)?;
    let version = Some(envelope::AWS.version);
    write_request::write(request, model, Envelope { model: None, version, stream: false, tiers: false })
}

fn read_googles_error(status: u16, _hint: Option<&str>, body: &[u8]) -> ApiError {
    let body = without_list(body);
    if is_googles(body) { gemini::read_error(status, body) } else { error::read(status, body) }
}

/// Rejects URLs: AWS takes images and documents only as bytes in the request.
fn refuse_urls(messages: &[Message]) -> Result<(), ApiError> {
    for (index, message) in messages.iter().enumerate() {
        if let Some(part) = message.parts.iter().position(is_elsewhere) {
            let at = format!("messages[{index}].content[{part}]");
            let message = format!("'{at}': AWS Bedrock accepts images and documents only as base64, not by URL.");
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

/// Whether an error is Google's own, about quotas or credentials: it has a `status` where Anthropic has a `type`, and its details may hold
/// a retry delay.
fn is_googles(body: &[u8]) -> bool {
    #[derive(Deserialize)]
    struct Whole {
        error: Named,
    }
    #[derive(Deserialize)]
    struct Named {
        status: Filled,
    }
    json::from_slice(body).is_ok_and(|whole: Whole| whole.error.status.0 > 0)
}

/// Removes the list around Google's own errors in place of a stream: `[{"error":…}]`.
fn without_list(body: &[u8]) -> &[u8] {
    let body = body.trim_ascii();
    body.strip_prefix(b"[").and_then(|body| body.strip_suffix(b"]")).unwrap_or(body)
}
