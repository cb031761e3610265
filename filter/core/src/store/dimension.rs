//! The dimensions by which usage is counted separately.

use serde::{Deserialize, Serialize};

/// What is counted separately for each value it takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Dimension {
    /// The key's id.
    Key,
    /// Its team.
    Team,
    /// Its application.
    App,
    /// The name the client asked for.
    Model,
    /// Who serves.
    Provider,
}
