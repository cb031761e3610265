//! The gateway's configuration in two stages: [`file`] is the file as written, [`CompiledConfig`] is its compiled form.
//!
//! The only validator is [`compile`]. The `sluice` command and the filter both use it, so the filter loads everything that `sluice check`
//! accepts. It reports all mistakes, not only the first. The wasm module receives what the command has checked and rendered: there, the
//! fields, checks and messages that only the command needs are left out, except those of keys, which also arrive at runtime.

use sluice_core::compiled::CompiledConfig;
use sluice_core::compiled::record::KeyRecord;
use sluice_core::key_hash::KeyHash;
use sluice_core::keys::caller::Credential;
use sluice_core::metrics::Background;
use sluice_wire::json;

mod check;
pub mod diagnostic;
pub mod file;
pub mod plugin;
mod price;
pub mod size;

pub use check::is_public_name;
#[cfg(not(target_arch = "wasm32"))]
pub use check::overlap;
pub use diagnostic::Diagnostic;
pub use price::Unbelievable;

/// Checks and compiles a gateway file whose targets have names. Reports all mistakes, in the order of the file's sections; under wasm32, only
/// the sections of those that keep the file from being compiled.
pub fn compile(file: &file::File) -> Result<CompiledConfig, Vec<Diagnostic>> {
    check::compile(file)
}

/// Parses and compiles a gateway file as JSON, the filter's format. A wrong shape is a single mistake here; `sluice check` reports each
/// one.
pub fn from_json(json: &[u8]) -> Result<CompiledConfig, Vec<Diagnostic>> {
    let mut file: file::File = json::from_slice(json).map_err(|error| {
        vec![Diagnostic { path: String::new(), found: error.to_string(), expected: "a gateway file".to_owned() }]
    })?;
    file.name_targets();
    compile(&file)
}

/// Compiles the judges for the filter, without their credentials. One with a mistake is left out.
#[cfg(not(target_arch = "wasm32"))]
pub fn judges_for_the_filter(file: &file::File) -> file::Judges {
    check::judges_for_the_filter(file)
}

/// The budgets that keys outside of this file may not be able to use, each with the name of a target that has no price.
#[cfg(not(target_arch = "wasm32"))]
pub fn unpriced_for_stored_keys(file: &file::File) -> Vec<(diagnostic::Path, String)> {
    check::unpriced_for_stored_keys(file)
}

/// Checks one key against the rest of the configuration, and compiles it. Paths in mistakes are relative to the key (`models[0]`). A key
/// that is being rotated has two secrets, so two entries with the same caller.
pub fn compile_key(config: &CompiledConfig, key: &file::Key) -> Result<Vec<(KeyHash, Credential)>, Vec<Diagnostic>> {
    check::compile_key(config, key, check::Strictness::New)
}

/// As [`compile_key`], for a key that was valid when it was stored. Models that no longer exist are neither mistakes nor allowed.
pub fn restore_key(config: &CompiledConfig, key: &file::Key) -> Result<Vec<(KeyHash, Credential)>, Vec<Diagnostic>> {
    check::compile_key(config, key, check::Strictness::Kept)
}

/// Checks and compiles the sections of the background role.
pub fn compile_background(written: file::Background) -> Result<Background, Vec<Diagnostic>> {
    check::compile_background(written)
}

/// Parses a key's record in Redis: the gateway file's fields, as JSON.
fn read_key(text: &str) -> Result<Box<dyn KeyRecord>, String> {
    let key: file::Key = json::from_slice(text.as_bytes()).map_err(|error| error.to_string())?;
    Ok(Box::new(key))
}

impl KeyRecord for file::Key {
    fn compile(&self, config: &CompiledConfig) -> Result<Vec<(KeyHash, Credential)>, String> {
        let first = |diagnostics: Vec<Diagnostic>| {
            diagnostics.first().map_or_else(|| "the gateway cannot read it".to_owned(), ToString::to_string)
        };
        restore_key(config, self).map_err(first)
    }
}
