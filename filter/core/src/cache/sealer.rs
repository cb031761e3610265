//! The form of a response in Redis: compressed, and encrypted with a key that Redis does not have.
//!
//! From entries, a reader of Redis learns the number, the sizes and the times of responses: the names of entries are keyed hashes. A writer
//! can remove an entry, or restore an older one of the same name, but can neither change an entry nor move it to another name. The nonce is
//! a keyed hash of the contents, so it needs no randomness, and two different contents never share one.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chacha20poly1305::aead::AeadInOut;
use chacha20poly1305::{KeyInit, XChaCha20Poly1305, XNonce};
use sluice_wire::hex;
use sluice_wire::time::Time;

use crate::bytes::Reader;

use super::whose::{FACTS, Whose};
use super::{CachedResponse, Key};

/// Releases may differ in how they translate responses, so they do not share entries.
const VERSION: &str = concat!("sluice ", env!("CARGO_PKG_VERSION"), " response 1");

/// What the entries of the semantic cache's index are bound to.
const POSITION: &[u8] = concat!("sluice ", env!("CARGO_PKG_VERSION"), " position 1").as_bytes();

/// The shortest secret, in bytes.
pub const SHORTEST_SECRET: usize = 32;

/// The parts of an entry besides the response's body: the texts of its head have at most 64 KiB each.
const MOST_HEAD: usize = 260 << 10;

/// A sealed response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sealed {
    /// When its request arrived.
    pub asked: Time,
    /// The owners of that request.
    pub whose: Whose,
    /// The response.
    pub entry: CachedResponse,
}

/// Seals and opens responses. All Envoys that share responses have the same secret.
pub struct Sealer {
    cipher: XChaCha20Poly1305,
    names: [u8; 32],
    nonces: [u8; 32],
    /// The key of the semantic cache's signatures.
    pub words: [u8; 32],
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
            words: derived("sluice cache 2026 words"),
        })
    }

    /// The name of an entry.
    pub fn name(&self, key: &Key) -> String {
        let hash = blake3::keyed_hash(&self.names, &context(key));
        hex::encoded(hash.as_bytes().first_chunk::<16>().unwrap_or(&[0; 16]))
    }

    /// Seals a response. `None` when it is too long.
    pub fn seal(&self, key: &Key, sealed: &Sealed) -> Option<String> {
        let plain = sealed.entry.bytes(key)?;
        let mut bytes = sealed.asked.0.to_le_bytes().to_vec();
        sealed.whose.0.iter().for_each(|fact| bytes.extend(fact.to_le_bytes()));
        bytes.extend(u32::try_from(plain.len()).ok()?.to_le_bytes());
        bytes.extend(lz4_flex::block::compress(&plain));
        self.encrypt(&context(key), bytes)
    }

    /// Opens the output of [`Sealer::seal`] for this key, with at most `largest` bytes of a body; `None` for anything else.
    pub fn open(&self, key: &Key, text: &str, largest: usize) -> Option<Sealed> {
        let bytes = self.decrypt(&context(key), text)?;
        let mut reader = Reader(&bytes);
        let (asked, mut whose) = (Time(reader.u64()?), Whose([0; FACTS]));
        for fact in &mut whose.0 {
            *fact = u16::from_le_bytes(reader.array()?);
        }
        let size = usize::try_from(reader.u32()?).ok()?;
        if size > largest.saturating_add(MOST_HEAD) {
            return None;
        }
        let entry = lz4_flex::block::decompress(reader.0, size).ok()?;
        Some(Sealed { asked, whose, entry: CachedResponse::parse(entry, key)? })
    }

    /// Seals an entry of the semantic cache's index.
    pub fn seal_position(&self, bytes: Vec<u8>) -> Option<String> {
        self.encrypt(POSITION, bytes)
    }

    /// Opens the output of [`Sealer::seal_position`]; `None` for anything else.
    pub fn open_position(&self, text: &str) -> Option<Vec<u8>> {
        self.decrypt(POSITION, text)
    }

    fn encrypt(&self, context: &[u8], mut bytes: Vec<u8>) -> Option<String> {
        let hash = blake3::keyed_hash(&self.nonces, &bytes);
        let nonce = hash.as_bytes().first_chunk::<24>()?;
        self.cipher.encrypt_in_place(&XNonce::from(*nonce), context, &mut bytes).ok()?;
        Some(URL_SAFE_NO_PAD.encode([&nonce[..], &bytes].concat()))
    }

    fn decrypt(&self, context: &[u8], text: &str) -> Option<Vec<u8>> {
        let mut bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
        let nonce = XNonce::from(*bytes.first_chunk::<24>()?);
        bytes.drain(..nonce.len());
        self.cipher.decrypt_in_place(&nonce, context, &mut bytes).ok()?;
        Some(bytes)
    }
}

