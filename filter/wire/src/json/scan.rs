//! A JSON reader for a few fields of a text, faster than serde. It supports the forms that nearly all providers write.
//!
//! For any other form a [`Scan`] returns nothing, and the caller falls back to its serde reader. Both readers must return the same result,
//! so a scan validates skipped values as strictly as serde does.

use super::plain::plain;

/// The maximum nesting. Deeper JSON is left to serde, which has its own limit.
const DEEPEST: u32 = 32;

/// A JSON text and a position in it.
#[derive(Debug)]
pub(crate) struct Scan<'a> {
    json: &'a str,
    at: usize,
    depth: u32,
}

impl<'a> Scan<'a> {
    /// Reads all of `json` with `value`, or returns nothing.
    pub fn all<T>(json: &'a [u8], value: impl FnOnce(&mut Self) -> Option<T>) -> Option<T> {
        let mut scan = Self { json: super::utf8(json).ok()?, at: 0, depth: 0 };
        let value = value(&mut scan)?;
        scan.next().is_none().then_some(value)
    }

    /// Skips whitespace and returns the next byte.
    fn next(&mut self) -> Option<u8> {
        loop {
            match self.byte()? {
                b' ' | b'\n' | b'\r' | b'\t' => self.at += 1,
                byte => return Some(byte),
            }
        }
    }

    #[inline]
    fn byte(&self) -> Option<u8> {
        self.json.as_bytes().get(self.at).copied()
    }

    /// The number of bytes ahead that need no escapes.
    #[inline]
    fn plain(&self) -> usize {
        plain(self.json.as_bytes().get(self.at..).unwrap_or_default())
    }

    /// Skips `byte` if it comes next.
    #[inline]
    fn takes(&mut self, byte: u8) -> bool {
        let takes = self.byte() == Some(byte) || self.next() == Some(byte);
        self.at += usize::from(takes);
        takes
    }

    #[inline]
    fn take(&mut self, byte: u8) -> Option<()> {
        self.takes(byte).then_some(())
    }

    fn word(&mut self, word: &str) -> Option<()> {
        let rest = self.json.get(self.at..)?;
        rest.starts_with(word).then(|| self.at += word.len())
    }

    /// Reads a bracketed list; `item` reads each item. Returns whether there was one.
    fn items(&mut self, [open, close]: [u8; 2], item: &mut dyn FnMut(&mut Self) -> Option<()>) -> Option<bool> {
        self.take(open)?;
        self.depth += 1;
        if self.depth > DEEPEST {
            return None;
        }
        let any = !self.takes(close);
        if any {
            item(self)?;
            while self.takes(b',') {
                item(self)?;
            }
            self.take(close)?;
        }
        self.depth -= 1;
        Some(any)
    }

    /// Reads an array; `item` reads each item. Returns whether there was one.
    pub fn array(&mut self, item: &mut dyn FnMut(&mut Self) -> Option<()>) -> Option<bool> {
        self.items(*b"[]", item)
    }

    /// Reads an object; `field` reads the fields in `names`, at most 32, each at most once. Skips other fields.
    pub fn object(&mut self, names: &[&str], field: &mut dyn FnMut(&mut Self, &str) -> Option<()>) -> Option<()> {
        let mut seen = 0_u32;
        self.items(*b"{}", &mut |scan| {
            let name = scan.text()?;
            scan.take(b':')?;
            let Some(index) = names.iter().position(|known| *known == name) else { return scan.skip() };
            let bit = 1_u32.checked_shl(u32::try_from(index).ok()?)?;
            if seen & bit != 0 {
                return None;
            }
            seen |= bit;
            field(scan, name)
        })
        .map(drop)
    }

    /// Reads an object; `member` reads each value. Names are as written, with their escapes and quotes.
    pub fn members(&mut self, member: &mut dyn FnMut(&mut Self, &str) -> Option<()>) -> Option<()> {
        self.items(*b"{}", &mut |scan| {
            scan.next()?;
            let start = scan.at;
            scan.string()?;
            let name = scan.json.get(start..scan.at)?;
            scan.take(b':')?;
            member(scan, name)
        })
        .map(drop)
    }

    /// Reads an object, or each object of a list, with `object`. Skips other values.
    pub fn objects(&mut self, object: &mut dyn FnMut(&mut Self) -> Option<()>) -> Option<()> {
        match self.next()? {
            b'{' => object(self),
            b'[' => self.array(&mut |scan| scan.objects(object)).map(drop),
            _ => self.skip(),
        }
    }

