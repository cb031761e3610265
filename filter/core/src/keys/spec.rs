//! The gateway file's options for the overrides that a key's holder may set, and for the details that it may see.

use serde::{Deserialize, Serialize};

/// An override that the holder of a key may set for a request, or details of the response that it gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Permission {
    /// The header `x-sluice-route`: a routing strategy, or one of the model's targets to try first.
    Route,
    /// The header `x-sluice-fallback: off`: try only the first target.
    Fallback,
    /// The header `x-sluice-timeout`: a shorter timeout for the whole request.
    Timeout,
    /// A target of the gateway file as the model name, with its provider: `anthropic/claude-haiku-4-5`.
    Targets,
    /// The response headers `x-sluice-cost`, `x-sluice-overhead-ms` and `x-sluice-ttft-ms`: cost and times of the response.
    Report,
    /// The header `x-sluice-cache-namespace`: a part of the cache of its own.
    Cache,
}
