//! The keys that a request has with it: one of them may be ours.

use sha2::{Digest, Sha256};
use sluice_wire::headers::HeaderMap;
use sluice_wire::order::by_numbers;

use crate::gateway::Gateway;
use crate::key_hash::KeyHash;
use crate::keys::secret;

/// What may be the caller's key.
#[derive(Debug)]
pub(super) struct Keys {
    /// The one that is looked for, as it was sent.
    pub(super) presented: Vec<u8>,
    /// Its hash.
    pub(super) hash: KeyHash,
    /// What may be the key instead, should nobody have that one.
    others: Vec<Vec<u8>>,
}

impl Keys {
    /// Of these, the likeliest last.
    pub(super) fn of(mut sent: Vec<Vec<u8>>) -> Option<Self> {
        let presented = sent.pop()?;
        Some(Self { hash: KeyHash(Sha256::digest(&presented).into()), presented, others: sent })
    }

    /// Whether there is another key to look for, now that nobody has the one before.
    pub(super) fn tries_another(&mut self) -> bool {
        match Self::of(std::mem::take(&mut self.others)) {
            Some(other) => {
                *self = other;
                true
            }
            None => false,
        }
    }
}

/// What may be the virtual key, the likeliest last: a bearer token, or what Anthropic's and Azure's clients send instead. An agent sends
/// its own account's token too, or another gateway's key. Where nothing may be ours it is the first, which the refusal is about.
pub(super) fn credentials(headers: &HeaderMap, gateway: &Gateway) -> Vec<Vec<u8>> {
    let bearer = headers.get("authorization").and_then(|value| {
        let (scheme, token) = value.split_at_checked(7)?;
        scheme.eq_ignore_ascii_case(b"bearer ").then(|| token.trim_ascii())
    });
    let all = [headers.get("api-key"), headers.get("x-api-key"), bearer];
    let all: Vec<&[u8]> = all.into_iter().flatten().filter(|key| !key.is_empty()).collect();
    let in_file = |key: &[u8]| gateway.keys.contains_key(&KeyHash(Sha256::digest(key).into()));
    let likely = |key: &[u8]| (in_file(key), secret::is_well_formed(key));
    let mut ours: Vec<&[u8]> = all.iter().copied().filter(|key| likely(key) != (false, false)).collect();
    by_numbers(&mut ours, |key| {
        let (in_file, well_formed) = likely(key);
        (in_file.into(), well_formed.into())
    });
    if ours.is_empty() {
        ours.extend(all.last());
    }
    ours.into_iter().map(<[u8]>::to_vec).collect()
}
