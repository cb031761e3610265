//! Parts of requests that several OpenAI-like formats share, borrowed from the conversation. Each format's own `body` combines them.

use std::borrow::Cow;

use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

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
pub(in crate::dialect) struct CallOut<'a> {
    id: &'a str,
    name: &'a str,
    /// The call's type, and the name of its text.
    form: (&'static str, &'static str),
    text: Cow<'a, str>,
}

impl Serialize for CallOut<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("id", self.id)?;
        map.serialize_entry("type", self.form.0)?;
        map.serialize_entry(self.form.0, &Called(self))?;
        map.end()
    }
}

struct Called<'c>(&'c CallOut<'c>);

impl Serialize for Called<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("name", self.0.name)?;
        map.serialize_entry(self.0.form.1, &*self.0.text)?;
        map.end()
    }
}

impl<'a> CallOut<'a> {
    /// The call in `part`, if it is one. Empty arguments become `{}`, because readers parse them.
    pub fn of(part: &'a Part) -> Option<Self> {
        let Part::ToolCall { id, name, arguments } = part else { return None };
        let arguments = if arguments.is_empty() { "{}" } else { arguments };
        Some(Self { id, name, form: ("function", "arguments"), text: arguments.into() })
    }

    /// The same in the form of the client's tool.
    pub fn in_form(part: &'a Part, guises: &Guises) -> Option<Self> {
        let mut call = Self::of(part)?;
        if guises.form(call.name) == Form::Text {
            (call.form, call.text) = (("custom", "input"), text_argument::whole(&call.text).into());
        }
        Some(call)
    }

    /// Like [`Self::of`], for a provider that also rejects blank arguments.
    pub fn trimmed(part: &'a Part) -> Option<Self> {
        let mut call = Self::of(part)?;
        if call.text.trim().is_empty() {
            call.text = "{}".into();
        }
        Some(call)
    }
}
