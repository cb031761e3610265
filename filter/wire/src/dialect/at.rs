//! Places in a conversation by OpenAI's field paths, for error messages.

use crate::conversation::{Message, Part};
use crate::error::ApiError;

/// The path of the part at fault, or of the message's whole content.
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

/// A description of a part that an OpenAI message cannot hold, and the part.
pub type Misplaced<'a> = (&'static str, Option<&'a Part>);

/// The error for a part that the provider does not support there.
pub fn misplaced(index: usize, message: &Message, (what, part): Misplaced<'_>) -> ApiError {
    let path = content(index, message, part);
    let message = format!("'{path}' contains {what}, which the provider does not support here.");
    ApiError::unsupported(path, message)
}

/// A place in the request.
#[derive(Debug, Clone, Copy)]
pub struct At {
    /// The message's index.
    pub message: usize,
    /// The part's index.
    pub part: usize,
    /// The index among the message's tool calls.
    pub call: usize,
}

impl At {
    fn content(&self) -> String {
        format!("messages[{}].content[{}]", self.message, self.part)
    }

    /// The error if the provider does not accept `what` here.
    pub fn refuse(&self, what: &str) -> ApiError {
        let at = self.content();
        let message = format!("'{at}': the provider does not support {what}.");
        ApiError::unsupported(at, message)
    }

    /// The error for arguments that are not a JSON object.
    pub fn arguments(&self) -> ApiError {
        let at = format!("messages[{}].tool_calls[{}].function.arguments", self.message, self.call);
        let message = format!("'{at}' must be a JSON object.");
        ApiError::invalid(at, message)
    }
}
