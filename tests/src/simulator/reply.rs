//! A provider's reply, independent of its delivery: a whole answer, a stream of events, or a refusal.

use serde_json::Value;

use super::{frame, order};

#[derive(Debug, Clone, PartialEq)]
pub struct Reply {
    pub status: u16,
    /// The headers, except those of framing.
    pub headers: Vec<(&'static str, String)>,
    pub content: Content,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Content {
    /// A whole body.
    Whole(Vec<u8>),
    Stream(Stream),
}

/// A stream's events and their framing.
#[derive(Debug, Clone, PartialEq)]
pub struct Stream {
    /// The events, in order.
    pub events: Vec<Event>,
    pub framing: Framing,
    /// The event that the provider sends if it fails during the stream.
    pub failure: Event,
}

/// How events are written to the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Framing {
    /// Server-sent events.
    Lines,
    /// Server-sent events, each after a comment.
    Commented,
    /// Amazon's frames.
    Frames,
    /// The elements of one array, sent one after the other; the last event is the closing bracket, [`END_OF_ARRAY`].
    Array,
}

/// The data of the event that ends a stream framed as an array.
pub const END_OF_ARRAY: &str = "]";

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// The event's name; OpenAI's chunks have none.
    pub name: Option<&'static str>,
    pub data: String,
    /// The number of answer tokens in the event.
    pub tokens: u64,
}

impl Event {
    /// An event without a name, as in OpenAI's chunks.
    pub fn plain(data: &Value) -> Self {
        Self { name: None, data: order::write(data), tokens: 0 }
    }

    /// An event with a name, as in Anthropic's streams.
    pub fn named(name: &'static str, data: &Value) -> Self {
        Self { name: Some(name), data: order::write(data), tokens: 0 }
    }

    /// Sets the number of answer tokens.
    pub fn bringing(self, tokens: u64) -> Self {
        Self { tokens, ..self }
    }

    /// Encodes a server-sent event; `end` ends its lines.
    pub fn lines(&self, end: &str) -> String {
        let name = self.name.map(|name| format!("event: {name}{end}")).unwrap_or_default();
        format!("{name}data: {}{end}{end}", self.data)
    }
}

impl Framing {
    /// The content type of a body with this framing.
    pub fn media_type(self) -> &'static str {
        match self {
            Self::Lines | Self::Commented => "text/event-stream; charset=utf-8",
            Self::Frames => "application/vnd.amazon.eventstream",
            Self::Array => "application/json; charset=UTF-8",
        }
    }

    /// Encodes an event; `end` ends its lines.
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

    /// The start of an endless event; in Amazon's frames it announces the maximum length.
    pub fn beginning(self) -> Vec<u8> {
        match self {
            Self::Lines | Self::Commented => b"data: ".to_vec(),
            Self::Array => b",\r\n\"".to_vec(),
            Self::Frames => frame::prelude(16 << 20),
        }
    }

    /// The smallest event without content.
    pub fn least(self) -> Vec<u8> {
        match self {
            Self::Lines | Self::Commented => b":\n\n".to_vec(),
            Self::Array => b"\n".to_vec(),
            Self::Frames => frame::encode("x", b""),
        }
    }

    /// A comment, if the framing supports comments.
    pub fn comment(self, end: &str) -> Vec<u8> {
        match self {
            Self::Lines | Self::Commented => format!(": keep-alive{end}{end}").into_bytes(),
            Self::Array | Self::Frames => Vec::new(),
        }
    }
}

impl Reply {
    pub fn json(status: u16, body: &Value) -> Self {
        let headers = vec![("content-type", "application/json".to_owned())];
        Self { status, headers, content: Content::Whole(order::write(body).into_bytes()) }
    }

    pub fn stream(stream: Stream) -> Self {
        let kind = stream.framing.media_type().to_owned();
        let headers = vec![("content-type", kind), ("cache-control", "no-cache".to_owned())];
        Self { status: 200, headers, content: Content::Stream(stream) }
    }

    /// A web page, as a proxy in front of a provider would send.
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

    pub fn blank() -> Self {
        Self { content: Content::Whole(Vec::new()), ..Self::json(200, &Value::Null) }
    }
}

/// A reason to refuse a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    pub status: u16,
    /// OpenAI's `code`, if there is one.
    pub code: Option<&'static str>,
    /// The message for the user.
    pub message: String,
    /// The number of seconds after which to retry.
    pub retry: Option<String>,
}

impl Refusal {
    /// A refusal with this status, without a code.
    pub fn new(status: u16, message: impl Into<String>) -> Self {
        Self { status, code: None, message: message.into(), retry: None }
    }

    /// A refusal of an invalid request.
    pub fn invalid(message: impl Into<String>) -> Self {
        Self::new(400, message)
    }

    /// A refusal of a request without a valid key.
    pub fn unauthenticated(message: impl Into<String>) -> Self {
        Self { code: Some("invalid_api_key"), ..Self::new(401, message) }
    }

    /// A default refusal for a status.
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
