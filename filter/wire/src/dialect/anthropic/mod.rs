//! Anthropic's messages: `POST /v1/messages`, read and written in both directions.
//!
//! Source: the types of Anthropic's Python SDK (`src/anthropic/types`). The policy for each field of a client's request is in [`table`],
//! that for a conversation's parameters on the way to Anthropic in `write_request`. Clouds that host Anthropic's models take the same
//! bodies in other envelopes: `hosted`.

mod answer;
mod block;
mod envelope;
mod error;
pub mod hosted;
#[cfg(test)]
pub(super) mod hosted_client;
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

pub(super) use error::read as read_error;
pub(super) use response::peek as peek_response;
pub use table::FIELDS;

use crate::content_filter;
use crate::error::ErrorKind;

use self::write_request::Envelope;
use super::client::{Asks, ChatClient, Client, Manner, PeekSpec};
use super::in_turn::InTurn;
use super::provider::{ChatProvider, Departures, EVENTS, Headers, Passing, Provider, Serves};
use super::{Id, aliases, rate_limits};

/// The client side of Anthropic's messages.
pub static CLIENT: Client = Client {
    provider: &PROVIDER,
    shape: PeekSpec::CHAT,
    own_names: &[
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
    ],
    runs_tool: read_request::runs_there,
    manner: &MANNER,
    asks: Asks::Chat(ChatClient {
        ids: aliases::ANTHROPIC.ids,
        read_request: read_request::read,
        field_path: origin::field_path,
        write_response: |response, _| response::write(response),
        stream_writer: |opening| Box::new(InTurn::new(stream_out::Writer::new(opening))),
    }),
};

/// Headers, statuses and errors for clients of Anthropic's formats.
pub(super) static MANNER: Manner = Manner {
    forwards: &["anthropic-beta", "anthropic-version"],
    filtered: "refusal",
    // Anthropic has its own status for an overloaded provider.
    status: |error| if error.kind == ErrorKind::Overloaded { 529 } else { error.status },
    write_error: error::body,
};

/// The provider side of Anthropic's messages.
pub static PROVIDER: Provider = Provider {
    id: Id::Anthropic,
    path: |_, _| "/messages".to_owned(),
    headers: &HEADERS,
    departs: Departures::NONE,
    envelope: None,
    bytes_per_100_tokens: 350,
    filters: content_filter::ANTHROPIC,
    stream_type: EVENTS,
    read_error: |status, _, body| error::read(status, body),
    peek_response: Some(response::peek),
    usage_of: usage::of,
    serves: Serves::Chat(ChatProvider {
        rules: aliases::ANTHROPIC,
        write_request: |request, model| {
            let envelope = Envelope { model: Some(model), version: None, stream: true, tiers: true };
            write_request::write(request, model, envelope)
        },
        read_response: response::read,
        stream_reader: || Box::<stream_in::Reader>::default(),
        passing: Some(Passing { peeker: || Box::<peek::Peeker>::default(), opener: None }),
    }),
};

/// The headers of Anthropic's own API.
pub(super) static HEADERS: Headers = Headers {
    sent: &[("anthropic-version", "2023-06-01")],
    answers: rate_limits::ANTHROPICS,
    request_id: Some("request-id"),
    error: None,
    rate_limits: rate_limits::of_anthropic,
};
