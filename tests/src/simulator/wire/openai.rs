//! OpenAI's services, and their common parts: key, errors, rate limit headers.

pub mod chat;
pub mod chat_request;
pub mod completions;
pub mod embeddings;
pub mod responses;

use hyper::Method;
use serde_json::{Value, json};

use super::{Asked, Trouble, Wire};
use crate::simulator::call::Call;
use crate::simulator::control::Control;
use crate::simulator::reply::{Refusal, Reply};

/// The rate limit headers.
pub static LIMITS: [(&str, &str); 4] = [
    ("openai-organization", "org-sim"),
    ("x-ratelimit-limit-requests", "10000"),
    ("x-ratelimit-remaining-requests", "9999"),
    ("x-ratelimit-reset-requests", "6m0s"),
];

/// A required text.
pub fn required<'a>(text: Option<&'a str>, name: &str) -> Result<&'a str, Refusal> {
    let missing = || Refusal::invalid(format!("Missing required parameter: '{name}'."));
    text.filter(|text| !text.is_empty()).ok_or_else(missing)
}

/// An operation that is answered immediately.
pub struct Endpoint {
    pub method: Method,
    pub path: &'static str,
    /// Reads a request and answers it.
    pub answer: fn(&Call<'_>) -> Result<Asked, Refusal>,
}

impl Endpoint {
    /// A POST endpoint.
    pub const fn post(path: &'static str, answer: fn(&Call<'_>) -> Result<Asked, Refusal>) -> Self {
        Self { method: Method::POST, path, answer }
    }
}

impl Wire for Endpoint {
    fn serves(&self, call: &Call<'_>) -> bool {
        self.method == call.method && call.captures(self.path).is_some()
    }

    fn authenticate(&self, call: &Call<'_>, control: &Control) -> Result<(), Refusal> {
        authenticate(call, control)
    }

    fn read(&self, call: &Call<'_>) -> Result<Asked, Refusal> {
        (self.answer)(call)
    }

    fn refuse(&self, refusal: &Refusal) -> Reply {
        refuse(refusal)
    }
}

pub fn authenticate(call: &Call<'_>, control: &Control) -> Result<(), Refusal> {
    match call.bearer() {
        "" => Err(Refusal::unauthenticated("You didn't provide an API key.")),
        key if control.accepts(key) => Ok(()),
        _ => Err(Refusal::unauthenticated("Incorrect API key provided.")),
    }
}

pub fn error(refusal: &Refusal) -> Value {
    json!({"error": {"message": refusal.message, "type": kind(refusal), "param": null, "code": refusal.code}})
}

pub fn refuse(refusal: &Refusal) -> Reply {
    Reply::json(refusal.status, &error(refusal))
}

fn kind(refusal: &Refusal) -> &'static str {
    match (refusal.status, refusal.code) {
        (429, Some("insufficient_quota")) => "insufficient_quota",
        (429, _) => "requests",
        (400..=499, _) => "invalid_request_error",
        _ => "server_error",
    }
}

/// The error for a valid request that the service cannot answer.
pub fn trouble(trouble: Trouble) -> Refusal {
    let (status, code, message) = match trouble {
        Trouble::Context => (
            400,
            "context_length_exceeded",
            "This model's maximum context length is 128000 tokens. However, your messages resulted in 130000 tokens.",
        ),
        Trouble::Filter => (400, "content_filter", "The prompt was refused by the content management policy."),
        Trouble::Quota => {
            (429, "insufficient_quota", "You exceeded your current quota, please check your plan and billing details.")
        }
    };
    Refusal { code: Some(code), ..Refusal::new(status, message) }
}
