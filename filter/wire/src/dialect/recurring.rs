//! Events of a stream that say the same as the one before, but for one text.
//!
//! A model's answer comes in hundreds of events that differ in a few letters. Comparing an event's bytes with those of the one before
//! costs a tenth of reading its JSON, and says as much: where everything else is equal, so is everything that was read of it.
//!
//! Only the event that was read last is compared with, so a reader is where it was when it read that one. What stands in the text's
//! place must be a JSON string without escapes. Numbers and fillings that no reader looks at may differ, too.

use std::ops::Range;

use memchr::arch::all::{is_equal, is_prefix};
use memchr::{memchr, memchr_iter};

use crate::conversation::StreamEvent;
use crate::json::{plain, utf8};
use crate::order::by_numbers;

/// Longer events are read each time: what is kept for a stream is bounded.
const LONGEST: usize = 2048;

/// What no reader looks at, and differs in each event: OpenAI's filling against eavesdroppers, and numbers.
const IGNORED: [(&[u8], Value); 3] =
    [(b"\"obfuscation\":\"", Value::Text), (b"\"sequence_number\":", Value::Number), (b"\"created\":", Value::Number)];

/// What may stand in a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Value {
    /// The inside of a string without escapes.
    Text,
    /// Digits.
    Number,
}

/// A place in which events may differ.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Place {
    at: Range<usize>,
    value: Value,
    /// Whether it is the text.
    told: bool,
}

/// The event that was read last, if it told one text.
#[derive(Debug, Default)]
pub(super) struct Recurring {
    name: Vec<u8>,
    json: Vec<u8>,
    /// In their order; none where there is nothing to compare with.
    places: Vec<Place>,
}

impl Recurring {
    /// The text of an event of which everything else is as in the one before. It is not empty.
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

    /// An event was read. If it told one text and nothing else, that stands at `at` within the JSON.
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

    /// Bytes that it keeps.
    pub fn held(&self) -> usize {
        self.json.capacity().saturating_add(self.name.capacity())
    }
}

impl Value {
    /// Such a value at the front of `bytes`, and what stands behind it.
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

/// The same for who reads events: what the last one told, without its text.
#[derive(Debug, Default)]
pub(super) struct Told {
    recurring: Recurring,
    last: Option<(Kind, u32)>,
}

impl Told {
    /// What an event tells of which all but the text is as in the one before.
    pub fn again(&self, name: &[u8], json: &[u8]) -> Option<StreamEvent> {
        let ((kind, choice), text) = (self.last?, self.recurring.text(name, utf8(json).ok()?.as_bytes())?.to_owned());
        Some(match kind {
            Kind::Text => StreamEvent::Text { choice, text },
            Kind::Thinking => StreamEvent::Thinking { choice, text },
            Kind::Refusal => StreamEvent::Refusal { choice, text },
        })
    }

    /// An event was read, which told these. `repeats`: another one that is as this one but for its text tells that text, and no more.
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

    /// Bytes that it keeps.
    pub fn held(&self) -> usize {
        self.recurring.held()
    }
}

/// Where the only string with this inside stands in the JSON of an event that told it: the text itself, then, as there are no escapes.
pub(super) fn only_place(json: &[u8], text: &str) -> Option<Range<usize>> {
    let quoted = ["\"", text, "\""].concat();
    let fits = json.len() <= LONGEST && memchr(b'\\', json).is_none();
    let start = found_once(json, quoted.as_bytes()).filter(|_| fits)?.saturating_add(1);
    Some(start..start.saturating_add(text.len()))
}

/// The same of a text of which only the key and the length are known.
pub(super) fn place_behind(json: &[u8], key: &[u8], bytes: usize) -> Option<Range<usize>> {
    let fits = json.len() <= LONGEST && memchr(b'\\', json).is_none();
    let start = found_once(json, key).filter(|_| fits)?.saturating_add(key.len());
    let (text, _) = Value::Text.split(json.get(start..)?)?;
    (text.len() == bytes).then(|| start..start.saturating_add(bytes))
}

/// Where `part`, which begins with a quote, stands if it stands there once.
fn found_once(json: &[u8], part: &[u8]) -> Option<usize> {
    let mut places = memchr_iter(b'"', json).filter(|at| json.get(*at..).is_some_and(|rest| is_prefix(rest, part)));
    let first = places.next()?;
    places.next().is_none().then_some(first)
}

#[cfg(test)]
mod tests;
