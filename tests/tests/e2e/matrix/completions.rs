//! OpenAI's legacy completions. The format has no fields for tools, images, schemas or thinking, so the requests use another format's
//! names.

use serde_json::{Value, json};
use sluice_tests::client::Event;

use super::chat::told;
use super::client::{Ask, Feature, Format, Problem, Said, openai_error, schema, text};

pub struct Completions;

impl Format for Completions {
    fn name(&self) -> &'static str {
        "OpenAI completions (legacy)"
    }

    fn path(&self) -> &'static str {
        "/v1/completions"
    }

    fn body(&self, ask: &Ask) -> Value {
        let mut body = json!({"model": ask.model, "prompt": ask.text, "max_tokens": 64});
        if ask.stream {
            body["stream"] = json!(true);
            body["stream_options"] = json!({"include_usage": true});
        }
        if ask.tools && !ask.thinking {
            body["tools"] = json!([{"type": "function", "function": {"name": "weather", "parameters": schema()}}]);
        }
        if ask.image {
            body["images"] = json!([super::client::PNG]);
        }
        if ask.schema {
            body["response_format"] = json!({"type": "json_object"});
        }
        if ask.thinking {
            body["reasoning_effort"] = json!("low");
        }
        body
    }

    fn whole(&self, body: &Value) -> Said {
        let choice = &body["choices"][0];
        said(text(&choice["text"]), &choice["finish_reason"], &body["usage"])
    }

    fn stream(&self, events: &[Event]) -> Result<Said, String> {
        let [chunks @ .., done] = events else { return Err("no events".into()) };
        if done.data != "[DONE]" {
            return Err(format!("ends with {}", done.data));
        }
        let chunks: Vec<Value> = chunks.iter().map(Event::json).collect();
        let words: String = chunks.iter().map(|chunk| text(&chunk["choices"][0]["text"])).collect();
        let last = |place: fn(&Value) -> &Value| {
            chunks.iter().rev().map(place).find(|value| !value.is_null()).unwrap_or(&Value::Null)
        };
        Ok(said(&words, last(|chunk| &chunk["choices"][0]["finish_reason"]), last(|chunk| &chunk["usage"])))
    }

    fn error(&self, body: &Value) -> Option<Problem> {
        openai_error(body)
    }

    fn fields(&self, feature: Feature) -> &'static [&'static str] {
        match feature {
            Feature::Tools => &["tools"],
            Feature::Image => &["images"],
            Feature::Structured => &["response_format"],
            Feature::Thinking => &["reasoning_effort"],
            _ => &[],
        }
    }

    fn has(&self, _feature: Feature) -> bool {
        false
    }
}

fn said(words: &str, finish: &Value, usage: &Value) -> Said {
    Said {
        text: words.to_owned(),
        to_call: (finish == "stop").then_some(false),
        usage: usage.is_object().then(|| told(usage)),
        ..Said::default()
    }
}
