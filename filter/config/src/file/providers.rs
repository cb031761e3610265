//! The providers that serve models, and how to reach them.

use serde::{Deserialize, Serialize};
use sluice_core::provider::format::Format;
use sluice_core::provider::kind::Kind;

#[cfg(not(target_arch = "wasm32"))]
use super::{Availability, Aws, Entra, Google, Secret};
use super::{Limits, is_default};

/// A provider of models.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Provider {
    /// The provider's kind, which defines its API and its default URL.
    pub kind: Kind,
    /// The base URL, including the API version's path. Default: the public service of the kind, or the usual address of such a server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// Azure only: the API version, such as `2024-10-21`, for the API with a path for each deployment. Omitted or `v1`: the API without
    /// versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub api_version: Option<String>,
    /// The formats that the provider accepts natively, if they differ from its kind's. A request in one of these formats passes unchanged.
    /// Other requests are translated to the first format for the same task.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub speaks: Option<Vec<Format>>,
    /// The API key. Omit it for a server that needs none. Never sent to the filter.
    #[cfg(not(target_arch = "wasm32"))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<Secret>,
    /// Sign requests for AWS, instead of `key`. Never sent to the filter.
    #[cfg(not(target_arch = "wasm32"))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub aws: Option<Aws>,
    /// Google access tokens, instead of `key`. Never sent to the filter.
    #[cfg(not(target_arch = "wasm32"))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub google: Option<Google>,
    /// Microsoft Entra access tokens, instead of `key`. Never sent to the filter.
    #[cfg(not(target_arch = "wasm32"))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub entra: Option<Entra>,
    /// Additional API keys. Requests rotate through all keys. A key that is rate limited or rejected by the provider is skipped until it
    /// works again. 8 keys at most.
    #[cfg(not(target_arch = "wasm32"))]
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub keys: Vec<Secret>,
    /// With several keys: how long a key is skipped after the provider rejected it. Default: `5m`.
    #[serde(default = "default_key_rest", skip_serializing_if = "is_default_key_rest")]
    pub key_rest: String,
    /// The number of keys. The filter receives nothing else about them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(skip))]
    pub key_count: Option<usize>,
    /// Distinguishes the provider's Envoy clusters from those of its earlier definitions, where Envoy reads clusters from files at runtime.
    /// A changed provider gets new clusters; requests in flight finish on the old ones.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(skip))]
    pub generation: Option<String>,
    /// Whether the provider accepts `stream_options`. Set it to `false` for an OpenAI-compatible server that rejects the field. Default:
    /// `true`.
    #[serde(default = "yes", skip_serializing_if = "is_true")]
    pub stream_usage: bool,
    /// The provider's name in the price table: `openai`, `groq`, `mistral`... Default: by host, for public services. Models of other hosts
    /// only have the prices from `prices`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prices: Option<String>,
    /// Rate limits for all requests to this provider.
    #[serde(default, skip_serializing_if = "is_default")]
    pub limits: Limits,
    /// How Envoy handles failing addresses of the provider. Never sent to the filter.
    #[cfg(not(target_arch = "wasm32"))]
    #[serde(default, skip_serializing_if = "is_default")]
    pub availability: Availability,
}

impl Provider {
    /// The base URL as written, or the kind's default; `None` if neither exists.
    pub fn url(&self) -> Option<&str> {
        self.url.as_deref().or(self.kind.row().url)
    }

    /// The provider's keys, in order.
    #[cfg(not(target_arch = "wasm32"))]
    pub fn secrets(&self) -> impl Iterator<Item = &Secret> {
        self.key.iter().chain(&self.keys)
    }

    /// The number of keys.
    pub fn key_count(&self) -> usize {
        #[cfg(target_arch = "wasm32")]
        return self.key_count.unwrap_or_default();
        #[cfg(not(target_arch = "wasm32"))]
        self.key_count.unwrap_or_else(|| self.secrets().count())
    }

    /// The provider's Envoy clusters, one per key; a provider without a key has one too. The first is named after the provider; the others
    /// add `@` and the key's number. No provider's name has an `@`, and unlike a dot it does not split the name in Envoy's statistics. The
    /// generation follows a `~`, which no name has either.
    pub fn clusters(&self, name: &str) -> Vec<String> {
        let others = (2..=self.key_count()).map(|number| self.generation_of(&format!("{name}@{number}")));
        std::iter::once(self.cluster(name)).chain(others).collect()
    }

    /// The first cluster: the only one, unless the provider has several keys.
    pub fn cluster(&self, name: &str) -> String {
        self.generation_of(name)
    }

    fn generation_of(&self, cluster: &str) -> String {
        match &self.generation {
            None => cluster.to_owned(),
            Some(generation) => format!("{cluster}~{generation}"),
        }
    }
}

fn default_key_rest() -> String {
    "5m".to_owned()
}

fn is_default_key_rest(rest: &String) -> bool {
    *rest == default_key_rest()
}

fn yes() -> bool {
    true
}

fn is_true(value: &bool) -> bool {
    *value
}
