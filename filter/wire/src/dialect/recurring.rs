//! Recognises stream events that differ from the previous event only in one text.
//!
//! A model's response arrives as hundreds of events that differ in a few letters. Comparing an event's bytes with the previous event costs
//! a tenth of parsing its JSON. If all other bytes are equal, parsing would return the same values with another text.
//!
//! [`Recurring`] compares with the last parsed event only, so the reader's state is the one that this event left. The new text must be a
//! JSON string without escapes. Padding and numbers that no reader uses may also differ.

use std::ops::Range;

use memchr::arch::all::{is_equal, is_prefix};
use memchr::{memchr, memchr_iter};

use crate::conversation::StreamEvent;
use crate::json::{plain, utf8};
use crate::order::by_numbers;

/// The longest event stored for comparison, name included.
const LONGEST: usize = 2048;

/// Fields that no reader uses and that differ in each event: OpenAI's padding, and numbers.
const IGNORED: [(&[u8], Value); 3] =
    [(b"\"obfuscation\":\"", Value::Text), (b"\"sequence_number\":", Value::Number), (b"\"created\":", Value::Number)];

/// The kind of a value in which events may differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Value {
    /// The inside of a string without escapes.
    Text,
    /// Digits.
    Number,
}

/// A value in which events may differ.
#[derive(Debug, Clone, PartialEq, Eq)]
struct ValueSpan {
    at: Range<usize>,
    value: Value,
    /// Whether this is the text.
    is_text: bool,
}

/// The last parsed event, if it carried exactly one text.
#[derive(Debug, Default)]
pub(super) struct Recurring {
    name: Vec<u8>,
    json: Vec<u8>,
    /// In order. Empty if the last event is not comparable.
    spans: Vec<ValueSpan>,
}

impl Recurring {
    /// Returns the text of an event that otherwise equals the previous one. The text is never empty.
    pub fn text<'j>(&self, name: &[u8], json: &'j [u8]) -> Option<&'j str> {
        if self.spans.is_empty() || !is_equal(name, &self.name) {
            return None;
        }
        let (mut rest, mut from, mut text) = (json, 0, None);
        for span in &self.spans {
            let before = self.json.get(from..span.at.start)?;
            if !is_prefix(rest, before) {
                return None;
            }
            let (value, behind) = span.value.split(rest.get(before.len()..)?)?;
            (rest, from) = (behind, span.at.end);
            if span.is_text {
                text = Some(value);
            }
        }
        let text = text.filter(|text| !text.is_empty() && is_equal(rest, self.json.get(from..).unwrap_or_default()));
        std::str::from_utf8(text?).ok()
    }

    /// Records a parsed event. `at` is the range of its text in the JSON, if the event carried one text and nothing else.
    pub fn read(&mut self, name: &[u8], json: &[u8], at: Option<Range<usize>>) {
        self.spans.clear();
        let short = json.len().saturating_add(name.len()) <= LONGEST;
        let Some(at) = at.filter(|at| short && !at.is_empty()) else { return };
        self.spans.push(ValueSpan { at, value: Value::Text, is_text: true });
        for (key, value) in IGNORED {
            let Some(start) = found_once(json, key) else { continue };
            let start = start.saturating_add(key.len());
            let behind = json.get(start..).unwrap_or_default();
            let Some((number, _)) = value.split(behind) else { continue };
            self.spans.push(ValueSpan { at: start..start.saturating_add(number.len()), value, is_text: false });
        }
        by_numbers(&mut self.spans, |span| (span.at.start as u64, 0));
        self.name.clear();
        self.name.extend_from_slice(name);
        self.json.clear();
        self.json.extend_from_slice(json);
    }

    pub fn held(&self) -> usize {
        self.json.capacity().saturating_add(self.name.capacity())
    }
}

impl Value {
    /// Splits `bytes` after a value of this kind.
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

/// The kind of an event's text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Text,
    Thinking,
    Refusal,
}

/// [`Recurring`] for readers that produce [`StreamEvent`]s.
#[derive(Debug, Default)]
pub(super) struct RecurringText {
    recurring: Recurring,
    last: Option<(Kind, u32)>,
}

impl RecurringText {
    /// Returns the event's content if only its text differs from the previous event.
    pub fn again(&self, name: &[u8], json: &[u8]) -> Option<StreamEvent> {
        let ((kind, choice), text) = (self.last?, self.recurring.text(name, utf8(json).ok()?.as_bytes())?.to_owned());
        Some(match kind {
            Kind::Text => StreamEvent::Text { choice, text },
            Kind::Thinking => StreamEvent::Thinking { choice, text },
            Kind::Refusal => StreamEvent::Refusal { choice, text },
        })
    }

    /// Records a parsed event and its content. `repeats` is false if the reader would read the same event differently the second time.
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

    pub fn held(&self) -> usize {
        self.recurring.held()
    }
}

/// Finds `text` in the JSON of its event. `None` if the JSON has escapes or contains the string twice.
pub(super) fn only_place(json: &[u8], text: &str) -> Option<Range<usize>> {
    let quoted = ["\"", text, "\""].concat();
    let fits = json.len() <= LONGEST && memchr(b'\\', json).is_none();
    let start = found_once(json, quoted.as_bytes()).filter(|_| fits)?.saturating_add(1);
    Some(start..start.saturating_add(text.len()))
}

/// Finds a text by its key and length, under the same conditions.
pub(super) fn place_behind(json: &[u8], key: &[u8], bytes: usize) -> Option<Range<usize>> {
    let fits = json.len() <= LONGEST && memchr(b'\\', json).is_none();
    let start = found_once(json, key).filter(|_| fits)?.saturating_add(key.len());
    let (text, _) = Value::Text.split(json.get(start..)?)?;
    (text.len() == bytes).then(|| start..start.saturating_add(bytes))
}

/// Finds `part`, which begins with a quote, if the JSON contains it exactly once.
fn found_once(json: &[u8], part: &[u8]) -> Option<usize> {
    let mut matches = memchr_iter(b'"', json).filter(|at| json.get(*at..).is_some_and(|rest| is_prefix(rest, part)));
    let first = matches.next()?;
    matches.next().is_none().then_some(first)
}

#[cfg(test)]
mod tests;
