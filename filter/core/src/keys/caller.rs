//! The holder of a known key, compiled from the gateway file or from a key's record.

use std::collections::BTreeMap;
use std::rc::Rc;

use crate::limits::Applied;

use super::spec::Permission;
use super::{Cidr, Forbidden, Glob};

/// A secret's holder and expiry.
#[derive(Debug, Clone)]
pub struct Credential {
    /// The key's holder.
    pub caller: Rc<Caller>,
    /// Expiry in Unix seconds, for the previous secret of a rotated key.
    pub until: Option<u64>,
}

/// The holder of a virtual key, with its permissions.
#[derive(Debug, Clone, Default)]
pub struct Caller {
    /// The key's id, which is public.
    pub key_id: Rc<str>,
    /// The team responsible for the key.
    pub team: Rc<str>,
    /// The application that uses the key.
    pub app: Option<Rc<str>>,
    /// The key's owner, for display.
    pub owner: Option<String>,
    /// Labels for display and reports.
    pub labels: BTreeMap<String, String>,
    /// Expiry of the key, in Unix seconds.
    pub expires: Option<u64>,
    /// Models it may request; `None` for all.
    pub models: Option<Vec<Glob>>,
    /// Paths it may call; `None` for all.
    pub endpoints: Option<Vec<Glob>>,
    /// Fields and tools that its requests must not use.
    pub forbid: Forbidden,
    /// Addresses it may be used from; `None` for all.
    pub sources: Option<Vec<Cidr>>,
    /// Whether the key was revoked.
    pub revoked: bool,
    /// Choices that its holder may make for a request.
    pub control: Vec<Permission>,
    /// Limits and budgets that depend on this caller. The others are the gateway's, shared by all callers.
    pub rules: Vec<Applied>,
}

impl Caller {
    /// Whether it may request a model by this name.
    pub fn may_use(&self, name: &str) -> bool {
        self.models.as_ref().is_none_or(|models| models.iter().any(|glob| glob.matches(name)))
    }

    /// Whether it may request the model that `asked` resolved to: by that name, or by the model's own `name`.
    pub fn may_ask(&self, asked: &str, name: &str) -> bool {
        self.may_use(asked) || self.may_use(name)
    }
}
