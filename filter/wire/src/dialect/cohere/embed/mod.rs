//! Cohere's embeddings, version 2: `POST /v2/embed`. Providers only.
//!
//! Cohere requires the purpose of the vectors; the default is texts to be searched. Its response groups the vectors by type; we ask for one
//! type. Source: Cohere's Python SDK (`src/cohere/v2/client.py`, `embed`).

#[cfg(test)]
pub(in crate::dialect) mod client;
mod request;
mod response;

#[cfg(test)]
mod tests;

use crate::dialect::provider::{EmbeddingsProvider, Provider, Serves};
use crate::dialect::{Field, FieldPolicy, Id, openai};

use super::error;

/// The policy for each parameter of a request, by the names of OpenAI's embeddings.
pub const FIELDS: &[Field] = &[
    ("model", FieldPolicy::Mapped, "the target's model"),
    ("input", FieldPolicy::Mapped, "`texts`; tokens: 400"),
    ("dimensions", FieldPolicy::Mapped, "`output_dimension`"),
    ("encoding_format", FieldPolicy::Mapped, "one of `embedding_types`: `float` or `base64`"),
    ("user", FieldPolicy::Dropped, ""),
    ("input_type", FieldPolicy::Mapped, "`input_type`; `search_document` if absent; values unknown to Cohere: 400"),
];

/// The provider side of Cohere's embeddings.
pub static PROVIDER: Provider = Provider {
    id: Id::CohereEmbed,
    path: |_, _| "/embed".to_owned(),
    read_error: |status, _, body| error::read(status, body),
    usage_of: response::usage_of,
    serves: Serves::Embeddings(EmbeddingsProvider { write_request: request::write, read_response: response::read }),
    ..openai::PROVIDER
};
