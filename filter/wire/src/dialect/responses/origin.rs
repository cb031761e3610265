//! Origins of a conversation's parts: an assistant message is made of several items.

use crate::dialect::field_paths::{self, FieldPosition, MessageField};
use crate::dialect::fields::{Fields, join};

use super::request;
use super::toolbox::Toolbox;

/// The indexes of an `input` item and of a part of its content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Origin {
    pub item: usize,
    pub part: usize,
}

impl Origin {
    /// Instructions outside `input`.
    pub const INSTRUCTIONS: Self = Self { item: usize::MAX, part: 0 };
}

/// Finds a place of the conversation in the client's `body`.
pub(super) fn field_path(body: &[u8], position: &FieldPosition<'_>) -> Option<String> {
    let mut origins = Vec::new();
    request::messages(&mut Fields::of(body).ok()?, &mut Toolbox::default(), &mut Vec::new(), &mut origins).ok()?;
    let origin = origins.get(position.message)?.get(position.part.map_or(0, |(part, _)| part)).copied();
    let Some(origin) = origin else { return Some("input".to_owned()) };
    if origin == Origin::INSTRUCTIONS {
        return Some("instructions".to_owned());
    }
    let at = format!("input[{}]", origin.item);
    let items = field_paths::elements(body, "input")?;
    let item = items.get(origin.item)?;
    let kind: Option<String> = Fields::parse(item.get(), "").ok()?.take("", "type").ok()?;
    let part = position.part.map(|_| origin.part);
    Some(match (position.field, kind.as_deref()) {
        (MessageField::Role, _) => join(&at, "role"),
        (MessageField::Call, _) => join(&at, "call_id"),
        (MessageField::Arguments, Some("custom_tool_call")) => join(&at, "input"),
        (MessageField::Arguments, _) => join(&at, "arguments"),
        (MessageField::Content, None | Some("message")) => field_paths::content(item, "content", &at, part),
        (MessageField::Content, Some("function_call_output" | "custom_tool_call_output")) => join(&at, "output"),
        (MessageField::Content, Some(_)) => at,
    })
}
