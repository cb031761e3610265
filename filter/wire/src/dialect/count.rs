//! Token counts for prompts: Anthropic's `POST /v1/messages/count_tokens` and OpenAI's `POST /v1/responses/input_tokens`. The gateway
//! forwards the request to a provider that speaks the format, or else responds with its own estimate. A count is never translated.
//!
//! Source: the types of the Python SDKs (Anthropic's `src/anthropic/types/message_tokens_count.py`, OpenAI's
//! `src/openai/types/responses/input_token_count_response.py`).

use serde::{Deserialize, Serialize};

use crate::error::ApiError;
use crate::json;

use super::client::{Asks, Client, PeekSpec};
use super::openai;
use super::provider::{Provider, Serves};
use super::{Id, ResponseSummary, anthropic, responses};

/// A format that counts the tokens of another format's prompts.
#[derive(Debug)]
pub struct Count {
    /// The format of the prompts; headers and errors are the same.
    pub of: &'static Client,
    /// The response's `object` field.
    object: Option<&'static str>,
}

/// Anthropic's format.
pub static COUNT_TOKENS: Client = Client {
    provider: &COUNT_TOKENS_AT,
    shape: PeekSpec { free: true, ..anthropic::CLIENT.shape },
    own_names: &[],
    runs_tool: |_| false,
    manner: &anthropic::MANNER,
    asks: Asks::TokenCount(Count { of: &anthropic::CLIENT, object: None }),
};

/// OpenAI's format.
pub static INPUT_TOKENS: Client = Client {
    provider: &INPUT_TOKENS_AT,
    shape: PeekSpec { free: true, ..responses::CLIENT.shape },
    own_names: &[],
    runs_tool: |_| false,
    manner: &openai::MANNER,
    asks: Asks::TokenCount(Count { of: &responses::CLIENT, object: Some("response.input_tokens") }),
};

static COUNT_TOKENS_AT: Provider = Provider {
    id: Id::CountTokens,
    path: |_, _| "/messages/count_tokens".to_owned(),
    headers: &anthropic::HEADERS,
    bytes_per_100_tokens: 350,
    filters: &[],
    read_error: |status, _, body| anthropic::read_error(status, body),
    peek_response: Some(|body| peek(body, anthropic::peek_response)),
    serves: Serves::TokenCount,
    ..openai::PROVIDER
};

static INPUT_TOKENS_AT: Provider = Provider {
    id: Id::InputTokens,
    path: |_, _| "/responses/input_tokens".to_owned(),
    peek_response: Some(|body| peek(body, responses::peek_response)),
    serves: Serves::TokenCount,
    ..openai::PROVIDER
};

/// A response.
#[derive(Serialize, Deserialize)]
struct Counted<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    object: Option<&'a str>,
    input_tokens: u64,
}

impl Count {
    /// Writes a response with this count.
    pub fn answer(&self, input_tokens: u64) -> Vec<u8> {
        // A number into a `Vec` cannot fail.
        crate::json::written(&Counted { object: self.object, input_tokens })
    }
}

/// Inspects a response, which is free of charge. If it has no count, it may be an error in the format of the prompts.
fn peek(body: &[u8], otherwise: fn(&[u8]) -> Result<ResponseSummary, ApiError>) -> Result<ResponseSummary, ApiError> {
    match json::from_slice::<Counted<'_>>(body) {
        Ok(_) => Ok(ResponseSummary { finished: true, ..ResponseSummary::default() }),
        Err(_) => Err(otherwise(body).err().unwrap_or_else(|| {
            ApiError::bad_answer("The provider's answer to a token count request contains no token count.")
        })),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn a_count_is_an_answer_and_anything_else_is_none() {
        const ANTHROPICS: &Client = &COUNT_TOKENS;
        const OPENAIS: &Client = &INPUT_TOKENS;
        let answer = |client: &Client, tokens| match &client.asks {
            Asks::TokenCount(count) => count.answer(tokens),
            other => panic!("{other:?}"),
        };
        assert_eq!(answer(ANTHROPICS, 7), br#"{"input_tokens":7}"#);
        assert_eq!(answer(OPENAIS, 7), br#"{"object":"response.input_tokens","input_tokens":7}"#);
        for (count, body, status) in [
            (ANTHROPICS, &b"{}"[..], 502),
            (ANTHROPICS, br#"{"content":[],"usage":{"input_tokens":3}}"#, 502),
            (ANTHROPICS, br#"{"type":"error","error":{"type":"overloaded_error","message":"no"}}"#, 529),
            (OPENAIS, b"{}", 502),
            (OPENAIS, br#"{"error":{"message":"no","type":"server_error"}}"#, 502),
        ] {
            assert!((count.provider.peek_response.unwrap())(&answer(count, 7)).unwrap().finished);
            assert_eq!((count.provider.peek_response.unwrap())(body).unwrap_err().status, status);
        }
    }
}