    /// Skips a value and returns its JSON.
    pub fn raw(&mut self) -> Option<&'a str> {
        self.next()?;
        let start = self.at;
        self.skip()?;
        self.json.get(start..self.at)
    }

    /// Reads a string without escapes.
    pub fn text(&mut self) -> Option<&'a str> {
        self.take(b'"')?;
        let start = self.at;
        self.at += self.plain();
        if self.byte() != Some(b'"') {
            return None;
        }
        let text = self.json.get(start..self.at);
        self.at += 1;
        text
    }

    /// Reads `null` as `None`, else a value.
    pub fn maybe<T>(&mut self, value: impl FnOnce(&mut Self) -> Option<T>) -> Option<Option<T>> {
        if self.next()? == b'n' { self.word("null").map(|()| None) } else { value(self).map(Some) }
    }

    /// Reads a non-negative integer of at most 18 digits.
    pub fn count(&mut self) -> Option<u64> {
        const LONGEST: usize = 18;
        self.next()?;
        let start = self.at;
        self.number()?;
        let digits = self.json.get(start..self.at)?;
        if digits.len() <= LONGEST { digits.parse().ok() } else { None }
    }

    /// Reads any value as [`Filled`](crate::lenient::Filled) does.
    pub fn filled(&mut self) -> Option<usize> {
        match self.next()? {
            b'"' => self.string(),
            b'[' => self.array(&mut Self::skip).map(usize::from),
            b'{' => self.skip().map(|()| 1),
            b'n' => self.word("null").map(|()| 0),
            b't' => self.word("true").map(|()| 1),
            b'f' => self.word("false").map(|()| 0),
            _ => self.count().map(|count| usize::from(count != 0)),
        }
    }

    /// Skips a value.
    pub fn skip(&mut self) -> Option<()> {
        match self.next()? {
            b'"' => self.string().map(drop),
            b'[' => self.array(&mut Self::skip).map(drop),
            b'{' => self.members(&mut |scan, _| scan.skip()),
            b'n' => self.word("null"),
            b't' => self.word("true"),
            b'f' => self.word("false"),
            _ => self.number(),
        }
    }

    /// Skips a string with or without escapes; returns its decoded length.
    fn string(&mut self) -> Option<usize> {
        self.take(b'"')?;
        let mut length = 0;
        loop {
            let run = self.plain();
            self.at += run;
            length += run;
            match self.byte()? {
                b'"' => {
                    self.at += 1;
                    return Some(length);
                }
                b'\\' => {
                    self.at += 1;
                    length += self.escape()?;
                }
                _ => return None,
            }
        }
    }

    /// Skips an escape; returns its decoded length.
    fn escape(&mut self) -> Option<usize> {
        let escape = self.byte()?;
        self.at += 1;
        match escape {
            b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => Some(1),
            b'u' => match self.hex()? {
                high @ 0xd800..0xdc00 => {
                    self.word("\\u")?;
                    let pair = [high, self.hex()?];
                    char::decode_utf16(pair).all(|decoded| decoded.is_ok()).then_some(4)
                }
                // A lone surrogate is left to serde.
                unit => char::from_u32(unit.into()).map(char::len_utf8),
            },
            _ => None,
        }
    }

    /// Reads four hexadecimal digits.
    fn hex(&mut self) -> Option<u16> {
        let digits = self.json.get(self.at..self.at + 4)?;
        self.at += 4;
        // `from_str_radix` takes a sign.
        digits.bytes().all(|digit| digit.is_ascii_hexdigit()).then(|| u16::from_str_radix(digits, 16).ok())?
    }

    fn number(&mut self) -> Option<()> {
        self.at += usize::from(self.byte()? == b'-');
        let leading = self.byte()?;
        let whole = self.digits();
        if whole == 0 || (whole > 1 && leading == b'0') {
            return None;
        }
        if self.byte() == Some(b'.') {
            self.at += 1;
            if self.digits() == 0 {
                return None;
            }
        }
        if matches!(self.byte(), Some(b'e' | b'E')) {
            self.at += 1;
            self.at += usize::from(matches!(self.byte(), Some(b'+' | b'-')));
            if self.digits() == 0 {
                return None;
            }
        }
        Some(())
    }

    /// Skips and counts digits.
    fn digits(&mut self) -> usize {
        let start = self.at;
        while self.byte().is_some_and(|byte| byte.is_ascii_digit()) {
            self.at += 1;
        }
        self.at - start
    }
}

