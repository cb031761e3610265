//! Reasoning, and its signatures in `encrypted_content`.
//!
//! In the conversation a signature without an owner is Anthropic's; in this format it is OpenAI's. So:
//!
//! | in the conversation | in `encrypted_content` |
//! |---|---|
//! | `openai#rs_1.gAAAA` read here: the item's id and its content | `gAAAA` of item `rs_1`, for OpenAI |
//! | `openai#rs_1.gAAAA` | the same, for a client |
//! | `EqQB`, Anthropic's | `anthropic#EqQB` |
//! | `gemini#CiQ`, any other owner's | the same |
//!
//! The provider's readable reasoning is the item's `summary`. An item without a summary is fully encrypted. A signature on reasoning
//! without readable text has a summary of one empty text.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::conversation::{Part, signature};
use crate::dialect::few::Few;
use crate::dialect::fields::Fields;
use crate::dialect::openai::loose::Text;
use crate::error::ApiError;
use crate::json;

const OPENAI: &str = "openai";
const ANTHROPIC: &str = "anthropic";

/// A part of the summary or of the content, also of a message's.
#[derive(Debug, Deserialize)]
pub(super) struct Piece<'a> {
    #[serde(borrow, default)]
    pub text: Text<'a>,
    #[serde(borrow, default)]
    pub refusal: Text<'a>,
}

/// The maximum number of texts in an item.
const MOST_PIECES: usize = 1024;

/// The pieces of an item.
pub(super) type Pieces<'a> = Few<Piece<'a>, MOST_PIECES>;

/// Reads an item that a client sends back.
pub(super) fn read(fields: &mut Fields<'_>, at: &str, id: &str) -> Result<Option<Part>, ApiError> {
    let summary: Pieces<'_> = fields.take(at, "summary")?.unwrap_or_default();
    let content: Pieces<'_> = fields.take(at, "content")?.unwrap_or_default();
    let encrypted: Option<String> = fields.take(at, "encrypted_content")?;
    Ok(part(id, shown(&summary, &content), &encrypted.unwrap_or_default()))
}

/// The readable text: the summary, or else the content.
pub(super) fn shown(summary: &[Piece<'_>], content: &[Piece<'_>]) -> Option<String> {
    let pieces = if summary.is_empty() { content } else { summary };
    let texts: Vec<&str> = pieces.iter().map(|piece| &*piece.text.0).collect();
    (!texts.is_empty()).then(|| texts.join(BETWEEN))
}

/// Separates the parts of a summary, which are paragraphs.
pub(super) const BETWEEN: &str = "\n\n";

/// The reasoning of an item, if it has any.
pub(super) fn part(id: &str, shown: Option<String>, encrypted: &str) -> Option<Part> {
    let signature = (!encrypted.is_empty()).then(|| unwrap(id, encrypted));
    match (shown, signature) {
        (Some(text), signature) if !text.is_empty() || signature.is_some() => Some(Part::Thinking { text, signature }),
        (None, Some(data)) => Some(Part::RedactedThinking { data }),
        _ => None,
    }
}

/// Converts an item's `encrypted_content` to the conversation's signature.
pub(super) fn unwrap(id: &str, encrypted: &str) -> String {
    if let Some(theirs) = signature::of(ANTHROPIC, encrypted) {
        return theirs.to_owned();
    }
    if signature::anthropics(encrypted).is_none() {
        return encrypted.to_owned();
    }
    // OpenAI's ids have no dots.
    let id = if id.contains('.') { "" } else { id };
    signature::mark(OPENAI, &format!("{id}.{encrypted}"))
}

/// Converts the conversation's signature to `encrypted_content` for a client.
pub(super) fn wrap(marked: &str) -> Cow<'_, str> {
    signature::anthropics(marked).map_or(Cow::Borrowed(marked), |theirs| Cow::Owned(signature::mark(ANTHROPIC, theirs)))
}

/// The item's id and `encrypted_content`, if the signature is OpenAI's.
pub(super) fn own(marked: &str) -> Option<(&str, &str)> {
    signature::of(OPENAI, marked)?.split_once('.')
}

/// OpenAI's own reasoning as OpenAI has written it, from an item that the gateway has written for a client. `None` if it is another's.
pub(in crate::dialect) fn returned(item: &str, marked: &str) -> Option<String> {
    let (id, encrypted) = own(marked)?;
    let summary = Fields::parse(item, "").ok()?.take_raw("summary").map_or("[]", RawValue::get);
    let mut written = "{\"type\":\"reasoning\",".to_owned();
    if !id.is_empty() {
        written.push_str("\"id\":");
        json::write_string(id, &mut written);
        written.push(',');
    }
    written.push_str("\"summary\":");
    written.push_str(summary);
    written.push_str(",\"encrypted_content\":");
    json::write_string(encrypted, &mut written);
    written.push('}');
    Some(written)
}
