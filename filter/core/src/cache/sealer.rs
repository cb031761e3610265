//! The form of a response in Redis: compressed, and encrypted with a key that Redis does not have.
//!
//! A reader of Redis learns the number, the sizes and the times of responses, and nothing else: the names of entries are keyed hashes too.
//! Whoever writes to Redis can remove an entry, but neither change it nor put it in another's place. The nonce is a keyed hash of the
//! contents, so that it needs no randomness, and two different contents never share one.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chacha20poly1305::aead::AeadInOut;
use chacha20poly1305::{KeyInit, XChaCha20Poly1305, XNonce};
use sluice_wire::hex;
use sluice_wire::time::Time;

use super::{CachedResponse, Key};

/// Releases may differ in how they translate responses, so they do not share entries.
const VERSION: &str = concat!("sluice ", env!("CARGO_PKG_VERSION"), " response 1");

/// The shortest secret, in bytes.
pub const SHORTEST_SECRET: usize = 32;

/// The parts of an entry besides the response's body: the texts of its head have at most 64 KiB each.
const MOST_HEAD: usize = 260 << 10;

/// Seals and opens responses. All Envoys that share responses have the same secret.
pub struct Sealer {
    cipher: XChaCha20Poly1305,
    names: [u8; 32],
    nonces: [u8; 32],
}

impl fmt::Debug for Sealer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sealer")
    }
}

impl Sealer {
    /// `None` if the secret is too short.
    pub fn new(secret: &[u8]) -> Option<Self> {
        let secret = secret.trim_ascii();
        let derived = |purpose: &str| blake3::derive_key(purpose, secret);
        (secret.len() >= SHORTEST_SECRET).then(|| Self {
            cipher: XChaCha20Poly1305::new(&derived("sluice cache 2026 contents").into()),
            names: derived("sluice cache 2026 names"),
            nonces: derived("sluice cache 2026 nonces"),
        })
    }

    /// The name of an entry.
    pub fn name(&self, key: &Key) -> String {
        let hash = blake3::keyed_hash(&self.names, &key.0);
        hex::encoded(hash.as_bytes().first_chunk::<16>().unwrap_or(&[0; 16]))
    }

    /// Seals the response to a request that arrived at `asked`. `None` when it is too long.
    pub fn seal(&self, key: &Key, asked: Time, entry: &CachedResponse) -> Option<String> {
        let plain = entry.bytes(key)?;
        let mut bytes = asked.0.to_le_bytes().to_vec();
        bytes.extend(u32::try_from(plain.len()).ok()?.to_le_bytes());
        bytes.extend(lz4_flex::block::compress(&plain));
        let hash = blake3::keyed_hash(&self.nonces, &bytes);
        let nonce = hash.as_bytes().first_chunk::<24>()?;
        self.cipher.encrypt_in_place(&XNonce::from(*nonce), &context(key), &mut bytes).ok()?;
        Some(URL_SAFE_NO_PAD.encode([&nonce[..], &bytes].concat()))
    }

    /// Opens the output of [`Sealer::seal`] for this key, with at most `largest` bytes of a body; `None` for anything else. Returns when its
    /// request arrived, too.
    pub fn open(&self, key: &Key, text: &str, largest: usize) -> Option<(Time, CachedResponse)> {
        let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
        let (nonce, sealed) = bytes.split_first_chunk::<24>()?;
        let mut plain = sealed.to_vec();
        self.cipher.decrypt_in_place(&XNonce::from(*nonce), &context(key), &mut plain).ok()?;
        let (asked, rest) = plain.split_first_chunk::<8>()?;
        let (size, compressed) = rest.split_first_chunk::<4>()?;
        let size = usize::try_from(u32::from_le_bytes(*size)).ok()?;
        if size > largest.saturating_add(MOST_HEAD) {
            return None;
        }
        let entry = lz4_flex::block::decompress(compressed, size).ok()?;
        Some((Time(u64::from_le_bytes(*asked)), CachedResponse::parse(entry, key)?))
    }
}

