//! Remembers the canonical key of a request's exact bytes, so that a repeat with the same bytes is found without its canonical form.
//!
//! There is a fixed number of places, and a new alias overwrites another one's. A lost alias costs one canonical form.

use crate::bytes::Reader;
use crate::store::SharedData;

use super::Key;

/// The number of places.
const PLACES: usize = 8192;

/// The key behind which a request's response is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Alias {
    /// The canonical key.
    pub canonical: Key,
    /// The hash of the request's fields that a response repeats and the canonical key ignores.
    pub repeats: u64,
}

/// Looks up the request with this key of its bytes.
pub fn find(shared: &dyn SharedData, bytes: &Key) -> Option<Alias> {
    let (value, _) = shared.read(&name(bytes))?;
    let mut reader = Reader(&value);
    let known = reader.array()? == bytes.0;
    let alias = Alias { canonical: Key(reader.array()?), repeats: reader.u64()? };
    (known && reader.0.is_empty()).then_some(alias)
}

/// Remembers a request.
pub fn remember(shared: &dyn SharedData, bytes: &Key, alias: &Alias) {
    let value = [&bytes.0[..], &alias.canonical.0, &alias.repeats.to_le_bytes()].concat();
    // Workers write the same, or one of two requests is forgotten.
    let _ = shared.write(&name(bytes), &value, 0);
}

fn name(bytes: &Key) -> String {
    let [first, second, ..] = bytes.0;
    format!("sluice.cache.2.alias.{}", usize::from(u16::from_le_bytes([first, second])) % PLACES)
}
