//! The client half of a format: reads requests; writes responses, streams and errors. It is a record of functions and data, so a module
//! that links only some formats carries only their code.

use crate::conversation::{Guises, Request, Response};
use crate::embedding;
use crate::error::ApiError;

use super::aliases::Rule;
use super::count::Count;
use super::field_paths::FieldPosition;
use super::{Id, Provider, Serves, StreamWriter};

/// A format as clients speak it.
#[derive(Debug)]
pub struct Client {
    /// The same format as providers speak it.
    pub provider: &'static Provider,
    /// Where the fields are that the gateway reads before it parses the whole request.
    pub shape: PeekSpec,
    /// Pairs of a field's name in chat completions, which the gateway uses internally, and its name in this format.
    pub own_names: &'static [(&'static str, &'static str)],
    /// Whether tools of this type run at providers of this format, and nowhere else.
    pub runs_tool: fn(kind: &str) -> bool,
    /// Conventions shared by all formats of one vendor.
    pub manner: &'static Manner,
    /// The kind of request.
    pub asks: Asks,
}

/// Conventions of one vendor's formats.
#[derive(Debug)]
pub struct Manner {
    /// Client headers forwarded to a provider of the same format, in lower case: `anthropic-beta`.
    pub forwards: &'static [&'static str],
    /// The finish reason for a response that a content filter ended.
    pub filtered: &'static str,
    /// The HTTP status that clients expect for an error.
    pub status: fn(&ApiError) -> u16,
    /// Writes an error as JSON.
    pub write_error: fn(&ApiError) -> Vec<u8>,
}

/// The kind of request. Formats of the same kind can be translated into each other.
#[derive(Debug)]
pub enum Asks {
    /// A conversation.
    Chat(ChatClient),
    /// Embedding vectors for texts.
    Embeddings(EmbeddingsClient),
    /// The number of tokens in a prompt.
    TokenCount(Count),
    /// A request that the gateway forwards unread.
    PassedThrough,
}

/// The client half of a chat format.
#[derive(Debug)]
pub struct ChatClient {
    /// The tool call ids that its clients accept.
    pub ids: Rule,
    /// Reads a request. Every error is a 400 that names the field.
    pub read_request: fn(body: &[u8]) -> Result<Request, ApiError>,
    /// Finds the field in a request body that a place in the parsed conversation came from.
    pub field_path: fn(body: &[u8], &FieldPosition<'_>) -> Option<String>,
    /// Writes a whole response; `now` is Unix seconds, for formats with a creation time.
    pub write_response: fn(&Response, now: u64) -> Vec<u8>,
    /// Writes a stream.
    pub stream_writer: fn(Opening) -> Box<dyn StreamWriter>,
}

/// The client half of an embeddings format.
#[derive(Debug)]
pub struct EmbeddingsClient {
    /// Reads a request. Every error is a 400 that names the field.
    pub read_request: fn(body: &[u8]) -> Result<embedding::Request<'_>, ApiError>,
    /// Writes a response with vectors in the requested encoding. Fails only on an invalid vector.
    pub write_response: fn(&embedding::Response<'_>, embedding::Encoding) -> Result<Vec<u8>, ApiError>,
}

impl Client {
    /// The format's id.
    pub fn id(&self) -> Id {
        self.provider.id
    }

    /// The chat half, if this is a chat format.
    pub fn chat(&self) -> Option<&ChatClient> {
        match &self.asks {
            Asks::Chat(chat) => Some(chat),
            Asks::Embeddings(_) | Asks::TokenCount(_) | Asks::PassedThrough => None,
        }
    }
}

impl Asks {
    /// Whether requests of this kind can be translated for `provider`.
    pub fn translates(&self, provider: &Serves) -> bool {
        matches!((self, provider), (Self::Chat(_), Serves::Chat(_)) | (Self::Embeddings(_), Serves::Embeddings(_)))
    }

    /// Whether responses contain output tokens.
    pub fn has_output(&self) -> bool {
        matches!(self, Self::Chat(_) | Self::PassedThrough)
    }

    /// Whether responses may be streamed.
    pub fn streams(&self) -> bool {
        match self {
            Self::Chat(_) | Self::PassedThrough => true,
            Self::Embeddings(_) | Self::TokenCount(_) => false,
        }
    }
}

/// Names of the fields that the gateway reads first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PeekSpec {
    /// The field that a request must have: `messages`. Empty if only the provider can tell.
    pub asked: &'static str,
    /// Whether a stream reports usage only if the client asks for it in `stream_options`.
    pub stream_options: bool,
    /// The fields that limit output tokens at this endpoint. Servers ignore those of other endpoints.
    pub limits: &'static [&'static str],
    /// Whether requests use no tokens.
    pub free: bool,
    /// Whether responses are images, which are priced per image.
    pub makes_images: bool,
}

impl PeekSpec {
    /// The peek spec of most chat formats.
    pub const CHAT: Self =
        Self { asked: "messages", stream_options: false, limits: &["max_tokens"], free: false, makes_images: false };
}

/// The facts that a stream writer needs before the first event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Opening {
    /// The model's name to use if the provider gives none.
    pub model: String,
    /// Unix seconds.
    pub now: u64,
    /// Whether the client asked for usage in the stream (OpenAI's `stream_options.include_usage`).
    pub include_usage: bool,
    /// The estimated prompt tokens, for formats that report them before the response.
    pub estimate: u64,
    /// Tools that the client declared in a form other than functions.
    pub guises: Guises,
}
