//! Google's Gemini API: paths, key, errors of Google's services. The path names the model and the operation, streamed
//! or not. A stream without `alt=sse` is one JSON array sent in pieces, and errors on that path are arrays too.
//!
//! Sources: googleapis/python-genai `types.py`; <https://ai.google.dev/gemini-api/docs/thought-signatures>.

mod answer;
pub mod embeddings;
mod fields;
mod history;
mod request;

use serde_json::{Value, json};

use super::{Asked, Chat, Trouble, Wire};
use crate::simulator::call::Call;
use crate::simulator::control::Control;
use crate::simulator::fault::{Fault, Faults};
use crate::simulator::prompt::{Answer, Prompt};
use crate::simulator::reply::{END_OF_ARRAY, Event, Framing, Refusal, Reply};

/// `generateContent` and `streamGenerateContent`, with one framing for streams.
pub struct Generate(Framing);

/// All requests except those of [`ARRAY`].
pub static EVENTS: Generate = Generate(Framing::Lines);
/// Streams without `alt=sse`.
pub static ARRAY: Generate = Generate(Framing::Array);

impl Wire for Generate {
    fn serves(&self, call: &Call<'_>) -> bool {
        let stream = call.posts("/v1beta/models/{model}:streamGenerateContent");
        match self.0 {
            Framing::Array => stream && !events(call),
            _ => (stream && events(call)) || call.posts("/v1beta/models/{model}:generateContent"),
        }
    }

    fn authenticate(&self, call: &Call<'_>, control: &Control) -> Result<(), Refusal> {
        authenticate(call, control)
    }

    fn read(&self, call: &Call<'_>) -> Result<Asked, Refusal> {
        let stream = call.captures("/v1beta/models/{model}:streamGenerateContent");
        let streamed = stream.is_some();
        let model = stream.or_else(|| call.captures("/v1beta/models/{model}:generateContent"));
        read(call, &model.unwrap_or_default().concat(), streamed)
    }

    fn refuse(&self, refusal: &Refusal) -> Reply {
        let error = error(refusal);
        Reply::json(refusal.status, &if self.0 == Framing::Array { json!([error]) } else { error })
    }

    fn trouble(&self, trouble: Trouble) -> Refusal {
        self::trouble(trouble)
    }

    fn limits(&self) -> &'static [(&'static str, &'static str)] {
        &LIMITS
    }

    fn hints_in_bodies(&self) -> bool {
        true
    }
}

impl Chat for Generate {
    fn whole(&self, prompt: &Prompt, answer: &Answer, faults: &Faults) -> Reply {
        Reply::json(200, &answer::whole(prompt, answer, faults))
    }

    fn stream(&self, prompt: &Prompt, answer: &Answer, faults: &Faults) -> Vec<Event> {
        let mut events = answer::stream(prompt, answer, faults);
        if self.0 == Framing::Array && !faults.has(&Fault::NoEnd) {
            events.push(Event { name: None, data: END_OF_ARRAY.to_owned(), tokens: 0 });
        }
        events
    }

    fn framing(&self) -> Framing {
        self.0
    }

    fn error_event(&self, refusal: &Refusal) -> Event {
        Event::plain(&error(refusal))
    }

    fn blocked(&self, prompt: &Prompt) -> Option<Value> {
        Some(answer::blocked(prompt))
    }

    fn late_status(&self) -> u16 {
        503
    }
}

/// Gemini sends no rate limit headers.
pub static LIMITS: [(&str, &str); 2] = [("server-timing", "gfet4t7; dur=1"), ("x-frame-options", "SAMEORIGIN")];

fn events(call: &Call<'_>) -> bool {
    call.parameter("alt").as_deref() == Some("sse")
}

/// Reads a request for the model in its path.
pub fn read(call: &Call<'_>, model: &str, stream: bool) -> Result<Asked, Refusal> {
    let mut prompt = request::read(&call.json()?, model)?;
    prompt.stream = stream;
    Ok(Asked::Chat(prompt, if events(call) { &EVENTS } else { &ARRAY }))
}

fn authenticate(call: &Call<'_>, control: &Control) -> Result<(), Refusal> {
    match call.header("x-goog-api-key") {
        "" => {
            Err(Refusal::new(403, "Method doesn't allow unregistered callers (callers without established identity)."))
        }
        key if control.accepts(key) => Ok(()),
        _ => Err(Refusal::invalid("API key not valid. Please pass a valid API key.")),
    }
}

/// The error for a valid request that Gemini cannot answer.
pub fn trouble(trouble: Trouble) -> Refusal {
    match trouble {
        Trouble::Context => {
            let message = "The input token count (1100000) exceeds the maximum number of tokens allowed (1048576).";
            Refusal::invalid(message)
        }
        Trouble::Filter => Refusal::invalid("The prompt could not be submitted. It contains sensitive words."),
        Trouble::Quota => {
            let message = "You exceeded your current quota, please check your plan and billing details.";
            Refusal { code: Some("insufficient_quota"), ..Refusal::new(429, message) }
        }
    }
}

/// An error of a Google service. A quota error's details contain the retry delay.
pub fn error(refusal: &Refusal) -> Value {
    let mut error = json!({"code": refusal.status, "message": refusal.message, "status": status(refusal.status)});
    if refusal.status == 429 {
        let retry = refusal.retry.as_deref().unwrap_or("0.05");
        let per = if refusal.code == Some("insufficient_quota") { "PerDay" } else { "PerMinute" };
        error["details"] = json!([
            {"@type": "type.googleapis.com/google.rpc.QuotaFailure", "violations": [
                {"quotaMetric": "generativelanguage.googleapis.com/generate_content_requests",
                 "quotaId": format!("GenerateRequests{per}PerProjectPerModel")},
            ]},
            {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": format!("{retry}s")},
        ]);
    }
    json!({"error": error})
}

fn status(status: u16) -> &'static str {
    match status {
        401 => "UNAUTHENTICATED",
        403 => "PERMISSION_DENIED",
        404 => "NOT_FOUND",
        409 => "ABORTED",
        429 => "RESOURCE_EXHAUSTED",
        499 => "CANCELLED",
        400..=498 => "INVALID_ARGUMENT",
        501 => "UNIMPLEMENTED",
        503 => "UNAVAILABLE",
        504 => "DEADLINE_EXCEEDED",
        _ => "INTERNAL",
    }
}
