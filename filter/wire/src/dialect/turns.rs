//! Conversations as Anthropic and Converse know them: two speakers take turns, and instructions stand outside.
//!
//! Neighbours that would speak for the same role share one turn; results of tools are the user's, and stand before anything else
//! the user says in that turn; thinking stands before the calls of its own message. Everything else keeps its order.
//!
//! The first turn is left to be the assistant's when the client says so: models differ in whether they take it, and the provider's
//! own 400 says so better than an invented user turn would.

use serde::Serialize;

use crate::conversation::Role;
use crate::error::ApiError;
use crate::order;

/// Who speaks, in the words of both.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Speaker {
    /// The user, who also brings what tools return.
    User,
    /// The model.
    Assistant,
}

impl Speaker {
    /// Who speaks for this role; `None` is the application, whose word is no turn.
    pub fn of(role: Role) -> Option<Self> {
        match role {
            Role::System | Role::Developer => None,
            Role::User | Role::Tool => Some(Self::User),
            Role::Assistant => Some(Self::Assistant),
        }
    }
}

/// What a block is to the order of its turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A call of a tool.
    Call,
    /// What a tool returned.
    Result,
    /// Thinking, readable or not.
    Thinking,
    /// Anything else.
    Other,
}

/// A piece of a turn, as the format writes it.
pub trait Block {
    /// What it is.
    fn kind(&self) -> Kind;

    /// Takes the blanks off its text's end, if it is a text.
    fn trim_end(&mut self);
}

/// The blocks of a turn, as the format writes them.
pub trait Content {
    /// One of them.
    type Block: Block;

    /// Those that stand here.
    fn of(blocks: Vec<Self::Block>) -> Self;

    /// All of them.
    fn blocks(&self) -> &[Self::Block];

    /// All of them, to be changed.
    fn blocks_mut(&mut self) -> &mut Vec<Self::Block>;
}

/// One turn, with its blocks as the format writes them.
#[derive(Debug, Serialize)]
struct Turn<C> {
    role: Speaker,
    content: C,
}

/// All turns.
#[derive(Debug, Serialize)]
#[serde(transparent)]
pub struct Turns<C>(Vec<Turn<C>>);

impl<C> Default for Turns<C> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<C: Content> Turns<C> {
    /// Adds what one message says: to the open turn, if it is the same speaker's.
    pub fn say(&mut self, role: Speaker, mut blocks: Vec<C::Block>) {
        match self.0.last_mut() {
            _ if blocks.is_empty() => {}
            Some(turn) if turn.role == role => turn.content.blocks_mut().append(&mut blocks),
            _ => self.0.push(Turn { role, content: C::of(blocks) }),
        }
    }

    /// Puts the turns in order once all has been said; an error when nothing was.
    pub fn arrange(&mut self) -> Result<(), ApiError> {
        if self.0.is_empty() {
            return Err(nothing_said());
        }
        self.of_user().for_each(|blocks| order::put_first(blocks, 0, |block| block.kind() == Kind::Result));
        // An answer's beginning that the client wrote may not end in blanks.
        if let Some(Turn { role: Speaker::Assistant, content }) = self.0.last_mut()
            && let Some(last) = content.blocks_mut().last_mut()
        {
            last.trim_end();
        }
        Ok(())
    }

    /// The blocks of each turn of the user.
    pub fn of_user(&mut self) -> impl Iterator<Item = &mut Vec<C::Block>> {
        self.0.iter_mut().filter(|turn| turn.role == Speaker::User).map(|turn| turn.content.blocks_mut())
    }

    /// All blocks.
    pub fn blocks(&self) -> impl Iterator<Item = &C::Block> {
        self.0.iter().flat_map(|turn| turn.content.blocks())
    }

    /// Whether the last word is the assistant's: the beginning of the answer.
    pub fn ends_with_answer(&self) -> bool {
        self.0.last().is_some_and(|turn| turn.role == Speaker::Assistant)
    }

    /// Whether extended thinking can go on from here. It cannot when the last assistant turn is the answer's own beginning, nor when
    /// that turn waits for tools and its thinking was not kept: Anthropic's models refuse both.
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

/// The error for a conversation in which nobody says anything.
pub fn nothing_said() -> ApiError {
    ApiError::invalid("messages", "The provider requires at least one user or assistant message that is not empty.")
}
