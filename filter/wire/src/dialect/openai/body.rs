//! Parts of requests that several OpenAI-like formats share, borrowed from the conversation. Each format's own `body` combines them.

use std::borrow::Cow;

use serde::Serialize;

use crate::conversation::{Form, Guises, Json, OutputFormat, Part, ToolChoice};
use crate::dialect::bounds::Numbers;
use crate::dialect::data_uri::Url;
use crate::dialect::text_argument;

use super::reasoning::Surface;

/// Sampling parameters, stop sequences, and the number of choices.
#[derive(Default, Serialize)]
pub(in crate::dialect) struct Sampling<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub temperature: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub top_p: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub top_k: Option<u64>,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    pub stop: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seed: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub frequency_penalty: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub presence_penalty: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub n: Option<u64>,
}

impl<'a> Sampling<'a> {
    /// All of them except `top_k`, which OpenAI does not support.
    pub fn of(numbers: &Numbers, stop: &'a [String]) -> Self {
        let &Numbers { temperature, top_p, seed, frequency_penalty, presence_penalty, n, .. } = numbers;
        Self { temperature, top_p, top_k: None, stop, seed, frequency_penalty, presence_penalty, n }
    }
}

/// A text, or parts `P` of the format's own.
#[derive(Serialize)]
#[serde(untagged)]
pub(in crate::dialect) enum ContentOut<'a, P> {
    Text(&'a str),
    Parts(Vec<P>),
}

#[derive(Serialize)]
pub(in crate::dialect) struct ImageOut<'a> {
    pub url: Url<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<&'a str>,
}

#[derive(Serialize)]
pub(in crate::dialect) struct MarkOut<'a> {
    pub r#type: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ttl: Option<&'a str>,
}

#[derive(Serialize)]
pub(in crate::dialect) struct ToolOut<'a> {
    pub r#type: &'static str,
    pub function: FunctionOut<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cache_control: Option<MarkOut<'a>>,
}

#[derive(Serialize)]
pub(in crate::dialect) struct FunctionOut<'a> {
    pub name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parameters: Option<Cow<'a, Json>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub strict: Option<bool>,
}

/// The tool choice.
#[derive(Serialize)]
#[serde(untagged)]
pub(in crate::dialect) enum ChoiceOut<'a> {
    Word(&'static str),
    Chats { r#type: &'static str, function: NameOut<'a> },
    Responses { r#type: &'static str, name: &'a str },
}

#[derive(Serialize)]
pub(in crate::dialect) struct NameOut<'a> {
    name: &'a str,
}

impl<'a> ChoiceOut<'a> {
    pub fn of(choice: &'a ToolChoice, on: Surface) -> Self {
        let r#type = "function";
        match (choice, on) {
            (ToolChoice::Auto, _) => Self::Word("auto"),
            (ToolChoice::None, _) => Self::Word("none"),
            (ToolChoice::Required, _) => Self::Word("required"),
            (ToolChoice::Named(name), Surface::Chat) => Self::Chats { r#type, function: NameOut { name } },
            (ToolChoice::Named(name), Surface::Responses) => Self::Responses { r#type, name },
        }
    }
}

/// The schema for structured output.
#[derive(Serialize)]
pub(in crate::dialect) struct SchemaOut<'a> {
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<&'a str>,
    schema: &'a Json,
    #[serde(skip_serializing_if = "Option::is_none")]
    strict: Option<bool>,
}

impl<'a> SchemaOut<'a> {
    /// `None` if any JSON object is allowed.
    pub fn of(output: &'a OutputFormat, strict: Option<bool>) -> Option<Self> {
        let OutputFormat::JsonSchema { name, description, schema, .. } = output else { return None };
        Some(Self { name, description: description.as_deref(), schema, strict })
    }
}

/// A whole tool call, in a request or a response.
#[derive(Serialize)]
pub(in crate::dialect) struct CallOut<'a> {
    id: &'a str,
    r#type: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    function: Option<Called<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    custom: Option<Custom<'a>>,
}

#[derive(Serialize)]
struct Called<'a> {
    name: &'a str,
    arguments: &'a str,
}

#[derive(Serialize)]
struct Custom<'a> {
    name: &'a str,
    input: String,
}

impl<'a> CallOut<'a> {
    /// The call in `part`, if it is one. Empty arguments become `{}`, because readers parse them.
    pub fn of(part: &'a Part) -> Option<Self> {
        let Part::ToolCall { id, name, arguments } = part else { return None };
        let arguments = if arguments.is_empty() { "{}" } else { arguments };
        Some(Self { id, r#type: "function", function: Some(Called { name, arguments }), custom: None })
    }

    /// The same in the form of the client's tool.
    pub fn in_form(part: &'a Part, guises: &Guises) -> Option<Self> {
        let mut call = Self::of(part)?;
        if let Some(Called { name, arguments }) = call.function.take_if(|called| guises.form(called.name) == Form::Text)
        {
            (call.r#type, call.custom) = ("custom", Some(Custom { name, input: text_argument::whole(arguments) }));
        }
        Some(call)
    }

    /// Like [`Self::of`], for a provider that also rejects blank arguments.
    pub fn trimmed(part: &'a Part) -> Option<Self> {
        let mut call = Self::of(part)?;
        if let Some(function) = call.function.as_mut().filter(|function| function.arguments.trim().is_empty()) {
            function.arguments = "{}";
        }
        Some(call)
    }
}
