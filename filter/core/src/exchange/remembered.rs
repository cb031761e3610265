//! A key's record, as Redis has it, and what it means to a configuration.
//!
//! The record outlives a configuration, so that a changed gateway file does not make a worker ask Redis for every key again.
//! What it means is made when somebody asks for it, once for each configuration: a team or a model may have gone since.

use std::cell::RefCell;

use crate::gateway::Gateway;
use crate::gateway::record::KeyRecord;
use crate::key_hash::KeyHash;
use crate::keys::caller::Credential;

/// A record.
#[derive(Debug)]
pub struct Record {
    key: Box<dyn KeyRecord>,
    /// What it means, to the configuration with this number.
    meaning: RefCell<Option<(u64, Result<Credential, String>)>>,
}

impl Record {
    /// From its text; an error says why that is none.
    pub fn read(text: &str, gateway: &Gateway) -> Result<Self, String> {
        let key = (gateway.read_key)(text)?;
        Ok(Self { key, meaning: RefCell::default() })
    }

    /// Whose the key with this hash is in the configuration with this number; an error says why it is nobody's.
    pub fn means(&self, hash: &KeyHash, gateway: &Gateway, generation: u64) -> Result<Credential, String> {
        let mut meaning = self.meaning.borrow_mut();
        match &*meaning {
            Some((known, meaning)) if *known == generation => meaning.clone(),
            _ => {
                let compiled = self.compile(hash, gateway);
                *meaning = Some((generation, compiled.clone()));
                compiled
            }
        }
    }

    fn compile(&self, hash: &KeyHash, gateway: &Gateway) -> Result<Credential, String> {
        let compiled = self.key.compile(gateway)?;
        let found = compiled.into_iter().find(|(known, _)| known == hash).map(|(_, credential)| credential);
        found.ok_or_else(|| "it belongs to another key".to_owned())
    }
}
