//! What a provider says, before anything is decided about how it travels: an answer in one piece or in events, and the
//! errors of both providers in their own shapes.

use serde_json::{Value, json};

use super::order;

/// The wire format of a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Api {
    /// Chat completions.
    OpenAi,
    /// Messages.
    Anthropic,
}

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
    /// Server-sent events.
    Stream(Vec<Event>),
}

/// A server-sent event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// Its `event:` line; OpenAI's events have none.
    pub name: Option<&'static str>,
    /// Its `data:` line.
    pub data: String,
    /// How many tokens of the answer's text it brings.
    pub tokens: u64,
}

impl Event {
    /// An event as OpenAI sends it.
    pub fn plain(data: &Value) -> Self {
        Self { name: None, data: order::write(data), tokens: 0 }
    }

    /// An event as Anthropic sends it, named as its type.
    pub fn named(name: &'static str, data: &Value) -> Self {
        Self { name: Some(name), data: order::write(data), tokens: 0 }
    }

    /// The same, bringing so many tokens.
    pub fn bringing(self, tokens: u64) -> Self {
        Self { tokens, ..self }
    }

    /// On the wire, with lines ended by `end`.
    pub fn encode(&self, end: &str) -> String {
        let name = self.name.map(|name| format!("event: {name}{end}")).unwrap_or_default();
        format!("{name}data: {}{end}{end}", self.data)
    }
}

impl Reply {
    /// A JSON body.
    pub fn json(status: u16, body: &Value) -> Self {
        let headers = vec![("content-type", "application/json".to_owned())];
        Self { status, headers, content: Content::Whole(order::write(body).into_bytes()) }
    }

    /// A stream.
    pub fn stream(events: Vec<Event>) -> Self {
        let kind = "text/event-stream; charset=utf-8".to_owned();
        let headers = vec![("content-type", kind), ("cache-control", "no-cache".to_owned())];
        Self { status: 200, headers, content: Content::Stream(events) }
    }

    /// A web page, as a proxy in front of a provider sends it.
    pub fn html(status: u16) -> Self {
        let page = format!("<html><head><title>{status}</title></head><body><h1>{status}</h1></body></html>\n");
        let headers = vec![("content-type", "text/html".to_owned())];
        Self { status, headers, content: Content::Whole(page.into_bytes()) }
    }
}

/// Why a request was refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The HTTP status.
    pub status: u16,
    /// OpenAI's `code`, where it has one; nothing in Anthropic's errors.
    pub code: Option<&'static str>,
    /// For the reader.
    pub message: String,
}

impl Refusal {
    /// A request that is wrong.
    pub fn invalid(message: impl Into<String>) -> Self {
        Self { status: 400, code: None, message: message.into() }
    }

    /// A request without a valid key.
    pub fn unauthenticated(message: impl Into<String>) -> Self {
        Self { status: 401, code: Some("invalid_api_key"), message: message.into() }
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
        Self { status, code, message: message.to_owned() }
    }

    /// A prompt longer than the model's context.
    pub fn context(api: Api) -> Self {
        let message = match api {
            Api::OpenAi => {
                "This model's maximum context length is 128000 tokens. However, your messages resulted in 130000 tokens."
            }
            Api::Anthropic => "prompt is too long: 210000 tokens > 200000 maximum",
        };
        Self { status: 400, code: Some("context_length_exceeded"), message: message.to_owned() }
    }

    /// A prompt that a content filter refused.
    pub fn content_filter(api: Api) -> Self {
        let (code, message) = match api {
            Api::OpenAi => (Some("content_filter"), "The prompt was refused by the content management policy."),
            Api::Anthropic => (None, "Output blocked by content filtering policy"),
        };
        Self { status: 400, code, message: message.to_owned() }
    }

    /// An account without money.
    pub fn quota(api: Api) -> Self {
        let message = match api {
            Api::OpenAi => "You exceeded your current quota, please check your plan and billing details.",
            Api::Anthropic => "This request would exceed your account's spend limit.",
        };
        Self { status: 429, code: Some("insufficient_quota"), message: message.to_owned() }
    }

    /// The error object in this provider's shape.
    pub fn body(&self, api: Api) -> Value {
        match api {
            Api::OpenAi => json!({"error": {
                "message": self.message, "type": self.openai_type(), "param": null, "code": self.code,
            }}),
            Api::Anthropic => json!({
                "type": "error",
                "error": {"type": self.anthropic_type(), "message": self.message},
                "request_id": "req_sim",
            }),
        }
    }

    /// The error as a stream's event.
    pub fn event(&self, api: Api) -> Event {
        match api {
            Api::OpenAi => Event::plain(&self.body(api)),
            Api::Anthropic => Event::named("error", &self.body(api)),
        }
    }

    /// The error as a reply of its own.
    pub fn reply(&self, api: Api) -> Reply {
        Reply::json(self.status, &self.body(api))
    }

    fn openai_type(&self) -> &'static str {
        match (self.status, self.code) {
            (429, Some("insufficient_quota")) => "insufficient_quota",
            (429, _) => "requests",
            (400..=499, _) => "invalid_request_error",
            _ => "server_error",
        }
    }

    fn anthropic_type(&self) -> &'static str {
        match self.status {
            401 => "authentication_error",
            402 => "billing_error",
            403 => "permission_error",
            404 => "not_found_error",
            413 => "request_too_large",
            429 => "rate_limit_error",
            504 => "timeout_error",
            529 | 503 => "overloaded_error",
            400..=499 => "invalid_request_error",
            _ => "api_error",
        }
    }
}
