//! A key's record from Redis, and the credential compiled from it.
//!
//! The record outlives a configuration, so that a changed gateway file does not make a worker look up every key again. The credential is
//! compiled on first use under each configuration, because a team or a model may be gone.

use std::cell::RefCell;

use crate::compiled::CompiledConfig;
use crate::compiled::record::KeyRecord;
use crate::key_hash::KeyHash;
use crate::keys::caller::Credential;

/// A key's record.
#[derive(Debug)]
pub struct CachedKey {
    key: Box<dyn KeyRecord>,
    /// The credential, compiled under the configuration with this number.
    credential: RefCell<Option<(u64, Result<Credential, String>)>>,
}

impl CachedKey {
    /// Parses a record; an error says why it is invalid.
    pub fn read(text: &str, config: &CompiledConfig) -> Result<Self, String> {
        let key = (config.read_key)(text)?;
        Ok(Self { key, credential: RefCell::default() })
    }

    /// The credential of the key with this hash in configuration `generation`; an error says why there is none.
    pub fn credential(&self, hash: &KeyHash, config: &CompiledConfig, generation: u64) -> Result<Credential, String> {
        let mut credential = self.credential.borrow_mut();
        match &*credential {
            Some((known, credential)) if *known == generation => credential.clone(),
            _ => {
                let compiled = self.compile(hash, config);
                *credential = Some((generation, compiled.clone()));
                compiled
            }
        }
    }

    fn compile(&self, hash: &KeyHash, config: &CompiledConfig) -> Result<Credential, String> {
        let compiled = self.key.compile(config)?;
        let found = compiled.into_iter().find(|(known, _)| known == hash).map(|(_, credential)| credential);
        found.ok_or_else(|| "it belongs to another key".to_owned())
    }
}
