//! Lower-case hexadecimal encoding.

/// Two digits per byte.
pub fn encoded(bytes: &[u8]) -> String {
    const DIGITS: [char; 16] = ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'a', 'b', 'c', 'd', 'e', 'f'];
    let digit = |four: u8| DIGITS.get(usize::from(four)).copied();
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).flatten().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn each_byte_has_two_digits() {
        assert_eq!(encoded(&[0, 1, 0x7f, 0xab, 0xff]), "00017fabff");
        assert_eq!(encoded(&[]), "");
    }
}