/// An entry is bound to this: it opens at no other key, and in no other release.
fn context(key: &Key) -> Vec<u8> {
    [VERSION.as_bytes(), &key.0].concat()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cache::Form;
    use crate::cache::key::KeyBuilder;
    use crate::cache::whose::Names;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    const SECRET: &[u8] = b"0123456789abcdef0123456789abcdef\n";
    const ASKED: Time = Time(1_800_000_000_000_000_000);

    fn key(text: &str) -> Key {
        KeyBuilder::default().part(text).key()
    }

    fn sealed() -> Sealed {
        let entry = CachedResponse {
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
        };
        Sealed { asked: ASKED, whose: Names { team: Some("t"), ..Names::default() }.whose(), entry }
    }

    #[test]
    fn an_entry_opens_with_its_key_and_secret_only() {
        let sealer = Sealer::new(SECRET).unwrap();
        let text = sealer.seal(&key("a"), &sealed()).unwrap();
        assert_eq!(sealer.open(&key("a"), &text, 1 << 20), Some(sealed()));
        assert_eq!(sealer.open(&key("b"), &text, 1 << 20), None);
        let other = Sealer::new(b"another secret of the same length!").unwrap();
        assert_eq!(other.open(&key("a"), &text, 1 << 20), None);
        assert_ne!(sealer.name(&key("a")), other.name(&key("a")));
        assert_ne!(sealer.name(&key("a")), sealer.name(&key("b")));
        // It is smaller than the body, and has none of its text.
        assert!(text.len() < 600, "{}", text.len());
        let shown = String::from_utf8_lossy(&URL_SAFE_NO_PAD.decode(&text).unwrap()).into_owned();
        assert!(!shown.contains("secret") && !shown.contains("openai"));
        assert_eq!(format!("{sealer:?}"), "Sealer");
    }

    #[test]
    fn a_changed_entry_opens_never() {
        let sealer = Sealer::new(SECRET).unwrap();
        let text = sealer.seal(&key("a"), &sealed()).unwrap();
        let bytes = URL_SAFE_NO_PAD.decode(&text).unwrap();
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
        let nonce = |sealed: &Sealed| sealer.seal(&key("a"), sealed).unwrap()[..32].to_owned();
        let later = Sealed { asked: Time(ASKED.0 + 1), ..sealed() };
        let dearer = Sealed { entry: CachedResponse { cost: 13, ..sealed().entry }, ..sealed() };
        let another = Sealed { whose: Names::default().whose(), ..sealed() };
        assert_eq!(nonce(&sealed()), nonce(&sealed()));
        assert!([later, dearer, another].iter().all(|other| nonce(other) != nonce(&sealed())));
    }

    #[test]
    fn a_body_beyond_the_bound_is_not_opened() {
        let sealer = Sealer::new(SECRET).unwrap();
        let large = CachedResponse { body: vec![b'x'; 1 << 20], ..sealed().entry };
        let text = sealer.seal(&key("a"), &Sealed { entry: large, ..sealed() }).unwrap();
        assert!(sealer.open(&key("a"), &text, 1 << 20).is_some());
        assert_eq!(sealer.open(&key("a"), &text, 512 << 10), None);
    }

    #[test]
    fn a_short_secret_seals_nothing() {
        for secret in ["", " \n", "0123456789abcdef0123456789abcde \n"] {
            assert!(Sealer::new(secret.as_bytes()).is_none(), "{secret:?}");
        }
    }
}
