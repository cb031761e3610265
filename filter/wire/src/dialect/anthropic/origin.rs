//! Maps the parts of a conversation back to the client's blocks. A turn's tool results are messages of their own, and a document may be
//! several parts.

use crate::conversation::Request;
use crate::dialect::fields::{Fields, join};
use crate::dialect::places::{self, Place, What};

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
pub(super) fn place(body: &[u8], place: &Place<'_>) -> Option<String> {
    let origins = read_request::messages(&mut Fields::of(body).ok()?, &mut Request::default()).ok()?;
    let Origin { turn, blocks } = origins.get(place.message)?;
    if *turn == Origin::SYSTEM {
        return Some("system".to_owned());
    }
    let at = format!("messages[{turn}]");
    let turns = places::elements(body, "messages")?;
    let content = |part| places::content(turns.get(*turn)?, "content", &at, part).into();
    let part: Option<String> = content(place.part.and_then(|(part, _)| blocks.get(part)).copied());
    Some(match place.what {
        What::Role => join(&at, "role"),
        What::Content => part?,
        What::Arguments => join(&part?, "input"),
        What::Call => join(&part?, "tool_use_id"),
    })
}
