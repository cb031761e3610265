//! Memory for requests and responses in each Envoy worker.

use serde::{Deserialize, Serialize};

/// Memory for requests and responses in each Envoy worker, as sizes with a unit: `512KiB`, `64MiB`. A request that does not fit is rejected
/// with 503 `gateway_overloaded`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct Memory {
    /// The largest request or response after translation or masking, from `1MiB` to `56MiB`, and at most `key`. A larger request is
    /// rejected with 413. A larger response fails, and the next target is tried. Default: `48MiB`.
    pub rewritten_body: String,
    /// All requests and responses that one worker holds at a time, from `32MiB` to `512MiB`. Default: `256MiB`.
    pub worker: String,
    /// The requests and responses of one key, from `32MiB` to `worker`. Default: `64MiB`.
    pub key: String,
}

impl Default for Memory {
    fn default() -> Self {
        Self { rewritten_body: "48MiB".into(), worker: "256MiB".into(), key: "64MiB".into() }
    }
}
