//! Cohere's finish reasons.

use crate::conversation::Finish;
use crate::error::{ApiError, ErrorKind};

/// Converts a `finish_reason`. `ERROR` and `TIMEOUT` are failures; unknown words are a stop. `ERROR_TOXIC` and `ERROR_LIMIT` are version
/// 1's.
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
