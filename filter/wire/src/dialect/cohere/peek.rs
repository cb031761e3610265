//! Looks at whole answers: the usage, and what failed. Cohere names no model.

use crate::dialect::Glance;
use crate::error::ApiError;

use super::response::Seen as Whole;
use super::words;

/// Looks at a whole answer.
pub(super) fn response(body: &[u8]) -> Result<Glance, ApiError> {
    let (seen, _) = Whole::of(body)?;
    words::finish(&seen.finish_reason.0)?;
    let usage = seen.usage.and_then(|usage| usage.read());
    Ok(Glance { usage, finished: !seen.finish_reason.is_empty(), ..Glance::default() })
}
