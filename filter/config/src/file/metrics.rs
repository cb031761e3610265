//! The gateway's metrics.

use serde::{Deserialize, Serialize};

use super::{Cache, Redis, is_default};

/// The gateway's metrics: `GET /metrics` of the administration listener for Prometheus, and their export with OpenTelemetry's protocol.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct Metrics {
    /// The most time series, from 1000 to 1000000. Each bucket of a histogram is a series, as Prometheus counts. Label values beyond the
    /// limit are reported as `other`. Budgets have as many of their own. Default: 10000.
    pub series: usize,
    /// Whether the label `key` has the id of the request's key. Each key adds at least seven series. Default: `false`.
    pub key_label: bool,
    /// Whether `/metrics` needs no key. Default: `false`: it needs the administrator's key, or the one with the hash `sha256`.
    pub public: bool,
    /// SHA-256 of a key for `/metrics` alone, 64 hexadecimal digits. `sluice keys new --admin` prints a key and its hash. Default: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
    /// Where metrics are exported. Default: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub otlp: Option<MetricsExport>,
}

/// Exports metrics with OpenTelemetry's protocol over HTTP (OTLP/HTTP), in JSON.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct MetricsExport {
    /// The collector's URL, such as `http://collector:4318`. `/v1/metrics` is appended.
    pub url: String,
    /// The time between two exports, from `1s` to `10m`. Default: `60s`.
    #[serde(default = "a_minute", skip_serializing_if = "is_a_minute")]
    pub interval: String,
    /// The collector's bearer token. Never sent to the filter.
    #[cfg(not(target_arch = "wasm32"))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<super::Secret>,
}

/// A webhook that receives a POST with JSON when a budget passes 80% and 100%: once for each period, even if several Envoys share Redis.
/// The body's `text` is what Slack and Mattermost show.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Alerts {
    /// The webhook's URL.
    pub url: String,
    /// The webhook's bearer token. Never sent to the filter.
    #[cfg(not(target_arch = "wasm32"))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<super::Secret>,
}

/// The sections of the background role.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Background {
    /// The section `redis`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub redis: Option<Redis>,
    /// The section `cache`.
    #[serde(default, skip_serializing_if = "is_default")]
    pub cache: Cache,
    /// The section `metrics`.
    #[serde(default, skip_serializing_if = "is_default")]
    pub metrics: Metrics,
    /// The section `alerts`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alerts: Option<Alerts>,
}

impl Default for Metrics {
    fn default() -> Self {
        Self { series: 10_000, key_label: false, public: false, sha256: None, otlp: None }
    }
}

fn a_minute() -> String {
    "60s".to_owned()
}

fn is_a_minute(text: &str) -> bool {
    text == "60s"
}
