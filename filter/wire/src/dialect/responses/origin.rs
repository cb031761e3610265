//! Origins of a conversation's parts: an assistant message is made of several items.

use crate::dialect::fields::{Fields, join};
use crate::dialect::places::{self, Place, What};

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
pub(super) fn place(body: &[u8], place: &Place<'_>) -> Option<String> {
    let mut origins = Vec::new();
    request::messages(&mut Fields::of(body).ok()?, &mut Toolbox::default(), &mut Vec::new(), &mut origins).ok()?;
    let origin = origins.get(place.message)?.get(place.part.map_or(0, |(part, _)| part)).copied();
    let Some(origin) = origin else { return Some("input".to_owned()) };
    if origin == Origin::INSTRUCTIONS {
        return Some("instructions".to_owned());
    }
    let at = format!("input[{}]", origin.item);
    let items = places::elements(body, "input")?;
    let item = items.get(origin.item)?;
    let kind: Option<String> = Fields::parse(item.get(), "").ok()?.take("", "type").ok()?;
    let part = place.part.map(|_| origin.part);
    Some(match (place.what, kind.as_deref()) {
        (What::Role, _) => join(&at, "role"),
        (What::Call, _) => join(&at, "call_id"),
        (What::Arguments, Some("custom_tool_call")) => join(&at, "input"),
        (What::Arguments, _) => join(&at, "arguments"),
        (What::Content, None | Some("message")) => places::content(item, "content", &at, part),
        (What::Content, Some("function_call_output" | "custom_tool_call_output")) => join(&at, "output"),
        (What::Content, Some(_)) => at,
    })
}
