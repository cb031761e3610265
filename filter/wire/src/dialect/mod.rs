//! Wire formats: each dialect reads and writes the one model of what it is about, a [`conversation`](crate::conversation) or
//! [`embedding`](crate::embedding), so that N client formats and M provider formats need N + M pieces of code.
//!
//! A dialect knows no other dialect, no route and no key. Where it cannot express something it refuses with a 400 that
//! names the field, or drops a hint and says so: see each dialect's [`Dialect::fields`].

use std::fmt::Debug;
use std::ops::AddAssign;

use crate::conversation::{Guises, Request, Response, StreamEvent, Usage};
use crate::error::ApiError;
use crate::extras::Extras;
use crate::framing::sse;
use crate::headers::HeaderMap;

pub use embeddings::Embeddings;
pub use kept::Kept;
use quirk::Quirk;

pub mod aliases;
pub mod anthropic;
mod at;
mod aws;
pub mod bare;
pub mod bedrock;
pub mod bounds;
mod calls;
mod claude;
pub mod cohere;
pub mod completions;
pub mod count;
mod data_uri;
mod effort;
mod embeddings;
#[cfg(test)]
mod fates;
mod few;
pub mod fields;
mod functions;
pub mod gemini;
pub mod gemini_embed;
mod hints;
mod in_turn;
mod json_end;
mod kept;
mod mended;
mod models;
mod openai;
pub mod openai_chat;
pub mod openai_embeddings;
mod out;
pub mod pass_through;
pub mod places;
pub mod quirk;
mod rate_limits;
mod recast;
pub mod responses;
mod said;
mod schema;
pub mod sealed;
mod text_argument;
mod tiers;
pub mod translate;

/// Every format that clients or providers speak, but for those that are only passed through.
pub static ALL: &[&dyn Dialect] = &[
    &openai_chat::OpenAiChat,
    &responses::Responses,
    &completions::Completions,
    &anthropic::Anthropic,
    &count::COUNT_TOKENS,
    &count::INPUT_TOKENS,
    &anthropic::AnthropicOnVertex,
    &anthropic::AnthropicOnBedrock,
    &gemini::Gemini,
    &bedrock::Bedrock,
    &cohere::Cohere,
    &openai_embeddings::OpenAiEmbeddings,
    &cohere::CohereEmbed,
    &gemini_embed::GeminiEmbed,
];

/// What becomes of one field of a client's request when the provider speaks another dialect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// The conversation model carries it.
    Mapped,
    /// It would change the answer and cannot be carried: 400.
    Refused,
    /// It changes nothing in the answer's meaning: left out, and counted.
    Dropped,
}

/// A field's name as clients write it, its fate, and what there is to say about it.
pub type Field = (&'static str, Fate, &'static str);

/// A request as a provider wants it.
#[derive(Debug, Clone, PartialEq)]
pub struct Written {
    /// The JSON body.
    pub body: Vec<u8>,
    /// Hints that the provider has no words for, by the names the client's dialect gives them.
    pub dropped: Vec<String>,
}

/// One wire format of one endpoint: what every format has, whatever it is about.
pub trait Dialect: Debug + Sync {
    /// Its name in logs and documentation. Formats of one name are the same to a client.
    fn name(&self) -> &'static str;

    /// What it is about, and so what it can be translated from and to.
    fn content(&'static self) -> Content;

    /// Every field of a request, and its fate when translated.
    fn fields(&self) -> &'static [Field];

    /// How a server that speaks it departs from it: whoever sends it a request applies them, to one that is passed on and to one
    /// that [`Chat::write_request`] wrote.
    fn quirks(&self) -> &'static [Quirk] {
        &[]
    }

    /// The numbers that it takes of a model's request, be it passed on or written.
    fn bounds(&self, _model: &str) -> bounds::Bounds {
        &[]
    }

    /// Where a client's request has what the gateway looks at before it knows whether to read all of it.
    fn shape(&self) -> Shape {
        Shape::default()
    }

    /// Whether it is a good format for this model, where its provider speaks several that are about the same.
    fn suits(&self, _model: &str) -> bool {
        true
    }

