//! The gateway file's options for the cache.

use serde::{Deserialize, Serialize};

/// The callers that share cached responses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Scope {
    /// Each key has its own cache.
    Key,
    /// All keys of a team.
    #[default]
    Team,
    /// All keys of an app. A key without an app has its own cache.
    App,
    /// All keys that may use the model.
    All,
}

impl Scope {
    /// Whether everyone who shares by this scope shares by the other one, too.
    pub fn is_within(self, other: Self) -> bool {
        self == other || self == Self::Key || other == Self::All
    }

    /// The option's name in the gateway file.
    pub fn name(self) -> &'static str {
        match self {
            Self::Key => "key",
            Self::Team => "team",
            Self::App => "app",
            Self::All => "all",
        }
    }
}

/// Whether the semantic cache answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum SemanticMode {
    /// It answers with the response to a similar request.
    #[default]
    Serve,
    /// It logs and counts the response that it would have served, and the request goes to a provider.
    Shadow,
}
