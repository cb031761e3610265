//! Matches requests to limits, guardrails and routes.

use serde::{Deserialize, Serialize};

use crate::store::dimension::Dimension;

/// The requests that a rule applies to. An omitted field matches anything.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct Match {
    /// The key's id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// The key's team.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub team: Option<String>,
    /// The key's application.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub app: Option<String>,
    /// The model, by the name clients use.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// The provider that the request goes to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub provider: Option<String>,
}

impl Match {
    /// The value that this dimension must have; `None` for any.
    pub fn fixed(&self, dimension: Dimension) -> Option<&str> {
        match dimension {
            Dimension::App => self.app.as_deref(),
            Dimension::Key => self.key.as_deref(),
            Dimension::Model => self.model.as_deref(),
            Dimension::Provider => self.provider.as_deref(),
            Dimension::Team => self.team.as_deref(),
        }
    }

    /// Whether a request with this value, or without one, can match.
    pub fn allows(&self, dimension: Dimension, value: Option<&str>) -> bool {
        self.fixed(dimension).is_none_or(|fixed| value == Some(fixed))
    }

    /// Whether a key's requests can match.
    pub fn is_about(&self, key: &str, team: &str, app: Option<&str>) -> bool {
        self.allows(Dimension::Key, Some(key))
            && self.allows(Dimension::Team, Some(team))
            && self.allows(Dimension::App, app)
    }
}
