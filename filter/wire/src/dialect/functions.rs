//! What several formats share about functions: the choice among them, a schema that is always present, arguments as an object, and generated
//! call ids.

use std::borrow::Cow;

use serde::{Serialize, Serializer};
use serde_json::value::RawValue;

use crate::conversation::{Json, Request, ToolChoice};
use crate::error::ApiError;
use crate::json;

/// The choice among the request's tools; `None` without tools, because providers reject a choice among none. A required call without tools is
/// a 400.
pub fn choice(request: &Request) -> Result<Option<&ToolChoice>, ApiError> {
    match &request.tool_choice {
        Some(ToolChoice::Required | ToolChoice::Named(_)) if request.tools.is_empty() => Err(ApiError::invalid(
            "tool_choice",
            "'tool_choice' requires a tool call, but the request has no 'tools'. Add 'tools', or remove 'tool_choice'.",
        )),
        choice => Ok(choice.as_ref().filter(|_| !request.tools.is_empty())),
    }
}

/// A function's schema. Some providers require one even for a function without arguments.
#[derive(Debug)]
pub enum Schema<'a> {
    /// As given.
    Whole(Cow<'a, Json>),
    /// An object without properties.
    NoArguments,
}

impl<'a> Schema<'a> {
    /// The schema, or [`Schema::NoArguments`] if there is none.
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
    /// The object's own text, copied verbatim; `None` for `{}`.
    Object(Option<&'a RawValue>),
    /// Arguments that are not a JSON object. They are wrapped as Anthropic's documentation advises, so that the client sees them and no
    /// call is lost.
    Invalid(&'a str),
}

impl<'a> Input<'a> {
    /// Parses a model's arguments. `None` if they are not a JSON object.
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

/// Generates an id for a call without one, so that its result can be linked to it. At most 40 characters: it fits every format whose
/// clients send it back.
pub fn made_up_id(answer: &str, choice: u32, call: usize) -> String {
    let answer: String = answer.chars().filter(char::is_ascii_alphanumeric).take(24).collect();
    format!("call_{answer}_{choice}_{call}")
}
