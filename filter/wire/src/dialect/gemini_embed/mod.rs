//! Gemini's embeddings: `POST /v1beta/models/{model}:batchEmbedContents`. Only providers speak it to us.
//!
//! A request holds one request for each text, each with the model and what the vector is for. Vectors are numbers, always, and
//! nobody says how many tokens were used. Source: Google's Generative Language API reference (`models.batchEmbedContents`).

use crate::conversation::Usage;
use crate::embedding::{Encoding, Request, Response};
use crate::error::ApiError;

use super::gemini::Gemini;
use super::{Content, Dialect, Embeddings, Fate, Field, Glance, Written};

mod request;
mod response;

#[cfg(test)]
mod tests;

/// The dialect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GeminiEmbed;

/// What becomes of a request's parameters, by the names of OpenAI's embeddings.
const FIELDS: &[Field] = &[
    ("model", Fate::Mapped, "the target's model, in the path and in every request"),
    ("input", Fate::Mapped, "`requests[].content`; tokens are a 400"),
    ("dimensions", Fate::Mapped, "`outputDimensionality`"),
    ("encoding_format", Fate::Mapped, "Gemini gives numbers; base64 is made of them for the client"),
    ("user", Fate::Dropped, ""),
    (
        "input_type",
        Fate::Mapped,
        "`taskType`, by Cohere's words: `search_document`, `search_query`, `classification`, `clustering`; others are a 400",
    ),
];

/// The model's name without the collection it is in.
fn bare(model: &str) -> &str {
    model.strip_prefix("models/").unwrap_or(model)
}

impl Dialect for GeminiEmbed {
    fn name(&self) -> &'static str {
        "gemini_embed"
    }

    fn content(&'static self) -> Content {
        Content::Embeddings(self)
    }

    fn fields(&self) -> &'static [Field] {
        FIELDS
    }

    fn path(&self, model: &str, _stream: bool) -> String {
        format!("/models/{}:batchEmbedContents", bare(model))
    }

    fn read_error(&self, status: u16, _hint: Option<&str>, body: &[u8]) -> ApiError {
        Gemini.read_error(status, None, body)
    }

    fn write_error(&self, error: &ApiError) -> Vec<u8> {
        Gemini.write_error(error)
    }

    fn peek_response(&self, body: &[u8]) -> Result<Glance, ApiError> {
        response::peek(body)
    }

    fn usage_of(&self, _body: &[u8]) -> Option<Usage> {
        None
    }
}

impl Embeddings for GeminiEmbed {
    fn read_request<'a>(&self, body: &'a [u8]) -> Result<Request<'a>, ApiError> {
        request::read(body)
    }

    fn write_request(&self, request: &Request<'_>, model: &str) -> Result<Written, ApiError> {
        request::write(request, model)
    }

    fn read_response<'a>(&self, body: &'a [u8]) -> Result<Response<'a>, ApiError> {
        response::read(body)
    }

    fn write_response(&self, response: &Response<'_>, _encoding: Encoding) -> Result<Vec<u8>, ApiError> {
        response::write(response)
    }
}
