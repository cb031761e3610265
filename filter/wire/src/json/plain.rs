//! Finds the first byte of a text that JSON must escape: a quote, a backslash, or a byte below a space. Scans eight bytes at a time
//! (<https://graphics.stanford.edu/~seander/bithacks.html#HasLessInWord>).

const ONES: u64 = 0x0101_0101_0101_0101;
const HIGH: u64 = 0x8080_8080_8080_8080;

/// Whether the text needs no escapes in a JSON string.
pub fn is_plain(text: &[u8]) -> bool {
    plain(text) == text.len()
}

/// The number of bytes before the first that JSON must escape.
pub(crate) fn plain(text: &[u8]) -> usize {
    let (words, rest) = text.as_chunks();
    for (index, word) in words.iter().enumerate() {
        let odd = odd(u64::from_le_bytes(*word));
        if odd != 0 {
            return index * 8 + odd.trailing_zeros() as usize / 8;
        }
    }
    let is_odd = |byte: &u8| *byte < b' ' || *byte == b'"' || *byte == b'\\';
    let end = rest.iter().position(is_odd).unwrap_or(rest.len());
    text.len() - rest.len() + end
}

/// Sets the highest bit of each such byte, at least up to the first; later bits may be wrong.
fn odd(word: u64) -> u64 {
    let below = |word: u64, bound: u8| word.wrapping_sub(ONES * u64::from(bound)) & !word & HIGH;
    let has = |byte: u8| below(word ^ (ONES * u64::from(byte)), 1);
    below(word, b' ') | has(b'"') | has(b'\\')
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn the_first_odd_byte_is_found_wherever_it_stands_and_whatever_is_around_it() {
        let is_odd = |byte: u8| byte < 0x20 || byte == 0x22 || byte == 0x5c;
        for around in [0x20, 0x21, 0x23, 0x5b, 0x5d, 0x7f, 0x80, 0xa2, 0xff] {
            for byte in 0..=0xff {
                for place in 0..20 {
                    let mut text = [around; 20];
                    text[place] = byte;
                    assert_eq!(
                        plain(&text),
                        if is_odd(byte) { place } else { 20 },
                        "{byte:#x} at {place} in {around:#x}"
                    );
                    text[19] = b'"';
                    assert_eq!(
                        plain(&text),
                        if is_odd(byte) { place } else { 19 },
                        "{byte:#x} at {place} in {around:#x}"
                    );
                }
            }
        }
        assert!(is_plain(b"") && is_plain("é~ ".as_bytes()) && !is_plain(b"12345678\n"));
    }
}
