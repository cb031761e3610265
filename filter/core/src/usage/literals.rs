//! The string literals of a JSON text, one after the other, without reading the text: what is a key and what a value, and
//! what holds them, is not known. A text that was read as JSON before is the precondition; of any other the literals make
//! no sense, and that is all.

use memchr::memchr;

/// Yields what stands between each pair of quotes, escapes as they are.
#[derive(Debug)]
pub(super) struct Literals<'a> {
    rest: &'a [u8],
}

impl<'a> Literals<'a> {
    pub(super) fn of(json: &'a [u8]) -> Self {
        Self { rest: json }
    }
}

impl<'a> Iterator for Literals<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let opening = memchr(b'"', self.rest)?;
        let inside = self.rest.get(opening + 1..)?;
        let mut end = 0;
        loop {
            end += memchr(b'"', inside.get(end..)?)?;
            let literal = inside.get(..end)?;
            let escapes = literal.iter().rev().take_while(|byte| **byte == b'\\').count();
            end += 1;
            if escapes % 2 == 0 {
                self.rest = inside.get(end..).unwrap_or_default();
                return Some(literal);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn literals_end_where_json_says() {
        let json = br#"{"a": "x\"y", "b":["\\", "\\\"", ""], "c" : 1.5}"#;
        let found: Vec<&str> = Literals::of(json).map(|literal| std::str::from_utf8(literal).unwrap()).collect();
        assert_eq!(found, ["a", r#"x\"y"#, "b", r"\\", r#"\\\""#, "", "c"]);
    }

    #[test]
    fn what_never_ends_is_none() {
        for json in [&b""[..], b"\"", b"\"abc", b"\"abc\\\"", b"1"] {
            assert_eq!(Literals::of(json).next(), None);
        }
    }
}
