//! Google's `generateContent`, of Gemini's own API and of Vertex AI.
//!
//! Providers only; tests have the client side, to check that what is written can be read back. The policy for each parameter of a
//! conversation is in `table`. The path names the model and says whether the response is streamed, so a request that is read has neither.
//! Sources: the types of Google's Python SDK (`google/genai/types.py`) and the pages "Thought signatures" and "Gemini thinking" of its
//! documentation.
//!
//! Calls and their results are sent without `id`: Vertex AI answers 400 to that field, and Gemini's own API matches them by name and order.
//! So results are sent in the order of their calls.

mod answer;
#[cfg(test)]
pub(super) mod client;
mod error;
mod media;
mod part;
mod response;
mod signatures;
mod speech;
mod stream_in;
mod table;
mod thinking;
mod turns;
mod usage;
mod write_request;

#[cfg(test)]
mod tests;

pub(super) use error::read as read_error;
pub use table::FIELDS;

use crate::content_filter;
use crate::percent::{AsciiSet, RESERVED, encoded};

use super::provider::{ChatProvider, Provider, Serves};
use super::{Id, aliases, openai};

/// In a path, `/` separates a publisher or a project from the model, and `@` precedes a version.
const MODEL: AsciiSet = RESERVED.remove(b'/').remove(b'@');

/// The provider side of `generateContent`.
pub static PROVIDER: Provider = Provider {
    id: Id::Gemini,
    path,
    read_error: |status, _, body| error::read(status, body),
    usage_of: usage::of,
    filters: content_filter::GEMINI,
    serves: Serves::Chat(ChatProvider {
        rules: aliases::GEMINI,
        write_request: write_request::write,
        read_response: response::read,
        stream_reader: || Box::<stream_in::Reader>::default(),
        passing: None,
    }),
    ..openai::PROVIDER
};

/// The path below `https://generativelanguage.googleapis.com/v1beta`, or Vertex AI's
/// `https://{location}-aiplatform.googleapis.com/v1/projects/{project}/locations/{location}/publishers/google`. A name with a `/` is a
/// resource of its own (`tunedModels/x`) and replaces `models/{model}`. Without `alt=sse` a stream would be one JSON array in pieces.
fn path(model: &str, stream: bool) -> String {
    let collection = if model.contains('/') { "/" } else { "/models/" };
    let method = if stream { ":streamGenerateContent?alt=sse" } else { ":generateContent" };
    let mut path = String::with_capacity(collection.len() + model.len() + method.len());
    path.push_str(collection);
    path.push_str(&encoded(model, &MODEL));
    path.push_str(method);
    path
}
