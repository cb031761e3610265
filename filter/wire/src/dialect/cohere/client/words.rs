//! Words and counts of answers, as this half writes them.

use serde::Serialize;

use crate::conversation::{Finish, Usage};

/// Cohere's word. Its second version has none for a filter; the first one's says that the answer is not complete.
pub(super) fn finish_reason(finish: Finish) -> &'static str {
    match finish {
        Finish::Stop => "COMPLETE",
        Finish::Length => "MAX_TOKENS",
        Finish::ToolCalls => "TOOL_CALL",
        Finish::ContentFilter => "ERROR_TOXIC",
    }
}

/// `usage` as Cohere's clients know it.
#[derive(Debug, Serialize)]
pub(super) struct Shown {
    billed_units: UnitsShown,
    tokens: UnitsShown,
    cached_tokens: u64,
}

#[derive(Debug, Clone, Copy, Serialize)]
struct UnitsShown {
    input_tokens: u64,
    output_tokens: u64,
}

impl From<Usage> for Shown {
    fn from(usage: Usage) -> Self {
        let units = UnitsShown { input_tokens: usage.input, output_tokens: usage.output };
        Self { billed_units: units, tokens: units, cached_tokens: usage.cached }
    }
}
