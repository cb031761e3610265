//! Reasoning blocks in requests and responses.

use serde::Serialize;

use crate::conversation::Part;

/// One of `thinking_blocks`.
#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum Block<'a> {
    Thinking {
        /// In streams only: OpenAI's library raises an error for a list item without it.
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
    /// The block for `part`, if it is reasoning.
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
