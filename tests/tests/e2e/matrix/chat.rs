//! OpenAI's chat completions, as clients write and read them. Thoughts are in LiteLLM's fields.

use serde_json::{Map, Value, json};
use sluice_tests::client::Event;

use super::client::{Ask, Feature, Format, PNG, Problem, Said, Told, arguments, count, openai_error, schema, text};

pub struct Chat;

impl Format for Chat {
    fn name(&self) -> &'static str {
        "OpenAI chat completions"
    }

    fn path(&self) -> &'static str {
        "/v1/chat/completions"
    }

    fn body(&self, ask: &Ask) -> Value {
        let url = format!("data:image/png;base64,{PNG}");
        let parts = json!([{"type": "text", "text": ask.text}, {"type": "image_url", "image_url": {"url": url}}]);
        let content = if ask.image { parts } else { json!(ask.text) };
        let mut messages = vec![json!({"role": "user", "content": content})];
        if let Some((turn, results)) = &ask.before {
            messages.push(turn.clone());
            let result = |(id, said): &(String, &str)| json!({"role": "tool", "tool_call_id": id, "content": said});
            messages.extend(results.iter().map(result));
        }
        let mut body = json!({"model": ask.model, "messages": messages});
        if ask.stream {
            body["stream"] = json!(true);
            body["stream_options"] = json!({"include_usage": true});
        }
        if ask.tools {
            let function = json!({"name": "weather", "description": "Of a city.", "parameters": schema()});
            body["tools"] = json!([{"type": "function", "function": function}]);
        }
        if ask.schema {
            let format = json!({"name": "answer", "schema": schema(), "strict": true});
            body["response_format"] = json!({"type": "json_schema", "json_schema": format});
        }
        if ask.thinking {
            body["reasoning_effort"] = json!("low");
        }
        body
    }

    fn whole(&self, body: &Value) -> Said {
        let choice = &body["choices"][0];
        said(choice["message"].clone(), &choice["finish_reason"], &body["usage"])
    }

    fn stream(&self, events: &[Event]) -> Result<Said, String> {
        let [chunks @ .., done] = events else { return Err("no events".into()) };
        if done.data != "[DONE]" {
            return Err(format!("ends with {}", done.data));
        }
        let (mut message, mut finish, mut usage) = (Map::new(), Value::Null, Value::Null);
        message.insert("role".into(), json!("assistant"));
        for chunk in chunks.iter().map(Event::json) {
            if chunk["error"].is_object() {
                return Err(chunk.to_string());
            }
            let choice = &chunk["choices"][0];
            for (name, value) in choice["delta"].as_object().into_iter().flatten() {
                add(message.entry(name.clone()).or_insert(Value::Null), name, value);
            }
            if !choice["finish_reason"].is_null() {
                finish = choice["finish_reason"].clone();
            }
            if chunk["usage"].is_object() {
                usage = chunk["usage"].clone();
            }
        }
        Ok(said(Value::Object(message), &finish, &usage))
    }

    fn error(&self, body: &Value) -> Option<Problem> {
        openai_error(body)
    }

    fn fields(&self, feature: Feature) -> &'static [&'static str] {
        match feature {
            Feature::Tools => &["tools"],
            Feature::Image => &["messages[0].content[1].image_url"],
            Feature::Structured => &["response_format"],
            Feature::Thinking => &["reasoning_effort"],
            _ => &[],
        }
    }
}

/// Adds a piece to a message.
fn add(there: &mut Value, name: &str, piece: &Value) {
    match piece {
        Value::Null => {}
        Value::String(_) if name == "role" => {}
        Value::String(more) => *there = json!(text(there).to_owned() + more),
        Value::Array(pieces) => {
            let mut list = there.as_array().cloned().unwrap_or_default();
            for piece in pieces {
                let known = |one: &&mut Value| name == "tool_calls" && one["index"] == piece["index"];
                match list.iter_mut().find(known) {
                    Some(call) => {
                        let more = text(&piece["function"]["arguments"]);
                        call["function"]["arguments"] = json!(text(&call["function"]["arguments"]).to_owned() + more);
                    }
                    None => list.push(piece.clone()),
                }
            }
            *there = Value::Array(list);
        }
        other => *there = other.clone(),
    }
}

fn said(mut message: Value, finish: &Value, usage: &Value) -> Said {
    let call = |call: &Value| {
        let function = &call["function"];
        (text(&call["id"]).to_owned(), text(&function["name"]).to_owned(), arguments(&function["arguments"]))
    };
    let calls = message["tool_calls"].as_array().map_or(&[][..], Vec::as_slice).iter().map(call).collect();
    for call in message["tool_calls"].as_array_mut().into_iter().flatten().filter_map(Value::as_object_mut) {
        call.remove("index");
    }
    let thinking = if message["reasoning"].is_string() { &message["reasoning"] } else { &message["reasoning_content"] };
    Said {
        text: text(&message["content"]).to_owned(),
        thinking: text(thinking).to_owned(),
        calls,
        to_call: match text(finish) {
            "stop" => Some(false),
            "tool_calls" => Some(true),
            _ => None,
        },
        usage: usage.is_object().then(|| told(usage)),
        turn: message,
    }
}

/// The usage of chat completions and of legacy completions.
pub fn told(usage: &Value) -> Told {
    Told {
        input: count(&usage["prompt_tokens"]),
        cached: count(&usage["prompt_tokens_details"]["cached_tokens"]).max(count(&usage["prompt_cache_hit_tokens"])),
        output: count(&usage["completion_tokens"]),
        reasoning: Some(count(&usage["completion_tokens_details"]["reasoning_tokens"])),
    }
}
