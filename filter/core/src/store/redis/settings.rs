//! How Redis is reached, and how exact it is.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// How commands are written over HTTP.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Protocol {
    /// As Webdis does.
    #[default]
    Webdis,
    /// As Upstash's REST API does.
    Upstash,
}

/// How exact limits and budgets are across Envoys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// Redis is asked on every request: exact.
    #[default]
    Strict,
    /// Each Envoy counts by itself and exchanges what it counted: no request waits, and what the others used since the last exchange
    /// is not known. So more may pass than a limit says: at most what the other Envoys reserve within two exchanges (twice `sync`,
    /// and two round trips to Redis), and besides, at an Envoy where a limit has nothing counted, what it reserves itself until
    /// its next exchange. While Redis is down, each Envoy counts what it knows; what it counted is told afterwards.
    Relaxed,
}

/// What becomes of requests while Redis does not answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum WhenDown {
    /// Each Envoy holds the limits and budgets by itself.
    #[default]
    Local,
    /// They pass, and are counted later.
    Allow,
    /// They are refused.
    Deny,
}

/// Redis over HTTP, as the filter needs to know it: its credential is Envoy's business.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Redis {
    /// What it speaks.
    pub protocol: Protocol,
    /// Host, with the port unless it is the scheme's own: the `:authority` of requests.
    pub authority: String,
    /// Whether it is reached over TLS.
    pub tls: bool,
    /// Base path without a slash at the end; often empty.
    pub base_path: String,
    /// How exact.
    pub mode: Mode,
    /// When it does not answer.
    pub when_down: WhenDown,
    /// How long to wait for it.
    pub timeout: Duration,
    /// How often counters are exchanged in `relaxed` mode.
    pub sync: Duration,
    /// How long a key's record, or that there is none, is remembered.
    pub key_cache: Duration,
    /// What the names of all its entries begin with.
    pub prefix: String,
}
