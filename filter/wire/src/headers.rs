//! A header map in one allocation, in the form in which the proxy-wasm ABI hands maps over.
//!
//! The form: a `u32` count; per header the `u32` lengths of name and value; then every name and value, each followed by a
//! zero byte. All numbers little endian. Source: the proxy-wasm ABI specification 0.2.1, "Serialization".
//! Values are bytes: a header need not be UTF-8, and must not make anything fail when it is not.

use std::ops::Range;

/// Headers in order, repeated names included. Names are lower case, as Envoy keeps them.
#[derive(Debug, Clone, Default)]
pub struct HeaderMap {
    bytes: Vec<u8>,
    entries: Vec<(Range<usize>, Range<usize>)>,
}

impl HeaderMap {
    /// Reads the ABI's form. What is cut short or does not add up is left out.
    pub fn parse(bytes: Vec<u8>) -> Self {
        let number = |at: usize| -> Option<usize> {
            let four: [u8; 4] = bytes.get(at..at + 4)?.try_into().ok()?;
            usize::try_from(u32::from_le_bytes(four)).ok()
        };
        let count = number(0).unwrap_or(0).min(bytes.len() / 8);
        let mut entries = Vec::with_capacity(count);
        let mut start = 4 + count * 8;
        for index in 0..count {
            let (Some(name), Some(value)) = (number(4 + index * 8), number(8 + index * 8)) else { break };
            let name = start..start.saturating_add(name);
            let value = name.end.saturating_add(1)..name.end.saturating_add(1).saturating_add(value);
            if value.end > bytes.len() {
                break;
            }
            start = value.end + 1;
            entries.push((name, value));
        }
        Self { bytes, entries }
    }

    /// Writes the ABI's form.
    pub fn serialize(&self) -> Vec<u8> {
        let length = |range: &Range<usize>| u32::try_from(range.len()).unwrap_or(u32::MAX).to_le_bytes();
        let mut out = Vec::with_capacity(self.bytes.len() + 4 + self.entries.len() * 10);
        out.extend_from_slice(&u32::try_from(self.entries.len()).unwrap_or(u32::MAX).to_le_bytes());
        for (name, value) in &self.entries {
            out.extend_from_slice(&length(name));
            out.extend_from_slice(&length(value));
        }
        for (name, value) in self.iter() {
            out.extend_from_slice(name);
            out.push(0);
            out.extend_from_slice(value);
            out.push(0);
        }
        out
    }

    /// Adds a header at the end.
    pub fn push(&mut self, name: impl AsRef<[u8]>, value: impl AsRef<[u8]>) {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(name.as_ref());
        let middle = self.bytes.len();
        self.bytes.extend_from_slice(value.as_ref());
        self.entries.push((start..middle, middle..self.bytes.len()));
    }

    /// The first value of `name`.
    pub fn get(&self, name: &str) -> Option<&[u8]> {
        self.iter().find(|(key, _)| *key == name.as_bytes()).map(|(_, value)| value)
    }

    /// The first value of `name`, when it is text.
    pub fn text(&self, name: &str) -> Option<&str> {
        std::str::from_utf8(self.get(name)?).ok()
    }

    /// Every header, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        let part = |range: &Range<usize>| self.bytes.get(range.clone()).unwrap_or_default();
        self.entries.iter().map(move |(name, value)| (part(name), part(value)))
    }
}

impl PartialEq for HeaderMap {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl<N: AsRef<[u8]>, V: AsRef<[u8]>> Extend<(N, V)> for HeaderMap {
    fn extend<I: IntoIterator<Item = (N, V)>>(&mut self, pairs: I) {
        for (name, value) in pairs {
            self.push(name, value);
        }
    }
}

impl<N: AsRef<[u8]>, V: AsRef<[u8]>> FromIterator<(N, V)> for HeaderMap {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(pairs: I) -> Self {
        let mut map = Self::default();
        map.extend(pairs);
        map
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn reads_what_it_wrote_bytes_that_are_no_text_included() {
        let map: HeaderMap =
            [(":path", &b"/v1"[..]), ("x", b""), ("x-bin", b"\xff\xfe"), ("x", b"2")].into_iter().collect();
        let read = HeaderMap::parse(map.serialize());
        assert_eq!(read, map);
        assert_eq!(read.get("x"), Some(&b""[..]));
        assert_eq!(read.text("x-bin"), None);
        assert_eq!(read.iter().count(), 4);
    }

    #[test]
    fn a_map_cut_short_anywhere_reads_as_its_whole_headers() {
        let map: HeaderMap = [("a", "1"), ("b", "2")].into_iter().collect();
        let bytes = map.serialize();
        for end in 0..bytes.len() {
            let read = HeaderMap::parse(bytes[..end].to_vec());
            assert!(read.iter().count() <= 2);
        }
        assert_eq!(HeaderMap::parse(vec![0xff; 64]).iter().count(), 0);
    }
}
