//! The JSON of a request, borrowed from the conversation; [`write`](super::write) fills it in.

use std::borrow::Cow;

use serde::Serialize;

use crate::conversation::Json;
use crate::dialect::data_uri::Url;
use crate::dialect::openai::body::{ChoiceOut, ContentOut, Sampling, SchemaOut};
use crate::dialect::openai::carried::Carried;

#[derive(Serialize)]
pub(super) struct Body<'a> {
    pub model: &'a str,
    pub input: Vec<ItemOut<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tools: Vec<ToolOut<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tool_choice: Option<ChoiceOut<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parallel_tool_calls: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<TextOut<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_output_tokens: Option<u64>,
    #[serde(flatten)]
    pub sampling: Sampling<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reasoning: Option<ReasoningOut<'a>>,
    #[serde(skip_serializing_if = "<[&str]>::is_empty")]
    pub include: &'static [&'static str],
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service_tier: Option<&'a str>,
    #[serde(flatten)]
    pub carried: Carried<'a>,
    pub store: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stream: Option<bool>,
}

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum ItemOut<'a> {
    Message {
        role: &'static str,
        content: ContentOut<'a, PartOut<'a>>,
    },
    Reasoning {
        #[serde(skip_serializing_if = "str::is_empty")]
        id: &'a str,
        summary: Vec<PartOut<'a>>,
        encrypted_content: &'a str,
    },
    FunctionCall {
        call_id: &'a str,
        name: &'a str,
        arguments: &'a str,
    },
    FunctionCallOutput {
        call_id: &'a str,
        output: ContentOut<'a, PartOut<'a>>,
    },
}

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum PartOut<'a> {
    InputText {
        text: &'a str,
    },
    InputImage {
        image_url: Url<'a>,
        #[serde(skip_serializing_if = "Option::is_none")]
        detail: Option<&'a str>,
    },
    InputFile {
        #[serde(skip_serializing_if = "Option::is_none")]
        filename: Option<&'a str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        file_data: Option<Url<'a>>,
        #[serde(skip_serializing_if = "Option::is_none")]
        file_url: Option<Url<'a>>,
    },
    OutputText {
        text: &'a str,
    },
    Refusal {
        refusal: &'a str,
    },
    SummaryText {
        text: &'a str,
    },
}

#[derive(Serialize)]
pub(super) struct ToolOut<'a> {
    pub r#type: &'static str,
    pub name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<&'a str>,
    pub parameters: Option<Cow<'a, Json>>,
    pub strict: bool,
}

#[derive(Serialize)]
pub(super) struct TextOut<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub format: Option<FormatOut<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub verbosity: Option<&'a Json>,
}

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum FormatOut<'a> {
    JsonObject,
    JsonSchema(SchemaOut<'a>),
}

#[derive(Serialize)]
pub(super) struct ReasoningOut<'a> {
    pub effort: &'a str,
}
