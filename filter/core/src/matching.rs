//! Whose requests something is about: a limit, a guardrail, a route.

use serde::{Deserialize, Serialize};

use crate::store::dimension::Dimension;

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

impl Match {
    /// The value that it is bound to.
    pub fn fixed(&self, dimension: Dimension) -> Option<&str> {
        match dimension {
            Dimension::App => self.app.as_deref(),
            Dimension::Key => self.key.as_deref(),
            Dimension::Model => self.model.as_deref(),
            Dimension::Provider => self.provider.as_deref(),
            Dimension::Team => self.team.as_deref(),
        }
    }

    /// Whether a request with this value, or with none, can be one of them.
    pub fn allows(&self, dimension: Dimension, value: Option<&str>) -> bool {
        self.fixed(dimension).is_none_or(|fixed| value == Some(fixed))
    }

    /// Whether a key's requests can be among them.
    pub fn is_about(&self, key: &str, team: &str, app: Option<&str>) -> bool {
        self.allows(Dimension::Key, Some(key))
            && self.allows(Dimension::Team, Some(team))
            && self.allows(Dimension::App, app)
    }
}
