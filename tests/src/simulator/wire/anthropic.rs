//! Anthropic's messages: path, key, version, errors.

pub mod answer;
pub mod count;
pub mod request;

use serde_json::{Value, json};

use super::{Asked, Chat, Trouble, Wire};
use crate::simulator::call::Call;
use crate::simulator::control::Control;
use crate::simulator::fault::Faults;
use crate::simulator::fixed;
use crate::simulator::prompt::{Answer, Prompt};
use crate::simulator::reply::{Event, Refusal, Reply};

/// `/v1/messages`.
pub struct Messages;

impl Wire for Messages {
    fn serves(&self, call: &Call<'_>) -> bool {
        call.posts("/v1/messages")
    }

    fn authenticate(&self, call: &Call<'_>, control: &Control) -> Result<(), Refusal> {
        authenticate(call, control)
    }

    fn read(&self, call: &Call<'_>) -> Result<Asked, Refusal> {
        Ok(Asked::Chat(request::read(&call.json()?)?, &Messages))
    }

    fn refuse(&self, refusal: &Refusal) -> Reply {
        refuse(refusal)
    }

    fn trouble(&self, trouble: Trouble) -> Refusal {
        let (status, code, message) = match trouble {
            Trouble::Context => (400, None, "prompt is too long: 210000 tokens > 200000 maximum"),
            Trouble::Filter => (400, None, "Output blocked by content filtering policy"),
            Trouble::Quota => {
                (429, Some("insufficient_quota"), "This request would exceed your account's spend limit.")
            }
        };
        Refusal { code, ..Refusal::new(status, message) }
    }

    fn limits(&self) -> &'static [(&'static str, &'static str)] {
        &[
            ("request-id", "req_sim"),
            ("anthropic-ratelimit-requests-limit", "4000"),
            ("anthropic-ratelimit-requests-remaining", "3999"),
            ("anthropic-ratelimit-requests-reset", "2026-01-01T00:00:00Z"),
        ]
    }

    fn prepared(&self) -> Option<fixed::Format> {
        Some(fixed::Format::Anthropic)
    }
}

impl Chat for Messages {
    fn whole(&self, prompt: &Prompt, answer: &Answer, faults: &Faults) -> Reply {
        Reply::json(200, &answer::whole(prompt, answer, faults))
    }

    fn stream(&self, prompt: &Prompt, answer: &Answer, faults: &Faults) -> Vec<Event> {
        answer::stream(prompt, answer, faults)
    }

    fn error_event(&self, refusal: &Refusal) -> Event {
        Event::named("error", &error(refusal))
    }

    fn late_status(&self) -> u16 {
        529
    }
}

/// Checks the key and the version.
pub fn authenticate(call: &Call<'_>, control: &Control) -> Result<(), Refusal> {
    match call.header("x-api-key") {
        "" => return Err(Refusal::unauthenticated("x-api-key header is required")),
        key if !control.accepts(key) => return Err(Refusal::unauthenticated("invalid x-api-key")),
        _ => {}
    }
    match call.header("anthropic-version") {
        "2026-10-21" | "2023-06-01" | "2023-01-01" => Ok(()),
        "" => Err(Refusal::invalid("anthropic-version: header is required")),
        version => Err(Refusal::invalid(format!("anthropic-version: \"{version}\" is not a valid version"))),
    }
}

pub fn refuse(refusal: &Refusal) -> Reply {
    Reply::json(refusal.status, &error(refusal))
}

pub fn error(refusal: &Refusal) -> Value {
    let error = json!({"type": kind(refusal.status), "message": refusal.message});
    json!({"type": "error", "error": error, "request_id": "req_sim"})
}

fn kind(status: u16) -> &'static str {
    match status {
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
