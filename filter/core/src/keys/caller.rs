//! Who calls, once a key is known: compiled from the gateway file, or from a key's record.

use std::collections::BTreeMap;
use std::rc::Rc;

use crate::limits::Applied;

use super::spec::Permission;
use super::{Cidr, Forbidden, Glob};

/// What one secret gives.
#[derive(Debug, Clone)]
pub struct Credential {
    /// To whom.
    pub caller: Rc<Caller>,
    /// Unix seconds until when, for the secret that a rotated key had before.
    pub until: Option<u64>,
}

/// One virtual key's holder.
#[derive(Debug, Clone, Default)]
pub struct Caller {
    /// The key's public name.
    pub key_id: Rc<str>,
    /// The team that answers for it.
    pub team: Rc<str>,
    /// The application that uses it.
    pub app: Option<Rc<str>>,
    /// Who holds it, for people.
    pub owner: Option<String>,
    /// For people and reports.
    pub labels: BTreeMap<String, String>,
    /// Unix seconds after which the key is no longer valid.
    pub expires: Option<u64>,
    /// The models it may ask for; `None` is all.
    pub models: Option<Vec<Glob>>,
    /// The paths it may call; `None` is all.
    pub endpoints: Option<Vec<Glob>>,
    /// What its requests may not ask for.
    pub forbid: Forbidden,
    /// The addresses it may be used from; `None` is all.
    pub sources: Option<Vec<Cidr>>,
    /// Whether it was withdrawn.
    pub revoked: bool,
    /// What its holder may decide for a request.
    pub control: Vec<Permission>,
    /// The limits and budgets that know this caller from others. Those that do not are the gateway's, once for all callers.
    pub rules: Vec<Applied>,
}

impl Caller {
    /// Whether it may ask for a model by this name.
    pub fn may_use(&self, name: &str) -> bool {
        self.models.as_ref().is_none_or(|models| models.iter().any(|glob| glob.matches(name)))
    }

    /// Whether it may ask for what was found by `asked`: by that name, or by the one that it stands for.
    pub fn may_ask(&self, asked: &str, name: &str) -> bool {
        self.may_use(asked) || self.may_use(name)
    }
}
