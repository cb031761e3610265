//! The key of a cached response: a BLAKE3 hash over everything the response depends on.
//!
//! Every part is hashed with its length and every list with its count, so that two different requests never hash the same input.

use blake3::Hasher;

use super::directory::SETS;
use super::form::Form;

/// Version of the hashed parts and their order. It changes whenever they do, so that a filter updated in a running Envoy starts with an
/// empty cache.
const VERSION: &[u8] = b"sluice.cache.4";

/// Identifies a request's cached response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Key(pub(super) [u8; 32]);

impl Key {
    /// A second key for the same request: of responses in this form that cannot be converted to the form of its first key's response.
    #[must_use]
    pub fn of_form(&self, form: Form) -> Self {
        KeyBuilder::default().part(self.0).part([form.number()]).key()
    }

    /// The set of slots that holds the response.
    pub(super) fn set(&self) -> usize {
        let [first, second, ..] = self.0;
        usize::from(u16::from_le_bytes([first, second])) % SETS
    }

    /// Tells the keys of a set apart. The stored response has the whole key.
    pub(super) fn tag(&self) -> [u8; 8] {
        let [.., a, b, c, d, e, f, g, h] = self.0;
        [a, b, c, d, e, f, g, h]
    }

    /// Its first half: enough to tell the partitions of the semantic cache apart.
    pub fn half(&self) -> [u8; 16] {
        self.0.first_chunk().copied().unwrap_or_default()
    }

    /// A number that depends on the key alone, from 0 to 255.
    pub fn dice(&self) -> u8 {
        let [_, _, dice, ..] = self.0;
        dice
    }
}

/// Builds a [`Key`]. The hasher is boxed: it has two kilobytes, which each part would copy.
#[derive(Debug, Clone)]
pub struct KeyBuilder(Box<Hasher>);

impl Default for KeyBuilder {
    fn default() -> Self {
        Self(Box::default()).part(VERSION)
    }
}

impl KeyBuilder {
    /// Adds a part.
    #[must_use]
    pub fn part(mut self, bytes: impl AsRef<[u8]>) -> Self {
        self.number(bytes.as_ref().len());
        self.0.update(bytes.as_ref());
        self
    }

    /// Adds a list of parts.
    #[must_use]
    pub fn list<T: AsRef<[u8]>>(mut self, parts: impl ExactSizeIterator<Item = T>) -> Self {
        self.number(parts.len());
        parts.fold(self, Self::part)
    }

    fn number(&mut self, number: usize) {
        self.0.update(&u64::try_from(number).unwrap_or(u64::MAX).to_le_bytes());
    }

    /// Finishes the key.
    pub fn key(self) -> Key {
        Key(self.0.finalize().into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn parts_and_lists_never_run_into_each_other() {
        let list = |parts: &[&str]| KeyBuilder::default().list(parts.iter().copied());
        let keys = [
            KeyBuilder::default(),
            KeyBuilder::default().part(""),
            KeyBuilder::default().part("ab"),
            KeyBuilder::default().part("a").part("b"),
            KeyBuilder::default().part("").part("ab"),
            list(&[]),
            list(&["ab"]),
            list(&["a", "b"]),
            list(&["a"]).part("b"),
            list(&["a"]).list(["b"].into_iter()),
        ]
        .map(KeyBuilder::key);
        for (index, key) in keys.iter().enumerate() {
            assert!(!keys[..index].contains(key) || index == 5, "{index}");
        }
    }

    #[test]
    fn the_same_parts_are_the_same_key() {
        let key = || KeyBuilder::default().part("team").part("red").list(["a", "b"].into_iter()).key();
        assert_eq!(key(), key());
    }
}
