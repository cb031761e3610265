//! OpenAI's Responses, as clients write and read them. Nothing is stored, so reasoning is signed and sent back.

use serde_json::{Value, json};
use sluice_tests::client::Event;

use super::client::{Ask, Feature, Format, PNG, Problem, Said, Told, arguments, count, openai_error, schema, text};

pub struct Responses;

impl Format for Responses {
    fn name(&self) -> &'static str {
        "OpenAI responses"
    }

    fn path(&self) -> &'static str {
        "/v1/responses"
    }

    fn body(&self, ask: &Ask) -> Value {
        let url = format!("data:image/png;base64,{PNG}");
        let parts = json!([{"type": "input_text", "text": ask.text}, {"type": "input_image", "image_url": url}]);
        let content = if ask.image { parts } else { json!(ask.text) };
        let mut input = vec![json!({"role": "user", "content": content})];
        if let Some((turn, results)) = &ask.before {
            input.extend(turn.as_array().into_iter().flatten().cloned());
            let result =
                |(id, said): &(String, &str)| json!({"type": "function_call_output", "call_id": id, "output": said});
            input.extend(results.iter().map(result));
        }
        let mut body = json!({"model": ask.model, "input": input, "store": false});
        if ask.stream {
            body["stream"] = json!(true);
        }
        if ask.tools {
            let mut tool = json!({"type": "function", "name": "weather", "strict": true, "parameters": schema()});
            tool["description"] = json!("Of a city.");
            body["tools"] = json!([tool]);
        }
        if ask.schema {
            let format = json!({"type": "json_schema", "name": "answer", "schema": schema(), "strict": true});
            body["text"] = json!({"format": format});
        }
        if ask.thinking {
            body["reasoning"] = json!({"effort": "low", "summary": "auto"});
            body["include"] = json!(["reasoning.encrypted_content"]);
        }
        body
    }

    fn whole(&self, body: &Value) -> Said {
        let output = body["output"].as_array().map_or(&[][..], Vec::as_slice);
        let of = |kind: &'static str| output.iter().filter(move |item| item["type"] == kind);
        let texts = |kind, list: &'static str| -> String {
            of(kind)
                .flat_map(|item| item[list].as_array().into_iter().flatten())
                .map(|part| text(&part["text"]))
                .collect()
        };
        let call = |item: &Value| {
            (text(&item["call_id"]).to_owned(), text(&item["name"]).to_owned(), arguments(&item["arguments"]))
        };
        let calls: Vec<_> = of("function_call").map(call).collect();
        let usage = &body["usage"];
        Said {
            text: texts("message", "content"),
            thinking: texts("reasoning", "summary"),
            to_call: (body["status"] == "completed").then_some(!calls.is_empty()),
            calls,
            usage: usage.is_object().then(|| Told {
                input: count(&usage["input_tokens"]),
                cached: count(&usage["input_tokens_details"]["cached_tokens"]),
                output: count(&usage["output_tokens"]),
                reasoning: Some(count(&usage["output_tokens_details"]["reasoning_tokens"])),
            }),
            turn: body["output"].clone(),
        }
    }

    /// The last event has the whole response; the earlier events must agree with it.
    fn stream(&self, events: &[Event]) -> Result<Said, String> {
        let events: Vec<Value> = events.iter().map(Event::json).collect();
        let last = events.last().ok_or("no events")?;
        if last["type"] != "response.completed" {
            return Err(format!("ends with {last}"));
        }
        if let Some((place, event)) = (0..).zip(&events).find(|(place, event)| event["sequence_number"] != *place) {
            return Err(format!("event {place} is {event}"));
        }
        let said = self.whole(&last["response"]);
        let deltas = |kind: &str| -> String {
            events.iter().filter(|event| event["type"] == kind).map(|event| text(&event["delta"])).collect()
        };
        let calls: String = deltas("response.function_call_arguments.delta");
        let whole: String = said.turn.as_array().into_iter().flatten().map(|item| text(&item["arguments"])).collect();
        let streamed = (deltas("response.output_text.delta"), deltas("response.reasoning_summary_text.delta"), calls);
        let expected = (said.text.clone(), said.thinking.clone(), whole);
        if streamed != expected {
            return Err(format!("streamed {streamed:?}, but in the end {expected:?}"));
        }
        let done: Vec<&Value> = events
            .iter()
            .filter(|event| event["type"] == "response.output_item.done")
            .map(|event| &event["item"])
            .collect();
        if done != said.turn.as_array().into_iter().flatten().collect::<Vec<_>>() {
            return Err(format!("items {done:?}, but in the end {}", said.turn));
        }
        Ok(said)
    }

    fn error(&self, body: &Value) -> Option<Problem> {
        openai_error(body)
    }

    fn fields(&self, feature: Feature) -> &'static [&'static str] {
        match feature {
            Feature::Tools => &["tools"],
            Feature::Image => &["input[0].content[1].image_url", "input[0].content[1]"],
            Feature::Structured => &["text.format"],
            Feature::Thinking => &["reasoning.effort", "reasoning"],
            _ => &[],
        }
    }
}
