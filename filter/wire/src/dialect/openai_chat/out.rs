//! The blocks of reasoning that requests and answers share.

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
