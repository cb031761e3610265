//! OpenAI's chat completions, for clients and providers.
//!
//! Clients get OpenAI's exact format. Providers may be any compatible server, so responses are read leniently (`loose`). Requests are read
//! strictly: a field that is not in [`FIELDS`] is rejected, because translation must not lose an unknown field.
//!
//! Beyond OpenAI's own fields, the dialect supports fields that compatible clients already know:
//! - `reasoning_content` on messages and deltas carries reasoning, never `content`.
//! - `thinking_blocks` on messages and deltas carries reasoning that must come back unchanged, as LiteLLM's clients know it:
//!   `[{"type":"thinking","thinking","signature"},{"type":"redacted_thinking","data"}]`. In a stream each item is a whole block with its
//!   number as `index`, so a client collects the blocks and returns them with its next request.
//! - `cache_control` on content parts, messages and tools is Anthropic's cache mark.
//! - `thinking` and `top_k` in a request are Anthropic's parameters of these names.

mod body;
mod message;
mod out;
mod parts;
mod replayed;
mod request;
mod response;
pub mod servers;
mod stream_write;
mod table;
mod tools;
pub mod variations;
mod write;

#[cfg(test)]
mod tests;

pub use servers::PROVIDER;
pub use table::FIELDS;

use super::aliases::Rules;
use super::bounds::Bounds;
use super::client::{Asks, ChatClient, Client, PeekSpec};
use super::openai;
use super::quirk::Quirk;

/// How a server's requests differ from OpenAI's. Responses need no variations: they are read leniently for all servers.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Variation {
    /// Whether it supports `cache_control`, `reasoning`, `top_k`, and images in tool messages, like OpenRouter, and accepts
    /// `thinking_blocks`. OpenAI responds with 400 to them, so for other servers they are dropped or expressed otherwise.
    pub extensions: bool,
    /// Whether it thinks by default, until `thinking` disables it, and wants the reasoning of earlier turns back as `reasoning_content`.
    pub thinks: bool,
    /// The tool call ids and names that it accepts.
    pub rules: Rules,
    /// Fields that it renames or does not support.
    pub quirks: &'static [Quirk],
    /// Ranges of numbers that it accepts.
    pub bounds: Bounds,
}

/// OpenAI's chat completions for clients.
pub static CLIENT: Client = Client {
    provider: &PROVIDER,
    shape: PeekSpec { stream_options: true, limits: &["max_tokens", "max_completion_tokens"], ..PeekSpec::CHAT },
    own_names: &[],
    runs_tool: |_| false,
    manner: &openai::MANNER,
    asks: Asks::Chat(ChatClient {
        ids: variations::OPENAI.rules.ids,
        read_request: request::read,
        field_path: message::field_path,
        write_response: response::write,
        stream_writer: |opening| Box::new(stream_write::Writer::new(opening)),
    }),
};
