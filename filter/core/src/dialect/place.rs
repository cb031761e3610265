//! Where in a conversation something stands that a provider cannot take, in the words of OpenAI's format.

use crate::error::ApiError;

/// A place in a request's messages.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    /// Which message, from 0.
    pub(super) message: usize,
    /// Which part of it.
    pub(super) part: usize,
    /// How many calls of the message stand before it.
    pub(super) call: usize,
}

impl Place {
    fn content(&self) -> String {
        format!("messages[{}].content[{}]", self.message, self.part)
    }

    /// A 400: the provider has no place for `what` here.
    pub(super) fn refuse(&self, what: &str) -> ApiError {
        let at = self.content();
        let message = format!("'{at}': the provider cannot take {what}.");
        ApiError::unsupported(at, message)
    }

    /// A 400: the call's arguments are not an object.
    pub(super) fn arguments(&self) -> ApiError {
        let at = format!("messages[{}].tool_calls[{}].function.arguments", self.message, self.call);
        let message = format!("'{at}' must be a JSON object.");
        ApiError::invalid(at, message)
    }
}
