//! Anthropic's messages, as clients write and read them.

use serde_json::{Value, json};
use sluice_tests::client::Event;

use super::client::{Ask, Feature, Format, PNG, Problem, Said, Told, count, schema, text};

pub struct Messages;

impl Format for Messages {
    fn name(&self) -> &'static str {
        "Anthropic messages"
    }

    fn path(&self) -> &'static str {
        "/v1/messages"
    }

    fn body(&self, ask: &Ask) -> Value {
        let source = json!({"type": "base64", "media_type": "image/png", "data": PNG});
        let blocks = json!([{"type": "text", "text": ask.text}, {"type": "image", "source": source}]);
        let content = if ask.image { blocks } else { json!(ask.text) };
        let mut messages = vec![json!({"role": "user", "content": content})];
        if let Some((turn, results)) = &ask.before {
            messages.push(json!({"role": "assistant", "content": turn}));
            let result =
                |(id, said): &(String, &str)| json!({"type": "tool_result", "tool_use_id": id, "content": said});
            messages.push(json!({"role": "user", "content": results.iter().map(result).collect::<Value>()}));
        }
        let mut body = json!({"model": ask.model, "max_tokens": 8192, "messages": messages});
        if ask.stream {
            body["stream"] = json!(true);
        }
        if ask.tools {
            body["tools"] = json!([{"name": "weather", "description": "Of a city.", "input_schema": schema()}]);
        }
        if ask.schema {
            body["output_config"] = json!({"format": {"type": "json_schema", "schema": schema()}});
        }
        if ask.thinking {
            body["thinking"] = json!({"type": "enabled", "budget_tokens": 2048});
        }
        body
    }

    fn whole(&self, body: &Value) -> Said {
        said(&body["content"], &body["stop_reason"], &body["usage"])
    }

    fn stream(&self, events: &[Event]) -> Result<Said, String> {
        let (mut blocks, mut stop, mut usage) = (Vec::<Value>::new(), Value::Null, json!({}));
        let mut partial = Vec::<String>::new();
        for event in events {
            let data = event.json();
            if event.name.as_deref() != data["type"].as_str() {
                return Err(format!("named {:?}: {data}", event.name));
            }
            let at = usize::try_from(count(&data["index"])).unwrap();
            match text(&data["type"]) {
                "message_start" => merge(&mut usage, &data["message"]["usage"]),
                "content_block_start" if at == blocks.len() => {
                    blocks.push(data["content_block"].clone());
                    partial.push(String::new());
                }
                "content_block_delta" if at + 1 == blocks.len() => {
                    delta(&mut blocks[at], &mut partial[at], &data["delta"])?
                }
                "content_block_stop" if at + 1 == blocks.len() => {
                    if !partial[at].is_empty() {
                        let whole = serde_json::from_str(&partial[at]);
                        blocks[at]["input"] = whole.map_err(|error| format!("{error}: {}", partial[at]))?;
                    }
                }
                "message_delta" => {
                    stop = data["delta"]["stop_reason"].clone();
                    merge(&mut usage, &data["usage"]);
                }
                "message_stop" => return Ok(said(&Value::Array(blocks), &stop, &usage)),
                "ping" => {}
                _ => return Err(format!("out of place: {data}")),
            }
        }
        Err("no message_stop".into())
    }

    fn error(&self, body: &Value) -> Option<Problem> {
        let error = &body["error"];
        let shaped = body["type"] == "error" && error["type"].is_string() && error["message"].is_string();
        let (kind, message) = (text(&error["type"]).to_owned(), text(&error["message"]).to_owned());
        shaped.then_some(Problem { kind, message, param: None })
    }

    fn fields(&self, feature: Feature) -> &'static [&'static str] {
        match feature {
            Feature::Tools => &["tools"],
            Feature::Image => &["messages[0].content[1].source", "messages[0].content[1]"],
            Feature::Structured => &["output_config.format"],
            Feature::Thinking => &["thinking"],
            _ => &[],
        }
    }
}

/// Adds a delta to its block; arguments are collected until they are complete.
fn delta(block: &mut Value, partial: &mut String, delta: &Value) -> Result<(), String> {
    let name = match text(&delta["type"]) {
        "text_delta" => "text",
        "thinking_delta" => "thinking",
        "signature_delta" => "signature",
        "input_json_delta" => {
            partial.push_str(text(&delta["partial_json"]));
            return Ok(());
        }
        _ => return Err(format!("an unknown delta: {delta}")),
    };
    block[name] = json!(text(&block[name]).to_owned() + text(&delta[name]));
    Ok(())
}

/// Later counts replace earlier ones.
fn merge(usage: &mut Value, later: &Value) {
    for (name, value) in later.as_object().into_iter().flatten() {
        usage[name] = value.clone();
    }
}

fn said(content: &Value, stop: &Value, usage: &Value) -> Said {
    let of = |kind: &'static str| content.as_array().into_iter().flatten().filter(move |block| block["type"] == kind);
    let call = |block: &Value| (text(&block["id"]).to_owned(), text(&block["name"]).to_owned(), block["input"].clone());
    let cached = count(&usage["cache_read_input_tokens"]);
    Said {
        text: of("text").map(|block| text(&block["text"])).collect(),
        thinking: of("thinking").map(|block| text(&block["thinking"])).collect(),
        calls: of("tool_use").map(call).collect(),
        to_call: match text(stop) {
            "end_turn" => Some(false),
            "tool_use" => Some(true),
            _ => None,
        },
        usage: usage.is_object().then(|| Told {
            input: count(&usage["input_tokens"]) + cached + count(&usage["cache_creation_input_tokens"]),
            cached,
            output: count(&usage["output_tokens"]),
            reasoning: None,
        }),
        turn: content.clone(),
    }
}
