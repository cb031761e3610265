//! A model's name as one segment of a path.

/// `text`, percent-encoded but for letters, digits, `-._~` and `also`. What is encoded already stays as it is: no model has a
/// `%` in its name, and who looked up how it stands in a path may have written that.
pub fn segment(text: &str, also: &[u8]) -> String {
    let mut out = String::with_capacity(text.len() + 8);
    let bytes = text.as_bytes();
    for (index, byte) in bytes.iter().enumerate() {
        let encoded = || {
            let digits = bytes.get(index + 1..index + 3);
            *byte == b'%' && digits.is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit))
        };
        if byte.is_ascii_alphanumeric() || b"-._~".contains(byte) || also.contains(byte) || encoded() {
            out.push(char::from(*byte));
        } else {
            out.push('%');
            for digit in [byte >> 4, byte & 15] {
                out.extend(char::from_digit(u32::from(digit), 16).map(|digit| digit.to_ascii_uppercase()));
            }
        }
    }
    out
}
