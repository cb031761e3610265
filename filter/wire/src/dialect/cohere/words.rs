//! Why an answer ended, in Cohere's words.

use crate::conversation::Finish;
use crate::error::{ApiError, ErrorKind};

/// A `finish_reason`. `ERROR` and `TIMEOUT` are failures; words that nobody knows are a stop. `ERROR_TOXIC` and
/// `ERROR_LIMIT` are version 1's.
pub(super) fn finish(word: &str) -> Result<Finish, ApiError> {
    Ok(match word {
        "MAX_TOKENS" | "ERROR_LIMIT" => Finish::Length,
        "TOOL_CALL" => Finish::ToolCalls,
        "ERROR_TOXIC" => Finish::ContentFilter,
        "ERROR" => return Err(ApiError::new(502, ErrorKind::Server, "The provider failed while it answered.")),
        "TIMEOUT" => {
            return Err(ApiError::new(504, ErrorKind::Timeout, "The provider did not finish its answer in time."));
        }
        _ => Finish::Stop,
    })
}
