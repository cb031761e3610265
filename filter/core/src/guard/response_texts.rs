//! Collects all texts of a response that passes unchanged, whatever they mean: a client may display fields that the gateway's dialect does
//! not know.
//!
//! The texts of a complete response are its strings and long numbers. In a stream, texts come in pieces. Pieces belong together if they have
//! the same path in their events, including the indices and ids that identify objects.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use sluice_wire::error::ApiError;
use sluice_wire::footprint;
use sluice_wire::json;

use crate::mix::{mixed, number};
use crate::peek::literals::Literals;

use super::escapes::unfolded;
use super::media::{Content, content};
use super::numbers;
use super::prompt::decoded;

/// The fields that identify objects of the same kind.
const TOLD_APART: [&str; 7] =
    ["index", "output_index", "content_index", "summary_index", "annotation_index", "item_id", "type"];

/// The fields whose values come in chunks, in Anthropic's and OpenAI's events.
const IN_PIECES: [&str; 2] = ["delta", "choices"];

/// The fields within those that do not: each value is a separate text.
const WHOLE: [&str; 7] = ["annotations", "citation", "citations", "logprobs", "finish_reason", "role", "type"];

/// Recognizes the texts of a stream, event by event.
#[derive(Debug, Default)]
pub struct ResponseTexts {
    /// The hash of the last separate text at each path. Most events repeat it.
    last: BTreeMap<u64, u64>,
    /// The hashes of the field names so far.
    names: BTreeSet<u64>,
}

/// A text in an event.
#[derive(Debug, PartialEq, Eq)]
pub enum EventText<'t> {
    /// A piece of the text at this path.
    Piece(u64, &'t str),
    /// A separate text.
    Apart(&'t str),
}

/// The position of a value.
#[derive(Debug, Clone, Copy)]
struct ValuePosition<'v> {
    number: u64,
    key: &'v str,
    in_pieces: bool,
}

