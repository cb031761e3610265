//! The dimensions by which usage is counted separately.

use serde::{Deserialize, Serialize};

/// A property of a request; usage is counted separately for each of its values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Dimension {
    /// The key's id.
    Key,
    /// The key's team.
    Team,
    /// The key's application.
    App,
    /// The model, by the name the client asked for.
    Model,
    /// The provider that serves the request.
    Provider,
}

/// How the accounts group usage.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Grouping {
    /// By the key's id.
    Key,
    /// By the key's team.
    Team,
    /// By the key's application.
    App,
    /// By the model served, by the name clients use.
    Model,
    /// By all of these together.
    Combination,
}

impl Grouping {
    /// All groupings.
    pub const ALL: [Self; 5] = [Self::Key, Self::Team, Self::App, Self::Model, Self::Combination];

    /// The grouping's name in Redis.
    pub fn name(self) -> &'static str {
        match self {
            Self::Key => "key",
            Self::Team => "team",
            Self::App => "app",
            Self::Model => "model",
            Self::Combination => "all",
        }
    }
}
