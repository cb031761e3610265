//! The pieces of JSON that requests and answers share.

use serde::Serialize;

use crate::conversation::Part;

/// One of `thinking_blocks`.
#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum Block<'a> {
    Thinking {
        /// In streams: OpenAI's library raises an error where an item of a list has none.
        #[serde(skip_serializing_if = "Option::is_none")]
        index: Option<usize>,
        thinking: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        signature: Option<&'a str>,
    },
    RedactedThinking {
        #[serde(skip_serializing_if = "Option::is_none")]
        index: Option<usize>,
        data: &'a str,
    },
}

impl<'a> Block<'a> {
    /// The block that `part` is, if it is one.
    pub fn of(part: &'a Part) -> Option<Self> {
        match part {
            Part::Thinking { text, signature } => {
                Some(Self::Thinking { index: None, thinking: text, signature: signature.as_deref() })
            }
            Part::RedactedThinking { data } => Some(Self::RedactedThinking { index: None, data }),
            _ => None,
        }
    }
}

/// A tool call, whole.
#[derive(Debug, Serialize)]
pub(super) struct Call<'a> {
    id: &'a str,
    r#type: &'static str,
    function: Function<'a>,
}

#[derive(Debug, Serialize)]
struct Function<'a> {
    name: &'a str,
    arguments: &'a str,
}

impl<'a> Call<'a> {
    /// The call that `part` is, if it is one. Clients parse the arguments: none are an empty object.
    pub fn of(part: &'a Part) -> Option<Self> {
        let Part::ToolCall { id, name, arguments } = part else { return None };
        let arguments = if arguments.is_empty() { "{}" } else { arguments };
        Some(Self { id, r#type: "function", function: Function { name, arguments } })
    }
}
