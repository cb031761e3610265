//! Authentication: keys, and the teams and applications they belong to.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use sluice_core::keys::spec::Permission;

use super::{Budget, Limits, is_default, is_false};

/// A team, which owns keys.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Team {
    /// A description, for information only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Features that requests of the team's keys may not use: top-level body fields (`service_tier`, `background`), or tools by type
    /// (`tools.web_search`). Default: none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub forbid: Vec<String>,
    /// Rate limits for all keys of the team together.
    #[serde(default, skip_serializing_if = "is_default")]
    pub limits: Limits,
    /// The budget of all keys of the team together.
    #[serde(default, skip_serializing_if = "is_default")]
    pub budget: Budget,
}

/// An application, whose keys may belong to different teams.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct App {
    /// A description, for information only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Rate limits for all keys of the application together.
    #[serde(default, skip_serializing_if = "is_default")]
    pub limits: Limits,
    /// The budget of all keys of the application together.
    #[serde(default, skip_serializing_if = "is_default")]
    pub budget: Budget,
}

/// A virtual key. A key's record in Redis has the same fields, as JSON.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Key {
    /// The key's public name, in logs and usage reports.
    pub id: String,
    /// SHA-256 of the secret, 64 hexadecimal digits, as printed by `sluice keys new`.
    pub sha256: String,
    /// The team that owns the key, one of `teams`.
    pub team: String,
    /// The application that uses the key, one of `apps`. Default: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub app: Option<String>,
    /// The holder of the key, for information only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    /// Labels, for information and reports: at most 64, each value up to 256 characters.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// The models that the key may request. `*` matches any text: `gpt-*`. Default: all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub models: Option<Vec<String>>,
    /// The paths that the key may call. `*` matches any text: `/v1/chat/*`. Default: all except those of stored objects. Only a key that
    /// names such a path here may call it, or reference a stored object by its id in a body.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub endpoints: Option<Vec<String>>,
    /// Features that requests of the key may not use: top-level body fields (`service_tier`, `background`), or tools by type
    /// (`tools.web_search`). Default: none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub forbid: Vec<String>,
    /// The client addresses that may use the key: `10.0.0.0/8`, `2001:db8::/32`, `192.0.2.7`. Default: all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sources: Option<Vec<String>>,
    /// The overrides that the key's holder may set for a request, and `report`, which adds cost and times to its responses. Default: none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub control: Vec<Permission>,
    /// When the key expires (RFC 3339), such as `2027-01-31T00:00:00Z`. Default: never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<String>,
    /// Whether the key is revoked: it is rejected, and its id cannot be reused. Default: `false`.
    #[serde(default, skip_serializing_if = "is_false")]
    pub revoked: bool,
    /// The previous secret during a rotation, valid as well until the given time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous: Option<Previous>,
    /// Rate limits of this key.
    #[serde(default, skip_serializing_if = "is_default")]
    pub limits: Limits,
    /// The budget of this key.
    #[serde(default, skip_serializing_if = "is_default")]
    pub budget: Budget,
}

/// The secret that a key had before its rotation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Previous {
    /// SHA-256 of the previous secret, 64 hexadecimal digits.
    pub sha256: String,
    /// When the previous secret expires (RFC 3339).
    pub until: String,
}

/// The administration API.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Admin {
    /// The address of the administration API, as `address:port`. Default: `127.0.0.1:8081`.
    #[serde(default = "default_admin")]
    pub listen: String,
    /// SHA-256 of the administrator's key, 64 hexadecimal digits. `sluice keys new --admin` prints the key and its hash.
    pub sha256: String,
    /// The TLS certificate of the administration API. Default: none, plain HTTP.
    #[cfg(not(target_arch = "wasm32"))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<super::Tls>,
}

fn default_admin() -> String {
    "127.0.0.1:8081".to_owned()
}
