//! The shapes of a request's JSON, borrowed from the conversation; what [`write_request`](super::write_request) and
//! [`message_out`](super::message_out) fill in.

use std::borrow::Cow;

use serde::Serialize;

use crate::conversation::{Json, Part};
use crate::dialect::data_uri::Url;

use super::thinking::Thinking;

#[derive(Serialize)]
pub(super) struct Body<'a> {
    pub model: &'a str,
    pub messages: Vec<MessageOut<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tools: Vec<ToolOut<'a>>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub strict_tools: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tool_choice: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub response_format: Option<FormatOut<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_tokens: Option<u64>,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    pub stop_sequences: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    pub temperature: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub p: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub k: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seed: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub frequency_penalty: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub presence_penalty: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub thinking: Option<Thinking>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub stream: bool,
}

/// A turn, or an answer's message.
#[derive(Default, Serialize)]
pub(super) struct MessageOut<'a> {
    pub role: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tool_call_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tool_plan: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content: Option<ContentOut<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tool_calls: Vec<CallOut<'a>>,
}

#[derive(Serialize)]
#[serde(untagged)]
pub(super) enum ContentOut<'a> {
    Text(&'a str),
    Parts(Vec<PartOut<'a>>),
}

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum PartOut<'a> {
    Text { text: &'a str },
    Thinking { thinking: &'a str },
    ImageUrl { image_url: ImageOut<'a> },
}

#[derive(Serialize)]
pub(super) struct ImageOut<'a> {
    pub url: Url<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<&'a str>,
}

/// A tool call, whole.
#[derive(Serialize)]
pub(super) struct CallOut<'a> {
    id: &'a str,
    r#type: &'static str,
    function: Called<'a>,
}

#[derive(Serialize)]
struct Called<'a> {
    name: &'a str,
    arguments: &'a str,
}

impl<'a> CallOut<'a> {
    /// The call that `part` is, if it is one. Arguments are parsed: none are an empty object.
    pub fn of(part: &'a Part) -> Option<Self> {
        let Part::ToolCall { id, name, arguments } = part else { return None };
        let arguments = if arguments.trim().is_empty() { "{}" } else { arguments };
        Some(Self { id, r#type: "function", function: Called { name, arguments } })
    }
}

#[derive(Serialize)]
pub(super) struct ToolOut<'a> {
    pub r#type: &'static str,
    pub function: FunctionOut<'a>,
}

#[derive(Serialize)]
pub(super) struct FunctionOut<'a> {
    pub name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<&'a str>,
    pub parameters: Schema<'a>,
}

/// A tool's schema, whole; Cohere wants one even of a tool without arguments.
#[derive(Serialize)]
#[serde(untagged)]
pub(super) enum Schema<'a> {
    Whole(&'a Json),
    NoArguments { r#type: &'static str, properties: Nothing },
}

#[derive(Serialize)]
pub(super) struct Nothing {}

#[derive(Serialize)]
#[serde(tag = "type", rename = "json_object")]
pub(super) struct FormatOut<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub json_schema: Option<&'a Json>,
}
