//! Gateway-file settings of the cache.

use serde::{Deserialize, Serialize};

/// Which keys share cached responses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Scope {
    /// None: each key has its own.
    Key,
    /// All keys of a team.
    #[default]
    Team,
    /// All keys of an app. A key without an app has its own.
    App,
    /// All keys that may use the model.
    All,
}

impl Scope {
    /// The scope's name in the gateway file.
    pub fn name(self) -> &'static str {
        match self {
            Self::Key => "key",
            Self::Team => "team",
            Self::App => "app",
            Self::All => "all",
        }
    }
}
