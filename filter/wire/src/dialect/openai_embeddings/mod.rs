//! OpenAI's embeddings: `POST /v1/embeddings`, as a client speaks it to us and as we speak it to a provider.
//!
//! Errors and usage are those of OpenAI's chat completions. Beyond OpenAI's own fields a request may hold `input_type`, which
//! clients of compatible servers know: what the vectors are for, in Cohere's words.
//!
//! Source: OpenAI's Python SDK (`src/openai/types/embedding_create_params.py`, `create_embedding_response.py`), which asks for
//! base64 unless told otherwise.

use crate::conversation::Usage;
use crate::embedding::{Encoding, Request, Response};
use crate::error::ApiError;

use super::openai_chat::OpenAiChat;
use super::{Content, Dialect, Embeddings, Fate, Field, Glance, Shape, Written};

mod request;
mod response;

#[cfg(test)]
mod tests;

/// OpenAI embeddings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OpenAiEmbeddings;

/// Every field of a request, and its fate. What is not here is refused as unknown.
const FIELDS: &[Field] = &[
    ("model", Fate::Mapped, "the target's model"),
    ("input", Fate::Mapped, "texts; tokens are a 400 where the provider takes none"),
    ("dimensions", Fate::Mapped, "Cohere's `output_dimension`, Gemini's `outputDimensionality`"),
    ("encoding_format", Fate::Mapped, "the answer's vectors are in it, whatever the provider gave"),
    ("user", Fate::Mapped, "left out where the provider has none"),
    ("input_type", Fate::Mapped, "Cohere's `input_type`, `search_document` when absent; Gemini's `taskType`"),
];

impl OpenAiEmbeddings {
    /// Whether an answer's vectors are written in another encoding than was asked for.
    pub fn departs(body: &[u8], wanted: Encoding) -> bool {
        response::encoding(body).is_some_and(|written| written != wanted)
    }
}

impl Dialect for OpenAiEmbeddings {
    fn name(&self) -> &'static str {
        "openai_embeddings"
    }

    fn content(&'static self) -> Content {
        Content::Embeddings(self)
    }

    fn fields(&self) -> &'static [Field] {
        FIELDS
    }

    fn shape(&self) -> Shape {
        Shape { asked: "input", ..Shape::default() }
    }

    fn path(&self, _model: &str, _stream: bool) -> String {
        "/embeddings".to_owned()
    }

    fn read_error(&self, status: u16, hint: Option<&str>, body: &[u8]) -> ApiError {
        OpenAiChat.read_error(status, hint, body)
    }

    fn status(&self, error: &ApiError) -> u16 {
        OpenAiChat.status(error)
    }

    fn write_error(&self, error: &ApiError) -> Vec<u8> {
        OpenAiChat.write_error(error)
    }

    fn peek_response(&self, body: &[u8]) -> Result<Glance, ApiError> {
        response::peek(body)
    }

    fn usage_of(&self, body: &[u8]) -> Option<Usage> {
        OpenAiChat.usage_of(body)
    }
}

impl Embeddings for OpenAiEmbeddings {
    fn read_request<'a>(&self, body: &'a [u8]) -> Result<Request<'a>, ApiError> {
        request::read(body)
    }

    fn write_request(&self, request: &Request<'_>, model: &str) -> Result<Written, ApiError> {
        Ok(request::write(request, model))
    }

    fn read_response<'a>(&self, body: &'a [u8]) -> Result<Response<'a>, ApiError> {
        response::read(body)
    }

    fn write_response(&self, response: &Response<'_>, encoding: Encoding) -> Result<Vec<u8>, ApiError> {
        response::write(response, encoding)
    }
}
