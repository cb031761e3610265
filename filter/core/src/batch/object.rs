//! Responses about files and batches, in the format of OpenAI and compatible providers.
//! Source: OpenAI's API reference, "The batch object": batches created since September 2025 have `usage`.

use serde::Deserialize;
use sluice_wire::conversation::Usage;
use sluice_wire::json;
use sluice_wire::lenient::{Tokens, maybe};

use super::{BatchFact, records};

/// Longer responses about a file or batch are ignored.
pub const LONGEST: usize = 256 << 10;

/// Reads the id of a created file or batch.
pub fn made(body: &[u8]) -> Option<BatchFact> {
    #[derive(Deserialize)]
    struct Made {
        id: String,
    }
    let Made { id } = json::from_slice(body).ok()?;
    records::is_id(&id).then_some(BatchFact::Made(id))
}

#[derive(Deserialize)]
struct Batch {
    status: String,
    #[serde(default)]
    output_file_id: Option<String>,
    #[serde(default, deserialize_with = "maybe")]
    usage: Option<Counted>,
    #[serde(default, deserialize_with = "maybe")]
    request_counts: Option<Counts>,
}

#[derive(Deserialize)]
struct Counted {
    #[serde(default)]
    input_tokens: Tokens,
    #[serde(default)]
    output_tokens: Tokens,
    #[serde(default, deserialize_with = "maybe")]
    input_tokens_details: Option<Details>,
    #[serde(default, deserialize_with = "maybe")]
    output_tokens_details: Option<Details>,
}

#[derive(Deserialize)]
struct Details {
    #[serde(default)]
    cached_tokens: Tokens,
    #[serde(default)]
    reasoning_tokens: Tokens,
}

#[derive(Deserialize)]
struct Counts {
    #[serde(default)]
    completed: Tokens,
}

/// Reads the usage from a response about a batch; `None` until the batch has ended.
pub fn used(body: &[u8]) -> Option<BatchFact> {
    let batch: Batch = json::from_slice(body).ok()?;
    if !["completed", "failed", "expired", "cancelled"].contains(&batch.status.as_str()) {
        return None;
    }
    let results = batch.output_file_id.filter(|id| records::is_id(id));
    let usage = batch.usage.and_then(Counted::read);
    let completed = batch.request_counts.and_then(|counts| counts.completed.0);
    match (usage, results) {
        // A batch with completed requests has used tokens: zeros then mean that usage was not counted.
        (Some(usage), results) if usage.input > 0 || completed == Some(0) => Some(BatchFact::Used(usage, results)),
        (_, Some(id)) => Some(BatchFact::Results(id)),
        (_, None) if completed == Some(0) || batch.status == "failed" => Some(BatchFact::Used(Usage::default(), None)),
        (_, None) => None,
    }
}

impl Counted {
    fn read(self) -> Option<Usage> {
        let Self { input_tokens, output_tokens, input_tokens_details, output_tokens_details } = self;
        let cached = input_tokens_details.and_then(|details| details.cached_tokens.0);
        let reasoning = output_tokens_details.and_then(|details| details.reasoning_tokens.0);
        Some(Usage {
            input: input_tokens.0?,
            output: output_tokens.0?,
            cached: cached.unwrap_or_default(),
            reasoning: reasoning.unwrap_or_default(),
            ..Usage::default()
        })
    }
}
