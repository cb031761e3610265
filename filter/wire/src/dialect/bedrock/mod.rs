//! AWS Bedrock's Converse: `POST /model/{model}/converse`, and `converse-stream`.
//!
//! One API for the models of many makers. Providers only; tests have the client side, to check that what is written can be read back.
//!
//! Source: AWS's description of the Bedrock runtime (`Converse`, `ConverseStream` and their types in the API reference). The policy for
//! each parameter of a conversation is in `FIELDS`, the reasons are in `write_request`.

mod answer;
mod block;
#[cfg(test)]
pub(super) mod client;
mod media;
mod model;
mod response;
mod stream_in;
mod tools;
mod turns;
mod write_request;

#[cfg(test)]
mod tests;

use crate::content_filter;

use super::provider::{ChatProvider, Departures, Provider, Serves};
use super::{Field, FieldPolicy, Id, aliases, aws};

/// The policy for each parameter of a conversation, by OpenAI's names.
pub const FIELDS: &[Field] = &[
    ("model", FieldPolicy::Mapped, "in the path"),
    ("messages", FieldPolicy::Mapped, "`messages` and `system`"),
    ("messages.name", FieldPolicy::Dropped, ""),
    ("messages.reasoning_content", FieldPolicy::Dropped, "kept for Anthropic's models if it has Anthropic's signature"),
    ("image_url", FieldPolicy::Mapped, "an inline image: JPEG, PNG, GIF or WebP; a URL: 400"),
    ("image_url.detail", FieldPolicy::Dropped, ""),
    (
        "file",
        FieldPolicy::Mapped,
        "an inline document: PDF, CSV, Word, Excel, HTML, text or Markdown; AWS requires a text beside it: by default `(document)`",
    ),
    ("cache_control", FieldPolicy::Mapped, "`cachePoint`, for Anthropic's and Amazon's models; dropped for others"),
    ("tools", FieldPolicy::Mapped, "`toolConfig.tools`; `strict` for Anthropic's models only"),
    (
        "tool_choice",
        FieldPolicy::Mapped,
        "`toolConfig.toolChoice`; `none` removes the tools, unless there are earlier calls",
    ),
    (
        "parallel_tool_calls",
        FieldPolicy::Mapped,
        "for Anthropic's models; for others, the gateway keeps only the first call",
    ),
    ("response_format", FieldPolicy::Dropped, "`system` requests a JSON object"),
    ("response_format.json_schema", FieldPolicy::Mapped, "`outputConfig.textFormat`"),
    ("max_completion_tokens", FieldPolicy::Mapped, "`inferenceConfig.maxTokens`"),
    ("temperature", FieldPolicy::Mapped, "up to 1"),
    ("top_p", FieldPolicy::Mapped, "`inferenceConfig.topP`"),
    ("top_k", FieldPolicy::Mapped, "for Anthropic's models, at most 500, and Amazon's; dropped for others"),
    ("stop", FieldPolicy::Mapped, "`inferenceConfig.stopSequences`"),
    ("seed", FieldPolicy::Dropped, ""),
    ("frequency_penalty", FieldPolicy::Refused, ""),
    ("presence_penalty", FieldPolicy::Refused, ""),
    ("n", FieldPolicy::Refused, "above 1"),
    ("reasoning_effort", FieldPolicy::Mapped, "`thinking`, for Anthropic's models; dropped for others"),
    ("thinking", FieldPolicy::Mapped, "for Anthropic's models; dropped for others"),
    ("user", FieldPolicy::Dropped, ""),
    ("service_tier", FieldPolicy::Mapped, "`priority`, `flex` and `reserved`; `default` is omitted"),
    ("stream", FieldPolicy::Mapped, "in the path"),
];

/// The provider side of Converse.
pub static PROVIDER: Provider = Provider {
    id: Id::Bedrock,
    path: |model, stream| aws::path(model, if stream { "converse-stream" } else { "converse" }),
    headers: &aws::HEADERS,
    departs: Departures::NONE,
    envelope: None,
    bytes_per_100_tokens: 400,
    filters: content_filter::BEDROCK,
    stream_type: aws::STREAM_TYPE,
    read_error: aws::read_error,
    peek_response: None,
    usage_of: response::usage_of,
    serves: Serves::Chat(ChatProvider {
        rules: aliases::BEDROCK,
        write_request: write_request::write,
        read_response: response::read,
        stream_reader: || Box::<stream_in::Reader>::default(),
        passing: None,
    }),
};