/// Receives the texts of an event.
type Each<'e> = &'e mut dyn FnMut(EventText<'_>);

impl ResponseTexts {
    /// Passes each text of an event's data to `each`. Data that is not JSON is one text.
    pub fn event(&mut self, data: &[u8], each: Each<'_>) -> Result<(), ApiError> {
        footprint::check_answer(data)?;
        match json::from_slice::<Value>(data) {
            Ok(value) => self.value(&value, ValuePosition { number: 0, key: "", in_pieces: false }, each),
            Err(_) => self.aside(data, each),
        }
        Ok(())
    }

    /// Passes comments and names next to the data to `each`.
    pub fn aside(&mut self, bytes: &[u8], each: Each<'_>) {
        self.apart(u64::MAX, &String::from_utf8_lossy(bytes), each);
    }

    /// The approximate number of bytes in memory.
    pub fn held(&self) -> usize {
        (self.last.len() + self.names.len()).saturating_mul(64)
    }

    fn value(&mut self, value: &Value, at: ValuePosition<'_>, each: Each<'_>) {
        match value {
            Value::Object(fields) => {
                let told = TOLD_APART.iter().filter_map(|name| Some((name, fields.get(*name)?)));
                let number = told.fold(at.number, |place, (name, value)| step(place, &format!("{name}={value}")));
                for (key, value) in fields {
                    self.name(key, each);
                    let key = key.as_str();
                    let in_pieces = (at.in_pieces || IN_PIECES.contains(&key)) && !WHOLE.contains(&key);
                    self.value(value, ValuePosition { number: step(number, key), key, in_pieces }, each);
                }
            }
            Value::Array(items) => {
                for (item, place) in items.iter().zip(1_u64..) {
                    // An item with an `index` is identified by it, not by its position in the array.
                    let number = if item.get("index").is_some() { at.number } else { mixed(at.number ^ place) };
                    self.value(item, ValuePosition { number, ..at }, each);
                }
            }
            Value::String(text) if at.in_pieces => each(EventText::Piece(at.number, text)),
            Value::String(text) => match content(at.key.as_bytes(), text.as_bytes()) {
                Content::Media(_) => {}
                Content::Encoded(_, inside) => self.apart(at.number, &inside, each),
                Content::Plain => self.apart(at.number, text, each),
            },
            Value::Number(figure) => {
                let figure = figure.to_string();
                if numbers::is_worth(at.key.as_bytes(), &figure) {
                    self.apart(at.number, &figure, each);
                }
            }
            Value::Null | Value::Bool(_) => {}
        }
    }

    /// A field name may contain anything if a model generates it.
    fn name(&mut self, name: &str, each: Each<'_>) {
        if self.names.insert(number(name.as_bytes(), &[])) {
            each(EventText::Apart(name));
        }
    }

    fn apart(&mut self, place: u64, said: &str, each: Each<'_>) {
        let hash = number(said.as_bytes(), &[1]);
        if self.last.insert(place, hash) != Some(hash) {
            each(EventText::Apart(&unfolded(Cow::Borrowed(said))));
        }
    }
}

fn step(place: u64, key: &str) -> u64 {
    mixed(place ^ number(key.as_bytes(), &[]))
}

/// All texts of a complete response.
pub fn texts(body: &[u8]) -> impl Iterator<Item = Cow<'_, str>> {
    let mut before: &[u8] = &[];
    let strings = Literals::of(body).filter_map(move |literal| {
        let key = if literal.is_value() { before } else { &[] };
        before = literal.text;
        match content(key, literal.text) {
            Content::Media(_) => None,
            Content::Encoded(_, text) => Some(Cow::Owned(text)),
            Content::Plain => Some(decoded(body, &literal)),
        }
    });
    strings.map(unfolded).chain(numbers::of(body).map(Cow::Borrowed))
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    /// Each text that comes in pieces, and each separate text.
    fn recorded(events: &[&str]) -> Vec<String> {
        let (mut overheard, mut apart) = (ResponseTexts::default(), Vec::new());
        let mut joined = BTreeMap::<u64, String>::new();
        for event in events {
            let each = &mut |text: EventText<'_>| match text {
                EventText::Piece(path, piece) => joined.entry(path).or_default().push_str(piece),
                EventText::Apart(text) => apart.push(text.to_owned()),
            };
            overheard.event(event.as_bytes(), each).unwrap();
        }
        joined.into_values().chain(apart).collect()
    }

    fn is_heard(events: &[&str], wanted: &str) -> bool {
        recorded(events).iter().any(|text| text.contains(wanted))
    }

    #[test]
    fn pieces_of_one_text_are_put_together_and_those_of_another_stay_apart() {
        for events in [
            [
                r#"{"choices":[{"index":1,"delta":{"content":"no"}},{"index":0,"delta":{"content":"a@b"}}]}"#,
                r#"{"choices":[{"index":0,"delta":{"content":".io"}}]}"#,
            ],
            [
                r#"{"choices":[{"index":0,"delta":{"tool_calls":[{"index":1,"custom":{"input":"a@b"}}]}}]}"#,
                r#"{"choices":[{"index":0,"delta":{"tool_calls":[{"index":1,"custom":{"input":".io"}}]}}]}"#,
            ],
            [r#"{"choices":[{"index":0,"text":"a@b"}]}"#, r#"{"choices":[{"index":0,"text":".io"}]}"#],
            [
                r#"{"type":"response.mcp_call_arguments.delta","item_id":"i","delta":"a@b"}"#,
                r#"{"type":"response.mcp_call_arguments.delta","item_id":"i","delta":".io"}"#,
            ],
            [
                r#"{"type":"content_block_delta","delta":{"type":"input_json_delta","partial_json":"a@b"},"index":2}"#,
                r#"{"delta":{"partial_json":".io","type":"input_json_delta"},"index":2,"type":"content_block_delta"}"#,
            ],
        ] {
            assert!(is_heard(&events, "a@b.io"), "{:?}", recorded(&events));
        }
        let others = [
            r#"{"type":"content_block_delta","index":1,"delta":{"type":"text_delta","text":"a@b"}}"#,
            r#"{"type":"content_block_delta","index":2,"delta":{"type":"text_delta","text":".io"}}"#,
        ];
        assert!(!is_heard(&others, "a@b.io"));
        // Citations are separate texts, each with its own word boundaries.
        let cited = [
            r#"{"type":"content_block_delta","index":1,"delta":{"type":"citations_delta","citation":{"cited_text":"Titan"}}}"#,
            r#"{"type":"content_block_delta","index":1,"delta":{"type":"citations_delta","citation":{"cited_text":"And"}}}"#,
        ];
        let texts = recorded(&cited);
        assert!(["Titan", "And"].iter().all(|cited| texts.contains(&(*cited).to_owned())), "{texts:?}");
    }

    #[test]
    fn whatever_else_stands_in_an_event_is_heard_once() {
        let event = r#"{"type":"made_up","id":"resp_1","item":{"result":{"to a@b.io":[4111111111111111]},"odd":"x"}}"#;
        let all = recorded(&[event, event]);
        for wanted in ["resp_1", "to a@b.io", "4111111111111111", "x"] {
            assert_eq!(all.iter().filter(|text| *text == wanted).count(), 1, "{wanted} in {all:?}");
        }
        assert!(is_heard(&["no JSON a@b.io"], "a@b.io"));
    }

    #[test]
    fn of_a_whole_answer_every_string_is_a_text_and_every_long_number() {
        let body = br#"{"a":"x\u0040b.io","n":4111111111111111,"b":{"c":["d"]},"created":1780000000}"#;
        let all: Vec<String> = texts(body).map(Cow::into_owned).collect();
        assert_eq!(all, ["a", "x@b.io", "n", "b", "c", "d", "created", "4111111111111111"]);
    }
}
