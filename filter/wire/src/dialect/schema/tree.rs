//! A parsed schema, in its own order; values without schemas stay raw text.
//!
//! A schema that is too deep, too large, or repeats a keyword is not parsed and stays unchanged.

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::json;

/// The deepest nesting; hand-written schemas are far shallower.
const DEEPEST: usize = 64;

/// The most values in a schema.
pub(super) const MOST_NODES: usize = 20_000;

#[derive(Debug, Clone)]
pub(super) enum Node<'a> {
    /// Raw JSON.
    Raw(Cow<'a, str>),
    /// Unescaped names and their values, in order.
    Object(Vec<(Cow<'a, str>, Node<'a>)>),
    Array(Vec<Node<'a>>),
}

impl<'a> Node<'a> {
    /// Parses a whole schema.
    pub(super) fn read(raw: &'a RawValue) -> Option<Self> {
        read(raw, DEEPEST, &mut 0)
    }

    /// Parses the first level only.
    pub(super) fn read_top(raw: &'a RawValue) -> Option<Self> {
        let entries: Entries<'_> = json::read(raw.get()).ok()?;
        Some(Self::Object(entries.0.into_iter().map(|(key, raw)| (key, Self::Raw(raw.get().into()))).collect()))
    }

    /// Writes it as JSON.
    pub(super) fn written(&self) -> String {
        let mut out = String::with_capacity(256);
        self.write(&mut out);
        out
    }

    fn write(&self, out: &mut String) {
        match self {
            Self::Raw(text) => out.push_str(text),
            Self::Object(entries) => {
                out.push('{');
                for (index, (key, value)) in entries.iter().enumerate() {
                    if index > 0 {
                        out.push(',');
                    }
                    out.push_str(&text(key));
                    out.push(':');
                    value.write(out);
                }
                out.push('}');
            }
            Self::Array(values) => {
                out.push('[');
                for (index, value) in values.iter().enumerate() {
                    if index > 0 {
                        out.push(',');
                    }
                    value.write(out);
                }
                out.push(']');
            }
        }
    }

    /// The string, if it is one.
    pub(super) fn as_text(&self) -> Option<String> {
        match self {
            Self::Raw(raw) if raw.starts_with('"') => json::read(raw).ok(),
            _ => None,
        }
    }

    /// Whether it is the string `text`.
    pub(super) fn is_text(&self, text: &str) -> bool {
        self.as_text().is_some_and(|own| own == text)
    }

    /// The number of values in it, including itself.
    pub(super) fn size(&self) -> usize {
        match self {
            Self::Raw(_) => 1,
            Self::Object(entries) => entries.iter().fold(1, |sum, (_, value)| sum + value.size()),
            Self::Array(values) => values.iter().fold(1, |sum, value| sum + value.size()),
        }
    }
}

/// Writes a string as JSON.
pub(super) fn text(text: &str) -> String {
    serde_json::to_string(text).unwrap_or_default()
}

fn read<'a>(raw: &'a RawValue, deepest: usize, nodes: &mut usize) -> Option<Node<'a>> {
    *nodes += 1;
    if *nodes > MOST_NODES {
        return None;
    }
    let deeper = || deepest.checked_sub(1);
    match raw.get().as_bytes().first() {
        Some(b'{') => {
            let entries: Entries<'_> = json::read(raw.get()).ok()?;
            let mut read_entries = Vec::with_capacity(entries.0.len());
            for (key, raw) in entries.0 {
                if read_entries.iter().any(|(known, _)| *known == key) {
                    return None;
                }
                read_entries.push((key, read(raw, deeper()?, nodes)?));
            }
            Some(Node::Object(read_entries))
        }
        Some(b'[') => {
            let values: Vec<&RawValue> = json::read(raw.get()).ok()?;
            values.into_iter().map(|raw| read(raw, deeper()?, nodes)).collect::<Option<_>>().map(Node::Array)
        }
        _ => Some(Node::Raw(raw.get().into())),
    }
}

/// The fields of an object, in order.
struct Entries<'a>(Vec<(Cow<'a, str>, &'a RawValue)>);

/// A name: borrowed unless it holds escapes.
#[derive(Deserialize)]
#[serde(transparent)]
struct Name<'a>(#[serde(borrow)] Cow<'a, str>);

impl<'de: 'a, 'a> Deserialize<'de> for Entries<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct InOrder;
        impl<'de> Visitor<'de> for InOrder {
            type Value = Entries<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Entries<'de>, A::Error> {
                let mut entries = Vec::new();
                while let Some((Name(name), raw)) = map.next_entry::<Name<'de>, &RawValue>()? {
                    entries.push((name, raw));
                }
                Ok(Entries(entries))
            }
        }
        deserializer.deserialize_map(InOrder)
    }
}
