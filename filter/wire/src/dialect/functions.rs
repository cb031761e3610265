//! Functions and their calls, in the forms that several formats want them in: a schema that is never missing, arguments as
//! an object, identifiers for those that have none.

use std::borrow::Cow;

use serde::{Serialize, Serializer};
use serde_json::value::RawValue;

use crate::conversation::Json;
use crate::json;

/// A function's schema, whole; some providers want one even of a function without arguments.
#[derive(Debug)]
pub enum Schema<'a> {
    /// As the provider takes it.
    Whole(Cow<'a, Json>),
    /// An object without properties.
    NoArguments,
}

impl<'a> Schema<'a> {
    /// The schema of a function that may have none.
    pub fn of(parameters: Option<Cow<'a, Json>>) -> Self {
        parameters.map_or(Self::NoArguments, Self::Whole)
    }
}

impl Serialize for Schema<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct NoArguments {
            r#type: &'static str,
            properties: Nothing,
        }
        #[derive(Serialize)]
        struct Nothing {}
        match self {
            Self::Whole(schema) => schema.serialize(serializer),
            Self::NoArguments => NoArguments { r#type: "object", properties: Nothing {} }.serialize(serializer),
        }
    }
}

/// A call's arguments as an object.
#[derive(Debug)]
pub enum Input<'a> {
    /// The object's own text, copied as it stands; empty for `{}`.
    Object(Option<&'a RawValue>),
    /// A model's arguments that are not a JSON object: wrapped as Anthropic's documentation advises, so that the client
    /// sees what came and no call is lost.
    Invalid(&'a str),
}

impl<'a> Input<'a> {
    /// Reads a model's arguments. `None`: not a JSON object.
    pub fn parse(arguments: &'a str) -> Option<Self> {
        if matches!(arguments.trim(), "" | "null") {
            return Some(Self::Object(None));
        }
        let raw: &RawValue = json::read(arguments).ok()?;
        raw.get().starts_with('{').then_some(Self::Object(Some(raw)))
    }
}

impl Serialize for Input<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Object(Some(raw)) => raw.serialize(serializer),
            Self::Object(None) => serializer.collect_map(std::iter::empty::<(&str, &str)>()),
            Self::Invalid(text) => serializer.collect_map([("INVALID_JSON", text)]),
        }
    }
}

/// An identifier for a call that came without one, so that its result can be tied to it. It fits every format whose clients send
/// it back: 40 characters at most.
pub fn made_up_id(answer: &str, choice: u32, call: usize) -> String {
    let answer: String = answer.chars().filter(char::is_ascii_alphanumeric).take(24).collect();
    format!("call_{answer}_{choice}_{call}")
}
