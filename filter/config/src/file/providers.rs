//! Who serves models, and how it is reached.

use serde::{Deserialize, Serialize};
use sluice_core::provider::format::Format;
use sluice_core::provider::kind::Kind;

use super::{Availability, Aws, Entra, Google, Limits, Secret, is_default};

/// A provider of models.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Provider {
    /// What it is: how it is spoken to, and where it is found.
    pub kind: Kind,
    /// Base URL with the version's path; defaults to the kind's public service, or to where such a server usually listens.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// On Azure: the version of its interface, such as `2024-10-21`, with which a deployment has its own path. Left out, or `v1`:
    /// the surface without versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub api_version: Option<String>,
    /// The formats it takes natively, where they are others than its kind's. What a client asks in one of them passes as it
    /// is; other requests are translated to the first that is about the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub speaks: Option<Vec<Format>>,
    /// Its credential; leave out for a server that wants none. Never reaches the filter.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<Secret>,
    /// In place of `key`: AWS' signatures. Never reaches the filter.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub aws: Option<Aws>,
    /// In place of `key`: Google's access tokens. Never reaches the filter.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub google: Option<Google>,
    /// In place of `key`: Microsoft Entra's access tokens. Never reaches the filter.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub entra: Option<Entra>,
    /// More of its keys. Requests take turns with all of them; one whose limit is used up, or that the provider refuses, is
    /// passed over until it is well again.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub keys: Vec<Secret>,
    /// Of several keys: for how long one is left alone that the provider has refused.
    #[serde(default = "default_key_rest", skip_serializing_if = "is_default_key_rest")]
    pub key_rest: String,
    /// How many keys it has, in what the filter gets: it is told nothing else of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(skip))]
    pub key_count: Option<usize>,
    /// Tells its Envoy clusters from those of its earlier definitions, where Envoy reads clusters from files while it runs. A
    /// provider that is changed gets new clusters: requests under way end on the ones they began with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(skip))]
    pub generation: Option<String>,
    /// Whether it accepts `stream_options`: set to false for an OpenAI-compatible server that refuses it.
    #[serde(default = "yes", skip_serializing_if = "is_true")]
    pub stream_usage: bool,
    /// Whose prices apply, as the price table names them: `openai`, `groq`, `mistral`... Known by itself for the public
    /// services; without it, models of other hosts have the prices that stand under `prices`, or none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prices: Option<String>,
    /// What this provider's account can take.
    #[serde(default, skip_serializing_if = "is_default")]
    pub limits: Limits,
    /// What Envoy does about its addresses that fail. Never reaches the filter.
    #[serde(default, skip_serializing_if = "is_default")]
    pub availability: Availability,
}

impl Provider {
    /// Its base URL, as written or its kind's; `None` where neither says.
    pub fn url(&self) -> Option<&str> {
        self.url.as_deref().or(self.kind.row().url)
    }

    /// Its keys, in order.
    pub fn secrets(&self) -> impl Iterator<Item = &Secret> {
        self.key.iter().chain(&self.keys)
    }

    /// How many keys it has.
    pub fn key_count(&self) -> usize {
        self.key_count.unwrap_or_else(|| self.secrets().count())
    }

    /// The Envoy clusters that reach it under its `name`, one for each key; without a key one too. The first has the provider's
    /// name, the others their key's number behind an `@`, which no provider's name has, and which is no end of a name in
    /// Envoy's statistics, as a dot is. A generation stands behind a `~`, which is in no name either.
    pub fn clusters(&self, name: &str) -> Vec<String> {
        let others = (2..=self.key_count()).map(|number| self.generation_of(&format!("{name}@{number}")));
        std::iter::once(self.cluster(name)).chain(others).collect()
    }

    /// The first of its clusters under its `name`: the only one, unless it has several keys.
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
