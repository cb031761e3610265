//! What Envoy hands to the filter as its configuration: which role it plays, and for all but the provider role the
//! gateway file.

use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize};

use super::file;

/// Which gateway file is in force, and what became of the last one, where a command applies changes while Envoy runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reload {
    /// Of the file in force: the same for the same file, in every Envoy.
    pub version: String,
    /// Since when it is in force (RFC 3339).
    pub applied_at: String,
    /// The last file, if it was refused; the one in force went on.
    pub refused: Option<BadConfig>,
}

/// A gateway file that was not applied.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BadConfig {
    /// When it was read (RFC 3339).
    pub at: String,
    /// All that is wrong with it, each as `check` prints it.
    pub mistakes: Vec<String>,
}

/// The configuration as it is written: `{"role":"gateway","gateway":{…}}`, the same with `admin`, `{"role":"keeper","redis":{…}}`, or
/// `{"role":"provider"}`.
#[derive(Debug)]
pub enum Written {
    /// Sees every request once.
    Gateway {
        /// The gateway file, without the providers' credentials.
        gateway: Box<file::File>,
        /// Of that file.
        reload: Option<Reload>,
    },
    /// Sees every attempt; all it needs is in the request's plan.
    Provider {},
    /// Answers the administrator.
    Admin {
        /// The same file as the gateway role's.
        gateway: Box<file::File>,
        /// Of that file.
        reload: Option<Reload>,
    },
    /// Exchanges counts with Redis, in relaxed mode.
    Keeper {
        /// That section of the gateway file. Of the rest it knows nothing, since it is configured at Envoy's start only.
        redis: file::Redis,
    },
}

/// All roles in one struct. A tagged enum would first be read into a tree, by code compiled again for every type of the gateway
/// file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Fields {
    role: Role,
    gateway: Option<Box<file::File>>,
    reload: Option<Reload>,
    redis: Option<file::Redis>,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Role {
    Gateway,
    Provider,
    Admin,
    Keeper,
}

impl<'de> Deserialize<'de> for Written {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Fields { role, gateway, reload, redis } = Fields::deserialize(deserializer)?;
        match (role, gateway, reload, redis) {
            (Role::Gateway, Some(gateway), reload, None) => Ok(Self::Gateway { gateway, reload }),
            (Role::Provider, None, None, None) => Ok(Self::Provider {}),
            (Role::Admin, Some(gateway), reload, None) => Ok(Self::Admin { gateway, reload }),
            (Role::Keeper, None, None, Some(redis)) => Ok(Self::Keeper { redis }),
            _ => Err(D::Error::custom("the fields do not match the role")),
        }
    }
}
