//! OpenAI's legacy completions: `POST /v1/completions`, read and written in both directions.
//!
//! A prompt is a single user message, and a response is only text. A conversation is therefore sent to a provider of this format only if it
//! is such a message. In a response, the text of a refusal becomes text; reasoning and calls (of tools that the client cannot have offered)
//! are dropped.
//!
//! Source: the types of OpenAI's Python SDK (`src/openai/types/completion*.py`).

mod request;
mod response;
mod stream_write;
mod table;
mod write;

#[cfg(test)]
mod tests;

pub use table::FIELDS;

use super::Id;
use super::aliases;
use super::client::{Asks, ChatClient, Client, PeekSpec};
use super::openai::{self, chunks, peek, usage};
use super::provider::{ChatProvider, Passing, Provider, Serves};

/// The client side of OpenAI's legacy completions.
pub static CLIENT: Client = Client {
    provider: &PROVIDER,
    shape: PeekSpec { asked: "prompt", stream_options: true, ..PeekSpec::CHAT },
    own_names: &[("max_completion_tokens", "max_tokens"), ("messages", "prompt")],
    runs_tool: |_| false,
    manner: &openai::MANNER,
    asks: Asks::Chat(ChatClient {
        ids: aliases::NONE.ids,
        read_request: request::read,
        // The whole conversation is one text.
        field_path: |_, _| Some("prompt".to_owned()),
        write_response: response::write,
        stream_writer: |opening| Box::new(stream_write::Writer::new(opening)),
    }),
};

/// The provider side of OpenAI's legacy completions.
pub static PROVIDER: Provider = Provider {
    id: Id::Completions,
    path: |_, _| "/completions".to_owned(),
    peek_response: Some(peek::response),
    usage_of: usage::of,
    serves: Serves::Chat(ChatProvider {
        rules: aliases::NONE,
        write_request: write::write,
        read_response: response::read,
        stream_reader: || Box::<chunks::Reader>::default(),
        passing: Some(Passing { peeker: || Box::<peek::Peeker>::default(), opener: None }),
    }),
    ..openai::PROVIDER
};
