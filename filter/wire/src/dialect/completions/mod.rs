//! OpenAI's legacy completions: `POST /v1/completions`, read and written in both directions.
//!
//! A prompt is a single user's message, and an answer is text alone. So a conversation is written to a provider of this
//! format only if it is just such a message; and what an answer holds besides text has no place here: a refusal's words
//! are text, reasoning and calls (of tools nobody could have asked for) are left out.
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

/// OpenAI legacy completions, as clients speak them.
pub static CLIENT: Client = Client {
    provider: &PROVIDER,
    shape: PeekSpec { asked: "prompt", stream_options: true, ..PeekSpec::CHAT },
    own_names: &[("max_completion_tokens", "max_tokens"), ("messages", "prompt")],
    runs_tool: |_| false,
    manner: &openai::MANNER,
    asks: Asks::Chat(ChatClient {
        ids: aliases::NONE.ids,
        read_request: request::read,
        // All of the conversation is one text.
        place: |_, _| Some("prompt".to_owned()),
        write_response: response::write,
        stream_writer: |opening| Box::new(stream_write::Writer::new(opening)),
    }),
};

/// OpenAI legacy completions, as providers speak them.
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
