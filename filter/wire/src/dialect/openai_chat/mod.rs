//! OpenAI's chat completions, as a client speaks it to us and as we speak it to a provider.
//!
//! What a client sees is OpenAI's shape to the letter; what a provider sends may be any compatible server's, and is
//! read with patience (`loose`). Requests are read without any: a field that is not in [`FIELDS`] is refused,
//! for a translated request must not lose what we do not know.
//!
//! Beyond OpenAI's own fields the dialect reads and writes what compatible clients already know:
//! - `reasoning_content` on messages and deltas carries reasoning, never `content`.
//! - `thinking_blocks` on messages and deltas carries reasoning that must come back unchanged, as LiteLLM's clients
//!   know it: `[{"type":"thinking","thinking","signature"},{"type":"redacted_thinking","data"}]`. In a stream each
//!   item is a whole block with its number as `index`, so a client collects them and sends them back with its next request.
//! - `cache_control` on content parts, messages and tools is Anthropic's caching mark.
//! - `thinking` and `top_k` in a request are Anthropic's parameters of that name.

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

/// How a server that speaks this dialect departs from OpenAI, as far as a request must know: its answers are read with
/// patience, whoever it is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Variation {
    /// It takes `cache_control`, `thinking_blocks`, `thinking`, `top_k`, and images in tool messages, as LiteLLM and
    /// OpenRouter do. OpenAI answers 400 to them, so without this they are left out or expressed otherwise.
    pub extensions: bool,
    /// What it takes as identifiers and names.
    pub rules: Rules,
    /// What it calls by another name, or has no words for.
    pub quirks: &'static [Quirk],
    /// The numbers that it takes.
    pub bounds: Bounds,
}

/// OpenAI chat completions, as clients speak them.
pub static CLIENT: Client = Client {
    provider: &PROVIDER,
    shape: PeekSpec { stream_options: true, limits: &["max_tokens", "max_completion_tokens"], ..PeekSpec::CHAT },
    own_names: &[],
    runs_tool: |_| false,
    manner: &openai::MANNER,
    asks: Asks::Chat(ChatClient {
        ids: variations::OPENAI.rules.ids,
        read_request: request::read,
        place: message::place,
        write_response: response::write,
        stream_writer: |opening| Box::new(stream_write::Writer::new(opening)),
    }),
};
