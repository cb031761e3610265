//! Whose a cached response is, for purges: its team, key, app, model and namespace, each as a hash of two bytes.
//!
//! The hashes stand beside each stored response, so that a purge reads no response. Two names with the same hash are purged together, which
//! costs a miss and nothing else. No lookup depends on them.

use crate::mix;

/// The number of facts.
pub(super) const FACTS: usize = 5;

/// The owners of a response.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Whose(pub(super) [u16; FACTS]);

/// The responses that a purge concerns: those with all of these facts, or all responses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Selection(pub(super) [u16; FACTS]);

/// The names behind [`Whose`] and [`Selection`].
#[derive(Debug, Clone, Copy, Default)]
pub struct Names<'a> {
    /// The team of the key that the response was generated for.
    pub team: Option<&'a str>,
    /// That key's id.
    pub key: Option<&'a str>,
    /// That key's app.
    pub app: Option<&'a str>,
    /// The model, by its name in the gateway file.
    pub model: Option<&'a str>,
    /// The namespace that the client named.
    pub namespace: Option<&'a str>,
}

impl Names<'_> {
    fn hashes(&self) -> [u16; FACTS] {
        [self.team, self.key, self.app, self.model, self.namespace].map(|name| name.map_or(0, hash))
    }

    /// The owners of a response.
    pub fn whose(&self) -> Whose {
        Whose(self.hashes())
    }

    /// The responses with all of these names; without names, all responses.
    pub fn selection(&self) -> Selection {
        Selection(self.hashes())
    }
}

impl Selection {
    /// Whether the purge concerns a response of these owners.
    pub fn concerns(&self, whose: &Whose) -> bool {
        self.0.iter().zip(&whose.0).all(|(wanted, given)| *wanted == 0 || wanted == given)
    }
}

/// Never 0, which stands for no name.
fn hash(name: &str) -> u16 {
    let [first, second, ..] = mix::number(b"cache", name.as_bytes()).to_le_bytes();
    u16::from_le_bytes([first, second]).max(1)
}
