//! The provider half of a format: writes requests; reads responses, streams and errors. It is a record of functions and data: see
//! [`client`](super::client) for the other half.

use crate::content_filter::Marks;
use crate::conversation::{Request, Response, Usage};
use crate::embedding;
use crate::error::ApiError;
use crate::headers::HeaderMap;

use super::aliases::Rules;
use super::bounds::Bounds;
use super::quirk::Quirk;
use super::{Id, ResponseSummary, StreamOpener, StreamPeeker, StreamReader, WrittenRequest, rate_limits};

/// A format as providers speak it.
#[derive(Debug)]
pub struct Provider {
    /// The format's id, shared by all servers that speak it, also by those with departures.
    pub id: Id,
    /// The path below the provider's base URL: `/chat/completions`.
    pub path: fn(model: &str, stream: bool) -> String,
    /// The format's request and response headers.
    pub headers: &'static Headers,
    /// The server's departures from the format.
    pub departs: Departures,
    /// How another format's body is wrapped for this one without translation.
    pub envelope: Option<Envelope>,
    /// Bytes of text per hundred tokens, to estimate tokens that no provider has counted. OpenAI documents four English characters per
    /// token, Anthropic about 3.5. JSON with escapes, code and other languages have fewer characters but more bytes per token.
    pub bytes_per_100_tokens: u64,
    /// The media type of the provider's streams: sent in `accept` and checked in responses.
    pub stream_type: &'static str,
    /// Reads an error with any body: JSON, HTML or empty. `hint` is the value of [`Headers::error`].
    pub read_error: fn(status: u16, hint: Option<&str>, body: &[u8]) -> ApiError,
    /// Marks of results of the provider's content filters.
    pub filters: Marks,
    /// Inspects a whole response that passes unchanged: reads the model and usage, or the error hidden in a 200. `None` if no client reads
    /// this format's bodies.
    pub peek_response: Option<Peek>,
    /// Reads the usage of a whole response that is otherwise unusable: it is billed anyway.
    pub usage_of: fn(body: &[u8]) -> Option<Usage>,
    /// The kind of response.
    pub serves: Serves,
}

/// Inspects a whole response.
pub type Peek = fn(body: &[u8]) -> Result<ResponseSummary, ApiError>;

/// The media type of server-sent events.
pub const EVENTS: &str = "text/event-stream";

/// A format's headers, apart from credentials and content type. All names are in lower case.
#[derive(Debug)]
pub struct Headers {
    /// Sent with every request.
    pub sent: &'static [(&'static str, &'static str)],
    /// Response headers that clients of the same format read, apart from standard HTTP ones.
    pub answers: &'static [&'static str],
    /// The response header with the request's id.
    pub request_id: Option<&'static str>,
    /// The response header that says more about an error than its body.
    pub error: Option<&'static str>,
    /// Converts the response's rate limits into OpenAI's headers: `x-ratelimit-remaining-tokens`. `now` is Unix seconds.
    pub rate_limits: fn(&HeaderMap, now: u64) -> Vec<(&'static str, String)>,
}

impl Headers {
    /// OpenAI's headers, which other vendors also use.
    pub const OPENAI: Self = Self {
        sent: &[],
        answers: rate_limits::OPENAIS,
        request_id: None,
        error: None,
        rate_limits: |headers, _| rate_limits::pass(headers),
    };
}

/// How a server departs from the format that it speaks.
#[derive(Debug, Clone, Copy)]
pub struct Departures {
    /// Fields that the server renames or rejects. Applied to forwarded and to translated requests.
    pub quirks: &'static [Quirk],
    /// Ranges of numbers that the server accepts. Applied to forwarded and to translated requests.
    pub bounds: Bounds,
    /// Whether this format suits the model, if the provider offers several formats of the same kind.
    pub suits: fn(model: &str) -> bool,
}

impl Departures {
    /// No departures.
    pub const NONE: Self = Self { quirks: &[], bounds: &[], suits: |_| true };
}

/// How a format wraps another format's bodies in requests and responses. Requests of that other format's clients are wrapped, not
/// translated.
#[derive(Debug)]
pub struct Envelope {
    /// The format of the wrapped bodies.
    pub of: Id,
    /// Wraps a client's request. `headers` are those of the client's own format.
    pub envelop: fn(body: &[u8], model: &str, &HeaderMap) -> Result<WrittenRequest, ApiError>,
    /// Returns the part of a client's header that is forwarded as a header, outside the body.
    pub header_beside: fn(name: &str, value: &str) -> Option<String>,
}

/// The kind of response.
#[derive(Debug)]
pub enum Serves {
    /// A conversation.
    Chat(ChatProvider),
    /// Embedding vectors for texts.
    Embeddings(EmbeddingsProvider),
    /// The number of tokens in a prompt.
    TokenCount,
    /// A response that the gateway forwards unread.
    PassedThrough,
}

/// The provider half of a chat format.
#[derive(Debug)]
pub struct ChatProvider {
    /// The tool call ids and function names that it accepts.
    pub rules: Rules,
    /// Writes a request for `model`, the provider's name for the model.
    pub write_request: fn(&Request, model: &str) -> Result<WrittenRequest, ApiError>,
    /// Reads a whole response. An error hidden in a 200 is returned as an error.
    pub read_response: fn(body: &[u8]) -> Result<Response, ApiError>,
    /// Reads a stream.
    pub stream_reader: fn() -> Box<dyn StreamReader>,
    /// How to inspect a stream that passes unchanged; `None` if no client reads this format's bodies.
    pub passing: Option<Passing>,
}

/// How to inspect a stream that passes unchanged.
#[derive(Debug, Clone, Copy)]
pub struct Passing {
    /// Inspects its events, after unwrapping.
    pub peeker: fn() -> Box<dyn StreamPeeker>,
    /// Unwraps the events, if the format wraps them.
    pub opener: Option<fn() -> Box<dyn StreamOpener>>,
}

/// The provider half of an embeddings format.
#[derive(Debug)]
pub struct EmbeddingsProvider {
    /// Writes a request for `model`, the provider's name for the model.
    pub write_request: fn(&embedding::Request<'_>, model: &str) -> Result<WrittenRequest, ApiError>,
    /// Reads a response. An error hidden in a 200 is returned as an error.
    pub read_response: fn(body: &[u8]) -> Result<embedding::Response<'_>, ApiError>,
}

impl Provider {
    /// The format of the bodies on the wire: its own, or the wrapped one.
    pub fn bodies(&self) -> Id {
        self.envelope.as_ref().map_or(self.id, |envelope| envelope.of)
    }

    /// The chat half, if this is a chat format.
    pub fn chat(&self) -> Option<&ChatProvider> {
        match &self.serves {
            Serves::Chat(chat) => Some(chat),
            Serves::Embeddings(_) | Serves::TokenCount | Serves::PassedThrough => None,
        }
    }
}
