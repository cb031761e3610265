//! What a format of embeddings can do beyond what every format can.

use crate::embedding::{Encoding, Request, Response};
use crate::error::ApiError;

use super::{Dialect, Written};

#[cfg(test)]
mod tests;

/// A format of embeddings: it reads and writes the one [`embedding`](crate::embedding) model. Its answers are never streamed.
pub trait Embeddings: Dialect {
    /// Reads a client's request. Errors are 400s that name the field.
    fn read_request<'a>(&self, body: &'a [u8]) -> Result<Request<'a>, ApiError>;

    /// Writes a request for a provider, under the provider's name for the model.
    fn write_request(&self, request: &Request<'_>, model: &str) -> Result<Written, ApiError>;

    /// Reads a provider's answer. An error hidden in a 200 is an error here.
    fn read_response<'a>(&self, body: &'a [u8]) -> Result<Response<'a>, ApiError>;

    /// Writes an answer for a client, who asked for its vectors in `encoding`, whatever the provider gave. The only error is
    /// a vector that is none.
    fn write_response(&self, response: &Response<'_>, encoding: Encoding) -> Result<Vec<u8>, ApiError>;
}
