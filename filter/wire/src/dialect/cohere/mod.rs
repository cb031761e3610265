//! Cohere's chat, version 2: `POST /v2/chat`. Only providers speak it: tests have the other half, so that reading
//! what was written can be held against it.
//!
//! Source: the types of Cohere's Python SDK (`src/cohere/types`, `src/cohere/v2`) and its error reference. What becomes of a
//! conversation's parameters on the way to Cohere is in `FIELDS`, by the names of OpenAI's chat completions.
//!
//! Two things that Cohere has are one here: `tool_plan`, what a model says before it calls tools, and `thinking` content
//! are both reasoning without a seal. In a message with calls reasoning goes back as `tool_plan`, in any other as
//! `thinking` content. Reasoning under another provider's seal is left out.

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

/// Cohere's chat, as Cohere speaks it.
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
