//! Streams of OpenAI's Responses API. Their last event contains the whole response, so both directions are exact.

use std::fmt::Write as _;

use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};
use sluice_wire::json;

use super::super::canonical::REPEATED;
use super::events;

/// An event.
#[derive(Deserialize)]
struct Event<'a> {
    #[serde(default)]
    r#type: String,
    #[serde(borrow, default)]
    response: Option<&'a RawValue>,
}

/// The whole response in a complete stream.
pub(super) fn collected(stream: &[u8]) -> Option<String> {
    let mut whole = None;
    events(stream, |data| {
        if data != b"[DONE]" {
            let event: Event<'_> = json::from_slice(data).ok()?;
            if matches!(&*event.r#type, "response.completed" | "response.incomplete") {
                whole = event.response.map(|response| response.get().to_owned());
            }
        }
        Some(())
    })?;
    whole
}

/// The whole response as a response to a request with these fields, which it repeats.
pub(super) fn repeating(whole: &str, fields: &[(&'static str, &str)]) -> Option<String> {
    let mut repeated = Vec::new();
    for name in REPEATED {
        let value = fields.iter().find(|(known, _)| *known == name).map(|(_, value)| json::read(value));
        let nothing = || if name == "metadata" { json!({}) } else { Value::Null };
        repeated.push((name, value.transpose().ok()?.unwrap_or_else(nothing)));
    }
    Some(with(&json::read(whole).ok()?, &repeated)?.to_string())
}

/// The stream of a whole response; `None` if it contains an item that streams in events of its own kind.
pub(super) fn streamed(whole: &str) -> Option<Vec<u8>> {
    let response: Value = json::read(whole).ok()?;
    let ended = match response.get("status")?.as_str()? {
        "completed" => "response.completed",
        "incomplete" => "response.incomplete",
        _ => return None,
    };
    let nothing = ["usage", "completed_at", "incomplete_details"].map(|name| (name, Value::Null));
    let begun = with(&response, &[("status", json!("in_progress")), ("output", json!([]))])?;
    let begun = with(&begun, &nothing)?.to_string();
    let mut stream = Stream::default();
    for name in ["response.created", "response.in_progress"] {
        stream.event(name, &[("response", &begun)]);
    }
    for (index, item) in response.get("output")?.as_array()?.iter().enumerate() {
        stream.item(index, item)?;
    }
    stream.event(ended, &[("response", whole)]);
    Some(stream.out.into_bytes())
}

/// Writes numbered events.
#[derive(Default)]
struct Stream {
    out: String,
    next: u64,
}

impl Stream {
    fn event(&mut self, name: &str, fields: &[(&str, &str)]) {
        let number = self.next;
        self.next += 1;
        // Writing to a text does not fail.
        let _ = write!(self.out, "event: {name}\ndata: {{\"type\":\"{name}\",\"sequence_number\":{number}");
        for (field, value) in fields {
            let _ = write!(self.out, ",\"{field}\":{value}");
        }
        self.out.push_str("}\n\n");
    }

    /// An event of an item: `place` are the fields that say where.
    fn part(&mut self, name: &str, place: &[(&str, Value)], fields: &[(&str, &Value)]) {
        let places = place.iter().map(|(name, value)| (*name, value.to_string()));
        let all: Vec<(&str, String)> =
            places.chain(fields.iter().map(|(name, value)| (*name, value.to_string()))).collect();
        let all: Vec<(&str, &str)> = all.iter().map(|(name, value)| (*name, value.as_str())).collect();
        self.event(name, &all);
    }

    fn item(&mut self, index: usize, item: &Value) -> Option<()> {
        let place = [("output_index", json!(index))];
        let kind = item.get("type")?.as_str()?;
        let hollow: (&str, Value) = match kind {
            "message" => ("content", json!([])),
            "reasoning" => ("summary", json!([])),
            "function_call" => ("arguments", json!("")),
            _ => return None,
        };
        let begun = with(item, &[hollow, ("status", json!("in_progress"))])?;
        self.part("response.output_item.added", &place, &[("item", &begun)]);
        let place = [("item_id", item.get("id")?.clone()), ("output_index", json!(index))];
        match kind {
            "message" => {
                for (at, part) in item.get("content")?.as_array()?.iter().enumerate() {
                    let [id, output] = place.clone();
                    self.content(&[id, output, ("content_index", json!(at))], part)?;
                }
            }
            "reasoning" => {
                // The reasoning itself streams in events that not all clients know.
                if item.get("content").is_some_and(|content| content.as_array().is_none_or(|parts| !parts.is_empty())) {
                    return None;
                }
                for (at, part) in item.get("summary")?.as_array()?.iter().enumerate() {
                    let [id, output] = place.clone();
                    self.summary(&[id, output, ("summary_index", json!(at))], part)?;
                }
            }
            _ => {
                let arguments = item.get("arguments")?;
                self.part("response.function_call_arguments.delta", &place, &[("delta", arguments)]);
                self.part("response.function_call_arguments.done", &place, &[("arguments", arguments)]);
            }
        }
        let [_, output] = place;
        self.part("response.output_item.done", &[output], &[("item", item)]);
        Some(())
    }

    fn content(&mut self, place: &[(&str, Value)], part: &Value) -> Option<()> {
        let (kind, field) = match part.get("type")?.as_str()? {
            "output_text" => ("output_text", "text"),
            "refusal" => ("refusal", "refusal"),
            _ => return None,
        };
        let none = json!([]);
        let begun = with(part, &[(field, json!("")), ("annotations", none.clone()), ("logprobs", none.clone())])?;
        self.part("response.content_part.added", place, &[("part", &begun)]);
        let text = part.get(field)?;
        let (mut delta, mut done) = (vec![("delta", text)], vec![(field, text)]);
        let logprobs = part.get("logprobs").unwrap_or(&none);
        if kind == "output_text" {
            delta.push(("logprobs", logprobs));
            done.push(("logprobs", logprobs));
        }
        self.part(&format!("response.{kind}.delta"), place, &delta);
        let annotations = part.get("annotations").and_then(Value::as_array);
        for (at, annotation) in annotations.into_iter().flatten().enumerate() {
            let fields = [("annotation_index", &json!(at)), ("annotation", annotation)];
            self.part("response.output_text.annotation.added", place, &fields);
        }
        self.part(&format!("response.{kind}.done"), place, &done);
        self.part("response.content_part.done", place, &[("part", part)]);
        Some(())
    }

    fn summary(&mut self, place: &[(&str, Value)], part: &Value) -> Option<()> {
        let text = part.get("text").filter(|_| part.get("type").and_then(Value::as_str) == Some("summary_text"))?;
        let begun = with(part, &[("text", json!(""))])?;
        self.part("response.reasoning_summary_part.added", place, &[("part", &begun)]);
        self.part("response.reasoning_summary_text.delta", place, &[("delta", text)]);
        self.part("response.reasoning_summary_text.done", place, &[("text", text)]);
        self.part("response.reasoning_summary_part.done", place, &[("part", part)]);
        Some(())
    }
}

/// An object with other values for those of these fields that it has.
fn with(object: &Value, fields: &[(&str, Value)]) -> Option<Value> {
    let mut changed: Map<String, Value> = object.as_object()?.clone();
    for (name, value) in fields {
        if let Some(known) = changed.get_mut(*name) {
            *known = value.clone();
        }
    }
    Some(Value::Object(changed))
}
