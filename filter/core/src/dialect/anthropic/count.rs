//! Anthropic's count of a prompt's tokens: `POST /v1/messages/count_tokens`. A provider that speaks it is asked; for any other
//! the gateway answers with its own estimate.
//!
//! Source: the types of Anthropic's Python SDK (`src/anthropic/types/message_tokens_count.py`).

use serde::{Deserialize, Serialize};

use super::{Anthropic, error, response};
use crate::conversation::Usage;
use crate::dialect::{Content, Dialect, Field, Glance, Shape, TokenCount};
use crate::error::ApiError;

/// The format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CountTokens;

/// An answer.
#[derive(Serialize, Deserialize)]
struct Count {
    input_tokens: u64,
}

/// The answer that says so many.
fn answer(input_tokens: u64) -> Vec<u8> {
    // A number into a `Vec` cannot fail.
    serde_json::to_vec(&Count { input_tokens }).unwrap_or_default()
}

impl Dialect for CountTokens {
    fn name(&self) -> &'static str {
        "anthropic_count_tokens"
    }

    fn content(&'static self) -> Content {
        Content::TokenCount(TokenCount { of: &Anthropic, answer })
    }

    /// It is never translated.
    fn fields(&self) -> &'static [Field] {
        &[]
    }

    fn shape(&self) -> Shape {
        Shape { free: true, ..Anthropic.shape() }
    }

    fn path(&self, _model: &str, _stream: bool) -> String {
        "/messages/count_tokens".to_owned()
    }

    fn headers(&self) -> &'static [(&'static str, &'static str)] {
        Anthropic.headers()
    }

    fn forwards(&self) -> &'static [&'static str] {
        Anthropic.forwards()
    }

    fn answers(&self) -> &'static [&'static str] {
        Anthropic.answers()
    }

    fn request_id(&self) -> Option<&'static str> {
        Anthropic.request_id()
    }

    fn bytes_per_100_tokens(&self) -> u64 {
        Anthropic.bytes_per_100_tokens()
    }

    fn read_error(&self, status: u16, _hint: Option<&str>, body: &[u8]) -> ApiError {
        error::read(status, body)
    }

    fn status(&self, error: &ApiError) -> u16 {
        Anthropic.status(error)
    }

    fn write_error(&self, error: &ApiError) -> Vec<u8> {
        Anthropic.write_error(error)
    }

    /// Nothing was used.
    fn peek_response(&self, body: &[u8]) -> Result<Glance, ApiError> {
        match serde_json::from_slice::<Count>(body) {
            Ok(_) => Ok(Glance { finished: true, ..Glance::default() }),
            Err(_) => Err(response::peek(body).err().unwrap_or_else(|| {
                ApiError::bad_answer("The provider's answer to a request for a count of tokens holds none.")
            })),
        }
    }

    fn usage_of(&self, _body: &[u8]) -> Option<Usage> {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn a_count_is_an_answer_and_anything_else_is_none() {
        assert_eq!(answer(7), br#"{"input_tokens":7}"#);
        assert!(CountTokens.peek_response(&answer(7)).unwrap().finished);
        for (body, status) in [
            (&b"{}"[..], 502),
            (br#"{"content":[],"usage":{"input_tokens":3}}"#, 502),
            (br#"{"type":"error","error":{"type":"overloaded_error","message":"no"}}"#, 529),
        ] {
            assert_eq!(CountTokens.peek_response(body).unwrap_err().status, status);
        }
    }
}
