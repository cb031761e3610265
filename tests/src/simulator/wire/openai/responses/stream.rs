//! Writes a response as a stream of named events: each item starts, then its parts and their deltas; each part and item
//! is repeated whole at its end. The last event has the response with its usage. There is no other terminator.

use serde_json::{Value, json};

use super::answer::{output, response, status, whole};
use crate::simulator::fault::{Fault, Faults};
use crate::simulator::prompt::{Answer, Prompt, pieces};
use crate::simulator::reply::Event;

/// Writes a streamed answer.
pub fn write(prompt: &Prompt, answer: &Answer, faults: &Faults) -> Vec<Event> {
    let mut writer = Writer { events: Vec::new(), extra: faults.has(&Fault::Extra) };
    let begun = response(prompt, "in_progress", Vec::new());
    writer.tell("response.created", json!({"response": begun}), 0);
    writer.tell("response.in_progress", json!({"response": begun}), 0);
    if writer.extra {
        writer.tell("response.x_future", json!({"nested": [1, {"deep": null}]}), 0);
    }
    for (index, item) in output(prompt, answer, faults).iter().enumerate() {
        writer.item(index, item, answer);
    }
    if !faults.has(&Fault::NoEnd) {
        let last = if status(&answer.stop) == "completed" { "response.completed" } else { "response.incomplete" };
        writer.tell(last, json!({"response": whole(prompt, answer, faults)}), 0);
    }
    writer.events
}

struct Writer {
    events: Vec<Event>,
    extra: bool,
}

impl Writer {
    fn tell(&mut self, name: &'static str, mut data: Value, tokens: u64) {
        data["type"] = json!(name);
        data["sequence_number"] = json!(self.events.len());
        if self.extra && name.ends_with(".delta") {
            data["obfuscation"] = json!("aB3xZ");
        }
        self.events.push(Event::named(name, &data).bringing(tokens));
    }

    fn item(&mut self, index: usize, item: &Value, answer: &Answer) {
        let mut begun = item.clone();
        for (name, empty) in
            [("summary", json!([])), ("content", json!([])), ("arguments", json!("")), ("input", json!(""))]
        {
            if !item[name].is_null() {
                begun[name] = empty;
            }
        }
        if !item["status"].is_null() {
            begun["status"] = json!("in_progress");
        }
        self.tell("response.output_item.added", json!({"output_index": index, "item": begun}), 0);
        let place = json!({"item_id": item["id"], "output_index": index});
        match item["type"].as_str() {
            Some("reasoning") => self.thoughts(&place, item),
            Some("message") => self.text(&place, item, answer),
            Some("custom_tool_call") => self.input(&place, item),
            _ => self.arguments(&place, item),
        }
        self.tell("response.output_item.done", json!({"output_index": index, "item": item}), 0);
    }

    fn thoughts(&mut self, place: &Value, item: &Value) {
        let Some(part) = item["summary"].get(0) else { return };
        let at = |more: Value| with(with(place.clone(), json!({"summary_index": 0})), more);
        let text = part["text"].as_str().unwrap_or("");
        let begun = json!({"part": {"type": "summary_text", "text": ""}});
        self.tell("response.reasoning_summary_part.added", at(begun), 0);
        for piece in text.split_inclusive(' ') {
            self.tell("response.reasoning_summary_text.delta", at(json!({"delta": piece})), 0);
        }
        self.tell("response.reasoning_summary_text.done", at(json!({"text": text})), 0);
        self.tell("response.reasoning_summary_part.done", at(json!({"part": part})), 0);
    }

    fn text(&mut self, place: &Value, item: &Value, answer: &Answer) {
        let part = &item["content"][0];
        let at = |more: Value| with(with(place.clone(), json!({"content_index": 0})), more);
        let begun = json!({"part": with(part.clone(), json!({"text": ""}))});
        self.tell("response.content_part.added", at(begun), 0);
        for (piece, tokens) in answer.counted() {
            self.tell("response.output_text.delta", at(json!({"delta": piece, "logprobs": []})), tokens);
        }
        self.tell("response.output_text.done", at(json!({"text": part["text"], "logprobs": []})), 0);
        self.tell("response.content_part.done", at(json!({"part": part})), 0);
    }

    fn input(&mut self, place: &Value, item: &Value) {
        let at = |more: Value| with(place.clone(), more);
        for piece in pieces(item["input"].as_str().unwrap_or("")) {
            self.tell("response.custom_tool_call_input.delta", at(json!({"delta": piece})), 0);
        }
        self.tell("response.custom_tool_call_input.done", at(json!({"input": item["input"]})), 0);
    }

    fn arguments(&mut self, place: &Value, item: &Value) {
        let at = |more: Value| with(place.clone(), more);
        for piece in pieces(item["arguments"].as_str().unwrap_or("")) {
            self.tell("response.function_call_arguments.delta", at(json!({"delta": piece})), 0);
        }
        let done = json!({"name": item["name"], "arguments": item["arguments"]});
        self.tell("response.function_call_arguments.done", at(done), 0);
    }
}

fn with(mut data: Value, more: Value) -> Value {
    for (name, value) in more.as_object().into_iter().flatten() {
        data[name] = value.clone();
    }
    data
}
