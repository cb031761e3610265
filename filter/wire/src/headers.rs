//! A header map in a single allocation, in the proxy-wasm ABI's serialization.
//!
//! The serialization: a `u32` count; for each header the `u32` lengths of name and value; then every name and value, each followed by a
//! zero byte. All numbers are little-endian. Source: the proxy-wasm ABI specification 0.2.1, "Serialization". Values are bytes: a header
//! that is not UTF-8 must not cause failures.

/// Headers in order, including repeated names. Names are in lower case, as in Envoy.
#[derive(Debug, Clone, Default)]
pub struct HeaderMap {
    /// All names and values as serialized, up to the end; bytes before the first are not headers.
    bytes: Vec<u8>,
    entries: Vec<Entry>,
}

/// The position of a header.
#[derive(Debug, Clone, Copy)]
struct Entry {
    /// The start of its name.
    start: usize,
    /// The length of its name. The value follows the name's zero byte.
    name: usize,
    /// The length of its value.
    value: usize,
}

impl HeaderMap {
    /// Creates an empty map with capacity for `headers` headers with `bytes` bytes of names and values in total.
    pub fn with_capacity(headers: usize, bytes: usize) -> Self {
        let zeros = headers.saturating_mul(2);
        Self { bytes: Vec::with_capacity(bytes.saturating_add(zeros)), entries: Vec::with_capacity(headers) }
    }

    /// Parses the ABI's serialization. Omits truncated or inconsistent headers.
    pub fn parse(mut bytes: Vec<u8>) -> Self {
        let number = |at: usize| -> Option<usize> {
            let four: [u8; 4] = bytes.get(at..at + 4)?.try_into().ok()?;
            usize::try_from(u32::from_le_bytes(four)).ok()
        };
        // Without all lengths, the start of the names is unknown.
        let count = number(0).filter(|count| *count <= bytes.len().saturating_sub(4) / 8).unwrap_or(0);
        let mut entries = Vec::with_capacity(count);
        let mut start = 4 + count * 8;
        for index in 0..count {
            let (Some(name), Some(value)) = (number(4 + index * 8), number(8 + index * 8)) else { break };
            let end = start.saturating_add(name).saturating_add(1).saturating_add(value);
            if end > bytes.len() {
                break;
            }
            entries.push(Entry { start, name, value });
            start = end + 1;
        }
        // Cut the rest so that other headers can be appended.
        bytes.resize(start, 0);
        Self { bytes, entries }
    }

    /// Writes the ABI's serialization.
    pub fn serialize(&self) -> Vec<u8> {
        let number = |number: usize| u32::try_from(number).unwrap_or(u32::MAX).to_le_bytes();
        let start = self.entries.first().map_or(self.bytes.len(), |entry| entry.start);
        let headers = self.bytes.get(start..).unwrap_or_default();
        let mut out = Vec::with_capacity(4 + self.entries.len() * 8 + headers.len());
        out.extend_from_slice(&number(self.entries.len()));
        for entry in &self.entries {
            out.extend_from_slice(&number(entry.name));
            out.extend_from_slice(&number(entry.value));
        }
        out.extend_from_slice(headers);
        out
    }

    /// Appends a header.
    pub fn push(&mut self, name: impl AsRef<[u8]>, value: impl AsRef<[u8]>) {
        self.add(name.as_ref(), value.as_ref());
    }

    fn add(&mut self, name: &[u8], value: &[u8]) {
        self.entries.push(Entry { start: self.bytes.len(), name: name.len(), value: value.len() });
        self.bytes.reserve(name.len().saturating_add(value.len()).saturating_add(2));
        for part in [name, value] {
            self.bytes.extend_from_slice(part);
            self.bytes.push(0);
        }
    }

    /// The number of headers.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether the map is empty.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The size in bytes.
    pub fn size(&self) -> usize {
        self.bytes.len()
    }

    /// Every value of `name`, in order.
    pub fn all(&self, name: &str) -> impl Iterator<Item = &[u8]> {
        let named = move |entry: &&Entry| entry.name == name.len() && self.name(entry) == name.as_bytes();
        self.entries.iter().filter(named).map(|entry| self.value(entry))
    }

    /// The first value of `name`.
    pub fn get(&self, name: &str) -> Option<&[u8]> {
        for entry in &self.entries {
            if entry.name == name.len() && self.name(entry) == name.as_bytes() {
                return Some(self.value(entry));
            }
        }
        None
    }

