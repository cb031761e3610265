//! What a gateway file says of whom a limit is about.

use serde::{Deserialize, Serialize};

/// Whose requests a rule is about: all that are left out match anything.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct Match {
    /// One key's, by its id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// One team's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub team: Option<String>,
    /// One application's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub app: Option<String>,
    /// Those for one model, by the name clients ask for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// Those that go to one provider.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub provider: Option<String>,
}
