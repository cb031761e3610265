//! A JSON object taken apart by name without building a tree: every field is a borrowed slice until someone wants it, and
//! what nobody took is known by name, so that nothing is dropped in silence.

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::error::ApiError;
use crate::json;

/// No dialect has nearly as many: the bound keeps the search by name cheap whatever a client sends.
const MOST_FIELDS: usize = 256;

/// The fields of one object that were not taken yet.
#[derive(Debug, Default)]
pub struct Fields<'a> {
    entries: Vec<(Cow<'a, str>, &'a RawValue)>,
}

impl<'a> Fields<'a> {
    /// Takes `text` apart. `at` names the object in errors; empty for the body itself.
    pub fn parse(text: &'a str, at: &str) -> Result<Self, ApiError> {
        json::read(text).map_err(|error| wrong(at, &error))
    }

    /// Takes a request's body apart.
    pub fn of(body: &'a [u8]) -> Result<Self, ApiError> {
        let text = str::from_utf8(body)
            .map_err(|_| ApiError { param: None, ..ApiError::invalid("", "The request body is not valid UTF-8.") })?;
        Self::parse(text, "")
    }

    /// Takes the field `name`; absent and `null` are `None`. `at` is the object's own path.
    pub fn take<T: Deserialize<'a>>(&mut self, at: &str, name: &str) -> Result<Option<T>, ApiError> {
        match self.take_raw(name) {
            None => Ok(None),
            Some(raw) => json::read(raw.get()).map(Some).map_err(|error| wrong(&join(at, name), &error)),
        }
    }

    /// Takes the field `name` as it stands; absent and `null` are `None`.
    pub fn take_raw(&mut self, name: &str) -> Option<&'a RawValue> {
        let index = self.entries.iter().position(|(key, _)| key == name)?;
        let (_, raw) = self.entries.swap_remove(index);
        (raw.get() != "null").then_some(raw)
    }

    /// What nobody took, `null`s aside.
    pub fn rest(&self) -> impl Iterator<Item = (&str, &'a RawValue)> {
        self.entries.iter().filter(|(_, raw)| raw.get() != "null").map(|(name, raw)| (&**name, *raw))
    }
}

/// `at.name`, or `name` at the top.
pub fn join(at: &str, name: &str) -> String {
    if at.is_empty() { name.to_owned() } else { format!("{at}.{name}") }
}

/// A value that must be there.
pub fn needed<T>(value: Option<T>, at: &str) -> Result<T, ApiError> {
    value.ok_or_else(|| missing(at))
}

/// Refuses what nobody took: it may be known, but is not carried.
pub fn refuse_rest(fields: &Fields<'_>, at: &str) -> Result<(), ApiError> {
    match fields.rest().next() {
        None => Ok(()),
        Some((name, _)) => {
            let at = join(at, name);
            let message = format!("'{at}' is not supported by this provider. Remove it.");
            Err(ApiError::unsupported(at, message))
        }
    }
}

/// An object at `at`, taken apart.
pub(super) fn object<'a>(raw: &'a RawValue, at: &str) -> Result<Fields<'a>, ApiError> {
    Fields::parse(raw.get(), at)
}

/// The text field `name`, which must be there.
pub(super) fn required(fields: &mut Fields<'_>, at: &str, name: &str) -> Result<String, ApiError> {
    fields.take(at, name)?.ok_or_else(|| missing(&join(at, name)))
}

/// Checks that nothing is left of an object that has no fields in the table.
pub(super) fn nothing_left(fields: &Fields<'_>, at: &str) -> Result<(), ApiError> {
    match fields.rest().next() {
        None => Ok(()),
        Some((name, _)) => Err(unknown(&join(at, name))),
    }
}

/// A 400 for a field that is missing.
pub(super) fn missing(path: &str) -> ApiError {
    ApiError::invalid(path, format!("Missing required parameter: '{path}'.")).with_code("missing_required_parameter")
}

/// A 400 for a field that nobody knows.
pub(super) fn unknown(path: &str) -> ApiError {
    ApiError::invalid(path, format!("Unknown parameter: '{path}'.")).with_code("unknown_parameter")
}

/// A 400 for a word that is none of those that stand at `path`.
pub(super) fn wrong_word(path: &str, word: &str, words: &str) -> ApiError {
    let word: String = word.chars().take(64).collect();
    ApiError::invalid(path, format!("Invalid value for '{path}': '{word}'. Supported values are: {words}."))
        .with_code("invalid_value")
}

/// Adds `name` once.
pub(super) fn drop_hint(dropped: &mut Vec<String>, name: &str) {
    if !dropped.iter().any(|known| known == name) {
        dropped.push(name.to_owned());
    }
}

fn wrong(at: &str, error: &serde_json::Error) -> ApiError {
    if at.is_empty() {
        return ApiError {
            param: None,
            ..ApiError::invalid("", format!("The request body is not a JSON object: {error}."))
        };
    }
    ApiError::invalid(at, format!("Invalid value for '{at}': {error}."))
}

impl<'de: 'a, 'a> Deserialize<'de> for Fields<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Object;
        impl<'de> Visitor<'de> for Object {
            type Value = Fields<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut entries = Vec::with_capacity(8);
                while let Some((Name(name), raw)) = map.next_entry::<Name<'de>, &'de RawValue>()? {
                    if entries.len() == MOST_FIELDS {
                        return Err(serde::de::Error::custom(format_args!("more than {MOST_FIELDS} fields")));
                    }
                    if entries.iter().any(|(known, _)| *known == name) {
                        return Err(serde::de::Error::custom(format_args!("duplicate field '{name}'")));
                    }
                    entries.push((name, raw));
                }
                Ok(Fields { entries })
            }
        }
        deserializer.deserialize_map(Object)
    }
}

/// A key: borrowed unless it holds escapes.
#[derive(Deserialize)]
#[serde(transparent)]
struct Name<'a>(#[serde(borrow)] Cow<'a, str>);
