//! The compiled options of the metrics.

use std::time::Duration;

use crate::callout::Endpoint;
use crate::key_hash::KeyHash;
use crate::store::redis::settings::Redis;

/// The contents of the metrics, and their readers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// The most time series.
    pub series: usize,
    /// Whether the label `key` has the id of the request's key.
    pub key_label: bool,
    /// Whether they can be read without a key.
    pub public: bool,
    /// The hash of a key that may read metrics and nothing else.
    pub scraper: Option<KeyHash>,
    /// Where they are exported.
    pub export: Option<Export>,
}

/// The active configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigStatus {
    /// Its version: identical for the same gateway file in every Envoy.
    pub version: String,
    /// When it was loaded, in seconds since 1970.
    pub loaded: u64,
    /// Whether it is the last gateway file: a later one may have been rejected.
    pub is_last: bool,
}

/// Where metrics are exported.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Export {
    /// The collector.
    pub endpoint: Endpoint,
    /// The time between two exports.
    pub interval: Duration,
}

/// The configuration of the background role.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Background {
    /// Redis, which counters are synchronized with, and which alerts are deduplicated by.
    pub redis: Option<Redis>,
    /// Whether Envoys share cached responses in Redis.
    pub shared_cache: bool,
    /// Where metrics are exported.
    pub export: Option<Export>,
    /// Where alerts are sent.
    pub alerts: Option<Endpoint>,
    /// Whether exported metrics name keys.
    pub key_label: bool,
}
