//! Both halves of every format, for tests that feed the output of one half to the other. Some formats are spoken by providers only; their
//! client halves exist only for these tests.

use crate::conversation::{Request, Response, Usage};
use crate::embedding::{self, Encoding};
use crate::error::ApiError;
use crate::headers::HeaderMap;

use super::client::{Asks, EmbeddingsClient};
#[cfg(not(target_arch = "wasm32"))]
use super::openai_chat::servers;
use super::provider::{EmbeddingsProvider, Serves};
use super::{
    ChatClient, ChatProvider, Client, Field, Format, Id, Opening, Provider, ResponseSummary, StreamPeeker,
    StreamReader, StreamWriter, WrittenRequest, anthropic, bedrock, cohere, completions, gemini, gemini_embed,
    openai_chat, openai_embeddings, responses,
};

/// A format with both halves: chat or embeddings.
#[derive(Debug, Clone, Copy)]
pub struct Halves<const CHAT: bool> {
    pub client: &'static Client,
    pub provider: &'static Provider,
}

/// A chat format.
pub type Both = Halves<true>;

/// An embeddings format.
pub type Vectors = Halves<false>;

const fn both<const CHAT: bool>(client: &'static Client) -> Halves<CHAT> {
    Halves { client, provider: client.provider }
}

pub const OPENAI_CHAT: Both = both(&openai_chat::CLIENT);
#[cfg(not(target_arch = "wasm32"))]
pub const OPENROUTER: Both = Both { provider: &servers::OPENROUTER, ..OPENAI_CHAT };
pub const RESPONSES: Both = both(&responses::CLIENT);
pub const COMPLETIONS: Both = both(&completions::CLIENT);
pub const ANTHROPIC: Both = both(&anthropic::CLIENT);
pub const ANTHROPIC_ON_VERTEX: Both = both(&anthropic::hosted_client::VERTEX);
pub const ANTHROPIC_ON_BEDROCK: Both = both(&anthropic::hosted_client::BEDROCK);
pub const GEMINI: Both = both(&gemini::client::CLIENT);
pub const BEDROCK: Both = both(&bedrock::client::CLIENT);
pub const COHERE: Both = both(&cohere::client::CLIENT);
pub const OPENAI_EMBEDDINGS: Vectors = both(&openai_embeddings::CLIENT);
pub const COHERE_EMBED: Vectors = both(&cohere::embed::client::CLIENT);
pub const GEMINI_EMBED: Vectors = both(&gemini_embed::client::CLIENT);

#[cfg(not(target_arch = "wasm32"))]
pub const CHATS: [Both; 9] = [
    OPENAI_CHAT,
    RESPONSES,
    COMPLETIONS,
    ANTHROPIC,
    ANTHROPIC_ON_VERTEX,
    ANTHROPIC_ON_BEDROCK,
    GEMINI,
    BEDROCK,
    COHERE,
];

pub const EMBEDDINGS: [Vectors; 3] = [OPENAI_EMBEDDINGS, COHERE_EMBED, GEMINI_EMBED];

impl<const CHAT: bool> Halves<CHAT> {
    pub fn id(&self) -> Id {
        self.provider.id
    }

    pub fn name(&self) -> &'static str {
        self.id().name()
    }

    pub fn fields(&self) -> &'static [Field] {
        Format::of(self.id()).unwrap().fields
    }

    pub fn read_error(&self, status: u16, hint: Option<&str>, body: &[u8]) -> ApiError {
        (self.provider.read_error)(status, hint, body)
    }

    pub fn write_error(&self, error: &ApiError) -> Vec<u8> {
        (self.client.manner.write_error)(error)
    }

    pub fn status(&self, error: &ApiError) -> u16 {
        (self.client.manner.status)(error)
    }

    pub fn peek_response(&self, body: &[u8]) -> Result<ResponseSummary, ApiError> {
        (self.provider.peek_response.unwrap())(body)
    }

    pub fn usage_of(&self, body: &[u8]) -> Option<Usage> {
        (self.provider.usage_of)(body)
    }

    pub fn path(&self, model: &str, stream: bool) -> String {
        (self.provider.path)(model, stream)
    }
}

impl Both {
    pub fn asks(&self) -> &'static ChatClient {
        self.client.chat().unwrap()
    }

    pub fn serves(&self) -> &'static ChatProvider {
        self.provider.chat().unwrap()
    }

    pub fn read_request(&self, body: &[u8]) -> Result<Request, ApiError> {
        (self.asks().read_request)(body)
    }

    pub fn write_request(&self, request: &Request, model: &str) -> Result<WrittenRequest, ApiError> {
        (self.serves().write_request)(request, model)
    }

    pub fn read_response(&self, body: &[u8]) -> Result<Response, ApiError> {
        (self.serves().read_response)(body)
    }

    pub fn write_response(&self, response: &Response, now: u64) -> Vec<u8> {
        (self.asks().write_response)(response, now)
    }

    pub fn stream_reader(&self) -> Box<dyn StreamReader> {
        (self.serves().stream_reader)()
    }

    pub fn stream_writer(&self, opening: Opening) -> Box<dyn StreamWriter> {
        (self.asks().stream_writer)(opening)
    }

    pub fn stream_peeker(&self) -> Box<dyn StreamPeeker> {
        (self.serves().passing.unwrap().peeker)()
    }

    pub fn envelop(&self, body: &[u8], model: &str, headers: &HeaderMap) -> Result<WrittenRequest, ApiError> {
        (self.provider.envelope.as_ref().unwrap().envelop)(body, model, headers)
    }

    pub fn header_beside(&self, name: &str, value: &str) -> Option<String> {
        (self.provider.envelope.as_ref().unwrap().header_beside)(name, value)
    }
}

impl Vectors {
    pub fn asks(&self) -> &'static EmbeddingsClient {
        match &self.client.asks {
            Asks::Embeddings(asks) => asks,
            other => panic!("{other:?}"),
        }
    }

    pub fn serves(&self) -> &'static EmbeddingsProvider {
        match &self.provider.serves {
            Serves::Embeddings(serves) => serves,
            other => panic!("{other:?}"),
        }
    }

    pub fn read_request<'a>(&self, body: &'a [u8]) -> Result<embedding::Request<'a>, ApiError> {
        (self.asks().read_request)(body)
    }

    pub fn write_request(&self, request: &embedding::Request<'_>, model: &str) -> Result<WrittenRequest, ApiError> {
        (self.serves().write_request)(request, model)
    }

    pub fn read_response<'a>(&self, body: &'a [u8]) -> Result<embedding::Response<'a>, ApiError> {
        (self.serves().read_response)(body)
    }

    pub fn write_response(&self, response: &embedding::Response<'_>, encoding: Encoding) -> Result<Vec<u8>, ApiError> {
        (self.asks().write_response)(response, encoding)
    }
}
