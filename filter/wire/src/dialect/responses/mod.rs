//! OpenAI's Responses API, `POST /v1/responses`, for clients and providers.
//!
//! In translation it is stateless: every request carries the whole conversation, and features that live at OpenAI (stored responses,
//! conversations, prompt templates, hosted tools) are rejected by name. Between a client and a provider that both speak it nothing is
//! translated, and all of them work.
//!
//! Reasoning that must come back unchanged is carried in `encrypted_content`, for every provider: see `reasoning`.
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

pub(super) use peek::response as peek_response;
pub(super) use reasoning::returned;
pub use table::FIELDS;

use super::Id;
use super::aliases;
use super::client::{Asks, ChatClient, Client, PeekSpec};
use super::openai;
use super::provider::{ChatProvider, Passing, Provider, Serves};

/// OpenAI's Responses for clients.
pub static CLIENT: Client = Client {
    provider: &PROVIDER,
    shape: PeekSpec { asked: "input", limits: &["max_output_tokens"], ..PeekSpec::CHAT },
    own_names: &[
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
    ],
    runs_tool: toolbox::runs_there,
    manner: &openai::MANNER,
    asks: Asks::Chat(ChatClient {
        ids: aliases::RESPONSES.ids,
        read_request: request::read,
        field_path: origin::field_path,
        write_response: answer::write,
        stream_writer: |opening| Box::new(stream_write::Writer::new(opening)),
    }),
};

/// OpenAI's Responses for providers.
pub static PROVIDER: Provider = Provider {
    id: Id::Responses,
    path: |_, _| "/responses".to_owned(),
    peek_response: Some(peek::response),
    usage_of: usage::of,
    serves: Serves::Chat(ChatProvider {
        rules: aliases::RESPONSES,
        write_request: write::write,
        read_response: answer::read,
        stream_reader: || Box::<stream_read::Reader>::default(),
        passing: Some(Passing { peeker: || Box::<peek::Peeker>::default(), opener: None }),
    }),
    ..openai::PROVIDER
};
