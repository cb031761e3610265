//! Errors for clients, from a provider or from Sluice itself.
//!
//! An [`ApiError`] is independent of any wire format; a dialect writes it in its clients' format. Its text never contains a provider's key,
//! a prompt, or another tenant's name.

use std::borrow::Cow;
use std::time::Duration;

use serde::Deserialize;
use serde_json::Value;

use crate::json;
use crate::lenient::maybe;

/// The kind of error, in terms that cover every provider's errors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorKind {
    /// The request is invalid or not supported.
    InvalidRequest,
    /// The conversation exceeds the model's context.
    ContextLength,
    /// The provider's content policy rejected the request.
    ContentPolicy,
    /// The credential is missing or invalid.
    Authentication,
    /// The credential is valid but lacks permission.
    Permission,
    /// The requested object does not exist.
    NotFound,
    /// The request is too large.
    TooLarge,
    /// Too many requests or tokens for now; a retry may succeed.
    RateLimit,
    /// No credit left; a retry does not help.
    InsufficientQuota,
    /// The provider is overloaded.
    Overloaded,
    /// No response in time.
    Timeout,
    /// The provider, or the connection to it, failed.
    Server,
}

/// One error, for any dialect to write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiError {
    /// HTTP status.
    pub status: u16,
    /// The kind of error.
    pub kind: ErrorKind,
    /// A stable, machine-readable name, `model_not_found` for example.
    pub code: Option<Cow<'static, str>>,
    /// A message for people: the problem, and what to do about it.
    pub message: String,
    /// The request's field at fault.
    pub param: Option<String>,
    /// How long to wait before a retry, if the server or limit says so.
    pub retry_after: Option<Duration>,
    /// The provider's original error, for a client that speaks the provider's format.
    pub own: Option<Box<Own>>,
}

/// A provider's original error.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Own {
    /// The whole body: a JSON object with all fields that the provider documents.
    pub body: String,
    /// The provider's id for the request.
    pub request_id: Option<String>,
}

/// A longer body is replaced by the gateway's own error.
const LONGEST_OWN: usize = 64 << 10;

impl Own {
    /// Reads an error body whose format has a `message`; `None` for any other body.
    pub fn read(body: &[u8], request_id: Option<&str>) -> Option<Self> {
        #[derive(Deserialize)]
        struct ErrorIn {
            #[serde(default, deserialize_with = "maybe")]
            error: Option<InnerErrorIn>,
            #[serde(default)]
            object: Option<String>,
            #[serde(default)]
            message: Option<String>,
        }
        #[derive(Deserialize)]
        struct InnerErrorIn {
            message: String,
        }
        let body = std::str::from_utf8(body).ok().filter(|body| body.len() <= LONGEST_OWN)?;
        let said: ErrorIn = json::read(body).ok().filter(|_| body.trim_start().starts_with('{'))?;
        // Mistral, and older versions of vLLM, do not wrap the error in `error`, where some clients look for it.
        let bare = said.message.filter(|_| said.error.is_none() && said.object.as_deref() == Some("error"));
        let wrapped = bare.as_ref().map(|_| format!("{{\"error\":{}}}", body.trim()));
        let message = said.error.map(|error| error.message).or(bare)?;
        let named = |id: &str| id.len() <= 128 && id.bytes().all(|byte| byte.is_ascii_graphic());
        let request_id = request_id.filter(|id| named(id)).map(str::to_owned);
        (!message.is_empty()).then(|| Self { body: wrapped.unwrap_or_else(|| body.to_owned()), request_id })
    }

    /// Fills in fields that the provider omitted or left null from `ours`, the gateway's version of the same error: clients depend on
    /// `code`.
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

/// The code of a response that is larger than the gateway reads, writes or holds.
pub const ANSWER_TOO_LARGE: &str = "provider_answer_too_large";

impl ApiError {
    /// Creates an error without code, field and retry time.
    pub fn new(status: u16, kind: ErrorKind, message: impl Into<String>) -> Self {
        Self { status, kind, code: None, message: message.into(), param: None, retry_after: None, own: None }
    }

    /// A 400 for the field `param`.
    pub fn invalid(param: impl Into<String>, message: impl Into<String>) -> Self {
        Self { param: Some(param.into()), ..Self::new(400, ErrorKind::InvalidRequest, message) }
    }

    /// A 400 for a field that the target does not support and that must not be dropped.
    pub fn unsupported(param: impl Into<String>, message: impl Into<String>) -> Self {
        Self::invalid(param, message).with_code("unsupported_parameter")
    }

    /// A 502: the provider's response is invalid.
    pub fn bad_answer(message: impl Into<String>) -> Self {
        Self::new(502, ErrorKind::Server, message).with_code("invalid_provider_response")
    }

    /// A 502: the provider's response is larger than the gateway reads, writes or holds. A request can cause such a response.
    pub fn answer_too_large(message: impl Into<String>) -> Self {
        Self::new(502, ErrorKind::Server, message).with_code(ANSWER_TOO_LARGE)
    }

    /// A 502 for unreadable JSON. serde's message quotes fields; only the position is reported.
    pub fn unreadable(error: &serde_json::Error) -> Self {
        match (error.line(), error.column()) {
            (0, _) => Self::bad_answer("The provider's answer is not valid UTF-8."),
            (line, column) => Self::bad_answer(format!(
                "The provider's answer is not in the expected format at line {line}, column {column}."
            )),
        }
    }

    /// Whether an SDK would retry because of the status, and would get the same error again.
    pub fn repeats(&self) -> bool {
        const LASTING: [&str; 3] = ["provider_refused_credential", "gateway_misconfigured", ANSWER_TOO_LARGE];
        use ErrorKind::{Overloaded, RateLimit, Server, Timeout};
        let asked_again = matches!(self.status, 408 | 409 | 429) || self.status >= 500;
        let passes = matches!(self.kind, RateLimit | Overloaded | Timeout | Server);
        asked_again && (!passes || self.code.as_deref().is_some_and(|code| LASTING.contains(&code)))
    }

    /// Sets a stable code.
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
