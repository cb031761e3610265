//! OpenAI's chat completions: the path, and the writers of whole and streamed answers.
//! [`chat_request`](super::chat_request) reads requests.

use serde_json::{Map, Value, json};

use super::{chat_request, error};
use crate::simulator::call::Call;
use crate::simulator::control::Control;
use crate::simulator::fault::{Fault, Faults};
use crate::simulator::fixed;
use crate::simulator::prompt::{self, Answer, Prompt, Stop, Usage, pieces};
use crate::simulator::reply::{Event, Refusal, Reply};
use crate::simulator::wire::{Asked, Chat, Wire};

const CREATED: u64 = 1_780_000_000;

/// `/v1/chat/completions`.
pub struct Completions;

impl Wire for Completions {
    fn serves(&self, call: &Call<'_>) -> bool {
        call.posts("/v1/chat/completions")
    }

    fn authenticate(&self, call: &Call<'_>, control: &Control) -> Result<(), Refusal> {
        super::authenticate(call, control)
    }

    fn read(&self, call: &Call<'_>) -> Result<Asked, Refusal> {
        Ok(Asked::Chat(chat_request::read(&call.json()?)?, &Completions))
    }

    fn refuse(&self, refusal: &Refusal) -> Reply {
        super::refuse(refusal)
    }

    fn prepared(&self) -> Option<fixed::Format> {
        Some(fixed::Format::OpenAi)
    }
}

impl Chat for Completions {
    fn whole(&self, prompt: &Prompt, answer: &Answer, faults: &Faults) -> Reply {
        Reply::json(200, &whole(prompt, answer, faults))
    }

    fn stream(&self, prompt: &Prompt, answer: &Answer, faults: &Faults) -> Vec<Event> {
        stream(prompt, answer, faults)
    }

    fn error_event(&self, refusal: &Refusal) -> Event {
        Event::plain(&error(refusal))
    }
}

pub fn usage(usage: Option<Usage>) -> Value {
    usage.map_or(Value::Null, |usage| {
        json!({
            "prompt_tokens": usage.input,
            "completion_tokens": usage.output,
            "total_tokens": usage.input + usage.output,
            "prompt_tokens_details": {"cached_tokens": usage.cached, "audio_tokens": 0},
            "completion_tokens_details": {
                "reasoning_tokens": usage.thinking, "audio_tokens": 0,
                "accepted_prediction_tokens": 0, "rejected_prediction_tokens": 0,
            },
        })
    })
}

fn finish(stop: &Stop) -> &str {
    match stop {
        Stop::End | Stop::Sequence(_) => "stop",
        Stop::Length => "length",
        Stop::Tools => "tool_calls",
        Stop::Word(word) => word,
    }
}

/// Writes a whole answer.
pub fn whole(prompt: &Prompt, answer: &Answer, faults: &Faults) -> Value {
    let call = |call: &prompt::Call| {
        json!({"id": format!("call_{}", call.id), "type": "function",
               "function": {"name": call.name, "arguments": call.arguments.to_string()}})
    };
    let choice = |index: usize| {
        let mut message =
            json!({"role": "assistant", "content": answer.text.concat(), "refusal": null, "annotations": []});
        if !answer.calls.is_empty() {
            message["content"] = Value::Null;
            message["tool_calls"] = answer.calls.iter().map(call).collect();
        }
        json!({"index": index, "message": message, "logprobs": null, "finish_reason": finish(&answer.stop)})
    };
    let choices = if faults.has(&Fault::Empty) { 0 } else { prompt.choices };
    let mut body = json!({
        "id": format!("chatcmpl-sim{}", prompt.messages),
        "object": "chat.completion",
        "created": CREATED,
        "model": prompt.model,
        "choices": (0..choices).map(choice).collect::<Vec<_>>(),
        "service_tier": "default",
        "system_fingerprint": "fp_sim",
    });
    if answer.usage.is_some() {
        body["usage"] = usage(answer.usage);
    }
    if faults.has(&Fault::Extra) {
        body["x_future"] = json!({"nested": [1, {"deep": null}]});
    }
    body
}

/// Writes a streamed answer, including its terminator.
pub fn stream(prompt: &Prompt, answer: &Answer, faults: &Faults) -> Vec<Event> {
    let writer = Chunks { prompt, with_usage: prompt.stream_usage, extra: faults.has(&Fault::Extra) };
    let mut events = Vec::with_capacity(answer.text.len() + 8);
    if !faults.has(&Fault::Empty) {
        for index in 0..prompt.choices {
            writer.choice(index, answer, &mut events);
        }
    }
    if let Some(known) = answer.usage.filter(|_| prompt.stream_usage) {
        events.push(writer.chunk(Vec::new(), usage(Some(known))));
    }
    if !faults.has(&Fault::NoEnd) {
        events.push(Event { name: None, data: "[DONE]".to_owned(), tokens: 0 });
    }
    events
}

/// The common parts of all chunks of a stream.
struct Chunks<'a> {
    prompt: &'a Prompt,
    with_usage: bool,
    extra: bool,
}

impl Chunks<'_> {
    fn choice(&self, index: usize, answer: &Answer, events: &mut Vec<Event>) {
        events.push(self.delta(index, json!({"role": "assistant", "content": if answer.calls.is_empty() { json!("") } else { Value::Null }, "refusal": null}), None));
        if answer.calls.is_empty() {
            let delta = |(piece, tokens)| self.delta(index, json!({"content": piece}), None).bringing(tokens);
            events.extend(answer.counted().map(delta));
        }
        for (place, call) in answer.calls.iter().enumerate() {
            let first = json!({"index": place, "id": format!("call_{}", call.id), "type": "function",
                               "function": {"name": call.name, "arguments": ""}});
            events.push(self.delta(index, json!({"tool_calls": [first]}), None));
            for piece in pieces(&call.arguments.to_string()) {
                let next = json!({"index": place, "function": {"arguments": piece}});
                events.push(self.delta(index, json!({"tool_calls": [next]}), None));
            }
        }
        events.push(self.delta(index, json!({}), Some(finish(&answer.stop))));
    }

    fn delta(&self, index: usize, delta: Value, finish: Option<&str>) -> Event {
        let choice = json!({"index": index, "delta": delta, "logprobs": null, "finish_reason": finish});
        self.chunk(vec![choice], Value::Null)
    }

    fn chunk(&self, choices: Vec<Value>, usage: Value) -> Event {
        let mut chunk = Map::new();
        chunk.insert("id".into(), json!(format!("chatcmpl-sim{}", self.prompt.messages)));
        chunk.insert("object".into(), json!("chat.completion.chunk"));
        chunk.insert("created".into(), json!(CREATED));
        chunk.insert("model".into(), json!(self.prompt.model));
        chunk.insert("service_tier".into(), json!("default"));
        chunk.insert("system_fingerprint".into(), json!("fp_sim"));
        chunk.insert("choices".into(), Value::Array(choices));
        if self.with_usage {
            chunk.insert("usage".into(), usage);
        }
        if self.extra {
            chunk.insert("obfuscation".into(), json!("aB3xZ"));
            chunk.insert("x_future".into(), json!([{"deep": null}]));
        }
        Event::plain(&Value::Object(chunk))
    }
}
