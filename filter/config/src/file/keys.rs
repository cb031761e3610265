//! Who may call: keys, and the teams and applications that they belong to.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use sluice_core::keys::spec::Permission;

use super::{Budget, Limits, Tls, is_default, is_false};

/// A team.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Team {
    /// For people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// What no request of its keys may ask for: fields of the top level of a body (`service_tier`, `background`), or tools by
    /// their types (`tools.web_search`). Nothing when left out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub forbid: Vec<String>,
    /// For all its keys together.
    #[serde(default, skip_serializing_if = "is_default")]
    pub limits: Limits,
    /// For all its keys together.
    #[serde(default, skip_serializing_if = "is_default")]
    pub budget: Budget,
}

/// An application, whichever teams' keys it uses.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct App {
    /// For people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// For all its keys together.
    #[serde(default, skip_serializing_if = "is_default")]
    pub limits: Limits,
    /// For all its keys together.
    #[serde(default, skip_serializing_if = "is_default")]
    pub budget: Budget,
}

/// A virtual key. The same, as JSON, is a key's record in Redis.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Key {
    /// Its public name, in logs and accounts.
    pub id: String,
    /// SHA-256 of the secret, 64 hexadecimal digits: `sluice keys new` prints it.
    pub sha256: String,
    /// One of `teams`.
    pub team: String,
    /// One of `apps`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub app: Option<String>,
    /// Who holds it, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    /// For people and reports.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// The models it may ask for; `*` stands for any text: `gpt-*`. All when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub models: Option<Vec<String>>,
    /// The paths it may call; `*` stands for any text: `/v1/chat/*`. All when left out, but for those of what a provider keeps:
    /// that may be called, and referred to in a body by its id, by keys only that name its path here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub endpoints: Option<Vec<String>>,
    /// What its requests may not ask for: fields of the top level of a body (`service_tier`, `background`), or tools by their
    /// types (`tools.web_search`). Nothing when left out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub forbid: Vec<String>,
    /// The addresses it may be used from: `10.0.0.0/8`, `2001:db8::/32`, `192.0.2.7`. All when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sources: Option<Vec<String>>,
    /// What its holder may decide for a request; nothing when left out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub control: Vec<Permission>,
    /// When it ends, such as `2027-01-31T00:00:00Z` (RFC 3339); never when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<String>,
    /// Whether it was withdrawn: it is refused, and its name stays taken.
    #[serde(default, skip_serializing_if = "is_false")]
    pub revoked: bool,
    /// While it is being rotated: the secret before, which is valid too until the given time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous: Option<Previous>,
    /// For this key.
    #[serde(default, skip_serializing_if = "is_default")]
    pub limits: Limits,
    /// For this key.
    #[serde(default, skip_serializing_if = "is_default")]
    pub budget: Budget,
}

/// The secret that a key had before it was rotated.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Previous {
    /// SHA-256 of that secret, 64 hexadecimal digits.
    pub sha256: String,
    /// Until when it is valid (RFC 3339).
    pub until: String,
}

/// The administration interface.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Admin {
    /// Where it listens: `address:port`.
    #[serde(default = "default_admin")]
    pub listen: String,
    /// SHA-256 of the administrator's key, 64 hexadecimal digits: `sluice keys new --admin` prints both.
    pub sha256: String,
    /// The certificate that it presents; plain HTTP when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<Tls>,
}

fn default_admin() -> String {
    "127.0.0.1:8081".to_owned()
}
