//! AWS Bedrock's Converse: `POST /model/{model}/converse`, and `converse-stream`.
//!
//! One API for the models of many makers. Only providers speak it: tests have the other half, so that reading what was written
//! can be held against it.
//!
//! Source: AWS's description of the Bedrock runtime (`Converse`, `ConverseStream` and their types in the API reference). What
//! becomes of a conversation's parameters is in `FIELDS` and, with its reasons, at the head of `write_request`.

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

use super::provider::{ChatProvider, Departures, Provider, Serves};
use super::{Fate, Field, Id, aliases, aws};

/// What becomes of a conversation's parameters, by OpenAI's names.
pub const FIELDS: &[Field] = &[
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

/// Converse, as AWS speaks it.
pub static PROVIDER: Provider = Provider {
    id: Id::Bedrock,
    path: |model, stream| aws::path(model, if stream { "converse-stream" } else { "converse" }),
    headers: &aws::HEADERS,
    departs: Departures::NONE,
    envelope: None,
    bytes_per_100_tokens: 400,
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