#[cfg(test)]
mod tests {
    use serde::de::IgnoredAny;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;
    use crate::json;
    use crate::lenient::{Count, Filled};

    /// serde accepts everything that a scan accepts, with the same result.
    fn agrees(text: &[u8]) {
        if Scan::all(text, Scan::skip).is_some() {
            assert!(json::from_slice::<IgnoredAny>(text).is_ok(), "{}", text.escape_ascii());
        }
        if let Some(filled) = Scan::all(text, Scan::filled) {
            assert_eq!(json::from_slice::<Filled>(text).unwrap().0, filled, "{}", text.escape_ascii());
        }
        if let Some(count) = Scan::all(text, Scan::count) {
            assert_eq!(json::from_slice::<Count>(text).unwrap().0, Some(count), "{}", text.escape_ascii());
        }
        if let Some(read) = Scan::all(text, Scan::text) {
            assert_eq!(json::from_slice::<&str>(text).unwrap(), read);
        }
    }

    #[test]
    fn what_is_taken_is_what_serde_takes() {
        let good = [
            "0",
            "-0",
            "12",
            "1.5",
            "1e9",
            "-1.5E-3",
            " \n\t\r7 ",
            "null",
            "true",
            "false",
            "\"\"",
            "\"a\\n\\u00e9\\/é\"",
            "\"\\ud83d\\uDE00\"",
            "{\"\\u00e9\":1}",
            "[]",
            "{}",
            "[1,[2,{}],\"x\"]",
            "{\"a\":[],\"b\":{\"c\":null}}",
            "{ \"a\" : 1 , \"a\" : 2 }",
            "999999999999999999",
        ];
        for text in good {
            assert!(Scan::all(text.as_bytes(), Scan::skip).is_some(), "{text}");
            for end in 0..=text.len() {
                agrees(&text.as_bytes()[..end]);
                for byte in 0..=0xff {
                    let mut changed = text.as_bytes().to_vec();
                    changed.insert(end, byte);
                    agrees(&changed);
                    if end < text.len() {
                        changed.remove(end + 1);
                        agrees(&changed);
                    }
                }
            }
        }
        for bad in [
            "",
            "01",
            "1.",
            ".5",
            "-",
            "+1",
            "1e",
            "nul",
            "[1,]",
            "{\"a\"}",
            "{\"a\":1,}",
            "\"\\x\"",
            "\"\\u12\"",
            "\"\\ud83d\"",
            "\"\\ud83d\\u0041\"",
            "\"\\ude00\"",
            "1 2",
        ] {
            assert_eq!(Scan::all(bad.as_bytes(), Scan::skip), None, "{bad}");
        }
        assert!(Scan::all("[".repeat(99).as_bytes(), Scan::skip).is_none());
    }

    #[test]
    fn the_fields_that_are_wanted_are_read_and_others_passed_over() {
        let read = |text: &str| {
            let mut sum = 0;
            Scan::all(text.as_bytes(), |scan| {
                scan.object(&["a", "b"], &mut |scan, name| {
                    sum += scan.count()? * if name == "a" { 1 } else { 10 };
                    Some(())
                })
            })
            .map(|()| sum)
        };
        assert_eq!(read(r#"{"b": 2, "c": {"a": 9}, "a": 1}"#), Some(21));
        assert_eq!(read(r#"{"a":1,"a":1}"#), None, "twice");
        assert_eq!(read(r#"{"a":null}"#), None);
        assert_eq!(read("[]"), None);
        assert_eq!(Scan::all(b" null", |scan| scan.maybe(Scan::count)), Some(None));
        assert_eq!(Scan::all(b"3", |scan| scan.maybe(Scan::count)), Some(Some(3)));
    }

    #[cfg(not(target_arch = "wasm32"))]
    mod properties {
        use proptest::prelude::*;

        proptest! {
            #[test]
            fn nothing_is_taken_that_serde_does_not_take(text in "[\\[\\]{}\",:0-9eE.+-tfn\\\\u é\u{0}]{0,24}") {
                super::agrees(text.as_bytes());
            }
        }
    }
}
