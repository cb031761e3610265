//! How much memory each worker of Envoy uses for requests and answers.

use serde::{Deserialize, Serialize};

/// How much memory each worker of Envoy uses for requests and answers, as numbers with a unit: `512KiB`, `64MiB`. A request
/// that does not fit is answered with 503 `gateway_overloaded`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct Memory {
    /// The largest request or answer after translation or masking. A larger request is refused with 413; a larger answer fails,
    /// and the next target is asked.
    pub rewritten_body: String,
    /// All requests and answers that one worker holds at a time.
    pub worker: String,
    /// Those of one key.
    pub key: String,
}

impl Default for Memory {
    fn default() -> Self {
        Self { rewritten_body: "48MiB".into(), worker: "256MiB".into(), key: "64MiB".into() }
    }
}
