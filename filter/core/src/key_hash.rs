//! The only form in which the gateway stores a virtual key.

/// SHA-256 of a virtual key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyHash(pub [u8; 32]);

impl KeyHash {
    /// Parses 64 hexadecimal digits.
    pub fn from_hex(text: &str) -> Option<Self> {
        let (pairs, []) = text.as_bytes().as_chunks::<2>() else { return None };
        let mut hash = [0; 32];
        if pairs.len() != hash.len() {
            return None;
        }
        for (byte, [high, low]) in hash.iter_mut().zip(pairs) {
            let digit = |c: u8| char::from(c).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
            *byte = digit(*high)? * 16 + digit(*low)?;
        }
        Some(Self(hash))
    }

    /// Compares in constant time.
    pub fn same(&self, other: &Self) -> bool {
        let different = self.0.iter().zip(&other.0).fold(0, |seen, (a, b)| seen | (a ^ b));
        // Keeps the compiler from returning at the first difference.
        std::hint::black_box(different) == 0
    }
}