    /// The format whose bodies it takes and answers with: its own, or the one that it is in another envelope. What a client of that
    /// format sends is passed on then, and so is the answer: nothing is translated.
    fn bodies(&self) -> &'static str {
        self.name()
    }

    /// A client's request in the format of [`bodies`](Self::bodies), in this format's envelope. `headers` are those of the client's
    /// own format.
    fn envelop(&self, body: &[u8], _model: &str, _headers: &HeaderMap) -> Result<Written, ApiError> {
        Ok(Written { body: body.to_vec(), dropped: Vec::new() })
    }

    /// Whether a tool of this type runs at providers of the format, and nowhere else.
    fn runs_tool(&self, _kind: &str) -> bool {
        false
    }

    /// What of a header of the client's own format goes on beside an enveloped body.
    fn header_beside(&self, _name: &str, _value: &str) -> Option<String> {
        None
    }

    /// Where a request goes, below the provider's base URL: `/chat/completions`.
    fn path(&self, model: &str, stream: bool) -> String;

    /// Headers that every request needs, besides credentials and content type.
    fn headers(&self) -> &'static [(&'static str, &'static str)] {
        &[]
    }

    /// The word with which an answer says that a content filter ended it.
    fn filtered(&self) -> &'static str {
        "content_filter"
    }

    /// Headers of a client that go on to a provider of the same format: `anthropic-beta`. Lower case.
    fn forwards(&self) -> &'static [&'static str] {
        &[]
    }

    /// Headers of a provider's answer that clients of the same format read, besides those that HTTP itself knows. Lower case.
    fn answers(&self) -> &'static [&'static str] {
        rate_limits::OPENAIS
    }

    /// What clients of the format call fields that are known by chat completions' names inside.
    fn own_names(&self) -> &'static [(&'static str, &'static str)] {
        &[]
    }

    /// The response header in which clients look for the request's name, to tell those who ask which one it was.
    fn request_id(&self) -> Option<&'static str> {
        None
    }

    /// Bytes of text for a hundred tokens, to estimate what nobody has counted. OpenAI documents four characters of English for
    /// a token; its JSON with escapes, code and other languages have fewer characters, but more bytes, for each.
    fn bytes_per_100_tokens(&self) -> u64 {
        400
    }

    /// The media type in which a provider streams: what it is asked for, and known by.
    fn stream_type(&self) -> &'static str {
        "text/event-stream"
    }

    /// The response header that says more of an error than its body.
    fn error_header(&self) -> Option<&'static str> {
        None
    }

    /// The limits that a provider's answer tells of, as OpenAI's clients know them: `x-ratelimit-remaining-tokens`.
    /// `now` is Unix seconds.
    fn rate_limits(&self, headers: &HeaderMap, _now: u64) -> Vec<(&'static str, String)> {
        rate_limits::pass(headers)
    }

    /// Reads a provider's error, whatever its body is: JSON, HTML, nothing. `hint` is what stood in
    /// [`error_header`](Self::error_header).
    fn read_error(&self, status: u16, hint: Option<&str>, body: &[u8]) -> ApiError;

    /// The HTTP status under which a client of this dialect expects the error.
    fn status(&self, error: &ApiError) -> u16 {
        error.status
    }

    /// Writes an error for a client, as JSON.
    fn write_error(&self, error: &ApiError) -> Vec<u8>;

    /// Looks at a whole answer that passes unchanged: the model and the usage in it, or the error hidden in a 200.
    fn peek_response(&self, body: &[u8]) -> Result<Glance, ApiError>;

    /// The usage that a whole answer reports, of one that is no good otherwise: it is owed all the same.
    fn usage_of(&self, body: &[u8]) -> Option<Usage>;
}

