//! Counts of a prompt's tokens: Anthropic's `POST /v1/messages/count_tokens` and OpenAI's `POST /v1/responses/input_tokens`. The gateway
//! asks a provider that speaks the format. For any other it answers with its own estimate. A count is never translated.
//!
//! Source: the types of the Python SDKs (Anthropic's `src/anthropic/types/message_tokens_count.py`, OpenAI's
//! `src/openai/types/responses/input_token_count_response.py`).

use serde::{Deserialize, Serialize};

use crate::conversation::Usage;
use crate::error::ApiError;

use super::anthropic::Anthropic;
use super::responses::Responses;
use super::{Content, Dialect, Field, Glance, Shape};

/// A format that counts the tokens of another format's prompts.
#[derive(Debug)]
pub struct Count {
    name: &'static str,
    /// The format whose prompts it counts: it has the same headers and errors.
    pub of: &'static dyn Dialect,
    path: &'static str,
    /// The word of an answer for what it is.
    object: Option<&'static str>,
}

/// Anthropic's.
pub const COUNT_TOKENS: Count =
    Count { name: "anthropic_count_tokens", of: &Anthropic, path: "/messages/count_tokens", object: None };

/// OpenAI's.
pub const INPUT_TOKENS: Count = Count {
    name: "responses_input_tokens",
    of: &Responses,
    path: "/responses/input_tokens",
    object: Some("response.input_tokens"),
};

/// An answer.
#[derive(Serialize, Deserialize)]
struct Counted<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    object: Option<&'a str>,
    input_tokens: u64,
}

impl Count {
    /// The answer that says so many.
    pub fn answer(&self, input_tokens: u64) -> Vec<u8> {
        // A number into a `Vec` cannot fail.
        serde_json::to_vec(&Counted { object: self.object, input_tokens }).unwrap_or_default()
    }
}

impl Dialect for Count {
    fn name(&self) -> &'static str {
        self.name
    }

    fn content(&'static self) -> Content {
        Content::TokenCount(self)
    }

    fn fields(&self) -> &'static [Field] {
        &[]
    }

    fn shape(&self) -> Shape {
        Shape { free: true, ..self.of.shape() }
    }

    fn path(&self, _model: &str, _stream: bool) -> String {
        self.path.to_owned()
    }

    fn headers(&self) -> &'static [(&'static str, &'static str)] {
        self.of.headers()
    }

    fn forwards(&self) -> &'static [&'static str] {
        self.of.forwards()
    }

    fn answers(&self) -> &'static [&'static str] {
        self.of.answers()
    }

    fn request_id(&self) -> Option<&'static str> {
        self.of.request_id()
    }

    fn bytes_per_100_tokens(&self) -> u64 {
        self.of.bytes_per_100_tokens()
    }

    fn read_error(&self, status: u16, hint: Option<&str>, body: &[u8]) -> ApiError {
        self.of.read_error(status, hint, body)
    }

    fn status(&self, error: &ApiError) -> u16 {
        self.of.status(error)
    }

    fn write_error(&self, error: &ApiError) -> Vec<u8> {
        self.of.write_error(error)
    }

    /// The provider charges nothing for it.
    fn peek_response(&self, body: &[u8]) -> Result<Glance, ApiError> {
        match serde_json::from_slice::<Counted<'_>>(body) {
            Ok(_) => Ok(Glance { finished: true, ..Glance::default() }),
            Err(_) => Err(self.of.peek_response(body).err().unwrap_or_else(|| {
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
        const ANTHROPICS: &Count = &COUNT_TOKENS;
        const OPENAIS: &Count = &INPUT_TOKENS;
        assert_eq!(ANTHROPICS.answer(7), br#"{"input_tokens":7}"#);
        assert_eq!(OPENAIS.answer(7), br#"{"object":"response.input_tokens","input_tokens":7}"#);
        for (count, body, status) in [
            (ANTHROPICS, &b"{}"[..], 502),
            (ANTHROPICS, br#"{"content":[],"usage":{"input_tokens":3}}"#, 502),
            (ANTHROPICS, br#"{"type":"error","error":{"type":"overloaded_error","message":"no"}}"#, 529),
            (OPENAIS, b"{}", 502),
            (OPENAIS, br#"{"error":{"message":"no","type":"server_error"}}"#, 502),
        ] {
            assert!(count.peek_response(&count.answer(7)).unwrap().finished);
            assert_eq!(count.peek_response(body).unwrap_err().status, status);
        }
    }
}
