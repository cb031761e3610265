//! Redis, which stores counters and keys in addition to Envoy's memory.

use serde::{Deserialize, Serialize};
use sluice_core::store::redis::settings::{Mode, Protocol, WhenDown};

/// Redis over HTTP: durable, and shared by all Envoys that use it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Redis {
    /// The URL of Redis' HTTP interface, such as `http://127.0.0.1:7379`.
    pub url: String,
    /// The HTTP protocol. Default: `webdis`.
    #[serde(default)]
    pub protocol: Protocol,
    /// The bearer token. Never sent to the filter.
    #[cfg(not(target_arch = "wasm32"))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<super::Secret>,
    /// How exact the counters are. Default: `strict`.
    #[serde(default)]
    pub mode: Mode,
    /// How requests are handled while Redis does not respond. Default: `local`.
    #[serde(default)]
    pub when_down: WhenDown,
    /// How long to wait for a response, from `10ms` to `10s`. Default: `250ms`.
    #[serde(default = "default_redis_timeout")]
    pub timeout: String,
    /// In `relaxed` mode: how often counters are synchronized, from `100ms` to `1m`. Default: `1s`.
    #[serde(default = "default_sync")]
    pub sync: String,
    /// How long a key's record, or its absence, is cached, from `1s` to `1h`. A change takes effect after this time at the latest. Default:
    /// `5s`.
    #[serde(default = "default_key_cache")]
    pub key_cache: String,
    /// The prefix of all entries' names: 1 to 64 letters, digits, and any of `.` `_` `-`. Default: `sluice`.
    #[serde(default = "default_prefix")]
    pub prefix: String,
}

fn default_redis_timeout() -> String {
    "250ms".to_owned()
}

fn default_sync() -> String {
    "1s".to_owned()
}

fn default_key_cache() -> String {
    "5s".to_owned()
}

fn default_prefix() -> String {
    "sluice".to_owned()
}
