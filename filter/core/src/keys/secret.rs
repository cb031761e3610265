//! The format of virtual keys: `sk-sluice-`, 27 random base-62 digits, and 6 more for the CRC-32 of everything before them, which lets
//! secret scanners and typists recognize a real key. This module does not know which keys exist.

/// Prefix of every key.
pub const PREFIX: &str = "sk-sluice-";
/// The digits of base 62.
pub const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
/// Random digits: 27 of base 62 hold 160 bits.
pub const RANDOM_DIGITS: usize = 27;
/// Digits of the checksum: 6 of base 62 hold 32 bits.
pub const CHECK_DIGITS: usize = 6;

/// Whether `text` is a well-formed key, including its checksum.
pub fn is_well_formed(text: &[u8]) -> bool {
    let Some((body, sum)) =
        text.len().checked_sub(CHECK_DIGITS).and_then(|body_length| text.split_at_checked(body_length))
    else {
        return false;
    };
    let random = body.strip_prefix(PREFIX.as_bytes());
    random.is_some_and(|random| random.len() == RANDOM_DIGITS && random.iter().all(u8::is_ascii_alphanumeric))
        && checksum(body) == *sum
}

/// The checksum digits of a key that begins with `body`.
pub fn checksum(body: &[u8]) -> [u8; CHECK_DIGITS] {
    let mut rest = crc32fast::hash(body);
    let mut digits = [b'0'; CHECK_DIGITS];
    for digit in digits.iter_mut().rev() {
        *digit = DIGITS.get(rest as usize % DIGITS.len()).copied().unwrap_or(b'0');
        rest /= 62;
    }
    digits
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    fn key(random: &str) -> Vec<u8> {
        let mut text = format!("{PREFIX}{random}").into_bytes();
        text.extend(checksum(&text));
        text
    }

    #[test]
    fn the_sum_is_zlibs_crc_32() {
        assert_eq!(crc32fast::hash(b"123456789"), 0xCBF4_3926);
        assert_eq!(crc32fast::hash(b""), 0);
    }

    #[test]
    fn a_key_with_one_character_changed_is_not_well_formed() {
        let good = key("0123456789ABCDEFGHIJKLMNOPa");
        assert!(is_well_formed(&good));
        for index in 0..good.len() {
            let mut wrong = good.clone();
            wrong[index] = if wrong[index] == b'x' { b'y' } else { b'x' };
            assert!(!is_well_formed(&wrong), "{index}");
        }
    }

    #[test]
    fn a_key_of_another_length_or_alphabet_is_not_well_formed_even_with_a_right_sum() {
        assert!(!is_well_formed(&key("0123456789ABCDEFGHIJKLMNOP")));
        assert!(!is_well_formed(&key("0123456789ABCDEFGHIJKLMNOPab")));
        assert!(!is_well_formed(&key("0123456789ABCDEFGHIJKLMNO-a")));
        for short in ["", "sk-", "sk-sluice-", "\u{fc}"] {
            assert!(!is_well_formed(short.as_bytes()), "{short}");
        }
    }
}
