//! Providers with variants of OpenAI's chat completions. Each has the base path of its real host, its own restrictions,
//! and its own extra fields.

mod mistral;
mod reasoning;

use serde_json::{Value, json};

use super::openai::{self, chat, chat_request};
use super::{Asked, Chat, Trouble, Wire};
use crate::simulator::call::Call;
use crate::simulator::control::Control;
use crate::simulator::prompt::Prompt;
use crate::simulator::reply::{Refusal, Reply};

/// A provider variant.
pub struct Family {
    /// The path before `/chat/completions`.
    base: &'static str,
    /// Reads a request's body.
    read: fn(Value) -> Result<Prompt, Refusal>,
    /// Writes an error.
    error: fn(&Refusal) -> Value,
    /// The writer of answers.
    chat: &'static dyn Chat,
}

/// Groq: no log probabilities, no names, one choice.
/// Source: <https://console.groq.com/docs/openai>.
pub static GROQ: Family =
    Family { base: "/groq/openai/v1", read: groq, error: openai::error, chat: &chat::Completions };
/// Mistral.
pub static MISTRAL: Family =
    Family { base: "/mistral/v1", read: mistral::read, error: mistral::error, chat: &chat::Completions };
/// DeepSeek: visible thoughts that must come back, keep-alive comments, its own cache counts.
pub static DEEPSEEK: Family =
    Family { base: "/deepseek", read: reasoning::read_deepseek, error: openai::error, chat: &reasoning::DEEPSEEK };
/// vLLM: visible thoughts in a field with another name.
pub static VLLM: Family =
    Family { base: "/vllm/v1", read: reasoning::read, error: openai::error, chat: &reasoning::VLLM };
/// An early server: no stream options, and only the original name for the maximum length.
pub static PLAIN: Family = Family { base: "/plain/v1", read: plain, error: openai::error, chat: &chat::Completions };

impl Wire for Family {
    fn serves(&self, call: &Call<'_>) -> bool {
        call.path.starts_with(self.base) && call.posts(&format!("{}/chat/completions", self.base))
    }

    fn authenticate(&self, call: &Call<'_>, control: &Control) -> Result<(), Refusal> {
        openai::authenticate(call, control)
    }

    fn read(&self, call: &Call<'_>) -> Result<Asked, Refusal> {
        Ok(Asked::Chat((self.read)(call.json()?)?, self.chat))
    }

    fn refuse(&self, refusal: &Refusal) -> Reply {
        Reply::json(refusal.status, &(self.error)(refusal))
    }

    /// DeepSeek has its own status for an account without credit.
    fn trouble(&self, trouble: Trouble) -> Refusal {
        match trouble {
            Trouble::Quota if self.base == DEEPSEEK.base => {
                Refusal { code: Some("invalid_request_error"), ..Refusal::new(402, "Insufficient Balance") }
            }
            _ => openai::trouble(trouble),
        }
    }
}

/// Rejects a body with one of these fields.
fn without(body: &Value, names: &[&str], says: impl Fn(&str) -> String) -> Result<(), Refusal> {
    match names.iter().find(|name| !body[**name].is_null()) {
        Some(name) => Err(Refusal::invalid(says(name))),
        None => Ok(()),
    }
}

fn groq(body: Value) -> Result<Prompt, Refusal> {
    let unsupported = |name: &str| format!("property '{name}' is unsupported");
    without(&body, &["logprobs", "logit_bias", "top_logprobs"], unsupported)?;
    if body["n"].as_u64().is_some_and(|count| count != 1) {
        return Err(Refusal::invalid("'n' : number must be at most 1"));
    }
    for (index, message) in body["messages"].as_array().into_iter().flatten().enumerate() {
        let unsupported = |name: &str| format!("'messages.{index}' : property '{name}' is unsupported");
        without(message, &["name"], unsupported)?;
    }
    chat_request::read(&body)
}

fn plain(body: Value) -> Result<Prompt, Refusal> {
    let unknown = |name: &str| format!("Unrecognized request argument supplied: {name}");
    without(&body, &["stream_options", "max_completion_tokens", "parallel_tool_calls", "reasoning_effort"], unknown)?;
    let role = body["messages"].as_array().into_iter().flatten().any(|message| message["role"] == json!("developer"));
    if role {
        return Err(Refusal::invalid("'developer' is not one of ['system', 'assistant', 'user', 'tool']"));
    }
    chat_request::read(&body)
}
