//! Gateway-file settings for the permissions of keys.

use serde::{Deserialize, Serialize};

/// A choice that a key's holder may make for a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Permission {
    /// The header `x-sluice-route`: a strategy, or one of the model's targets to try first.
    Route,
    /// The header `x-sluice-fallback: off`: only the first target is tried.
    Fallback,
    /// The header `x-sluice-timeout`: a shorter timeout for the whole request.
    Timeout,
    /// As the model, a provider's own model name prefixed with the provider: `anthropic/claude-haiku-4-5`. Only targets in this file.
    Targets,
}
