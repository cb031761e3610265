//! The response cache: which responses are cached, who shares them, and how much memory they use.

use serde::{Deserialize, Serialize};
use sluice_core::cache::spec::Scope;

/// Caches responses. A cached response is served to a request that is byte for byte the same as an earlier one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct ModelCache {
    /// How long a response stays cached, such as `10m`. At most `24h`.
    pub ttl: String,
    /// The callers that share cached responses. Default: `team`.
    #[serde(default)]
    pub scope: Scope,
}

/// Memory for cached responses in one Envoy, as sizes with a unit: `512KiB`, `64MiB`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct Cache {
    /// Total size, from `1MiB` to `4GiB`. When it is full, older responses are evicted. Default: `64MiB`.
    pub memory: String,
    /// The largest response to cache, from `1KiB` to `8MiB`, and at most `memory`. Default: `512KiB`.
    pub largest: String,
}

impl Default for Cache {
    fn default() -> Self {
        Self { memory: "64MiB".into(), largest: "512KiB".into() }
    }
}
