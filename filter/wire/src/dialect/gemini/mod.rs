//! Google's `generateContent`, as Gemini's own API and Vertex AI have it, read and written in both directions.
//!
//! Providers speak it; what becomes of a conversation's parameters on the way there is in `table`. Model and streaming
//! stand in the path and not in the body, so a request that is read has neither. Sources: the types of Google's Python
//! SDK (`google/genai/types.py`) and the pages "Thought signatures" and "Gemini thinking" of its documentation.
//!
//! Calls and their results travel without `id`: Vertex AI answers 400 to that field, and Gemini's own API ties them by name
//! and order. So results stand in the order of their calls.

mod answer;
mod error;
mod media;
mod part;
mod peek;
mod read_request;
mod response;
mod seals;
mod speech;
mod stream_in;
mod stream_out;
mod table;
mod thinking;
mod turns;
mod usage;
mod write_request;

#[cfg(test)]
mod tests;

use crate::conversation::{Request, Response, Usage};
use crate::dialect::aliases::{self, Rules};
use crate::error::ApiError;
use crate::percent::{AsciiSet, RESERVED, encoded};

use super::{Chat, Content, Dialect, Field, Glance, Opening, Shape, StreamPeeker, StreamReader, StreamWriter, Written};

/// In a path: `/` divides a publisher or a project from the model, and `@` stands before a version.
const MODEL: AsciiSet = RESERVED.remove(b'/').remove(b'@');

/// The dialect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Gemini;

impl Dialect for Gemini {
    fn name(&self) -> &'static str {
        "gemini"
    }

    fn content(&'static self) -> Content {
        Content::Chat(self)
    }

    fn fields(&self) -> &'static [Field] {
        table::FIELDS
    }

    fn shape(&self) -> Shape {
        Shape { asked: "contents", ..Shape::default() }
    }

    /// Below `https://generativelanguage.googleapis.com/v1beta`, or Vertex AI's
    /// `https://{location}-aiplatform.googleapis.com/v1/projects/{project}/locations/{location}/publishers/google`. A name
    /// with a `/` is a resource of its own (`tunedModels/x`) and stands in place of `models/{model}`. Without `alt=sse`
    /// a stream would be one JSON array in pieces.
    fn path(&self, model: &str, stream: bool) -> String {
        let collection = if model.contains('/') { "/" } else { "/models/" };
        let method = if stream { ":streamGenerateContent?alt=sse" } else { ":generateContent" };
        let mut path = String::with_capacity(collection.len() + model.len() + method.len());
        path.push_str(collection);
        path.push_str(&encoded(model, &MODEL));
        path.push_str(method);
        path
    }

    fn read_error(&self, status: u16, _hint: Option<&str>, body: &[u8]) -> ApiError {
        error::read(status, body)
    }

    fn write_error(&self, error: &ApiError) -> Vec<u8> {
        let mut out = Vec::with_capacity(256);
        error::write(error, &mut out);
        out
    }

    fn peek_response(&self, body: &[u8]) -> Result<Glance, ApiError> {
        peek::response(body)
    }

    fn usage_of(&self, body: &[u8]) -> Option<Usage> {
        usage::of(body)
    }
}

impl Chat for Gemini {
    fn rules(&self) -> Rules {
        aliases::GEMINI
    }

    fn read_request(&self, body: &[u8]) -> Result<Request, ApiError> {
        read_request::read(body)
    }

    fn write_request(&self, request: &Request, model: &str) -> Result<Written, ApiError> {
        write_request::write(request, model)
    }

    fn read_response(&self, body: &[u8]) -> Result<Response, ApiError> {
        response::read(body)
    }

    fn write_response(&self, response: &Response, _now: u64) -> Vec<u8> {
        response::write(response)
    }

    fn stream_reader(&self) -> Box<dyn StreamReader> {
        Box::<stream_in::Reader>::default()
    }

    fn stream_writer(&self, opening: Opening) -> Box<dyn StreamWriter> {
        Box::new(stream_out::Writer::new(opening))
    }

    fn stream_peeker(&self) -> Box<dyn StreamPeeker> {
        Box::<peek::Peeker>::default()
    }
}
