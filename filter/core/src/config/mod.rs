//! The gateway's configuration in two stages: [`file`] is what a person wrote, [`Gateway`] is what runs.
//!
//! There is one validator, [`Gateway::compile`]; the `sluice` command and the filter both go through it, so what `sluice
//! check` accepts is what the filter loads. It reports every mistake, not the first.

use std::collections::BTreeMap;
use std::rc::Rc;

use crate::dialect::Dialect;

pub mod file;

/// A checked configuration, made once per worker; exchanges hold parts of it by reference count, so that a changed
/// configuration never touches a request under way.
#[derive(Debug)]
pub struct Gateway {
    /// Who may call, by the hash of their key.
    pub keys: BTreeMap<KeyHash, Rc<Caller>>,
    /// What they may ask for.
    pub models: BTreeMap<String, Rc<Model>>,
}

/// SHA-256 of a virtual key: all that is ever kept of one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyHash(pub [u8; 32]);

/// One virtual key's holder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// The key's public name.
    pub key_id: String,
    /// The team that answers for it.
    pub team: String,
    /// Unix seconds after which the key is no longer valid.
    pub expires: Option<u64>,
    /// The models it may ask for; `None` is all.
    pub models: Option<Vec<String>>,
}

/// A name that clients ask for.
#[derive(Debug)]
pub struct Model {
    /// The name.
    pub name: String,
    /// Where it is served, in the order in which targets are tried. Never empty.
    pub targets: Vec<Rc<Target>>,
}

/// One provider's model.
#[derive(Debug)]
pub struct Target {
    /// Who serves.
    pub provider: Rc<Provider>,
    /// The provider's own name for the model.
    pub model: String,
}

/// A provider, as the filter needs to know it: its credential is Envoy's business.
#[derive(Debug)]
pub struct Provider {
    /// Its name in the gateway file, and in `x-sluice-provider`.
    pub name: String,
    /// The Envoy cluster that reaches it.
    pub cluster: String,
    /// The wire format it speaks.
    pub dialect: &'static dyn Dialect,
    /// Host, with the port unless it is the scheme's own: the `:authority` of requests.
    pub authority: String,
    /// Base path without a slash at the end: `/v1`, or empty.
    pub base_path: String,
    /// Whether it accepts `stream_options.include_usage`; some OpenAI-compatible servers refuse it.
    pub stream_usage: bool,
}
