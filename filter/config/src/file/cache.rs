//! The response cache: which responses are cached, who shares them, and how much memory they use.

use serde::{Deserialize, Serialize};
use sluice_core::cache::spec::{Scope, SemanticMode};

/// Caches responses. A cached response is served to a request that is equal to an earlier one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct ModelCache {
    /// How long a response stays cached, such as `10m`. At most `24h`.
    pub ttl: String,
    /// The callers that share cached responses. Default: `team`.
    #[serde(default)]
    pub scope: Scope,
    /// By how many percent a response's time may be shorter than `ttl`, from 0 to 50, so that responses of the same time expire one by
    /// one. Default: 10.
    #[serde(default = "ttl_jitter")]
    pub ttl_jitter: u8,
    /// The highest `temperature` of requests whose responses are cached, from 0 to 2. Without a temperature, a request counts as 1. Default:
    /// any.
    #[serde(default)]
    pub max_temperature: Option<f64>,
    /// Whether responses to requests with tools are cached. Default: `true`.
    #[serde(default = "yes")]
    pub tools: bool,
    /// Whether responses to requests with images are cached. Default: `true`.
    #[serde(default = "yes")]
    pub images: bool,
    /// Whether concurrent identical requests wait for the response to one of them. Default: `true`.
    #[serde(default = "yes")]
    pub single_flight: bool,
    /// Also serves the response to a request that asks the same in other words. Default: none.
    #[serde(default)]
    pub semantic: Option<Semantic>,
}

/// Serves the response to an earlier request that differs only in the wording of the user's last text. See docs/semantic-cache.md.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Semantic {
    /// The model, by its name in this file, that embeds the user's last text. Its first target is called.
    pub embeddings: String,
    /// The least similarity of two texts, above 0 and at most 1. Measure it for your model with `sluice cache evaluate`.
    pub threshold: f64,
    /// The callers that share responses to similar requests, at most those of the cache's `scope`. Recommended: `key`.
    pub scope: Scope,
    /// Whether the cache serves such responses. Default: `serve`.
    #[serde(default)]
    pub mode: SemanticMode,
    /// How long the embedding may delay a request, from `1ms` to `5s`. Default: `500ms`.
    #[serde(default = "embedding_timeout")]
    pub timeout: String,
    /// Whether requests with earlier turns are compared. All earlier turns must be equal. Default: `false`.
    #[serde(default)]
    pub multi_turn: bool,
    /// Whether requests with tools are compared. The tools must be equal. Default: `false`.
    #[serde(default)]
    pub tools: bool,
    /// Whether requests with images or files are compared. These must be equal. Default: `false`.
    #[serde(default)]
    pub images: bool,
}

fn embedding_timeout() -> String {
    "500ms".to_owned()
}

fn ttl_jitter() -> u8 {
    10
}

fn yes() -> bool {
    true
}

/// Where cached responses are stored: in the memory of each Envoy, and in Redis if Envoys share them. Sizes have a unit: `512KiB`, `64MiB`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct Cache {
    /// Total size, from `1MiB` to `4GiB`. When it is full, older responses are evicted. Default: `64MiB`.
    pub memory: String,
    /// The largest response to cache, from `1KiB` to `8MiB`, and at most `memory`. Default: `512KiB`.
    pub largest: String,
    /// Whether the Envoys of one Redis share cached responses. They are stored in Redis compressed and encrypted, with a key that each Envoy
    /// reads from its environment variable `SLUICE_CACHE_KEY`. Default: `false`.
    pub shared: bool,
    /// How long a lookup in Redis may delay a request that is not in Envoy's memory, from `1ms` to `1s`. Default: `50ms`.
    pub shared_timeout: String,
}

impl Default for Cache {
    fn default() -> Self {
        Self { memory: "64MiB".into(), largest: "512KiB".into(), shared: false, shared_timeout: "50ms".into() }
    }
}
