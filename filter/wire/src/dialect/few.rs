//! A list of bounded length, for lists in providers' responses.
//!
//! Three bytes of JSON may become an element of a hundred bytes in memory: an unbounded list would turn a response of a few MiB into
//! gigabytes. Deserialization stops with an error as soon as the list exceeds its bound.

use std::fmt;
use std::marker::PhantomData;
use std::ops::Deref;
use std::vec;

use serde::Deserialize;
use serde::de::{Deserializer, Error, SeqAccess, Visitor};

/// At most `MOST` elements.
#[derive(Debug, Clone)]
pub(super) struct Few<T, const MOST: usize>(Vec<T>);

impl<T, const MOST: usize> Deref for Few<T, MOST> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        &self.0
    }
}

impl<T, const MOST: usize> Default for Few<T, MOST> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T, const MOST: usize> IntoIterator for Few<T, MOST> {
    type Item = T;
    type IntoIter = vec::IntoIter<T>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl<'de, T: Deserialize<'de>, const MOST: usize> Deserialize<'de> for Few<T, MOST> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Elements<T, const MOST: usize>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>, const MOST: usize> Visitor<'de> for Elements<T, MOST> {
            type Value = Few<T, MOST>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "a list of at most {MOST}")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
                let mut list = Vec::new();
                while let Some(element) = seq.next_element()? {
                    if list.len() == MOST {
                        return Err(A::Error::invalid_length(MOST.saturating_add(1), &self));
                    }
                    list.push(element);
                }
                Ok(Few(list))
            }
        }
        deserializer.deserialize_seq(Elements(PhantomData))
    }
}

#[cfg(test)]
mod tests {
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::Few;

    #[test]
    fn a_list_is_read_up_to_its_bound_and_no_further() {
        let read = |json: &str| serde_json::from_str::<Option<Few<u8, 3>>>(json).map(Option::unwrap_or_default);
        for (json, expected) in [("[]", &[][..]), ("null", &[]), ("[1,2,3]", &[1, 2, 3])] {
            assert_eq!(&*read(json).unwrap(), expected, "{json}");
        }
        for json in ["[1,2,3,4]", "[1,2,3,", "7", "{}"] {
            assert!(read(json).is_err(), "{json}");
        }
    }
}
