//! Iterates over the string literals of a JSON text without parsing it. The iterator does not know the enclosing values; only the bytes
//! between two literals tell keys from values. The text must be valid JSON; for any other text the literals are meaningless, but harmless.

use std::borrow::Cow;

use memchr::memchr;
use sluice_wire::json;

/// A string literal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Literal<'a> {
    /// The bytes between its quotes, with escapes.
    pub text: &'a [u8],
    /// The offset of `text` in the whole text.
    pub start: usize,
    /// The bytes between the previous literal, or the start of the text, and this one.
    pub gap: &'a [u8],
}

impl<'a> Literal<'a> {
    /// The decoded literal, if it may be a word of at most `longest` bytes. To a provider, an escaped word is the same word.
    pub fn word(&self, longest: usize) -> Cow<'a, [u8]> {
        const ESCAPED: usize = 6;
        let short = self.text.len() <= longest.saturating_mul(ESCAPED);
        if !short || !self.text.contains(&b'\\') {
            return Cow::Borrowed(self.text);
        }
        match decoded(self.text) {
            Cow::Owned(text) => Cow::Owned(text.into_bytes()),
            Cow::Borrowed(_) => Cow::Borrowed(self.text),
        }
    }

    /// Whether the previous literal is a key, and this one its value or inside of its value.
    pub(crate) fn follows_key(&self) -> bool {
        self.gap.trim_ascii_start().starts_with(b":")
    }

    /// Whether it is a key; `json` is the whole text.
    pub(crate) fn is_key(&self, json: &[u8]) -> bool {
        let behind = self.start.saturating_add(self.text.len()).saturating_add(1);
        json.get(behind..).is_some_and(|rest| rest.trim_ascii_start().starts_with(b":"))
    }

    /// Whether it is the value of a key; the key is the previous literal.
    pub fn is_value(&self) -> bool {
        self.gap == b":" || self.gap.trim_ascii() == b":"
    }
}

/// The decoded literal, of any length.
pub(crate) fn decoded(literal: &[u8]) -> Cow<'_, str> {
    let quoted = || [b"\"", literal, b"\""].concat();
    let text = literal.contains(&b'\\').then(|| json::from_slice(&quoted()).ok()).flatten();
    text.map_or_else(|| String::from_utf8_lossy(literal), Cow::Owned)
}

#[derive(Debug)]
pub(crate) struct Literals<'a> {
    rest: &'a [u8],
    /// The number of bytes before `rest`.
    passed: usize,
}

impl<'a> Literals<'a> {
    pub(crate) fn of(json: &'a [u8]) -> Self {
        Self { rest: json, passed: 0 }
    }

    /// The bytes after the literals yielded so far.
    pub(crate) fn rest(&self) -> &'a [u8] {
        self.rest
    }
}

/// The offset of the next quote. Most quotes are near, so the first 64 bytes are searched eight at a time: a wider search has a higher
/// start-up cost.
fn quote(json: &[u8]) -> Option<usize> {
    const NEAR: usize = 64;
    let (near, far) = json.split_at_checked(NEAR).unwrap_or((json, &[]));
    let (words, rest) = near.as_chunks::<8>();
    for (place, word) in words.iter().enumerate() {
        let found = holds(u64::from_le_bytes(*word), b'"');
        if found != 0 {
            return Some(place * 8 + found.trailing_zeros() as usize / 8);
        }
    }
    let before = words.len() * 8;
    let found = rest.iter().position(|byte| *byte == b'"').map(|at| before.saturating_add(at));
    found.or_else(|| memchr(b'"', far).map(|at| at.saturating_add(NEAR)))
}

/// The lowest bit of each of eight bytes, and the highest.
const ONES: u64 = u64::MAX / 0xff;
const HIGHEST: u64 = ONES << 7;

/// Nonzero if one of the eight bytes is `byte`. The lowest set bit is then the highest bit of the first such byte.
fn holds(word: u64, byte: u8) -> u64 {
    let others = word ^ (ONES * u64::from(byte));
    others.wrapping_sub(ONES) & !others & HIGHEST
}

/// Whether a literal is ASCII without escapes.
pub(crate) fn is_unescaped_ascii(literal: &[u8]) -> bool {
    let is_unescaped_ascii = |word: &[u8; 8]| {
        let word = u64::from_le_bytes(*word);
        (word & HIGHEST) | holds(word, b'\\') == 0
    };
    // The last chunk may overlap the chunks before it.
    match literal.last_chunk::<8>() {
        Some(last) => is_unescaped_ascii(last) && literal.as_chunks::<8>().0.iter().all(is_unescaped_ascii),
        None => literal.iter().all(|byte| byte.is_ascii() && *byte != b'\\'),
    }
}

impl<'a> Iterator for Literals<'a> {
    type Item = Literal<'a>;

    fn next(&mut self) -> Option<Literal<'a>> {
        let (gap, from) = self.rest.split_at_checked(quote(self.rest)?)?;
        let inside = from.get(1..)?;
        let mut end = 0;
        loop {
            end += quote(inside.get(end..)?)?;
            let text = inside.get(..end)?;
            let escapes = text.iter().rev().take_while(|byte| **byte == b'\\').count();
            end += 1;
            if escapes % 2 == 0 {
                self.rest = inside.get(end..).unwrap_or_default();
                let start = self.passed.saturating_add(gap.len()).saturating_add(1);
                self.passed = start.saturating_add(end);
                return Some(Literal { text, start, gap });
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
        let found: Vec<&str> = Literals::of(json).map(|literal| std::str::from_utf8(literal.text).unwrap()).collect();
        assert_eq!(found, ["a", r#"x\"y"#, "b", r"\\", r#"\\\""#, "", "c"]);
    }

    #[test]
    fn a_value_follows_its_key_and_nothing_else_does() {
        let json = br#"{"a":"v", "b" : "v","c":["x",":","x"],"d":{"e":1,"f":"v"},"g":[{"h":"v"},"x"]}"#;
        for literal in Literals::of(json) {
            assert_eq!(literal.is_value(), literal.text == b"v", "{literal:?}");
        }
    }

    #[test]
    fn a_quote_is_found_wherever_it_is() {
        for length in 0..200_usize {
            let text = vec![b'!'; length];
            assert_eq!(quote(&text), None);
            assert!(is_unescaped_ascii(&text));
            for at in 0..length {
                let with = |byte: u8| {
                    let mut text = text.clone();
                    text[at] = byte;
                    text
                };
                let mut several = with(b'"');
                several.extend(b"\"#\"");
                assert_eq!(quote(&several), Some(at));
                assert_eq!(
                    [b'\\', 0x80, 0xff, b'[', 0].map(|byte| is_unescaped_ascii(&with(byte))),
                    [false, false, false, true, true]
                );
            }
        }
    }

    #[test]
    fn what_never_ends_is_none() {
        for json in [&b""[..], b"\"", b"\"abc", b"\"abc\\\"", b"1"] {
            assert_eq!(Literals::of(json).next(), None);
        }
    }
}
