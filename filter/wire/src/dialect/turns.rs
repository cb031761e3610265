//! Conversations in the form of Anthropic and Converse: user and assistant turns alternate, and system instructions are separate.
//!
//! Neighbouring messages of one role are merged into one turn. Tool results belong to the user and come first in the turn. Thinking comes
//! before the calls of its own message. Everything else keeps its order.
//!
//! The first turn may be the assistant's if the client sends it so: some models accept it, and for others the provider's own 400 explains
//! more than an invented user turn would.

use serde::Serialize;

use crate::conversation::Role;
use crate::error::ApiError;
use crate::order;

/// The role of a turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Speaker {
    /// The user, and tool results.
    User,
    /// The model.
    Assistant,
}

impl Speaker {
    /// Maps a role; `None` for system and developer, which have no turns.
    pub fn of(role: Role) -> Option<Self> {
        match role {
            Role::System | Role::Developer => None,
            Role::User | Role::Tool => Some(Self::User),
            Role::Assistant => Some(Self::Assistant),
        }
    }
}

/// A block's role in the order of its turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A call of a tool.
    Call,
    /// A tool result.
    Result,
    /// Thinking, readable or redacted.
    Thinking,
    /// Anything else.
    Other,
}

/// A block of a turn in the format's own type.
pub trait Block {
    fn kind(&self) -> Kind;

    /// Trims trailing whitespace if it is a text.
    fn trim_end(&mut self);
}

/// A turn's content in the format's own type.
pub trait Content {
    type Block: Block;

    /// Wraps the blocks.
    fn of(blocks: Vec<Self::Block>) -> Self;

    fn blocks(&self) -> &[Self::Block];

    fn blocks_mut(&mut self) -> &mut Vec<Self::Block>;
}

/// One turn.
#[derive(Debug, Serialize)]
struct Turn<C> {
    role: Speaker,
    content: C,
}

#[derive(Debug, Serialize)]
#[serde(transparent)]
pub struct Turns<C>(Vec<Turn<C>>);

impl<C> Default for Turns<C> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<C: Content> Turns<C> {
    /// Adds a message's blocks, to the last turn if its role is the same.
    pub fn say(&mut self, role: Speaker, mut blocks: Vec<C::Block>) {
        match self.0.last_mut() {
            _ if blocks.is_empty() => {}
            Some(turn) if turn.role == role => turn.content.blocks_mut().append(&mut blocks),
            _ => self.0.push(Turn { role, content: C::of(blocks) }),
        }
    }

    /// Puts each turn in order. Fails if there is no turn.
    pub fn arrange(&mut self) -> Result<(), ApiError> {
        if self.0.is_empty() {
            return Err(nothing_said());
        }
        self.of_user().for_each(|blocks| order::put_first(blocks, 0, |block| block.kind() == Kind::Result));
        // An assistant prefill must not end in whitespace.
        if let Some(Turn { role: Speaker::Assistant, content }) = self.0.last_mut()
            && let Some(last) = content.blocks_mut().last_mut()
        {
            last.trim_end();
        }
        Ok(())
    }

    /// The blocks of each user turn.
    pub fn of_user(&mut self) -> impl Iterator<Item = &mut Vec<C::Block>> {
        self.0.iter_mut().filter(|turn| turn.role == Speaker::User).map(|turn| turn.content.blocks_mut())
    }

    pub fn blocks(&self) -> impl Iterator<Item = &C::Block> {
        self.0.iter().flat_map(|turn| turn.content.blocks())
    }

    /// Whether the last turn is the assistant's: a prefill of the response.
    pub fn ends_with_answer(&self) -> bool {
        self.0.last().is_some_and(|turn| turn.role == Speaker::Assistant)
    }

    /// Whether extended thinking is possible. Anthropic's models reject it if the last turn is an assistant prefill, or if the last
    /// assistant turn waits for tool results and its thinking was lost.
    pub fn can_think(&self) -> bool {
        let Some(turn) = self.0.iter().rfind(|turn| turn.role == Speaker::Assistant) else { return true };
        let blocks = turn.content.blocks();
        let calls = blocks.iter().any(|block| block.kind() == Kind::Call);
        !self.ends_with_answer() && (!calls || blocks.first().is_some_and(|block| block.kind() == Kind::Thinking))
    }
}

/// Moves thinking before the calls of its own message.
pub fn thinking_before_calls<B: Block>(blocks: &mut Vec<B>) {
    let first = blocks.iter().position(|block| block.kind() == Kind::Call);
    if let Some(first) = first {
        order::put_first(blocks, first, |block| block.kind() == Kind::Thinking);
    }
}

/// The error for a conversation without content.
pub fn nothing_said() -> ApiError {
    ApiError::invalid("messages", "The provider requires at least one user or assistant message that is not empty.")
}
