//! Keys that are kept outside of the gateway file: whoever compiled the gateway knows how to read them.

use std::fmt::Debug;

use crate::key_hash::KeyHash;
use crate::keys::caller::Credential;

use super::Gateway;

/// Reads a key's record from its text; an error says why that is none.
pub type ReadKey = fn(&str) -> Result<Box<dyn KeyRecord>, String>;

/// A key as it was kept.
pub trait KeyRecord: Debug {
    /// Its secrets under this gateway, which may have lost what the record names; an error says why it is nobody's.
    fn compile(&self, gateway: &Gateway) -> Result<Vec<(KeyHash, Credential)>, String>;
}
