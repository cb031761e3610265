//! Splits a JSON object into its fields without building a tree. Each field is a borrowed slice until it is taken. Fields that remain are
//! known by name, so that none is dropped silently.

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::error::ApiError;
use crate::json;

/// No dialect has nearly as many fields. Bounds the cost of the linear search, whatever a client sends.
const MOST_FIELDS: usize = 256;

/// The fields of one object that are not taken yet.
#[derive(Debug, Default)]
pub struct Fields<'a> {
    entries: Vec<(Cow<'a, str>, &'a RawValue)>,
}

impl<'a> Fields<'a> {
    /// Splits `text`. `at` is the object's path for errors, empty for the body itself.
    pub fn parse(text: &'a str, at: &str) -> Result<Self, ApiError> {
        json::read(text).map_err(|error| wrong(at, &error))
    }

    /// Splits a request body.
    pub fn of(body: &'a [u8]) -> Result<Self, ApiError> {
        let text = str::from_utf8(body)
            .map_err(|_| ApiError { param: None, ..ApiError::invalid("", "The request body is not valid UTF-8.") })?;
        Self::parse(text, "")
    }

    /// Takes the field `name`; absent and `null` are `None`. `at` is the object's path.
    pub fn take<T: Deserialize<'a>>(&mut self, at: &str, name: &str) -> Result<Option<T>, ApiError> {
        match self.take_raw(name) {
            None => Ok(None),
            Some(raw) => json::read(raw.get()).map(Some).map_err(|error| wrong(&join(at, name), &error)),
        }
    }

    /// Takes the field `name` as raw JSON; absent and `null` are `None`.
    pub fn take_raw(&mut self, name: &str) -> Option<&'a RawValue> {
        let index = self.entries.iter().position(|(key, _)| key == name)?;
        let (_, raw) = self.entries.swap_remove(index);
        (raw.get() != "null").then_some(raw)
    }

    /// The remaining fields, except `null`s.
    pub fn rest(&self) -> impl Iterator<Item = (&str, &'a RawValue)> {
        self.entries.iter().filter(|(_, raw)| raw.get() != "null").map(|(name, raw)| (&**name, *raw))
    }
}

/// `at.name`, or `name` at the top level.
pub fn join(at: &str, name: &str) -> String {
    if at.is_empty() { name.to_owned() } else { format!("{at}.{name}") }
}

/// Unwraps a required value.
pub fn needed<T>(value: Option<T>, at: &str) -> Result<T, ApiError> {
    value.ok_or_else(|| missing(at))
}

/// Rejects remaining fields: they may be valid, but are not supported.
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

/// Splits the object at `at`.
pub(super) fn object<'a>(raw: &'a RawValue, at: &str) -> Result<Fields<'a>, ApiError> {
    Fields::parse(raw.get(), at)
}

/// Takes the required text field `name`.
pub(super) fn required(fields: &mut Fields<'_>, at: &str, name: &str) -> Result<String, ApiError> {
    fields.take(at, name)?.ok_or_else(|| missing(&join(at, name)))
}

/// Rejects any remaining field as unknown, for an object without fields in the table.
pub(super) fn nothing_left(fields: &Fields<'_>, at: &str) -> Result<(), ApiError> {
    match fields.rest().next() {
        None => Ok(()),
        Some((name, _)) => Err(unknown(&join(at, name))),
    }
}

/// The 400 for a missing field.
pub(super) fn missing(path: &str) -> ApiError {
    ApiError::invalid(path, format!("Missing required parameter: '{path}'.")).with_code("missing_required_parameter")
}

/// The 400 for an unknown field.
pub(super) fn unknown(path: &str) -> ApiError {
    ApiError::invalid(path, format!("Unknown parameter: '{path}'.")).with_code("unknown_parameter")
}

/// The 400 for a `word` that is not among the supported `words`.
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

/// A key, borrowed unless it has escapes.
#[derive(Deserialize)]
#[serde(transparent)]
struct Name<'a>(#[serde(borrow)] Cow<'a, str>);
