//! Google's `generateContent`, as Gemini's own API and Vertex AI have it.
//!
//! Only providers speak it: tests have the other half, so that reading what was written can be held against it. What becomes of a conversation's parameters on the way there is in `table`. Model and streaming
//! stand in the path and not in the body, so a request that is read has neither. Sources: the types of Google's Python
//! SDK (`google/genai/types.py`) and the pages "Thought signatures" and "Gemini thinking" of its documentation.
//!
//! Calls and their results travel without `id`: Vertex AI answers 400 to that field, and Gemini's own API ties them by name
//! and order. So results stand in the order of their calls.

mod answer;
#[cfg(test)]
pub(super) mod client;
mod error;
mod media;
mod part;
mod response;
mod seals;
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

use crate::percent::{AsciiSet, RESERVED, encoded};

use super::provider::{ChatProvider, Provider, Serves};
use super::{Id, aliases, openai};

/// In a path: `/` divides a publisher or a project from the model, and `@` stands before a version.
const MODEL: AsciiSet = RESERVED.remove(b'/').remove(b'@');

/// `generateContent`, as Google speaks it.
pub static PROVIDER: Provider = Provider {
    id: Id::Gemini,
    path,
    read_error: |status, _, body| error::read(status, body),
    usage_of: usage::of,
    serves: Serves::Chat(ChatProvider {
        rules: aliases::GEMINI,
        write_request: write_request::write,
        read_response: response::read,
        stream_reader: || Box::<stream_in::Reader>::default(),
        passing: None,
    }),
    ..openai::PROVIDER
};

/// Below `https://generativelanguage.googleapis.com/v1beta`, or Vertex AI's
/// `https://{location}-aiplatform.googleapis.com/v1/projects/{project}/locations/{location}/publishers/google`. A name
/// with a `/` is a resource of its own (`tunedModels/x`) and stands in place of `models/{model}`. Without `alt=sse`
/// a stream would be one JSON array in pieces.
fn path(model: &str, stream: bool) -> String {
    let collection = if model.contains('/') { "/" } else { "/models/" };
    let method = if stream { ":streamGenerateContent?alt=sse" } else { ":generateContent" };
    let mut path = String::with_capacity(collection.len() + model.len() + method.len());
    path.push_str(collection);
    path.push_str(&encoded(model, &MODEL));
    path.push_str(method);
    path
}
