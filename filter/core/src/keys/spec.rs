//! The words of a gateway file for what a key's holder may decide.

use serde::{Deserialize, Serialize};

/// What the holder of a key may decide for a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Permission {
    /// The header `x-sluice-route`: a strategy, or one of the model's targets to ask first.
    Route,
    /// The header `x-sluice-fallback: off`: the first target only.
    Fallback,
    /// The header `x-sluice-timeout`: a shorter time for the whole request.
    Timeout,
    /// As the model's name, a provider's own, behind the provider's: `anthropic/claude-haiku-4-5`. Of the targets in this file.
    Targets,
}