    /// The first value of `name`, if it is UTF-8.
    pub fn text(&self, name: &str) -> Option<&str> {
        std::str::from_utf8(self.get(name)?).ok()
    }

    /// Every header, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.entries.iter().map(|entry| (self.name(entry), self.value(entry)))
    }

    #[inline]
    fn name(&self, entry: &Entry) -> &[u8] {
        self.bytes.get(entry.start..entry.start + entry.name).unwrap_or_default()
    }

    #[inline]
    fn value(&self, entry: &Entry) -> &[u8] {
        let start = entry.start + entry.name + 1;
        self.bytes.get(start..start + entry.value).unwrap_or_default()
    }
}

impl PartialEq for HeaderMap {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl<N: AsRef<[u8]>, V: AsRef<[u8]>> Extend<(N, V)> for HeaderMap {
    fn extend<I: IntoIterator<Item = (N, V)>>(&mut self, pairs: I) {
        let pairs = pairs.into_iter();
        self.entries.reserve(pairs.size_hint().0);
        for (name, value) in pairs {
            self.add(name.as_ref(), value.as_ref());
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
            let mut read = HeaderMap::parse(bytes[..end].to_vec());
            let whole = read.len();
            assert!(read.iter().zip(map.iter()).all(|(read, written)| read == written) && whole <= 2);
            read.push("c", "3");
            assert_eq!(HeaderMap::parse(read.serialize()), read);
            assert_eq!((read.len(), read.text("c")), (whole + 1, Some("3")));
        }
        assert_eq!(HeaderMap::parse(bytes[..bytes.len() - 1].to_vec()), map);
        assert_eq!(HeaderMap::parse(vec![0xff; 64]).iter().count(), 0);
    }

    #[test]
    fn what_was_read_takes_more_headers_and_finds_every_value_of_a_name() {
        let map: HeaderMap = [("a", "1"), ("bb", "2"), ("a", "3")].into_iter().collect();
        let mut read = HeaderMap::parse([&map.serialize()[..], b"what does not belong there"].concat());
        read.extend([("a", "4"), ("", "")]);
        assert_eq!(read.all("a").collect::<Vec<_>>(), [b"1", b"3", b"4"]);
        assert_eq!((read.get("a"), read.get("b"), read.get("")), (Some(&b"1"[..]), None, Some(&b""[..])));
        let copy = HeaderMap::parse(read.serialize());
        assert_eq!((&copy, copy.serialize()), (&read, read.serialize()));
        let (kept, room) = (read.iter().skip(1).collect::<HeaderMap>(), HeaderMap::with_capacity(8, 64));
        assert_eq!(HeaderMap::parse(kept.serialize()).iter().count(), 4);
        assert_eq!((room.serialize(), room.is_empty()), (vec![0; 4], true));
    }

    #[cfg(not(target_arch = "wasm32"))]
    mod properties {
        use proptest::prelude::*;

        use super::HeaderMap;

        /// The serialization by its definition.
        fn form(pairs: &[(Vec<u8>, Vec<u8>)]) -> Vec<u8> {
            let length = |bytes: &Vec<u8>| (bytes.len() as u32).to_le_bytes();
            let numbers = pairs.iter().flat_map(|(name, value)| [length(name), length(value)]).flatten();
            let texts = pairs.iter().flat_map(|(name, value)| [name, value]).flat_map(|text| text.iter().chain([&0]));
            (pairs.len() as u32).to_le_bytes().into_iter().chain(numbers).chain(texts.copied()).collect()
        }

        proptest! {
            #[test]
            fn it_is_a_list_of_pairs_in_the_abis_form(
                pairs in prop::collection::vec((prop::collection::vec(0..3u8, 0..3), prop::collection::vec(0..3u8, 0..3)), 0..6),
                read in 0..6usize,
            ) {
                let (front, back) = pairs.split_at(read.min(pairs.len()));
                let mut map = HeaderMap::parse(form(front));
                map.extend(back.iter().map(|(name, value)| (name, value)));
                prop_assert_eq!(map.serialize(), form(&pairs));
                let listed: Vec<_> = map.iter().map(|(name, value)| (name.to_vec(), value.to_vec())).collect();
                for (name, _) in &pairs {
                    let name = str::from_utf8(name).unwrap();
                    let values = pairs.iter().filter(|(known, _)| known == name.as_bytes()).map(|(_, value)| value.as_slice());
                    prop_assert!(map.all(name).eq(values));
                }
                prop_assert_eq!(listed, pairs);
            }
        }
    }
}
