//! Maps the parts of a conversation back to the client's blocks. A turn's tool results are messages of their own, and a document may be
//! several parts.

use crate::conversation::Request;
use crate::dialect::field_paths::{self, FieldPosition, MessageField};
use crate::dialect::fields::{Fields, join};

use super::read_request;

/// A turn of the client's request, and the block of each part in a message made from it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Origin {
    pub turn: usize,
    pub blocks: Vec<usize>,
}

impl Origin {
    /// Stands for a turn's number.
    pub const SYSTEM: usize = usize::MAX;
}

/// Returns the path in the client's `body` of a place in the conversation.
pub(super) fn field_path(body: &[u8], position: &FieldPosition<'_>) -> Option<String> {
    let origins = read_request::messages(&mut Fields::of(body).ok()?, &mut Request::default()).ok()?;
    let Origin { turn, blocks } = origins.get(position.message)?;
    if *turn == Origin::SYSTEM {
        return Some("system".to_owned());
    }
    let at = format!("messages[{turn}]");
    let turns = field_paths::elements(body, "messages")?;
    let content = |part| field_paths::content(turns.get(*turn)?, "content", &at, part).into();
    let part: Option<String> = content(position.part.and_then(|(part, _)| blocks.get(part)).copied());
    Some(match position.field {
        MessageField::Role => join(&at, "role"),
        MessageField::Content => part?,
        MessageField::Arguments => join(&part?, "input"),
        MessageField::Call => join(&part?, "tool_use_id"),
    })
}
