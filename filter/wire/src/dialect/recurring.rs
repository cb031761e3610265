//! Recognises stream events that differ from the event before in one text only.
//!
//! A model's answer arrives as hundreds of events that differ in a few letters. Comparing an event's bytes with those of the event
//! before costs a tenth of parsing its JSON. If all other bytes are equal, parsing would return the same values and another text.
//!
//! [`Recurring`] compares with the last parsed event only, so the reader has the state that this event left. The new text must be a
//! JSON string without escapes. Padding and numbers that no reader uses may differ too.

use std::ops::Range;

use memchr::arch::all::{is_equal, is_prefix};
use memchr::{memchr, memchr_iter};

use crate::conversation::StreamEvent;
use crate::json::{plain, utf8};
use crate::order::by_numbers;

/// The longest event that is kept for comparison, with its name.
const LONGEST: usize = 2048;

/// Fields that no reader uses and that differ in each event: OpenAI's padding, and numbers.
const IGNORED: [(&[u8], Value); 3] =
    [(b"\"obfuscation\":\"", Value::Text), (b"\"sequence_number\":", Value::Number), (b"\"created\":", Value::Number)];

/// The kind of value in a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Value {
    /// The inside of a string without escapes.
    Text,
    /// Digits.
    Number,
}

/// A place where events may differ.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Place {
    at: Range<usize>,
    value: Value,
    /// Whether the text stands here.
    told: bool,
}

/// The last parsed event, if it told one text.
#[derive(Debug, Default)]
pub(super) struct Recurring {
    name: Vec<u8>,
    json: Vec<u8>,
    /// In order. Empty if the last event cannot be compared with.
    places: Vec<Place>,
}

impl Recurring {
    /// Returns the text of an event that otherwise equals the event before. The text is never empty.
    pub fn text<'j>(&self, name: &[u8], json: &'j [u8]) -> Option<&'j str> {
        if self.places.is_empty() || !is_equal(name, &self.name) {
            return None;
        }
        let (mut rest, mut from, mut text) = (json, 0, None);
        for place in &self.places {
            let before = self.json.get(from..place.at.start)?;
            if !is_prefix(rest, before) {
                return None;
            }
            let (value, behind) = place.value.split(rest.get(before.len()..)?)?;
            (rest, from) = (behind, place.at.end);
            if place.told {
                text = Some(value);
            }
        }
        let text = text.filter(|text| !text.is_empty() && is_equal(rest, self.json.get(from..).unwrap_or_default()));
        std::str::from_utf8(text?).ok()
    }

    /// Takes note of a parsed event. If it told one text and nothing else, `at` is the place of the text in the JSON.
    pub fn read(&mut self, name: &[u8], json: &[u8], at: Option<Range<usize>>) {
        self.places.clear();
        let short = json.len().saturating_add(name.len()) <= LONGEST;
        let Some(at) = at.filter(|at| short && !at.is_empty()) else { return };
        self.places.push(Place { at, value: Value::Text, told: true });
        for (key, value) in IGNORED {
            let Some(start) = found_once(json, key) else { continue };
            let start = start.saturating_add(key.len());
            let behind = json.get(start..).unwrap_or_default();
            let Some((number, _)) = value.split(behind) else { continue };
            self.places.push(Place { at: start..start.saturating_add(number.len()), value, told: false });
        }
        by_numbers(&mut self.places, |place| (place.at.start as u64, 0));
        self.name.clear();
        self.name.extend_from_slice(name);
        self.json.clear();
        self.json.extend_from_slice(json);
    }

    /// The memory that it holds, in bytes.
    pub fn held(&self) -> usize {
        self.json.capacity().saturating_add(self.name.capacity())
    }
}

impl Value {
    /// Splits `bytes` behind such a value.
    fn split(self, bytes: &[u8]) -> Option<(&[u8], &[u8])> {
        let end = match self {
            Self::Text => plain(bytes),
            Self::Number => bytes.iter().take_while(|byte| byte.is_ascii_digit()).count(),
        };
        let (value, behind) = bytes.split_at_checked(end)?;
        let plain = match self {
            Self::Text => behind.starts_with(b"\""),
            Self::Number => matches!(value, [_] | [b'1'..=b'9', ..]),
        };
        plain.then_some((value, behind))
    }
}

/// What an event told, besides its text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Text,
    Thinking,
    Refusal,
}

/// The same for readers that turn events into [`StreamEvent`]s.
#[derive(Debug, Default)]
pub(super) struct Told {
    recurring: Recurring,
    last: Option<(Kind, u32)>,
}

impl Told {
    /// Returns what an event tells that differs from the event before in its text only.
    pub fn again(&self, name: &[u8], json: &[u8]) -> Option<StreamEvent> {
        let ((kind, choice), text) = (self.last?, self.recurring.text(name, utf8(json).ok()?.as_bytes())?.to_owned());
        Some(match kind {
            Kind::Text => StreamEvent::Text { choice, text },
            Kind::Thinking => StreamEvent::Thinking { choice, text },
            Kind::Refusal => StreamEvent::Refusal { choice, text },
        })
    }

    /// Takes note of a parsed event and of what it told. `repeats` is false if the reader would read the same event differently the
    /// second time.
    pub fn read(&mut self, name: &[u8], json: &[u8], told: &[StreamEvent], repeats: bool) {
        let (last, text) = match told {
            _ if !repeats => (None, ""),
            [StreamEvent::Text { choice, text }] => (Some((Kind::Text, *choice)), text.as_str()),
            [StreamEvent::Thinking { choice, text }] => (Some((Kind::Thinking, *choice)), text.as_str()),
            [StreamEvent::Refusal { choice, text }] => (Some((Kind::Refusal, *choice)), text.as_str()),
            _ => (None, ""),
        };
        self.last = last;
        self.recurring.read(name, json, last.and_then(|_| only_place(json, text)));
    }

    /// The memory that it holds, in bytes.
    pub fn held(&self) -> usize {
        self.recurring.held()
    }
}

/// Finds `text` in the JSON of the event that told it. Returns nothing if the JSON has escapes or holds the string twice.
pub(super) fn only_place(json: &[u8], text: &str) -> Option<Range<usize>> {
    let quoted = ["\"", text, "\""].concat();
    let fits = json.len() <= LONGEST && memchr(b'\\', json).is_none();
    let start = found_once(json, quoted.as_bytes()).filter(|_| fits)?.saturating_add(1);
    Some(start..start.saturating_add(text.len()))
}

/// Finds a text by its key and its length, under the same conditions.
pub(super) fn place_behind(json: &[u8], key: &[u8], bytes: usize) -> Option<Range<usize>> {
    let fits = json.len() <= LONGEST && memchr(b'\\', json).is_none();
    let start = found_once(json, key).filter(|_| fits)?.saturating_add(key.len());
    let (text, _) = Value::Text.split(json.get(start..)?)?;
    (text.len() == bytes).then(|| start..start.saturating_add(bytes))
}

/// Finds `part`, which begins with a quote, if the JSON holds it exactly once.
fn found_once(json: &[u8], part: &[u8]) -> Option<usize> {
    let mut places = memchr_iter(b'"', json).filter(|at| json.get(*at..).is_some_and(|rest| is_prefix(rest, part)));
    let first = places.next()?;
    places.next().is_none().then_some(first)
}

#[cfg(test)]
mod tests;
