//! Keys stored outside of the gateway file. The crate that compiles the gateway also reads them.

use std::fmt::Debug;

use crate::key_hash::KeyHash;
use crate::keys::caller::Credential;

use super::CompiledConfig;

/// Parses a key's record; the error says why it is invalid.
pub type ReadKey = fn(&str) -> Result<Box<dyn KeyRecord>, String>;

/// A stored key.
pub trait KeyRecord: Debug {
    /// Compiles its secrets for this gateway, which may lack what the record refers to. The error says why the key is unusable.
    fn compile(&self, config: &CompiledConfig) -> Result<Vec<(KeyHash, Credential)>, String>;
}
