//! Finish reasons and usage of the client side.

use serde::Serialize;

use crate::conversation::{Finish, Usage};

/// Cohere's finish reason. Version 2 has none for a content filter; version 1's says that the response is incomplete.
pub(super) fn finish_reason(finish: Finish) -> &'static str {
    match finish {
        Finish::Stop => "COMPLETE",
        Finish::Length => "MAX_TOKENS",
        Finish::ToolCalls => "TOOL_CALL",
        Finish::ContentFilter => "ERROR_TOXIC",
    }
}

/// `usage` for writing.
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
