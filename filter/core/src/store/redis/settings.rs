//! Settings of the Redis store: address, protocol, exactness.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// The HTTP protocol for commands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Protocol {
    /// Webdis.
    #[default]
    Webdis,
    /// Upstash's REST API.
    Upstash,
}

/// How exact limits and budgets are across Envoys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// Every request is decided in Redis: exact.
    #[default]
    Strict,
    /// Each Envoy counts by itself and exchanges counts with Redis. Requests do not wait, but an Envoy does not know the others' usage
    /// since the last exchange, so a limit can be exceeded: by at most what the other Envoys reserve within two exchanges (twice `sync`,
    /// and two round trips to Redis), plus, at an Envoy that has counted nothing for the limit yet, what it reserves itself until its next
    /// exchange. While Redis is down, each Envoy limits by the counts it has, and sends its own later.
    Relaxed,
}

/// How requests are treated while Redis is unavailable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum WhenDown {
    /// Each Envoy enforces limits and budgets by itself.
    #[default]
    Local,
    /// Requests pass and are counted later.
    Allow,
    /// Requests are rejected.
    Deny,
}

/// The filter's view of Redis over HTTP, without the credential, which Envoy adds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Redis {
    /// The HTTP protocol.
    pub protocol: Protocol,
    /// Host, with the port unless it is the scheme's default: the `:authority` of requests.
    pub authority: String,
    /// Whether it is reached over TLS.
    pub tls: bool,
    /// Base path without a slash at the end; often empty.
    pub base_path: String,
    /// How exact limits and budgets are across Envoys.
    pub mode: Mode,
    /// How requests are treated while Redis is unavailable.
    pub when_down: WhenDown,
    /// Timeout of one call.
    pub timeout: Duration,
    /// How often counters are exchanged in `relaxed` mode.
    pub sync: Duration,
    /// How long the result of a key lookup is cached, found or not.
    pub key_cache: Duration,
    /// Prefix of all Redis keys.
    pub prefix: String,
}
