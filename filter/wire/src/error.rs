//! Errors that a client of the gateway reads, whoever made them: a provider, or Sluice itself.
//!
//! An [`ApiError`] is free of any wire format; a dialect writes it in the shape its clients know. Its text never holds a
//! provider's key, a prompt, or another tenant's name.

use std::borrow::Cow;
use std::time::Duration;

use serde::Deserialize;
use serde_json::Value;

use crate::json;
use crate::lenient::maybe;

/// What went wrong, in the terms that every provider's errors can be mapped to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorKind {
    /// The request cannot be served as it stands.
    InvalidRequest,
    /// The conversation is longer than the model's context.
    ContextLength,
    /// The provider's content policy refused the request.
    ContentPolicy,
    /// No credential, or one that is not valid.
    Authentication,
    /// The credential is valid and may not do this.
    Permission,
    /// What was asked for does not exist.
    NotFound,
    /// The request is larger than can be served.
    TooLarge,
    /// Too many requests or tokens for now: the same request may pass later.
    RateLimit,
    /// No credit left: the same request will not pass by waiting.
    InsufficientQuota,
    /// The provider has too much to do.
    Overloaded,
    /// No answer in time.
    Timeout,
    /// The provider, or the way to it, failed.
    Server,
}

/// One error, ready to be written in any dialect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiError {
    /// HTTP status.
    pub status: u16,
    /// What went wrong.
    pub kind: ErrorKind,
    /// A stable, machine-readable name, `model_not_found` for example.
    pub code: Option<Cow<'static, str>>,
    /// For people: what happened, and what to do.
    pub message: String,
    /// The request's field at fault.
    pub param: Option<String>,
    /// After which a retry makes sense, if the one who refused said so.
    pub retry_after: Option<Duration>,
    /// How its provider has said it, where the client speaks the provider's format.
    pub own: Option<Box<Own>>,
}

/// A provider's own words for an error.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Own {
    /// The whole body: a JSON object, with all that the provider documents.
    pub body: String,
    /// What the provider calls the request.
    pub request_id: Option<String>,
}

/// A provider's longer error is told in the gateway's words.
const LONGEST_OWN: usize = 64 << 10;

impl Own {
    /// From the body of an error in a format that says what happened in a `message`; `None` from anything else.
    pub fn read(body: &[u8], request_id: Option<&str>) -> Option<Self> {
        #[derive(Deserialize)]
        struct Said {
            #[serde(default, deserialize_with = "maybe")]
            error: Option<Worded>,
            #[serde(default)]
            object: Option<String>,
            #[serde(default)]
            message: Option<String>,
        }
        #[derive(Deserialize)]
        struct Worded {
            message: String,
        }
        let body = std::str::from_utf8(body).ok().filter(|body| body.len() <= LONGEST_OWN)?;
        let said: Said = json::read(body).ok().filter(|_| body.trim_start().starts_with('{'))?;
        // Mistral, and vLLM's older versions, say it without an `error` around: not all clients would find it there.
        let bare = said.message.filter(|_| said.error.is_none() && said.object.as_deref() == Some("error"));
        let wrapped = bare.as_ref().map(|_| format!("{{\"error\":{}}}", body.trim()));
        let message = said.error.map(|error| error.message).or(bare)?;
        let named = |id: &str| id.len() <= 128 && id.bytes().all(|byte| byte.is_ascii_graphic());
        let request_id = request_id.filter(|id| named(id)).map(str::to_owned);
        (!message.is_empty()).then(|| Self { body: wrapped.unwrap_or_else(|| body.to_owned()), request_id })
    }

