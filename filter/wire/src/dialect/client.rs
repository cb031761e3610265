//! The half of a format that clients see: requests are read in it, answers, streams and errors are written in it. A record of
//! functions and of facts, so that a module which links only some formats carries only their code.

use crate::conversation::{Guises, Request, Response};
use crate::embedding;
use crate::error::ApiError;

use super::aliases::Rule;
use super::count::Count;
use super::places::Place;
use super::{Id, Provider, Serves, StreamWriter};

/// A format as clients speak it.
#[derive(Debug)]
pub struct Client {
    /// The same format as providers speak it.
    pub provider: &'static Provider,
    /// Where a request has the fields that the gateway looks at before it knows whether to read all of it.
    pub shape: PeekSpec,
    /// The names that clients have for fields which are known by chat completions' names inside.
    pub own_names: &'static [(&'static str, &'static str)],
    /// Whether a tool of this type runs at providers of the format, and nowhere else.
    pub runs_tool: fn(kind: &str) -> bool,
    /// The habits that the format shares with others of its maker.
    pub manner: &'static Manner,
    /// The content of its requests.
    pub asks: Asks,
}

/// What clients of one maker's formats read and send.
#[derive(Debug)]
pub struct Manner {
    /// A client's headers that go on to a provider of the same format: `anthropic-beta`. Lower case.
    pub forwards: &'static [&'static str],
    /// The word with which an answer says that a content filter ended it.
    pub filtered: &'static str,
    /// The HTTP status under which a client expects the error.
    pub status: fn(&ApiError) -> u16,
    /// Writes an error, as JSON.
    pub write_error: fn(&ApiError) -> Vec<u8>,
}

/// The content of a client's requests. Formats can be translated into each other if it is the same.
#[derive(Debug)]
pub enum Asks {
    /// A conversation.
    Chat(ChatClient),
    /// Vectors that stand for texts.
    Embeddings(EmbeddingsClient),
    /// How many tokens a prompt has.
    TokenCount(Count),
    /// Something that the gateway passes on unread.
    PassedThrough,
}

/// The client half of a format of conversations.
#[derive(Debug)]
pub struct ChatClient {
    /// The identifiers of calls that its clients take.
    pub ids: Rule,
    /// Reads a request. Errors are 400s that name the field.
    pub read_request: fn(body: &[u8]) -> Result<Request, ApiError>,
    /// Where a request's body has a place of the conversation that is read from it.
    pub place: fn(body: &[u8], &Place<'_>) -> Option<String>,
    /// Writes a whole answer; `now` is Unix seconds, for formats that date their answers.
    pub write_response: fn(&Response, now: u64) -> Vec<u8>,
    /// Writes a stream.
    pub stream_writer: fn(Opening) -> Box<dyn StreamWriter>,
}

/// The client half of a format of embeddings.
#[derive(Debug)]
pub struct EmbeddingsClient {
    /// Reads a request. Errors are 400s that name the field.
    pub read_request: fn(body: &[u8]) -> Result<embedding::Request<'_>, ApiError>,
    /// Writes an answer, its vectors in the encoding that was asked for. The only error is a vector that is none.
    pub write_response: fn(&embedding::Response<'_>, embedding::Encoding) -> Result<Vec<u8>, ApiError>,
}

impl Client {
    /// Which format it is.
    pub fn id(&self) -> Id {
        self.provider.id
    }

    /// Its half of a conversation, if it is a format of conversations.
    pub fn chat(&self) -> Option<&ChatClient> {
        match &self.asks {
            Asks::Chat(chat) => Some(chat),
            Asks::Embeddings(_) | Asks::TokenCount(_) | Asks::PassedThrough => None,
        }
    }
}

impl Asks {
    /// Whether the format can be translated to a provider's.
    pub fn translates(&self, provider: &Serves) -> bool {
        matches!((self, provider), (Self::Chat(_), Serves::Chat(_)) | (Self::Embeddings(_), Serves::Embeddings(_)))
    }

    /// Whether an answer has tokens of its own.
    pub fn has_output(&self) -> bool {
        matches!(self, Self::Chat(_) | Self::PassedThrough)
    }

    /// Whether an answer may be streamed.
    pub fn streams(&self) -> bool {
        match self {
            Self::Chat(_) | Self::PassedThrough => true,
            Self::Embeddings(_) | Self::TokenCount(_) => false,
        }
    }
}

/// The names under which a format's requests have what the gateway looks at first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PeekSpec {
    /// The field without which there is nothing to answer: `messages`. Empty where that is the provider's to know.
    pub asked: &'static str,
    /// Whether a stream brings usage only to those who ask for it in `stream_options`.
    pub stream_options: bool,
    /// The fields that bound an answer's tokens at this endpoint. Servers ignore those of other endpoints.
    pub limits: &'static [&'static str],
    /// Whether it uses no tokens.
    pub free: bool,
    /// Whether its answers are images, each of which has a price.
    pub makes_images: bool,
}

impl PeekSpec {
    /// The shape of most formats of conversations.
    pub const CHAT: Self =
        Self { asked: "messages", stream_options: false, limits: &["max_tokens"], free: false, makes_images: false };
}

/// What a stream's writer must know before the first event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Opening {
    /// Stands in when the provider names no model.
    pub model: String,
    /// Unix seconds.
    pub now: u64,
    /// Whether the client asked for usage in the stream (OpenAI's `stream_options.include_usage`).
    pub include_usage: bool,
    /// The prompt's tokens by estimate, for formats that tell them before the answer.
    pub estimate: u64,
    /// The tools that the client knows in another form than functions.
    pub guises: Guises,
}
