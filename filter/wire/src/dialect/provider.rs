//! The half of a format that providers see: requests are written in it, answers, streams and errors are read in it. A record of
//! functions and of facts: see [`client`](super::client) for the other half.

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
    /// Which format it is. Servers that depart from it speak the same one.
    pub id: Id,
    /// Where a request goes, below the provider's base URL: `/chat/completions`.
    pub path: fn(model: &str, stream: bool) -> String,
    /// The headers of requests and answers that belong to the format.
    pub headers: &'static Headers,
    /// How the server departs from the format.
    pub departs: Departures,
    /// How a request of another format is put into this one without being translated.
    pub envelope: Option<Envelope>,
    /// Bytes of text for a hundred tokens, to estimate what nobody has counted. OpenAI documents four characters of English for
    /// a token, Anthropic about 3.5; JSON with escapes, code and other languages have fewer characters, but more bytes, for each.
    pub bytes_per_100_tokens: u64,
    /// The media type in which a provider streams: what it is asked for, and known by.
    pub stream_type: &'static str,
    /// Reads an error, whatever its body is: JSON, HTML, nothing. `hint` is what stood in [`Headers::error`].
    pub read_error: fn(status: u16, hint: Option<&str>, body: &[u8]) -> ApiError,
    /// Looks at a whole answer that passes unchanged: the model and the usage in it, or the error hidden in a 200. None of a
    /// format whose bodies no client reads.
    pub peek_response: Option<Peek>,
    /// The usage that a whole answer reports, of one that is no good otherwise: it is owed all the same.
    pub usage_of: fn(body: &[u8]) -> Option<Usage>,
    /// The content of its answers.
    pub serves: Serves,
}

/// Looks at a whole answer.
pub type Peek = fn(body: &[u8]) -> Result<ResponseSummary, ApiError>;

/// The media type of server-sent events.
pub const EVENTS: &str = "text/event-stream";

/// A format's own headers, besides credentials and content type. All names are in lower case.
#[derive(Debug)]
pub struct Headers {
    /// Those that every request needs.
    pub sent: &'static [(&'static str, &'static str)],
    /// Those of an answer that clients of the same format read, besides those that HTTP itself knows.
    pub answers: &'static [&'static str],
    /// The one in which clients look for the request's name, to tell those who ask which one it was.
    pub request_id: Option<&'static str>,
    /// The one that says more of an error than its body.
    pub error: Option<&'static str>,
    /// The limits that an answer tells of, as OpenAI's clients know them: `x-ratelimit-remaining-tokens`. `now` is Unix seconds.
    pub rate_limits: fn(&HeaderMap, now: u64) -> Vec<(&'static str, String)>,
}

impl Headers {
    /// OpenAI's, which others use too.
    pub const OPENAI: Self = Self {
        sent: &[],
        answers: rate_limits::OPENAIS,
        request_id: None,
        error: None,
        rate_limits: |headers, _| rate_limits::pass(headers),
    };
}

/// How a server that speaks a format departs from it.
#[derive(Debug, Clone, Copy)]
pub struct Departures {
    /// The fields that it calls otherwise or does not take, in a request that is passed on and in one that was written.
    pub quirks: &'static [Quirk],
    /// The numbers that it takes, be they passed on or written.
    pub bounds: Bounds,
    /// Whether it is a good format for this model, where its provider speaks several that are about the same.
    pub suits: fn(model: &str) -> bool,
}

impl Departures {
    /// Of a server that does not.
    pub const NONE: Self = Self { quirks: &[], bounds: &[], suits: |_| true };
}

/// A format that takes another one's bodies in an envelope of its own, and answers with them too: requests of that format's
/// clients are passed on in it, and nothing is translated.
#[derive(Debug)]
pub struct Envelope {
    /// The format whose bodies it takes.
    pub of: Id,
    /// A client's request in it. `headers` are those of the client's own format.
    pub envelop: fn(body: &[u8], model: &str, &HeaderMap) -> Result<WrittenRequest, ApiError>,
    /// The part of a header of the client's own format that goes on beside the body.
    pub header_beside: fn(name: &str, value: &str) -> Option<String>,
}

/// The content of a provider's answers.
#[derive(Debug)]
pub enum Serves {
    /// A conversation.
    Chat(ChatProvider),
    /// Vectors that stand for texts.
    Embeddings(EmbeddingsProvider),
    /// How many tokens a prompt has.
    TokenCount,
    /// Something that the gateway passes on unread.
    PassedThrough,
}

/// The provider half of a format of conversations.
#[derive(Debug)]
pub struct ChatProvider {
    /// What it takes as identifiers of calls, and as names of functions.
    pub rules: Rules,
    /// Writes a request, under the provider's name for the model.
    pub write_request: fn(&Request, model: &str) -> Result<WrittenRequest, ApiError>,
    /// Reads a whole answer. An error hidden in a 200 is an error here.
    pub read_response: fn(body: &[u8]) -> Result<Response, ApiError>,
    /// Reads a stream.
    pub stream_reader: fn() -> Box<dyn StreamReader>,
    /// How a stream is looked at that passes unchanged; none of a format whose bodies no client reads.
    pub passing: Option<Passing>,
}

/// How a stream passes.
#[derive(Debug, Clone, Copy)]
pub struct Passing {
    /// Looks at its events, once they are out of their envelope.
    pub peeker: fn() -> Box<dyn StreamPeeker>,
    /// Takes events out of their envelope, where they have one.
    pub opener: Option<fn() -> Box<dyn StreamOpener>>,
}

/// The provider half of a format of embeddings.
#[derive(Debug)]
pub struct EmbeddingsProvider {
    /// Writes a request, under the provider's name for the model.
    pub write_request: fn(&embedding::Request<'_>, model: &str) -> Result<WrittenRequest, ApiError>,
    /// Reads an answer. An error hidden in a 200 is an error here.
    pub read_response: fn(body: &[u8]) -> Result<embedding::Response<'_>, ApiError>,
}

impl Provider {
    /// The format whose bodies it takes and answers with: its own, or the one in its envelope.
    pub fn bodies(&self) -> Id {
        self.envelope.as_ref().map_or(self.id, |envelope| envelope.of)
    }

    /// Its half of a conversation, if it is a format of conversations.
    pub fn chat(&self) -> Option<&ChatProvider> {
        match &self.serves {
            Serves::Chat(chat) => Some(chat),
            Serves::Embeddings(_) | Serves::TokenCount | Serves::PassedThrough => None,
        }
    }
}
