//! Which answers are given again, to whom, and how much memory they may take.

use serde::{Deserialize, Serialize};
use sluice_core::cache::spec::Scope;

/// Answers that are given again to a request that is byte for byte the same as one answered before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct ModelCache {
    /// For how long: `10m`.
    pub ttl: String,
    /// Who shares them.
    #[serde(default)]
    pub scope: Scope,
}

/// How much memory of an Envoy the answers that are given again may take, as numbers with a unit: `512KiB`, `64MiB`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct Cache {
    /// All together. When it is full, older answers go.
    pub memory: String,
    /// The largest that is kept.
    pub largest: String,
}

impl Default for Cache {
    fn default() -> Self {
        Self { memory: "64MiB".into(), largest: "512KiB".into() }
    }
}
