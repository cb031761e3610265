//! Gemini's embeddings: `POST /v1beta/models/{model}:batchEmbedContents`. Providers only.
//!
//! A request holds one request per text, each with the model and the task of the vector. Vectors are always arrays of numbers, and the
//! response has no token counts. Source: Google's Generative Language API reference (`models.batchEmbedContents`).

#[cfg(test)]
pub(super) mod client;
mod request;
mod response;

#[cfg(test)]
mod tests;

use super::provider::{EmbeddingsProvider, Provider, Serves};
use super::{Field, FieldPolicy, Id, gemini, openai};

/// The policy for each parameter of a request, by the names of OpenAI's embeddings.
pub const FIELDS: &[Field] = &[
    ("model", FieldPolicy::Mapped, "the target's model, in the path and in every request"),
    ("input", FieldPolicy::Mapped, "`requests[].content`; tokens: 400"),
    ("dimensions", FieldPolicy::Mapped, "`outputDimensionality`"),
    ("encoding_format", FieldPolicy::Mapped, "Gemini returns numbers; the gateway encodes base64"),
    ("user", FieldPolicy::Dropped, ""),
    (
        "input_type",
        FieldPolicy::Mapped,
        "`taskType`, from Cohere's values: `search_document`, `search_query`, `classification`, `clustering`; others: 400",
    ),
];

/// The model's name without its collection.
fn bare(model: &str) -> &str {
    model.strip_prefix("models/").unwrap_or(model)
}

/// The provider side of Gemini's embeddings.
pub static PROVIDER: Provider = Provider {
    id: Id::GeminiEmbed,
    path: |model, _| format!("/models/{}:batchEmbedContents", bare(model)),
    read_error: |status, _, body| gemini::read_error(status, body),
    serves: Serves::Embeddings(EmbeddingsProvider { write_request: request::write, read_response: response::read }),
    ..openai::PROVIDER
};
