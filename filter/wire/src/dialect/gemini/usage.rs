//! Google's `usageMetadata`. `promptTokenCount` includes what was read from a cache and leaves out what tools of Google's
//! own brought in; `candidatesTokenCount` leaves out the thoughts. Ours includes both.

use serde::Deserialize;

use crate::conversation::Usage;
use crate::json;
use crate::lenient::{Tokens, maybe};

/// `usageMetadata` as it came. In a stream every one is a snapshot of the whole: the last is right.
#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Seen {
    prompt_token_count: Tokens,
    cached_content_token_count: Tokens,
    candidates_token_count: Tokens,
    tool_use_prompt_token_count: Tokens,
    thoughts_token_count: Tokens,
}

impl Seen {
    /// In our inclusive terms; nothing when it counts nothing.
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

/// The usage in an answer of which nothing else is wanted.
pub(super) fn of(body: &[u8]) -> Option<Usage> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Only {
        #[serde(default, deserialize_with = "maybe")]
        usage_metadata: Option<Seen>,
    }
    json::from_slice::<Only>(body).ok()?.usage_metadata?.inclusive()
}
