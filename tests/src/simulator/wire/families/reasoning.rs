//! Providers with visible thoughts in chat completions, each in its own field: vLLM, and DeepSeek, which also sends
//! keep-alive comments and counts its cache in two numbers.

use serde_json::{Value, json};

use crate::simulator::fault::Faults;
use crate::simulator::prompt::{Answer, Prompt};
use crate::simulator::reply::{Event, Framing, Refusal, Reply};
use crate::simulator::wire::Chat;
use crate::simulator::wire::openai::{self, chat, chat_request};

/// The form of visible thoughts.
pub struct Aloud {
    field: &'static str,
    framing: Framing,
    /// Whether usage reports cache hits and misses, and no other cache counts.
    hits: bool,
}

pub static DEEPSEEK: Aloud = Aloud { field: "reasoning_content", framing: Framing::Commented, hits: true };
pub static VLLM: Aloud = Aloud { field: "reasoning", framing: Framing::Lines, hits: false };

/// Reads a request's body for DeepSeek, which rejects an assistant message without its reasoning unless thinking is disabled.
/// Source: <https://api-docs.deepseek.com/guides/thinking_mode>.
pub fn read_deepseek(body: Value) -> Result<Prompt, Refusal> {
    let silent = |message: &Value| message["role"] == "assistant" && !message["reasoning_content"].is_string();
    let thinks = body["thinking"]["type"] != "disabled";
    if thinks && body["messages"].as_array().is_some_and(|messages| messages.iter().any(silent)) {
        let says = "The `reasoning_content` in the thinking mode must be passed back to the API.";
        return Err(Refusal { code: Some("invalid_request_error"), ..Refusal::invalid(says) });
    }
    read(body)
}

/// Reads a request's body: models with `reasoner` in their names always think.
pub fn read(body: Value) -> Result<Prompt, Refusal> {
    let prompt = chat_request::read(&body)?;
    let thinking = prompt.thinking || body["thinking"]["type"] == "enabled" || prompt.model.contains("reasoner");
    Ok(Prompt { thinking, silent: false, ..prompt })
}

impl Aloud {
    fn usage(&self, body: &mut Value, answer: &Answer) {
        if let Some(usage) = answer.usage.filter(|_| self.hits && body["usage"].is_object()) {
            body["usage"]["prompt_cache_hit_tokens"] = json!(usage.cached);
            body["usage"]["prompt_cache_miss_tokens"] = json!(usage.input - usage.cached);
            body["usage"].as_object_mut().map(|usage| usage.remove("prompt_tokens_details"));
        }
    }
}

impl Chat for Aloud {
    fn whole(&self, prompt: &Prompt, answer: &Answer, faults: &Faults) -> Reply {
        let mut body = chat::whole(prompt, answer, faults);
        for choice in body["choices"].as_array_mut().into_iter().flatten() {
            choice["message"][self.field] = json!(answer.thinking);
        }
        self.usage(&mut body, answer);
        Reply::json(200, &body)
    }

    fn stream(&self, prompt: &Prompt, answer: &Answer, faults: &Faults) -> Vec<Event> {
        let mut events = Vec::new();
        for event in chat::stream(prompt, answer, faults) {
            let Ok(mut chunk) = serde_json::from_str::<Value>(&event.data) else {
                events.push(event);
                continue;
            };
            self.usage(&mut chunk, answer);
            let first = chunk["choices"][0]["delta"]["role"].is_string();
            events.push(Event::plain(&chunk).bringing(event.tokens));
            // Thoughts follow the role and precede the text.
            for thought in answer.thinking.iter().filter(|_| first).flat_map(|thinking| thinking.split_inclusive(' ')) {
                chunk["choices"][0]["delta"] = json!({"content": null, self.field: thought});
                events.push(Event::plain(&chunk));
            }
        }
        events
    }

    fn framing(&self) -> Framing {
        self.framing
    }

    fn error_event(&self, refusal: &Refusal) -> Event {
        Event::plain(&openai::error(refusal))
    }
}
