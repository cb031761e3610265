//! The gateway file's types, exactly as a person writes them in YAML; the filter receives the same as JSON.
//!
//! The JSON Schema that editors complete from is generated from these types.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// The gateway file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct File {
    /// Where clients connect: `address:port`.
    #[serde(default = "default_listen")]
    pub listen: String,
    /// Who serves models, by a name of your choice.
    pub providers: BTreeMap<String, Provider>,
    /// The names clients ask for.
    pub models: BTreeMap<String, Model>,
    /// Who answers for keys.
    pub teams: BTreeMap<String, Team>,
    /// The virtual keys that clients present.
    pub keys: Vec<Key>,
    /// How long to wait.
    #[serde(default)]
    pub timeouts: Timeouts,
}

fn default_listen() -> String {
    "127.0.0.1:8080".to_owned()
}

/// A provider of models.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Provider {
    /// The wire format it speaks.
    pub kind: Kind,
    /// Base URL with the version's path; defaults to the kind's public service.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// Its credential; leave out for a server that wants none. Never reaches the filter.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<Secret>,
    /// Whether it accepts `stream_options.include_usage`: set to false for an OpenAI-compatible server that refuses it.
    #[serde(default = "yes", skip_serializing_if = "is_true")]
    pub stream_usage: bool,
}

impl Provider {
    /// Its base URL, as written or its kind's public service.
    pub fn url(&self) -> &str {
        self.url.as_deref().unwrap_or_else(|| self.kind.public_url())
    }
}

fn yes() -> bool {
    true
}

fn is_true(value: &bool) -> bool {
    *value
}

/// A provider's wire format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// OpenAI's chat completions, and everything compatible with it.
    Openai,
    /// Anthropic's messages.
    Anthropic,
}

impl Kind {
    /// The base URL of the service this kind is named after.
    pub fn public_url(self) -> &'static str {
        match self {
            Self::Openai => "https://api.openai.com/v1",
            Self::Anthropic => "https://api.anthropic.com/v1",
        }
    }
}

/// Where a secret is read from: exactly one of the two.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Secret {
    /// An environment variable of the `sluice` command.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub env: Option<String>,
    /// A file that holds the secret and nothing else.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
}

/// A name that clients ask for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Model {
    /// Where it is served: the first is tried first, the others in their order when it fails.
    pub targets: Vec<Target>,
}

/// One provider's model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Target {
    /// One of `providers`.
    pub provider: String,
    /// The provider's own name for the model.
    pub model: String,
}

/// A team.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Team {
    /// For people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
}

/// A virtual key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Key {
    /// Its public name, in logs and accounts.
    pub id: String,
    /// SHA-256 of the secret, 64 hexadecimal digits: `sluice keys new` prints it.
    pub sha256: String,
    /// One of `teams`.
    pub team: String,
    /// The models it may ask for; all when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub models: Option<Vec<String>>,
    /// When it ends, such as `2027-01-31T00:00:00Z` (RFC 3339); never when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<String>,
}

/// How long to wait, as numbers with a unit: `500ms`, `30s`, `5m`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct Timeouts {
    /// For the whole request, all attempts together.
    pub total: String,
    /// For one attempt at an answer that is not streamed.
    pub answer: String,
    /// For one attempt's first token, when streamed.
    pub first_token: String,
    /// Between two pieces of a stream.
    pub idle: String,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self { total: "10m".into(), answer: "5m".into(), first_token: "30s".into(), idle: "60s".into() }
    }
}
