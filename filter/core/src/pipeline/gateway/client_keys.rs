//! The keys in a request's headers: one of them may be the caller's virtual key.

use sha2::{Digest, Sha256};
use sluice_wire::headers::HeaderMap;
use sluice_wire::order;

use crate::compiled::CompiledConfig;
use crate::key_hash::KeyHash;
use crate::keys::secret;

/// A key that the client sent; it may be the caller's virtual key.
#[derive(Debug)]
pub(super) struct Key {
    /// As it was sent.
    pub(super) text: Vec<u8>,
    /// Its hash.
    pub(super) hash: KeyHash,
}

impl Key {
    fn of(text: &[u8]) -> Self {
        Self { hash: KeyHash(Sha256::digest(text).into()), text: text.to_vec() }
    }
}

/// All sent keys, at least one.
#[derive(Debug)]
pub(super) struct Keys {
    /// The key to look up now.
    pub(super) presented: Key,
    /// The other keys that the client sent, in case that one is unknown; the likeliest last.
    others: Vec<Key>,
}

impl Keys {
    /// The keys that the client sent: a bearer token, or the headers of Anthropic's and Azure's clients. An agent sends its own
    /// account's token too, or another gateway's key. If none looks like a virtual key, the first one stays, for the error message.
    pub(super) fn of(headers: &HeaderMap, config: &CompiledConfig) -> Option<Self> {
        let bearer = headers.get("authorization").and_then(|value| {
            let (scheme, token) = value.split_at_checked(7)?;
            scheme.eq_ignore_ascii_case(b"bearer ").then(|| token.trim_ascii())
        });
        let all = [headers.get("api-key"), headers.get("x-api-key"), bearer];
        let mut all = all.into_iter().flatten().filter(|key| !key.is_empty()).map(Key::of);
        let first = all.next()?;
        let Some(second) = all.next() else { return Some(Self { presented: first, others: Vec::new() }) };
        let mut sent: Vec<Key> = [first, second].into_iter().chain(all).collect();
        let likely = |key: &Key| {
            let in_file = config.keys.contains_key(&key.hash);
            (in_file.into(), secret::is_well_formed(&key.text).into())
        };
        if sent.iter().any(|key| likely(key) != (0, 0)) {
            sent.retain(|key| likely(key) != (0, 0));
            order::by_numbers(&mut sent, likely);
        } else {
            sent.drain(..sent.len().saturating_sub(1));
        }
        Some(Self { presented: sent.pop()?, others: sent })
    }

    /// Moves on to the next key, because the one before is unknown; `false` when there is none.
    pub(super) fn tries_another(&mut self) -> bool {
        let Some(other) = self.others.pop() else { return false };
        self.presented = other;
        true
    }

    /// All keys, the likeliest first.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Key> {
        std::iter::once(&self.presented).chain(self.others.iter().rev())
    }
}
