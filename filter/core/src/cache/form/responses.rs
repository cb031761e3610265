//! Streams of OpenAI's Responses API. Their last event contains the whole response, so both directions are exact. Some servers leave the items
//! out there that they have already streamed: such a stream cannot be collected.

use std::fmt::Write as _;

use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value};
use sluice_wire::json;

use super::super::canonical::REPEATED;
use super::events;

/// An event.
#[derive(Deserialize)]
struct Event<'a> {
    #[serde(default)]
    r#type: String,
    #[serde(default)]
    output_index: Option<usize>,
    #[serde(borrow, default)]
    response: Option<&'a RawValue>,
}

/// The whole response in a complete stream; `None` if its last event lacks an item of an earlier one.
pub(super) fn collected(stream: &[u8]) -> Option<String> {
    let (mut whole, mut items) = (None, 0);
    events(stream, |data| {
        if data != b"[DONE]" {
            let event: Event<'_> = json::from_slice(data).ok()?;
            items = items.max(event.output_index.map_or(0, |index| index.saturating_add(1)));
            if matches!(&*event.r#type, "response.completed" | "response.incomplete") {
                whole = event.response.map(|response| response.get().to_owned());
            }
        }
        Some(())
    })?;
    let whole: String = whole?;
    let response: Value = json::read(&whole).ok()?;
    (response.get("output")?.as_array()?.len() >= items).then_some(whole)
}

/// The whole response as a response to a request with these fields, which it repeats.
pub(super) fn repeating(whole: &str, fields: &[(&'static str, &str)]) -> Option<String> {
    let mut repeated = Vec::new();
    for name in REPEATED {
        let value = fields.iter().find(|(known, _)| *known == name).map(|(_, value)| json::read(value));
        let nothing = || if name == "metadata" { Value::Object(Map::new()) } else { Value::Null };
        repeated.push((name, value.transpose().ok()?.unwrap_or_else(nothing)));
    }
    text(&with(&json::read(whole).ok()?, &repeated)?)
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
    let begun = with(&response, &[("status", "in_progress".into()), ("output", none())])?;
    let begun = text(&with(&begun, &nothing)?)?;
    let mut stream = Stream::default();
    for name in ["response.created", "response.in_progress"] {
        stream.event(name, &begun);
    }
    for (index, item) in response.get("output")?.as_array()?.iter().enumerate() {
        stream.item(index, item)?;
    }
    stream.event(ended, whole);
    Some(stream.out.into_bytes())
}

/// Writes numbered events.
#[derive(Default)]
struct Stream {
    out: String,
    next: u64,
}

impl Stream {
    /// An event of the response.
    fn event(&mut self, name: &str, response: &str) {
        self.begin(name);
        self.field("response", response);
        self.end();
    }

    fn begin(&mut self, name: &str) {
        // Writing to a text does not fail.
        let _ = write!(self.out, "event: {name}\ndata: {{\"type\":\"{name}\",\"sequence_number\":{}", self.next);
        self.next += 1;
    }

    fn field(&mut self, name: &str, value: &str) {
        let _ = write!(self.out, ",\"{name}\":{value}");
    }

    fn end(&mut self) {
        self.out.push_str("}\n\n");
    }

    /// An event of an item; `place` are the fields that say where.
    fn part(&mut self, name: &str, place: &str, fields: &[(&str, &Value)]) -> Option<()> {
        self.begin(name);
        self.out.push(',');
        self.out.push_str(place);
        for (field, value) in fields {
            self.field(field, &text(value)?);
        }
        self.end();
        Some(())
    }

    fn item(&mut self, index: usize, item: &Value) -> Option<()> {
        let output = format!("\"output_index\":{index}");
        let kind = item.get("type")?.as_str()?;
        let hollow: (&str, Value) = match kind {
            "message" => ("content", none()),
            "reasoning" => ("summary", none()),
            "function_call" => ("arguments", "".into()),
            _ => return None,
        };
        let begun = with(item, &[hollow, ("status", "in_progress".into())])?;
        self.part("response.output_item.added", &output, &[("item", &begun)])?;
        let place = format!("\"item_id\":{},{output}", text(item.get("id")?)?);
        match kind {
            "message" => {
                for (at, part) in item.get("content")?.as_array()?.iter().enumerate() {
                    self.content(&format!("{place},\"content_index\":{at}"), part)?;
                }
            }
            "reasoning" => {
                // The reasoning itself streams in events that not all clients know.
                if item.get("content").is_some_and(|content| content.as_array().is_none_or(|parts| !parts.is_empty())) {
                    return None;
                }
                for (at, part) in item.get("summary")?.as_array()?.iter().enumerate() {
                    self.summary(&format!("{place},\"summary_index\":{at}"), part)?;
                }
            }
            _ => {
                let arguments = item.get("arguments")?;
                self.part("response.function_call_arguments.delta", &place, &[("delta", arguments)])?;
                self.part("response.function_call_arguments.done", &place, &[("arguments", arguments)])?;
            }
        }
        self.part("response.output_item.done", &output, &[("item", item)])
    }

    fn content(&mut self, place: &str, part: &Value) -> Option<()> {
        let (kind, field) = match part.get("type")?.as_str()? {
            "output_text" => ("output_text", "text"),
            "refusal" => ("refusal", "refusal"),
            _ => return None,
        };
        let none = none();
        let begun = with(part, &[(field, "".into()), ("annotations", none.clone()), ("logprobs", none.clone())])?;
        self.part("response.content_part.added", place, &[("part", &begun)])?;
        // A refusal has no log probabilities.
        let (text, logprobs) = (part.get(field)?, part.get("logprobs").unwrap_or(&none));
        let with_text = |name| [(name, text), ("logprobs", logprobs)];
        let count = if kind == "refusal" { 1 } else { 2 };
        self.part(&format!("response.{kind}.delta"), place, with_text("delta").get(..count)?)?;
        let annotations = part.get("annotations").and_then(Value::as_array);
        for (at, annotation) in annotations.into_iter().flatten().enumerate() {
            let place = format!("{place},\"annotation_index\":{at}");
            self.part("response.output_text.annotation.added", &place, &[("annotation", annotation)])?;
        }
        self.part(&format!("response.{kind}.done"), place, with_text(field).get(..count)?)?;
        self.part("response.content_part.done", place, &[("part", part)])
    }

    fn summary(&mut self, place: &str, part: &Value) -> Option<()> {
        let text = part.get("text").filter(|_| part.get("type").and_then(Value::as_str) == Some("summary_text"))?;
        let begun = with(part, &[("text", "".into())])?;
        self.part("response.reasoning_summary_part.added", place, &[("part", &begun)])?;
        self.part("response.reasoning_summary_text.delta", place, &[("delta", text)])?;
        self.part("response.reasoning_summary_text.done", place, &[("text", text)])?;
        self.part("response.reasoning_summary_part.done", place, &[("part", part)])
    }
}

fn text(value: &Value) -> Option<String> {
    serde_json::to_string(value).ok()
}

fn none() -> Value {
    Value::Array(Vec::new())
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
