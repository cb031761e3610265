//! Cohere's API v2: paths, key, errors.
//!
//! Source: cohere-ai/cohere-python `src/cohere/v2`.

mod answer;
pub mod embed;
mod request;

use serde_json::json;

use super::{Asked, Chat, Trouble, Wire};
use crate::simulator::call::Call;
use crate::simulator::control::Control;
use crate::simulator::fault::Faults;
use crate::simulator::prompt::{Answer, Prompt};
use crate::simulator::reply::{Event, Refusal, Reply};

/// `/v2/chat`.
pub struct Conversation;

impl Wire for Conversation {
    fn serves(&self, call: &Call<'_>) -> bool {
        call.posts("/v2/chat")
    }

    fn authenticate(&self, call: &Call<'_>, control: &Control) -> Result<(), Refusal> {
        authenticate(call, control)
    }

    fn read(&self, call: &Call<'_>) -> Result<Asked, Refusal> {
        Ok(Asked::Chat(request::read(&call.json()?)?, &Conversation))
    }

    fn refuse(&self, refusal: &Refusal) -> Reply {
        refuse(refusal)
    }

    fn trouble(&self, about: Trouble) -> Refusal {
        trouble(about)
    }

    fn limits(&self) -> &'static [(&'static str, &'static str)] {
        &LIMITS
    }
}

impl Chat for Conversation {
    fn whole(&self, prompt: &Prompt, answer: &Answer, faults: &Faults) -> Reply {
        Reply::json(200, &answer::whole(prompt, answer, faults))
    }

    fn stream(&self, prompt: &Prompt, answer: &Answer, faults: &Faults) -> Vec<Event> {
        answer::stream(prompt, answer, faults)
    }

    /// A failed stream ends with the reason `ERROR`.
    fn error_event(&self, refusal: &Refusal) -> Event {
        let delta = json!({"finish_reason": "ERROR", "error": refusal.message});
        Event::named("message-end", &json!({"type": "message-end", "delta": delta}))
    }
}

static LIMITS: [(&str, &str); 2] = [("x-trial-endpoint-call-limit", "40"), ("x-trial-endpoint-call-remaining", "39")];

fn authenticate(call: &Call<'_>, control: &Control) -> Result<(), Refusal> {
    match call.bearer() {
        "" => Err(Refusal::new(401, "no api key supplied")),
        key if control.accepts(key) => Ok(()),
        _ => Err(Refusal::new(401, "invalid api token")),
    }
}

fn refuse(refusal: &Refusal) -> Reply {
    let id = "00000000-0000-4000-8000-000000000000";
    Reply::json(refusal.status, &json!({"id": id, "message": refusal.message}))
}

fn trouble(trouble: Trouble) -> Refusal {
    match trouble {
        Trouble::Context => Refusal::invalid("too many tokens: size limit exceeded by 2000 tokens."),
        // Cohere has a status of its own. Source: <https://docs.cohere.com/reference/errors>.
        Trouble::Filter => Refusal::new(498, "the request was blocked by our content policy"),
        Trouble::Quota => Refusal::new(429, "You are past the monthly limit of your trial key."),
    }
}
