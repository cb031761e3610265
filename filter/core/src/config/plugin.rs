//! What Envoy hands to the filter as its configuration: which role it plays, and for all but the provider role the
//! gateway file.

use std::rc::Rc;

use serde::{Deserialize, Serialize};

use super::{Gateway, Mistake, file};
use crate::admin::Service;

/// The configuration as it is written: `{"role":"gateway","gateway":{…}}`, the same with `admin` or `keeper`, or
/// `{"role":"provider"}`.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "role", rename_all = "lowercase", deny_unknown_fields)]
pub enum Written {
    /// Sees every request once.
    Gateway {
        /// The gateway file, without the providers' credentials.
        gateway: Box<file::File>,
    },
    /// Sees every attempt; all it needs is in the request's plan.
    Provider {},
    /// Answers the administrator.
    Admin {
        /// The same file as the gateway role's.
        gateway: Box<file::File>,
    },
    /// Exchanges counts with Redis, in relaxed mode.
    Keeper {
        /// The gateway file, without the providers' credentials.
        gateway: Box<file::File>,
    },
}

/// The configuration as it runs.
#[derive(Debug)]
pub enum Plugin {
    /// The gateway role.
    Gateway(Rc<Gateway>),
    /// The provider role.
    Provider,
    /// The admin role.
    Admin(Rc<Service>),
    /// The keeper.
    Keeper(Rc<Gateway>),
}

impl Plugin {
    /// Reads and checks a configuration.
    pub fn from_json(json: &[u8]) -> Result<Self, Vec<Mistake>> {
        match serde_json::from_slice(json) {
            Ok(Written::Gateway { gateway }) => Gateway::compile(&gateway).map(Rc::new).map(Self::Gateway),
            Ok(Written::Provider {}) => Ok(Self::Provider),
            Ok(Written::Admin { gateway }) => Service::new(*gateway).map(|service| Self::Admin(Rc::new(service))),
            Ok(Written::Keeper { gateway }) => Gateway::compile(&gateway).map(Rc::new).map(Self::Keeper),
            Err(error) => Err(vec![Mistake {
                path: String::new(),
                found: error.to_string(),
                expected: "a plugin configuration".to_owned(),
            }]),
        }
    }
}
