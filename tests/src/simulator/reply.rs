//! What a provider says, before anything is decided about how it travels: an answer in one piece or in events, or why
//! there is none.

use serde_json::Value;

use super::{frame, order};

/// A reply.
#[derive(Debug, Clone, PartialEq)]
pub struct Reply {
    /// The HTTP status.
    pub status: u16,
    /// Headers besides those of framing.
    pub headers: Vec<(&'static str, String)>,
    /// The body.
    pub content: Content,
}

/// A reply's body.
#[derive(Debug, Clone, PartialEq)]
pub enum Content {
    /// One piece.
    Whole(Vec<u8>),
    /// A stream.
    Stream(Stream),
}

/// A stream's events and how they are framed.
#[derive(Debug, Clone, PartialEq)]
pub struct Stream {
    /// In order.
    pub events: Vec<Event>,
    /// How they are put on the wire.
    pub framing: Framing,
    /// What the provider sends when it fails on the way.
    pub failure: Event,
}

/// How events are put on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Framing {
    /// As server-sent events.
    Lines,
    /// The same, each after a comment.
    Commented,
    /// In Amazon's frames.
    Frames,
    /// As the elements of one array, sent one after the other; the last event is its bracket, [`END_OF_ARRAY`].
    Array,
}

/// The data of the event that ends a stream framed as an array.
pub const END_OF_ARRAY: &str = "]";

/// A stream's event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// Its name; OpenAI's chunks have none.
    pub name: Option<&'static str>,
    /// Its data.
    pub data: String,
    /// How many tokens of the answer's text it brings.
    pub tokens: u64,
}

impl Event {
    /// An event without a name, as OpenAI's chunks are.
    pub fn plain(data: &Value) -> Self {
        Self { name: None, data: order::write(data), tokens: 0 }
    }

    /// An event with a name, as Anthropic's are.
    pub fn named(name: &'static str, data: &Value) -> Self {
        Self { name: Some(name), data: order::write(data), tokens: 0 }
    }

    /// The same, bringing so many tokens.
    pub fn bringing(self, tokens: u64) -> Self {
        Self { tokens, ..self }
    }

    /// As a server-sent event, with lines ended by `end`.
    pub fn lines(&self, end: &str) -> String {
        let name = self.name.map(|name| format!("event: {name}{end}")).unwrap_or_default();
        format!("{name}data: {}{end}{end}", self.data)
    }
}

impl Framing {
    /// The type of a body framed so.
    pub fn media_type(self) -> &'static str {
        match self {
            Self::Lines | Self::Commented => "text/event-stream; charset=utf-8",
            Self::Frames => "application/vnd.amazon.eventstream",
            Self::Array => "application/json; charset=UTF-8",
        }
    }

    /// An event on the wire; lines end with `end`.
    pub fn encode(self, event: &Event, first: bool, end: &str) -> Vec<u8> {
        let before = match (first, event.data.as_str()) {
            (true, _) => "[",
            (false, END_OF_ARRAY) => "",
            (false, _) => ",\r\n",
        };
        match self {
            Self::Lines => event.lines(end).into_bytes(),
            Self::Commented => [self.comment(end), event.lines(end).into_bytes()].concat(),
            Self::Frames => frame::encode(event.name.unwrap_or("chunk"), event.data.as_bytes()),
            Self::Array => format!("{before}{}", event.data).into_bytes(),
        }
    }

    /// How an event begins that does not end: in Amazon's frames, with the greatest length that these take.
    pub fn beginning(self) -> Vec<u8> {
        match self {
            Self::Lines | Self::Commented => b"data: ".to_vec(),
            Self::Array => b",\r\n\"".to_vec(),
            Self::Frames => frame::prelude(16 << 20),
        }
    }

    /// The smallest event that says nothing.
    pub fn least(self) -> Vec<u8> {
        match self {
            Self::Lines | Self::Commented => b":\n\n".to_vec(),
            Self::Array => b"\n".to_vec(),
            Self::Frames => frame::encode("x", b""),
        }
    }

    /// A comment, where there is such a thing.
    pub fn comment(self, end: &str) -> Vec<u8> {
        match self {
            Self::Lines | Self::Commented => format!(": keep-alive{end}{end}").into_bytes(),
            Self::Array | Self::Frames => Vec::new(),
        }
    }
}

impl Reply {
    /// A JSON body.
    pub fn json(status: u16, body: &Value) -> Self {
        let headers = vec![("content-type", "application/json".to_owned())];
        Self { status, headers, content: Content::Whole(order::write(body).into_bytes()) }
    }

    /// A stream.
    pub fn stream(stream: Stream) -> Self {
        let kind = stream.framing.media_type().to_owned();
        let headers = vec![("content-type", kind), ("cache-control", "no-cache".to_owned())];
        Self { status: 200, headers, content: Content::Stream(stream) }
    }

    /// A web page, as a proxy in front of a provider sends it.
    pub fn html(status: u16) -> Self {
        let page = format!("<html><head><title>{status}</title></head><body><h1>{status}</h1></body></html>\n");
        let headers = vec![("content-type", "text/html".to_owned())];
        Self { status, headers, content: Content::Whole(page.into_bytes()) }
    }

    /// A body of this type.
    pub fn of(media_type: &str, body: impl Into<Vec<u8>>) -> Self {
        let headers = vec![("content-type", media_type.to_owned())];
        Self { status: 200, headers, content: Content::Whole(body.into()) }
    }

    /// A reply without a body.
    pub fn blank() -> Self {
        Self { content: Content::Whole(Vec::new()), ..Self::json(200, &Value::Null) }
    }
}

/// Why a request was refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The HTTP status.
    pub status: u16,
    /// OpenAI's `code`, where it has one.
    pub code: Option<&'static str>,
    /// For the reader.
    pub message: String,
    /// After how many seconds to try again.
    pub retry: Option<String>,
}

impl Refusal {
    /// With this status, and no code.
    pub fn new(status: u16, message: impl Into<String>) -> Self {
        Self { status, code: None, message: message.into(), retry: None }
    }

    /// A request that is wrong.
    pub fn invalid(message: impl Into<String>) -> Self {
        Self::new(400, message)
    }

    /// A request without a valid key.
    pub fn unauthenticated(message: impl Into<String>) -> Self {
        Self { code: Some("invalid_api_key"), ..Self::new(401, message) }
    }

    /// What a status stands for when nothing more is known.
    pub fn of_status(status: u16) -> Self {
        let (code, message) = match status {
            400 => (None, "The request was not valid."),
            401 => (Some("invalid_api_key"), "Incorrect API key provided."),
            403 => (None, "Your key may not do this."),
            404 => (Some("model_not_found"), "The model does not exist, or you have no access to it."),
            413 => (None, "The request is larger than allowed."),
            429 => (Some("rate_limit_exceeded"), "Rate limit reached."),
            503 | 529 => (None, "Overloaded"),
            _ => (None, "The server had an error while processing your request."),
        };
        Self { code, ..Self::new(status, message) }
    }
}
