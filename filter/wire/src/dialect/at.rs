//! Where in a conversation something stands, in OpenAI's terms, for errors that name it.

use crate::conversation::{Message, Part};
use crate::error::ApiError;

/// The path of the part of a message that is at fault, or of all its content.
pub fn content(index: usize, message: &Message, part: Option<&Part>) -> String {
    let is = |one: &Part| part.is_some_and(|part| std::ptr::eq(one, part));
    let holds = |one: &Part| match one {
        Part::ToolResult { content, .. } => is(one) || content.iter().any(is),
        _ => is(one),
    };
    match message.parts.iter().position(holds) {
        Some(part) => format!("messages[{index}].content[{part}]"),
        None => format!("messages[{index}].content"),
    }
}

/// A part that a message of OpenAI's shape cannot hold.
pub type Misplaced<'a> = (&'static str, Option<&'a Part>);

/// The error for a part that the provider has no place for.
pub fn misplaced(index: usize, message: &Message, (what, part): Misplaced<'_>) -> ApiError {
    let path = content(index, message, part);
    let message = format!("'{path}' contains {what}, which the provider does not support here.");
    ApiError::unsupported(path, message)
}

/// Where in the request something stands, in OpenAI's terms.
#[derive(Debug, Clone, Copy)]
pub struct At {
    /// The message.
    pub message: usize,
    /// The part of it.
    pub part: usize,
    /// The call, among the message's calls.
    pub call: usize,
}

impl At {
    /// The part's path.
    fn content(&self) -> String {
        format!("messages[{}].content[{}]", self.message, self.part)
    }

    /// The provider cannot take `what` here.
    pub fn refuse(&self, what: &str) -> ApiError {
        let at = self.content();
        let message = format!("'{at}': the provider does not support {what}.");
        ApiError::unsupported(at, message)
    }

    /// A call's arguments are no JSON object.
    pub fn arguments(&self) -> ApiError {
        let at = format!("messages[{}].tool_calls[{}].function.arguments", self.message, self.call);
        let message = format!("'{at}' must be a JSON object.");
        ApiError::invalid(at, message)
    }
}
