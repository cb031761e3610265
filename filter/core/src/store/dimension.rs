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
