//! The gateway's configuration in two stages: [`file`] is what a person wrote, [`Gateway`] is what runs.
//!
//! There is one validator, [`compile`]; the `sluice` command and the filter both go through it, so what `sluice
//! check` accepts is what the filter loads. It reports every mistake, not the first.

use sluice_core::gateway::Gateway;
use sluice_core::gateway::record::KeyRecord;
use sluice_core::key_hash::KeyHash;
use sluice_core::keys::caller::Credential;
use sluice_core::store::redis::settings::Redis;
use sluice_wire::json;

mod check;
pub mod file;
pub mod mistake;
pub mod plugin;
mod price;
pub mod size;

pub use check::is_public_name;
pub use mistake::Mistake;
pub use price::Unbelievable;

/// Checks a gateway file and compiles it; every mistake is reported, in the order of the file's sections.
pub fn compile(file: &file::File) -> Result<Gateway, Vec<Mistake>> {
    check::compile(file)
}

/// Reads and compiles a gateway file as JSON, the form in which the filter receives it. A file of the wrong shape
/// is one mistake here; `sluice check` finds all of those too.
pub fn from_json(json: &[u8]) -> Result<Gateway, Vec<Mistake>> {
    let file: file::File = json::from_slice(json).map_err(|error| {
        vec![Mistake { path: String::new(), found: error.to_string(), expected: "a gateway file".to_owned() }]
    })?;
    compile(&file)
}

/// Checks one key against everything else that is configured, and compiles it; the places in mistakes are the key's own
/// (`models[0]`). A key that is being rotated has two secrets, so two entries; both have the same caller.
pub fn compile_key(gateway: &Gateway, key: &file::Key) -> Result<Vec<(KeyHash, Credential)>, Vec<Mistake>> {
    check::compile_key(gateway, key, check::Strictness::New)
}

/// The same for a key that was good when it was kept: models that have left the gateway since are no mistake, and not
/// allowed either.
pub fn restore_key(gateway: &Gateway, key: &file::Key) -> Result<Vec<(KeyHash, Credential)>, Vec<Mistake>> {
    check::compile_key(gateway, key, check::Strictness::Kept)
}

/// Checks the section `redis` of a gateway file by itself, and compiles it.
pub fn compile_redis(written: &file::Redis) -> Result<Redis, Vec<Mistake>> {
    check::compile_redis(written)
}

/// Reads a key as Redis keeps it: as the gateway file has it, in JSON.
fn read_key(text: &str) -> Result<Box<dyn KeyRecord>, String> {
    let key: file::Key = json::from_slice(text.as_bytes()).map_err(|error| error.to_string())?;
    Ok(Box::new(key))
}

impl KeyRecord for file::Key {
    fn compile(&self, gateway: &Gateway) -> Result<Vec<(KeyHash, Credential)>, String> {
        let first = |mistakes: Vec<Mistake>| {
            mistakes.first().map_or_else(|| "the gateway cannot read it".to_owned(), ToString::to_string)
        };
        restore_key(gateway, self).map_err(first)
    }
}
