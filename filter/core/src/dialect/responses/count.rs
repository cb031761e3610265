//! OpenAI's count of a prompt's tokens: `POST /v1/responses/input_tokens`. A provider that speaks it is asked; for any other the
//! gateway answers with its own estimate.
//!
//! Source: the types of OpenAI's Python SDK (`src/openai/types/responses/input_token_count_response.py`).

use serde::{Deserialize, Serialize};

use super::Responses;
use crate::conversation::Usage;
use crate::dialect::{Content, Dialect, Field, Glance, Shape, TokenCount};
use crate::error::ApiError;

/// The format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InputTokens;

/// An answer.
#[derive(Serialize, Deserialize)]
struct Count<'a> {
    object: Option<&'a str>,
    input_tokens: u64,
}

/// The answer that says so many.
fn answer(input_tokens: u64) -> Vec<u8> {
    // A number into a `Vec` cannot fail.
    serde_json::to_vec(&Count { object: Some("response.input_tokens"), input_tokens }).unwrap_or_default()
}

impl Dialect for InputTokens {
    fn name(&self) -> &'static str {
        "responses_input_tokens"
    }

    fn content(&'static self) -> Content {
        Content::TokenCount(TokenCount { of: &Responses, answer })
    }

    /// It is never translated.
    fn fields(&self) -> &'static [Field] {
        &[]
    }

    fn shape(&self) -> Shape {
        Shape { free: true, ..Responses.shape() }
    }

    fn path(&self, _model: &str, _stream: bool) -> String {
        "/responses/input_tokens".to_owned()
    }

    fn bytes_per_100_tokens(&self) -> u64 {
        Responses.bytes_per_100_tokens()
    }

    fn read_error(&self, status: u16, hint: Option<&str>, body: &[u8]) -> ApiError {
        Responses.read_error(status, hint, body)
    }

    fn status(&self, error: &ApiError) -> u16 {
        Responses.status(error)
    }

    fn write_error(&self, error: &ApiError) -> Vec<u8> {
        Responses.write_error(error)
    }

    /// Nothing was used.
    fn peek_response(&self, body: &[u8]) -> Result<Glance, ApiError> {
        match serde_json::from_slice::<Count<'_>>(body) {
            Ok(_) => Ok(Glance { finished: true, ..Glance::default() }),
            Err(_) => Err(Responses.peek_response(body).err().unwrap_or_else(|| {
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
        assert_eq!(answer(7), br#"{"object":"response.input_tokens","input_tokens":7}"#);
        assert!(InputTokens.peek_response(&answer(7)).unwrap().finished);
        for (body, status) in [(&b"{}"[..], 502), (br#"{"error":{"message":"no","type":"server_error"}}"#, 502)] {
            assert_eq!(InputTokens.peek_response(body).unwrap_err().status, status);
        }
    }
}
