//! Which answers are given again, to whom, and how much memory they may take.

use serde::{Deserialize, Serialize};

/// Answers that are given again to a request that is byte for byte the same as one answered before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct ModelCache {
    /// For how long: `10m`.
    pub ttl: String,
    /// Who shares them.
    #[serde(default)]
    pub scope: Scope,
}

/// Who is given an answer that was made for another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Scope {
    /// Nobody: each key has its own.
    Key,
    /// All keys of a team.
    #[default]
    Team,
    /// All keys of an app. A key without one has its own.
    App,
    /// All who may use the model.
    All,
}

impl Scope {
    /// Its name in the gateway file.
    pub fn name(self) -> &'static str {
        match self {
            Self::Key => "key",
            Self::Team => "team",
            Self::App => "app",
            Self::All => "all",
        }
    }
}

/// How much memory of an Envoy the answers that are given again may take, as numbers with a unit: `512KiB`, `64MiB`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct Cache {
    /// All together. When it is full, older answers go.
    pub memory: String,
    /// The largest that is kept.
    pub largest: String,
}

impl Default for Cache {
    fn default() -> Self {
        Self { memory: "64MiB".into(), largest: "512KiB".into() }
    }
}