/// What an entry is bound to: it opens at no other key.
fn context(key: &Key) -> Vec<u8> {
    [VERSION.as_bytes(), &key.0].concat()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cache::Form;
    use crate::cache::key::KeyBuilder;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    const SECRET: &[u8] = b"0123456789abcdef0123456789abcdef\n";
    const ASKED: Time = Time(1_800_000_000_000_000_000);

    fn key(text: &str) -> Key {
        KeyBuilder::default().part(text).key()
    }

    fn entry() -> CachedResponse {
        CachedResponse {
            made: ASKED,
            expires: Time(ASKED.0 + 60_000_000_000),
            cost: 12,
            usage: None,
            form: Form::Whole,
            repeats: 0,
            provider: "openai".to_owned(),
            model: "gpt-5".to_owned(),
            content_type: "application/json".to_owned(),
            dropped: String::new(),
            body: "the secret of the team ".repeat(100).into_bytes(),
        }
    }

    #[test]
    fn an_entry_opens_with_its_key_and_secret_only() {
        let sealer = Sealer::new(SECRET).unwrap();
        let sealed = sealer.seal(&key("a"), ASKED, &entry()).unwrap();
        assert_eq!(sealer.open(&key("a"), &sealed, 1 << 20), Some((ASKED, entry())));
        assert_eq!(sealer.open(&key("b"), &sealed, 1 << 20), None);
        let other = Sealer::new(b"another secret of the same length!").unwrap();
        assert_eq!(other.open(&key("a"), &sealed, 1 << 20), None);
        assert_ne!(sealer.name(&key("a")), other.name(&key("a")));
        assert_ne!(sealer.name(&key("a")), sealer.name(&key("b")));
        // It is smaller than the body, and has none of its text.
        assert!(sealed.len() < 600, "{}", sealed.len());
        let shown = String::from_utf8_lossy(&URL_SAFE_NO_PAD.decode(&sealed).unwrap()).into_owned();
        assert!(!shown.contains("secret") && !shown.contains("openai"));
        assert_eq!(format!("{sealer:?}"), "Sealer");
    }

    #[test]
    fn a_changed_entry_opens_never() {
        let sealer = Sealer::new(SECRET).unwrap();
        let sealed = sealer.seal(&key("a"), ASKED, &entry()).unwrap();
        let bytes = URL_SAFE_NO_PAD.decode(&sealed).unwrap();
        for place in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[place] ^= 1;
            assert_eq!(sealer.open(&key("a"), &URL_SAFE_NO_PAD.encode(&changed), 1 << 20), None, "{place}");
            assert_eq!(sealer.open(&key("a"), &URL_SAFE_NO_PAD.encode(&bytes[..place]), 1 << 20), None, "{place}");
        }
        for text in ["", "-", "nil", "é", "AAAA", &"A".repeat(64)] {
            assert_eq!(sealer.open(&key("a"), text, 1 << 20), None, "{text}");
        }
    }

    #[test]
    fn different_contents_never_share_a_nonce() {
        let sealer = Sealer::new(SECRET).unwrap();
        let nonce =
            |asked: u64, entry: &CachedResponse| sealer.seal(&key("a"), Time(asked), entry).unwrap()[..32].to_owned();
        let other = CachedResponse { cost: 13, ..entry() };
        assert_eq!(nonce(1, &entry()), nonce(1, &entry()));
        assert_ne!(nonce(1, &entry()), nonce(2, &entry()));
        assert_ne!(nonce(1, &entry()), nonce(1, &other));
    }

    #[test]
    fn a_body_beyond_the_bound_is_not_opened() {
        let sealer = Sealer::new(SECRET).unwrap();
        let large = CachedResponse { body: vec![b'x'; 1 << 20], ..entry() };
        let sealed = sealer.seal(&key("a"), ASKED, &large).unwrap();
        assert!(sealer.open(&key("a"), &sealed, 1 << 20).is_some());
        assert_eq!(sealer.open(&key("a"), &sealed, 512 << 10), None);
    }

    #[test]
    fn a_short_secret_seals_nothing() {
        for secret in ["", " \n", "0123456789abcdef0123456789abcde \n"] {
            assert!(Sealer::new(secret.as_bytes()).is_none(), "{secret:?}");
        }
    }
}
