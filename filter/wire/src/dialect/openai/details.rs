//! OpenRouter's `reasoning_details`: reasoning that must come back unchanged. In a stream each item is a piece, and the text also comes as
//! `reasoning`.
//!
//! Anthropic's signatures are read and written as such, so that a conversation can move between OpenRouter and Anthropic. Other items,
//! such as Google's signatures and OpenAI's encrypted reasoning, have their JSON in a signature of OpenRouter's own.
//!
//! Source: openrouter.ai, "Reasoning tokens".

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::conversation::{Part, signature};
use crate::json;
use crate::lenient::Text;

use super::loose::Block;

/// The owner of the signatures with an item's JSON.
const OPENROUTER: &str = "openrouter";

pub(in crate::dialect) const ANTHROPIC: &str = "anthropic-claude-v1";
const TEXT: &str = "reasoning.text";
const ENCRYPTED: &str = "reasoning.encrypted";

/// An item.
#[derive(Deserialize)]
pub(in crate::dialect) struct Detail<'a> {
    #[serde(borrow, default)]
    pub r#type: Text<'a>,
    #[serde(borrow, default)]
    pub format: Text<'a>,
    #[serde(borrow, default)]
    pub id: Text<'a>,
    #[serde(borrow, default)]
    pub text: Text<'a>,
    #[serde(borrow, default)]
    pub signature: Text<'a>,
    #[serde(borrow, default)]
    pub data: Text<'a>,
}

/// What an item of a response adds to its text.
pub(super) fn block(raw: &RawValue) -> Option<Block<'_>> {
    let Detail { format, text, signature, data, .. } = json::read(raw.get()).ok()?;
    if signature.is_empty() && data.is_empty() {
        return None;
    }
    if *format.0 == *ANTHROPIC {
        return Some(Block { thinking: text, signature, data });
    }
    let signature = Text(Cow::Owned(signature::mark(OPENROUTER, raw.get())));
    Some(Block { thinking: Text::default(), signature, data: Text::default() })
}

/// An item of a request.
#[derive(Serialize)]
#[serde(untagged)]
pub(in crate::dialect) enum DetailOut<'a> {
    Returned(&'a RawValue),
    Anthropics {
        r#type: &'static str,
        #[serde(skip_serializing_if = "str::is_empty")]
        text: &'a str,
        #[serde(skip_serializing_if = "str::is_empty")]
        signature: &'a str,
        #[serde(skip_serializing_if = "str::is_empty")]
        data: &'a str,
        format: &'static str,
    },
}

impl<'a> DetailOut<'a> {
    /// The item for reasoning with a signature, if OpenRouter can read it.
    pub fn of(part: &'a Part) -> Option<Self> {
        match part {
            Part::Thinking { text, signature: Some(marked) } => match signature::of(OPENROUTER, marked) {
                Some(item) => json::read(item).ok().map(Self::Returned),
                None => signature::anthropics(marked).map(|signature| Self::anthropics(TEXT, text, signature, "")),
            },
            Part::RedactedThinking { data } => {
                signature::anthropics(data).map(|data| Self::anthropics(ENCRYPTED, "", "", data))
            }
            _ => None,
        }
    }

    fn anthropics(r#type: &'static str, text: &'a str, signature: &'a str, data: &'a str) -> Self {
        Self::Anthropics { r#type, text, signature, data, format: ANTHROPIC }
    }
}