    /// With the fields of `ours`, the same error in the gateway's words, that the provider leaves out or has nothing for: clients go by
    /// a `code`.
    pub fn filled(self, ours: &[u8]) -> Self {
        let read = |text: &[u8]| json::from_slice::<Value>(text).ok();
        let (Some(mut own), Some(Value::Object(mut ours))) = (read(self.body.as_bytes()), read(ours)) else {
            return self;
        };
        let (Some(Value::Object(error)), Some(Value::Object(ours))) = (own.get_mut("error"), ours.remove("error"))
        else {
            return self;
        };
        let lacking = |field: &str| error.get(field).is_none_or(Value::is_null);
        let more: Vec<(String, Value)> =
            ours.into_iter().filter(|(field, value)| !value.is_null() && lacking(field)).collect();
        if more.is_empty() {
            return self;
        }
        error.extend(more);
        Self { body: own.to_string(), ..self }
    }
}

/// The code of an answer that is larger than the gateway reads, writes or holds.
pub const ANSWER_TOO_LARGE: &str = "provider_answer_too_large";

impl ApiError {
    /// An error with neither code nor field.
    pub fn new(status: u16, kind: ErrorKind, message: impl Into<String>) -> Self {
        Self { status, kind, code: None, message: message.into(), param: None, retry_after: None, own: None }
    }

    /// A 400 that blames the field `param`.
    pub fn invalid(param: impl Into<String>, message: impl Into<String>) -> Self {
        Self { param: Some(param.into()), ..Self::new(400, ErrorKind::InvalidRequest, message) }
    }

    /// A 400 for a field that the target cannot express: never dropped in silence.
    pub fn unsupported(param: impl Into<String>, message: impl Into<String>) -> Self {
        Self::invalid(param, message).with_code("unsupported_parameter")
    }

    /// A 502: the provider answered something that is not an answer.
    pub fn bad_answer(message: impl Into<String>) -> Self {
        Self::new(502, ErrorKind::Server, message).with_code("invalid_provider_response")
    }

    /// A 502: the provider's answer is larger than the gateway reads, writes or holds. A request can ask for such an answer.
    pub fn answer_too_large(message: impl Into<String>) -> Self {
        Self::new(502, ErrorKind::Server, message).with_code(ANSWER_TOO_LARGE)
    }

    /// The provider's JSON is not what it should be. serde's words name fields and positions; only the position is told.
    pub fn unreadable(error: &serde_json::Error) -> Self {
        match (error.line(), error.column()) {
            (0, _) => Self::bad_answer("The provider's answer is not valid UTF-8."),
            (line, column) => Self::bad_answer(format!(
                "The provider's answer is not in the expected format at line {line}, column {column}."
            )),
        }
    }

    /// Whether clients would ask again, as the SDKs do for such a status, and would only read the same once more.
    pub fn repeats(&self) -> bool {
        const LASTING: [&str; 3] = ["provider_refused_credential", "gateway_misconfigured", ANSWER_TOO_LARGE];
        use ErrorKind::{Overloaded, RateLimit, Server, Timeout};
        let asked_again = matches!(self.status, 408 | 409 | 429) || self.status >= 500;
        let passes = matches!(self.kind, RateLimit | Overloaded | Timeout | Server);
        asked_again && (!passes || self.code.as_deref().is_some_and(|code| LASTING.contains(&code)))
    }

    /// The same error under a stable code.
    pub fn with_code(mut self, code: impl Into<Cow<'static, str>>) -> Self {
        self.code = Some(code.into());
        self
    }
}

impl From<crate::framing::sse::TooLong> for ApiError {
    fn from(_: crate::framing::sse::TooLong) -> Self {
        Self::answer_too_large("The provider's stream contains an event that exceeds the gateway's size limit.")
    }
}

impl From<crate::framing::eventstream::Broken> for ApiError {
    fn from(broken: crate::framing::eventstream::Broken) -> Self {
        use crate::framing::eventstream::Broken;
        match broken {
            Broken::TooLong => Self::answer_too_large(
                "The provider's event stream contains a frame that exceeds the gateway's size limit.",
            ),
            Broken::Length | Broken::Checksum | Broken::Headers => {
                Self::bad_answer("The provider's event stream is damaged.")
            }
        }
    }
}
