//! Cohere's embeddings, version 2: `POST /v2/embed`. Only providers speak it to us.
//!
//! Cohere wants to know what vectors are for: texts to be found, when the client does not say. It answers with the vectors by
//! their types, of which we ask for one. Source: Cohere's Python SDK (`src/cohere/v2/client.py`, `embed`).

use crate::conversation::Usage;
use crate::embedding::{Encoding, Request, Response};
use crate::error::ApiError;

use super::super::{Content, Dialect, Embeddings, Fate, Field, Glance, Written};
use super::{Cohere, error};

mod request;
mod response;

#[cfg(test)]
mod tests;

/// The dialect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CohereEmbed;

/// What becomes of a request's parameters, by the names of OpenAI's embeddings.
const FIELDS: &[Field] = &[
    ("model", Fate::Mapped, "the target's model"),
    ("input", Fate::Mapped, "`texts`; tokens are a 400"),
    ("dimensions", Fate::Mapped, "`output_dimension`"),
    ("encoding_format", Fate::Mapped, "`embedding_types`, one: `float` or `base64`"),
    ("user", Fate::Dropped, ""),
    (
        "input_type",
        Fate::Mapped,
        "`input_type`; `search_document` when absent. Words that Cohere does not know are a 400",
    ),
];

impl Dialect for CohereEmbed {
    fn name(&self) -> &'static str {
        "cohere_embed"
    }

    fn content(&'static self) -> Content {
        Content::Embeddings(self)
    }

    fn fields(&self) -> &'static [Field] {
        FIELDS
    }

    fn path(&self, _model: &str, _stream: bool) -> String {
        "/embed".to_owned()
    }

    fn read_error(&self, status: u16, _hint: Option<&str>, body: &[u8]) -> ApiError {
        error::read(status, body)
    }

    fn write_error(&self, error: &ApiError) -> Vec<u8> {
        Cohere.write_error(error)
    }

    fn peek_response(&self, body: &[u8]) -> Result<Glance, ApiError> {
        response::peek(body)
    }

    fn usage_of(&self, body: &[u8]) -> Option<Usage> {
        response::usage_of(body)
    }
}

impl Embeddings for CohereEmbed {
    fn read_request<'a>(&self, body: &'a [u8]) -> Result<Request<'a>, ApiError> {
        request::read(body)
    }

    fn write_request(&self, request: &Request<'_>, model: &str) -> Result<Written, ApiError> {
        request::write(request, model)
    }

    fn read_response<'a>(&self, body: &'a [u8]) -> Result<Response<'a>, ApiError> {
        response::read(body)
    }

    fn write_response(&self, response: &Response<'_>, encoding: Encoding) -> Result<Vec<u8>, ApiError> {
        response::write(response, encoding)
    }
}
