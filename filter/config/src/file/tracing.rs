//! The export of traces.

use serde::{Deserialize, Serialize};
use sluice_core::trace::TraceNames;

/// Exports traces of requests and their attempts with OpenTelemetry's protocol over HTTP (OTLP/HTTP).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Tracing {
    /// The collector's URL, such as `http://collector:4318`. `/v1/traces` is appended.
    pub url: String,
    /// The convention for the names of a span's attributes. Default: `opentelemetry`.
    #[serde(default)]
    pub names: TraceNames,
    /// Whether spans have the prompts, as guardrails have masked them, and the responses that are not streamed. Default: `false`.
    #[serde(default)]
    pub content: bool,
    /// The percentage of requests to trace: 0, or at least `0.01`. A request whose `traceparent` is not sampled is never traced. Default:
    /// 100.
    #[serde(default = "all")]
    pub sampling: f64,
    /// The collector's bearer token. Never sent to the filter.
    #[cfg(not(target_arch = "wasm32"))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<super::Secret>,
}

fn all() -> f64 {
    100.0
}
