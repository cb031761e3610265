//! Google's `usageMetadata`. `promptTokenCount` includes cache reads and excludes the input from Google's own tools; `candidatesTokenCount`
//! excludes the thoughts. Ours includes both.

use serde::Deserialize;

use crate::conversation::Usage;
use crate::json;
use crate::lenient::{Tokens, maybe};

/// `usageMetadata` as received. In a stream each is a snapshot of the whole, so the last one counts.
#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct UsageIn {
    prompt_token_count: Tokens,
    cached_content_token_count: Tokens,
    candidates_token_count: Tokens,
    tool_use_prompt_token_count: Tokens,
    thoughts_token_count: Tokens,
}

impl UsageIn {
    /// Converts to our inclusive counts; `None` if there are none.
    pub(super) fn inclusive(&self) -> Option<Usage> {
        let reasoning = self.thoughts_token_count.0.unwrap_or(0);
        self.prompt_token_count.0.or(self.candidates_token_count.0).or(self.thoughts_token_count.0)?;
        Some(Usage {
            input: self
                .prompt_token_count
                .0
                .unwrap_or(0)
                .saturating_add(self.tool_use_prompt_token_count.0.unwrap_or(0)),
            cached: self.cached_content_token_count.0.unwrap_or(0),
            cache_write: 0,
            output: self.candidates_token_count.0.unwrap_or(0).saturating_add(reasoning),
            reasoning,
        })
    }
}

/// Reads only the usage of a response.
pub(super) fn of(body: &[u8]) -> Option<Usage> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Only {
        #[serde(default, deserialize_with = "maybe")]
        usage_metadata: Option<UsageIn>,
    }
    json::from_slice::<Only>(body).ok()?.usage_metadata?.inclusive()
}
