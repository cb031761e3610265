//! The filter's configuration from Envoy: its role, and the gateway file for the roles that need it.

use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize};

use super::file;

/// The active gateway file and the outcome of the last change, where a command applies changes at runtime.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reload {
    /// The version of the active file: identical for the same file in every Envoy.
    pub version: String,
    /// When the file became active (RFC 3339).
    pub applied_at: String,
    /// The last file, if it was rejected. The active file stayed in use.
    pub refused: Option<BadConfig>,
}

/// A gateway file that was not applied.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BadConfig {
    /// When the file was read (RFC 3339).
    pub at: String,
    /// All mistakes in the file, as `check` prints them.
    pub mistakes: Vec<String>,
}

/// The configuration as written: `{"role":"gateway","gateway":{…}}`, the same with `shutdown` or `admin`,
/// `{"role":"background","background":{…}}`, or `{"role":"provider"}`.
#[derive(Debug)]
pub enum Written {
    /// Runs once per request.
    Gateway {
        /// The gateway file, without the providers' credentials.
        gateway: Box<file::File>,
        /// The file's reload status.
        reload: Option<Reload>,
        /// Whether the gateway shuts down: it ends all requests and rejects new ones.
        shuts_down: bool,
    },
    /// Runs once per attempt, with the request's plan.
    Provider {},
    /// Serves the administration API.
    Admin {
        /// The gateway role's file.
        gateway: Box<file::File>,
        /// The file's reload status.
        reload: Option<Reload>,
    },
    /// Does the work that belongs to no request.
    Background {
        /// The sections of the gateway file that it needs. It receives nothing else, since it is only configured when Envoy starts.
        background: Box<file::Background>,
    },
}

/// The fields of all roles. A tagged enum would first be buffered as a tree, with code compiled again for every type of the gateway file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Fields {
    role: Role,
    gateway: Option<Box<file::File>>,
    reload: Option<Reload>,
    background: Option<Box<file::Background>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Role {
    Gateway,
    Shutdown,
    Provider,
    Admin,
    Background,
}

impl<'de> Deserialize<'de> for Written {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Fields { role, gateway, reload, background } = Fields::deserialize(deserializer)?;
        match (role, gateway, reload, background) {
            (role @ (Role::Gateway | Role::Shutdown), Some(gateway), reload, None) => {
                Ok(Self::Gateway { gateway, reload, shuts_down: matches!(role, Role::Shutdown) })
            }
            (Role::Provider, None, None, None) => Ok(Self::Provider {}),
            (Role::Admin, Some(gateway), reload, None) => Ok(Self::Admin { gateway, reload }),
            (Role::Background, None, None, Some(background)) => Ok(Self::Background { background }),
            _ => Err(D::Error::custom("the fields do not match the role")),
        }
    }
}
