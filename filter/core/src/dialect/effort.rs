//! How many tokens of thinking an effort is, for providers that count them.

use crate::error::ApiError;

/// The budget; none for no thinking at all. The only error is an effort that has no meaning.
pub(super) fn budget(effort: &str) -> Result<Option<u64>, ApiError> {
    Ok(Some(match effort {
        "none" => return Ok(None),
        "minimal" => 1024,
        "low" => 2048,
        "medium" => 8192,
        "high" => 16384,
        "xhigh" => 24576,
        _ => {
            return Err(ApiError::invalid(
                "reasoning_effort",
                "'reasoning_effort' must be one of none, minimal, low, medium, high, xhigh.",
            ));
        }
    }))
}
