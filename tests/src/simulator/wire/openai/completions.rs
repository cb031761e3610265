//! OpenAI's legacy completions: the model continues a text, without messages or tools.

use serde_json::{Map, Value, json};

use super::{authenticate, error, refuse};
use crate::simulator::call::Call;
use crate::simulator::control::Control;
use crate::simulator::fault::{Fault, Faults};
use crate::simulator::prompt::{Answer, Prompt, Stop};
use crate::simulator::reply::{Event, Refusal, Reply};
use crate::simulator::wire::{Asked, Chat, Wire};

const CREATED: u64 = 1_780_000_000;
/// The default maximum length of an answer, in tokens.
const MOST: u64 = 16;

/// `/v1/completions`, also of other servers that offer it.
pub struct Completions;

impl Wire for Completions {
    fn serves(&self, call: &Call<'_>) -> bool {
        ["/v1", "/vllm/v1", "/plain/v1"].iter().any(|base| call.posts(&format!("{base}/completions")))
    }

    fn authenticate(&self, call: &Call<'_>, control: &Control) -> Result<(), Refusal> {
        authenticate(call, control)
    }

    fn read(&self, call: &Call<'_>) -> Result<Asked, Refusal> {
        Ok(Asked::Chat(read(&call.json()?)?, &Completions))
    }

    fn refuse(&self, refusal: &Refusal) -> Reply {
        refuse(refusal)
    }
}

/// Reads a request's body.
pub fn read(body: &Value) -> Result<Prompt, Refusal> {
    let model = body["model"].as_str().filter(|model| !model.is_empty());
    let model = model.ok_or_else(|| Refusal::invalid("you must provide a model parameter"))?;
    if let Some(name) = ["messages", "tools", "max_completion_tokens"].into_iter().find(|name| !body[*name].is_null()) {
        return Err(Refusal::invalid(format!("Unrecognized request argument supplied: {name}")));
    }
    let stream = body["stream"] == true;
    if !stream && body["stream_options"].is_object() {
        return Err(Refusal::invalid("The 'stream_options' parameter is only allowed when 'stream' is enabled."));
    }
    let texts = texts(&body["prompt"])?;
    let text = texts.concat();
    let count = |name: &str| body[name].as_u64().unwrap_or(1).clamp(1, 128) as usize;
    Ok(Prompt {
        model: model.to_owned(),
        stream,
        stream_usage: body["stream_options"]["include_usage"] == true,
        choices: texts.len() * count("n"),
        worked_out: texts.len() * count("best_of"),
        messages: texts.len(),
        text_bytes: text.len(),
        last_user: text,
        max_tokens: Some(body["max_tokens"].as_u64().unwrap_or(MOST)),
        stop: match &body["stop"] {
            Value::String(one) => vec![one.clone()],
            many => many.as_array().into_iter().flatten().filter_map(|one| one.as_str().map(str::to_owned)).collect(),
        },
        ..Prompt::default()
    })
}

fn texts(prompt: &Value) -> Result<Vec<String>, Refusal> {
    let one = |prompt: &Value| match prompt {
        Value::String(text) => Some(text.clone()),
        // Token ids; the simulator has no vocabulary and assumes four bytes for each.
        Value::Array(tokens) if tokens.iter().all(Value::is_u64) => Some("1234".repeat(tokens.len())),
        _ => None,
    };
    let all = match prompt {
        Value::Array(several) if one(prompt).is_none() => several.iter().filter_map(one).collect(),
        alone => Vec::from_iter(one(alone)),
    };
    if all.iter().any(|text| !text.is_empty()) { Ok(all) } else { Err(Refusal::invalid("Invalid type for 'prompt'.")) }
}

fn finish(stop: &Stop) -> &str {
    match stop {
        Stop::Length => "length",
        Stop::Word(word) => word,
        Stop::End | Stop::Sequence(_) | Stop::Tools => "stop",
    }
}

fn body(prompt: &Prompt, choices: Vec<Value>, usage: Option<Value>, faults: &Faults) -> Value {
    let mut body = Map::new();
    body.insert("id".into(), json!(format!("cmpl-sim{}", prompt.messages)));
    body.insert("object".into(), json!("text_completion"));
    body.insert("created".into(), json!(CREATED));
    body.insert("model".into(), json!(prompt.model));
    body.insert("choices".into(), Value::Array(choices));
    body.extend(usage.map(|usage| ("usage".to_owned(), usage)));
    if faults.has(&Fault::Extra) {
        body.insert("x_future".into(), json!([{"deep": null}]));
    }
    Value::Object(body)
}

fn choice(index: usize, text: &str, finish: Option<&str>) -> Value {
    json!({"text": text, "index": index, "logprobs": null, "finish_reason": finish})
}

impl Chat for Completions {
    fn whole(&self, prompt: &Prompt, answer: &Answer, faults: &Faults) -> Reply {
        let count = if faults.has(&Fault::Empty) { 0 } else { prompt.choices };
        let text = answer.text.concat();
        let choices = (0..count).map(|index| choice(index, &text, Some(finish(&answer.stop)))).collect();
        let usage = answer.usage.map(|usage| super::chat::usage(Some(usage)));
        Reply::json(200, &body(prompt, choices, usage, faults))
    }

    fn stream(&self, prompt: &Prompt, answer: &Answer, faults: &Faults) -> Vec<Event> {
        let null = prompt.stream_usage.then_some(Value::Null);
        let chunk = |choice: Value| Event::plain(&body(prompt, vec![choice], null.clone(), faults));
        let mut events = Vec::new();
        for index in 0..if faults.has(&Fault::Empty) { 0 } else { prompt.choices } {
            events.extend(answer.counted().map(|(piece, tokens)| chunk(choice(index, piece, None)).bringing(tokens)));
            events.push(chunk(choice(index, "", Some(finish(&answer.stop)))));
        }
        if let Some(known) = answer.usage.filter(|_| prompt.stream_usage) {
            let usage = super::chat::usage(Some(known));
            events.push(Event::plain(&body(prompt, Vec::new(), Some(usage), faults)));
        }
        if !faults.has(&Fault::NoEnd) {
            events.push(Event { name: None, data: "[DONE]".to_owned(), tokens: 0 });
        }
        events
    }

    fn error_event(&self, refusal: &Refusal) -> Event {
        Event::plain(&error(refusal))
    }
}
