//! Keys stored outside of the gateway file. The crate that compiles the gateway also reads them.

use std::fmt;

use crate::key_hash::KeyHash;
use crate::keys::caller::Credential;

use super::CompiledConfig;

/// Parses a key's record; the error says why it is invalid.
pub type ReadKey = fn(&str) -> Result<Box<dyn KeyRecord>, String>;

/// A stored key.
pub trait KeyRecord {
    /// Compiles its secrets for this gateway, which may lack what the record refers to. The error says why the key is unusable.
    fn compile(&self, config: &CompiledConfig) -> Result<Vec<(KeyHash, Credential)>, String>;
}

// Prints the name only: printing the contents would link formatting code for all that records hold, and nothing logs them.
impl fmt::Debug for dyn KeyRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeyRecord")
    }
}
