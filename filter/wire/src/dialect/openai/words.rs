//! Finish reasons of OpenAI and compatible servers.

use crate::conversation::Finish;
use crate::error::{ApiError, ErrorKind};

/// Reads a `finish_reason`. Reasons that mean a provider failure are errors; unknown reasons are a stop.
pub(in crate::dialect) fn finish(word: &str) -> Result<Finish, ApiError> {
    Ok(match word {
        "length" | "model_length" | "max_tokens" => Finish::Length,
        "tool_calls" | "function_call" | "tool_use" => Finish::ToolCalls,
        "content_filter" => Finish::ContentFilter,
        "error" => return Err(ApiError::new(502, ErrorKind::Server, "The provider failed while it answered.")),
        "insufficient_system_resource" => {
            let message = "The provider ran out of resources while it answered.";
            return Err(ApiError::new(503, ErrorKind::Overloaded, message));
        }
        _ => Finish::Stop,
    })
}

/// The finish reason for clients.
pub(in crate::dialect) fn finish_reason(finish: Finish) -> &'static str {
    finish.name()
}
