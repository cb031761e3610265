//! What Envoy does so that a provider's failing addresses are left alone; the filter never sees it.

use serde::{Deserialize, Serialize};

/// Envoy's own features for one provider; what is left out is not used.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct Availability {
    /// Leaves out, for a while, an address that keeps failing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub outlier_detection: Option<OutlierDetection>,
    /// Asks every address now and then, and leaves out one that does not answer well.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub health_check: Option<HealthCheck>,
    /// For so long an address that is new, or healthy again, gets less than its share.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub slow_start: Option<String>,
    /// Envoy's circuit breakers, one set for all addresses: wide by default. A full one ends a request without a fallback.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub connections: Option<Connections>,
}

/// When an address is ejected, and for how long.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct OutlierDetection {
    /// After so many failures in a row: 5xx, timeouts, connections that fail or break.
    pub failures: u32,
    /// For how long the first time; each further time adds as much, up to 5 minutes.
    pub ejection: String,
}

impl Default for OutlierDetection {
    fn default() -> Self {
        Self { failures: 5, ejection: "30s".to_owned() }
    }
}

/// How a provider is asked whether it is well: any 2xx is good.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct HealthCheck {
    /// What is asked for, from the root of the provider's host; it must want no credential.
    pub path: String,
    /// How often.
    pub interval: String,
    /// How long to wait for the answer.
    pub timeout: String,
    /// After so many bad answers in a row it is left out.
    pub unhealthy: u32,
    /// After so many good answers in a row it is back.
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

/// The most of each at the same time, in one Envoy, 100000 when left out; and how long a connection is kept.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct Connections {
    /// Open connections.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max: Option<u32>,
    /// Requests that wait for a connection.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pending: Option<u32>,
    /// Requests under way.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub requests: Option<u32>,
    /// For how long a connection is kept that no request uses; `30s` when left out. Longer than whatever balances load before the
    /// provider keeps it costs a lost connection, and a second try, for the first requests after a pause.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub idle: Option<String>,
}
