//! OpenAI's embeddings, `POST /v1/embeddings`, for clients and providers.
//!
//! Errors and usage are those of OpenAI's chat completions. Beyond OpenAI's own fields a request may have `input_type`, known to clients of
//! compatible servers: the purpose of the vectors, in Cohere's terms.
//!
//! Source: OpenAI's Python SDK (`src/openai/types/embedding_create_params.py`, `create_embedding_response.py`), which requests base64 by
//! default.

mod request;
mod response;

#[cfg(test)]
mod tests;

use crate::embedding::Encoding;

use super::client::{Asks, Client, EmbeddingsClient, PeekSpec};
use super::openai::{self, usage};
use super::provider::{EmbeddingsProvider, Provider, Serves};
use super::{Field, FieldPolicy, Id};

/// All request fields with their policies. Any other field is rejected as unknown.
pub const FIELDS: &[Field] = &[
    ("model", FieldPolicy::Mapped, "the target's model"),
    ("input", FieldPolicy::Mapped, "strings; tokens: 400 if the provider accepts none"),
    ("dimensions", FieldPolicy::Mapped, "Cohere's `output_dimension`, Gemini's `outputDimensionality`"),
    ("encoding_format", FieldPolicy::Mapped, "the gateway converts the response's vectors to it"),
    ("user", FieldPolicy::Mapped, "dropped if the provider has none"),
    ("input_type", FieldPolicy::Mapped, "Cohere's `input_type`, `search_document` if absent; Gemini's `taskType`"),
];

/// Whether a response's vectors have another encoding than requested.
pub fn departs(body: &[u8], wanted: Encoding) -> bool {
    response::encoding(body).is_some_and(|written| written != wanted)
}

/// OpenAI's embeddings for clients.
pub static CLIENT: Client = Client {
    provider: &PROVIDER,
    shape: PeekSpec { asked: "input", ..PeekSpec::CHAT },
    own_names: &[],
    runs_tool: |_| false,
    manner: &openai::MANNER,
    asks: Asks::Embeddings(EmbeddingsClient { read_request: request::read, write_response: response::write }),
};

/// OpenAI's embeddings for providers.
pub static PROVIDER: Provider = Provider {
    id: Id::OpenAiEmbeddings,
    path: |_, _| "/embeddings".to_owned(),
    peek_response: Some(response::peek),
    usage_of: usage::of,
    serves: Serves::Embeddings(EmbeddingsProvider {
        write_request: |request, model| Ok(request::write(request, model)),
        read_response: response::read,
    }),
    ..openai::PROVIDER
};
