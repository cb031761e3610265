//! Calls of tools, as far as formats share them: arguments that must be an object, and identifiers for calls that came
//! without one.

use serde::{Serialize, Serializer};
use serde_json::value::RawValue;

/// A call's arguments as an object.
#[derive(Debug)]
pub(super) enum Arguments<'a> {
    /// The object's own text, copied as it stands; empty for `{}`.
    Object(Option<&'a RawValue>),
    /// A model's arguments that are not a JSON object: wrapped as Anthropic's documentation advises, so that the client
    /// sees what came and no call is lost.
    Invalid(&'a str),
}

impl<'a> Arguments<'a> {
    /// `None`: not a JSON object.
    pub(super) fn parse(arguments: &'a str) -> Option<Self> {
        if arguments.trim().is_empty() {
            return Some(Self::Object(None));
        }
        let raw: &RawValue = serde_json::from_str(arguments).ok()?;
        raw.get().starts_with('{').then_some(Self::Object(Some(raw)))
    }
}

impl Serialize for Arguments<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Object(Some(raw)) => raw.serialize(serializer),
            Self::Object(None) => serializer.collect_map(std::iter::empty::<(&str, &str)>()),
            Self::Invalid(text) => serializer.collect_map([("INVALID_JSON", text)]),
        }
    }
}

/// An identifier for a call that came without one, so that its result can be tied to it.
pub(super) fn made_up_id(answer: &str, choice: u32, call: usize) -> String {
    let answer: String = answer.chars().filter(char::is_ascii_alphanumeric).take(40).collect();
    format!("call_{answer}_{choice}_{call}")
}
