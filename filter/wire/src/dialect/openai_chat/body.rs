//! The JSON of a request, borrowed from the conversation; [`write`](super::write) fills it in.

use std::borrow::Cow;

use serde::Serialize;

use crate::conversation::Json;
use crate::dialect::data_uri::Url;
use crate::dialect::openai::body::{CallOut, ChoiceOut, ContentOut, ImageOut, MarkOut, Sampling, SchemaOut, ToolOut};
use crate::dialect::openai::carried::Carried;
use crate::dialect::openai::details::DetailOut;
use crate::dialect::openai::request::Streaming;

#[derive(Serialize)]
pub(super) struct Body<'a> {
    pub model: &'a str,
    pub messages: Vec<MessageOut<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tools: Vec<ToolOut<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tool_choice: Option<ChoiceOut<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parallel_tool_calls: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub response_format: Option<FormatOut<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_completion_tokens: Option<u64>,
    #[serde(flatten)]
    pub sampling: Sampling<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reasoning_effort: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub thinking: Option<ThinkingOut>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reasoning: Option<ReasoningOut>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service_tier: Option<&'a str>,
    #[serde(flatten)]
    pub carried: Carried<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub store: Option<&'a Json>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub verbosity: Option<&'a Json>,
    #[serde(flatten)]
    pub streaming: Streaming,
}

/// DeepSeek's switch.
#[derive(Serialize)]
pub(super) struct ThinkingOut {
    pub r#type: &'static str,
}

/// OpenRouter's parameter, beside `reasoning_effort`.
#[derive(Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum ReasoningOut {
    MaxTokens(u64),
    Enabled(bool),
}

#[derive(Serialize, Default)]
pub(super) struct MessageOut<'a> {
    pub role: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tool_call_id: Option<&'a str>,
    pub content: Option<ContentOut<'a, PartOut<'a>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refusal: Option<&'a str>,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub reasoning_content: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub reasoning: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub reasoning_details: Vec<DetailOut<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tool_calls: Vec<CallOut<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cache_control: Option<MarkOut<'a>>,
}

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum PartOut<'a> {
    Text {
        text: Cow<'a, str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        cache_control: Option<MarkOut<'a>>,
    },
    ImageUrl {
        image_url: ImageOut<'a>,
        #[serde(skip_serializing_if = "Option::is_none")]
        cache_control: Option<MarkOut<'a>>,
    },
    File {
        file: FileOut<'a>,
        #[serde(skip_serializing_if = "Option::is_none")]
        cache_control: Option<MarkOut<'a>>,
    },
    Refusal {
        refusal: &'a str,
    },
}

#[derive(Serialize)]
pub(super) struct FileOut<'a> {
    pub filename: &'a str,
    pub file_data: Url<'a>,
}

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum FormatOut<'a> {
    JsonObject,
    JsonSchema { json_schema: SchemaOut<'a> },
}
