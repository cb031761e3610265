//! How Envoy avoids a provider's failing addresses. The filter never sees these settings.

use serde::{Deserialize, Serialize};

/// Envoy's own features for one provider. A feature that is omitted is off.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct Availability {
    /// Ejects an address temporarily after repeated failures.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub outlier_detection: Option<OutlierDetection>,
    /// Actively checks every address, and skips one that fails its checks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub health_check: Option<HealthCheck>,
    /// Slow start window: for this time, an address that is new or healthy again receives less than its share of requests. Default: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub slow_start: Option<String>,
    /// Envoy's circuit breakers, shared by all addresses of the provider. When one is full, a request ends without a fallback.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub connections: Option<Connections>,
}

/// When an address is ejected, and for how long.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct OutlierDetection {
    /// Consecutive failures before an address is ejected: 5xx, timeouts, failed or broken connections. At least 1, default 5.
    pub failures: u32,
    /// Duration of the first ejection. Each further ejection adds this time again, up to 5 minutes. Default: `30s`.
    pub ejection: String,
}

impl Default for OutlierDetection {
    fn default() -> Self {
        Self { failures: 5, ejection: "30s".to_owned() }
    }
}

/// An HTTP health check of each address. Any 2xx status is healthy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct HealthCheck {
    /// The path to request, from the root of the provider's host. It must not need a credential. Default: `/health`.
    pub path: String,
    /// Time between two checks. Default: `10s`.
    pub interval: String,
    /// How long to wait for a response. Default: `2s`.
    pub timeout: String,
    /// Consecutive failed checks before an address is skipped. At least 1, default 3.
    pub unhealthy: u32,
    /// Consecutive successful checks before an address is used again. At least 1, default 2.
    pub healthy: u32,
}

impl Default for HealthCheck {
    fn default() -> Self {
        Self {
            path: "/health".to_owned(),
            interval: "10s".to_owned(),
            timeout: "2s".to_owned(),
            unhealthy: 3,
            healthy: 2,
        }
    }
}

/// Limits on concurrent connections and requests in one Envoy, and the idle timeout of connections.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct Connections {
    /// Maximum number of open connections. Default: 100000.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max: Option<u32>,
    /// Maximum number of requests that wait for a connection. Default: 100000.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pending: Option<u32>,
    /// Maximum number of concurrent requests. Default: 100000.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub requests: Option<u32>,
    /// How long an idle connection is kept open. Default: `30s`. Set it below the idle timeout of the load balancer in front of the
    /// provider. Otherwise the first requests after a pause lose their connection and are retried.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub idle: Option<String>,
}
