//! Percent-encoding (RFC 3986) for all URLs that the gateway reads and writes.

pub use percent_encoding::AsciiSet;
use percent_encoding::{NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

/// Everything but the unreserved characters of URLs: letters, digits, and `-._~`.
pub const RESERVED: AsciiSet = NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Encodes every byte of `set` and every byte that is not ASCII.
pub fn encoded(text: &str, set: &'static AsciiSet) -> String {
    utf8_percent_encode(text, set).to_string()
}

/// Like [`encoded`], but appends to `out`.
pub fn encode_into(out: &mut Vec<u8>, text: &str, set: &'static AsciiSet) {
    utf8_percent_encode(text, set).for_each(|piece| out.extend_from_slice(piece.as_bytes()));
}

/// Like [`encoded`], but keeps existing escapes: no model has a `%` in its name, and an operator may have copied an encoded name from a
/// path.
pub fn encoded_once(text: &str, set: &'static AsciiSet) -> String {
    let mut out = String::with_capacity(text.len().saturating_add(8));
    let mut rest = text;
    while let Some(at) = rest.find('%') {
        let (plain, from) = rest.split_at_checked(at).unwrap_or((rest, ""));
        let is_encoded =
            matches!(from.as_bytes(), [_, high, low, ..] if high.is_ascii_hexdigit() && low.is_ascii_hexdigit());
        let (sign, after) = from.split_at_checked(if is_encoded { 3 } else { 1 }).unwrap_or((from, ""));
        out.extend(utf8_percent_encode(plain, set));
        out.push_str(if is_encoded { sign } else { "%25" });
        rest = after;
    }
    out.extend(utf8_percent_encode(rest, set));
    out
}

/// Whether every `%` in `text` begins a valid escape.
pub fn is_well_encoded(text: &str) -> bool {
    let is_byte =
        |rest: &str| rest.as_bytes().first_chunk::<2>().is_some_and(|two| two.iter().all(u8::is_ascii_hexdigit));
    text.split('%').skip(1).all(is_byte)
}

/// Decodes `text`. Keeps invalid escapes as they are.
pub fn decoded(text: &str) -> Vec<u8> {
    percent_decode_str(text).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn what_is_reserved_is_encoded_and_what_is_encoded_can_be_kept() {
        for (text, always, once) in [
            ("gpt-4.1_~", "gpt-4.1_~", "gpt-4.1_~"),
            ("a b/ü", "a%20b%2F%C3%BC", "a%20b%2F%C3%BC"),
            ("arn%3Aaws:x", "arn%253Aaws%3Ax", "arn%3Aaws%3Ax"),
            ("100%", "100%25", "100%25"),
            ("%4", "%254", "%254"),
            ("%zz%41%", "%25zz%2541%25", "%25zz%41%25"),
            ("", "", ""),
        ] {
            assert_eq!(encoded(text, &RESERVED), always);
            assert_eq!(encoded_once(text, &RESERVED), once);
            assert_eq!(decoded(&encoded(text, &RESERVED)), text.as_bytes(), "there and back");
        }
    }

    #[test]
    fn what_is_not_well_encoded_stands_for_itself() {
        for (text, bytes) in [("a%20b", &b"a b"[..]), ("%", b"%"), ("%4", b"%4"), ("%zz", b"%zz"), ("%ff", b"\xff")] {
            assert_eq!(decoded(text), bytes);
        }
    }
}
