//! Cohere's chat, version 2: `POST /v2/chat`. Providers only; tests have the client side, to check that what is written can be read back.
//!
//! Source: the types of Cohere's Python SDK (`src/cohere/types`, `src/cohere/v2`) and its error reference. The policy for each parameter of
//! a conversation is in `FIELDS`, by the names of OpenAI's chat completions.
//!
//! Cohere's `tool_plan` (the text before tool calls) and `thinking` content are both reasoning without a signature here. In a message with
//! calls, reasoning is sent back as `tool_plan`, in any other as `thinking` content. Reasoning under another provider's signature is
//! dropped.

mod body;
#[cfg(test)]
pub(super) mod client;
pub mod embed;
mod error;
mod message_out;
mod response;
mod seen;
mod stream_in;
mod table;
mod thinking;
mod usage;
mod words;
mod write_request;

#[cfg(test)]
mod tests;

pub use table::FIELDS;

use super::provider::{ChatProvider, Provider, Serves};
use super::{Id, aliases, openai};

/// The provider side of Cohere's chat.
pub static PROVIDER: Provider = Provider {
    id: Id::Cohere,
    path: |_, _| "/chat".to_owned(),
    read_error: |status, _, body| error::read(status, body),
    usage_of: usage::of,
    serves: Serves::Chat(ChatProvider {
        rules: aliases::COHERE,
        write_request: write_request::write,
        read_response: response::read,
        stream_reader: || Box::<stream_in::Reader>::default(),
        passing: None,
    }),
    ..openai::PROVIDER
};
