//! Cohere's embeddings, version 2: `POST /v2/embed`. Only providers speak it to us.
//!
//! Cohere wants to know what vectors are for: texts to be found, when the client does not say. It answers with the vectors by
//! their types, of which we ask for one. Source: Cohere's Python SDK (`src/cohere/v2/client.py`, `embed`).

#[cfg(test)]
pub(in crate::dialect) mod client;
mod request;
mod response;

#[cfg(test)]
mod tests;

use crate::dialect::provider::{EmbeddingsProvider, Provider, Serves};
use crate::dialect::{Field, FieldPolicy, Id, openai};

use super::error;

/// What becomes of a request's parameters, by the names of OpenAI's embeddings.
pub const FIELDS: &[Field] = &[
    ("model", FieldPolicy::Mapped, "the target's model"),
    ("input", FieldPolicy::Mapped, "`texts`; tokens are a 400"),
    ("dimensions", FieldPolicy::Mapped, "`output_dimension`"),
    ("encoding_format", FieldPolicy::Mapped, "`embedding_types`, one: `float` or `base64`"),
    ("user", FieldPolicy::Dropped, ""),
    (
        "input_type",
        FieldPolicy::Mapped,
        "`input_type`; `search_document` when absent. Words that Cohere does not know are a 400",
    ),
];

/// Cohere's embeddings, as Cohere speaks them.
pub static PROVIDER: Provider = Provider {
    id: Id::CohereEmbed,
    path: |_, _| "/embed".to_owned(),
    read_error: |status, _, body| error::read(status, body),
    usage_of: response::usage_of,
    serves: Serves::Embeddings(EmbeddingsProvider { write_request: request::write, read_response: response::read }),
    ..openai::PROVIDER
};
