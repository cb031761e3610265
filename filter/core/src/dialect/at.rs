//! Where in a conversation something stands, in OpenAI's terms, for errors that name it.

use crate::error::ApiError;

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
        let message = format!("'{at}': the provider cannot take {what}.");
        ApiError::unsupported(at, message)
    }

    /// A call's arguments are no JSON object.
    pub fn arguments(&self) -> ApiError {
        let at = format!("messages[{}].tool_calls[{}].function.arguments", self.message, self.call);
        let message = format!("'{at}' must be a JSON object.");
        ApiError::invalid(at, message)
    }
}
