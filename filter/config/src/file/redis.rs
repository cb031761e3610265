//! Redis, where counters and keys are kept besides Envoy's memory.

use serde::{Deserialize, Serialize};
use sluice_core::store::redis::settings::{Mode, Protocol, WhenDown};

use super::Secret;

/// Redis over HTTP: durable, and shared by all Envoys that name it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Redis {
    /// Where it answers HTTP, such as `http://127.0.0.1:7379`.
    pub url: String,
    /// What it speaks.
    #[serde(default)]
    pub protocol: Protocol,
    /// The bearer token it wants. Never reaches the filter.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<Secret>,
    /// How exact.
    #[serde(default)]
    pub mode: Mode,
    /// When it does not answer.
    #[serde(default)]
    pub when_down: WhenDown,
    /// How long to wait for it.
    #[serde(default = "default_redis_timeout")]
    pub timeout: String,
    /// In `relaxed` mode: how often counters are exchanged.
    #[serde(default = "default_sync")]
    pub sync: String,
    /// How long a key's record, or that there is none, is remembered: so long a change may take to be seen.
    #[serde(default = "default_key_cache")]
    pub key_cache: String,
    /// What the names of all its entries begin with.
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
