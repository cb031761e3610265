//! Where traces go.

use serde::{Deserialize, Serialize};

use super::Secret;

/// Traces of requests and of their attempts, in OpenTelemetry's protocol over HTTP.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Tracing {
    /// Where the collector answers, such as `http://collector:4318`; `/v1/traces` is added.
    pub url: String,
    /// How many of a hundred requests are traced, `0.01` at least or none. A client whose `traceparent` says that its trace is not
    /// recorded keeps its request out.
    #[serde(default = "all")]
    pub sampling: f64,
    /// The bearer token it wants. Never reaches the filter.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<Secret>,
}

fn all() -> f64 {
    100.0
}
