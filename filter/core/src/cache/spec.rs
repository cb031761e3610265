//! The words of a gateway file for the cache.

use serde::{Deserialize, Serialize};

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
