//! Where the parts of a conversation came from: a turn's results of tools are messages of their own, and a document is several parts.

use crate::conversation::Request;
use crate::dialect::fields::{Fields, join};
use crate::dialect::places::{self, Place, What};

use super::read_request;

/// A turn of the client's, and for each part of a message that is made of it the block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Origin {
    pub turn: usize,
    pub blocks: Vec<usize>,
}

impl Origin {
    /// In place of a turn's number.
    pub const SYSTEM: usize = usize::MAX;
}

/// Where the client's `body` has a place of the conversation.
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