/// What a format is about. Only formats about the same can be translated into each other.
#[derive(Debug, Clone, Copy)]
pub enum Content {
    /// A conversation.
    Chat(&'static dyn Chat),
    /// Vectors that stand for texts.
    Embeddings(&'static dyn Embeddings),
    /// How many tokens a prompt has.
    TokenCount(&'static count::Count),
    /// What the gateway passes on without knowing what it is about.
    PassedThrough,
}

impl Content {
    /// Whether one can be translated to the other.
    pub fn translates(&self, other: &Self) -> bool {
        matches!((self, other), (Self::Chat(_), Self::Chat(_)) | (Self::Embeddings(_), Self::Embeddings(_)))
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

/// A format of conversations: it reads and writes the one [`conversation`](crate::conversation) model.
pub trait Chat: Dialect {
    /// What it takes as identifiers of calls, and as names of functions.
    fn rules(&self) -> aliases::Rules;

    /// Reads a client's request. Errors are 400s that name the field.
    fn read_request(&self, body: &[u8]) -> Result<Request, ApiError>;

    /// Where a client's `body` has a place of the conversation that is read from it; nothing for formats that no client speaks.
    fn place(&self, _body: &[u8], _place: &places::Place<'_>) -> Option<String> {
        None
    }

    /// Writes a request for a provider, under the provider's name for the model.
    fn write_request(&self, request: &Request, model: &str) -> Result<Written, ApiError>;

    /// Reads a provider's whole answer. An error hidden in a 200 is an error here.
    fn read_response(&self, body: &[u8]) -> Result<Response, ApiError>;

    /// Writes a whole answer for a client; `now` is Unix seconds, for formats that date their answers.
    fn write_response(&self, response: &Response, now: u64) -> Vec<u8>;

    /// Reads a provider's stream.
    fn stream_reader(&self) -> Box<dyn StreamReader>;

    /// Writes a stream for a client.
    fn stream_writer(&self, opening: Opening) -> Box<dyn StreamWriter>;

    /// Looks at a stream that passes unchanged, once it is out of its envelope.
    fn stream_peeker(&self) -> Box<dyn StreamPeeker>;

    /// Takes streams out of their envelope, where they have one.
    fn stream_opener(&self) -> Option<Box<dyn StreamOpener>> {
        None
    }
}

/// The names under which a format's requests have what the gateway looks at first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shape {
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

impl Default for Shape {
    fn default() -> Self {
        Self { asked: "messages", stream_options: false, limits: &["max_tokens"], free: false, makes_images: false }
    }
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

/// Turns a provider's bytes, in any portions, into events.
pub trait StreamReader: Debug {
    /// Reads one portion and appends the events it completes. A stream that cannot be read is an error, and is not read on.
    fn read(&mut self, portion: &[u8], events: &mut Vec<StreamEvent>) -> Result<(), ApiError>;

    /// What it keeps until the next portion. It costs no more than a look at counters.
    fn kept(&self) -> Kept;
}

/// Takes a provider's bytes, in any portions, out of an envelope: what is left are server-sent events.
pub trait StreamOpener: Debug {
    /// Reads one portion and appends the events it completes. A stream that cannot be read is an error, and is not read on.
    fn open(&mut self, portion: &[u8], out: &mut Vec<u8>) -> Result<(), ApiError>;

    /// What it keeps until the next portion. It costs no more than a look at counters.
    fn kept(&self) -> Kept;
}

/// Turns events into a client's bytes.
pub trait StreamWriter: Debug {
    /// Appends what `event` is on the wire: often one event, sometimes several or none. After [`StreamEvent::Error`] and
    /// [`StreamEvent::End`] nothing more is written; only `End` writes the format's terminator.
    fn write(&mut self, event: &StreamEvent, out: &mut Vec<u8>);

    /// What it keeps until the next event. It costs no more than a look at counters.
    fn kept(&self) -> Kept;
}

/// What an event of a stream that passes unchanged is to the gateway.
#[derive(Debug, Clone, PartialEq)]
pub enum Seen {
    /// Something of the answer that a person or program would see.
    Content,
    /// Anything else that belongs to the answer.
    Other,
    /// Usage that stands alone, and that a client which did not ask for it must not see.
    UsageAlone,
    /// The provider failed inside its stream.
    Failed(ApiError),
    /// The terminator.
    End,
}

/// Looks at the events of a stream that passes unchanged.
pub trait StreamPeeker: Debug {
    /// Tells what an event is; malformed ones are [`Seen::Failed`].
    fn peek(&mut self, event: &sse::Event<'_>) -> Seen;

    /// What was learned so far.
    fn glance(&self) -> &Glance;
}

/// What the gateway accounts for, read from an answer that passes unchanged.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Glance {
    /// The model that answered, as the provider calls it.
    pub model: Option<String>,
    /// The answer's id, where its provider may keep it for requests to come.
    pub id: Option<String>,
    /// Tokens, when the provider said.
    pub usage: Option<Usage>,
    /// What it cost besides, as far as the provider said.
    pub extras: Extras,
    /// Whether the answer has said why it ended.
    pub finished: bool,
    /// Whether it calls a tool.
    pub called: bool,
    /// What was said, for a stream that ends before its provider counts the tokens.
    pub said: Said,
}

/// How much of an answer a stream has brought, where nobody has counted tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Said {
    /// Pieces of text, reasoning, or tool calls.
    pub pieces: u64,
    /// About how many bytes are in them.
    pub bytes: u64,
}

impl Glance {
    /// Whether a stream whose terminator comes now is all there. Some providers give no reason behind their calls; those that have
    /// counted the tokens were done.
    pub fn is_whole(&self) -> bool {
        self.finished || self.called || self.usage.is_some()
    }

    /// The model names itself, if it has not yet. A name that is longer than any is none.
    pub(crate) fn name(&mut self, model: &str) {
        const LONGEST: usize = 1024;
        if self.model.is_none() && (1..=LONGEST).contains(&model.len()) {
            self.model = Some(model.to_owned());
        }
    }
}

impl Said {
    /// One piece of so many bytes; nothing, when it is empty.
    pub fn of(bytes: usize) -> Self {
        Self { pieces: u64::from(bytes > 0), bytes: u64::try_from(bytes).unwrap_or(u64::MAX) }
    }

    /// A piece of an answer that was read.
    pub fn in_event(event: &StreamEvent) -> Self {
        match event {
            StreamEvent::Text { text, .. } | StreamEvent::Thinking { text, .. } | StreamEvent::Refusal { text, .. } => {
                Self::of(text.len())
            }
            StreamEvent::Arguments { json, .. } => Self::of(json.len()),
            StreamEvent::RedactedThinking { data, .. } => Self::of(data.len()),
            StreamEvent::ToolCall { .. } => Self::of(1),
            _ => Self::default(),
        }
    }
}

impl AddAssign for Said {
    fn add_assign(&mut self, more: Self) {
        self.pieces = self.pieces.saturating_add(more.pieces);
        self.bytes = self.bytes.saturating_add(more.bytes);
    }
}
