//! Values as servers really send them: `null` for a string, a float for a count. An unreadable value counts as absent and never fails the
//! rest of a response. Strings without escapes are borrowed from the input.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use crate::json;
use crate::json::scan::Scan;

/// A string; any other value is an empty one.
#[derive(Debug, Default, Clone)]
pub(crate) struct Text<'a>(pub Cow<'a, str>);

impl<'a> Text<'a> {
    /// Reads it with a [`Scan`].
    pub fn scan(scan: &mut Scan<'a>) -> Option<Self> {
        scan.maybe(Scan::text).map(|text| Self(text.unwrap_or_default().into()))
    }
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// A count; a negative or non-numeric value is absent.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Count(pub Option<u64>);

/// The maximum plausible token count of one response: a hundred times the longest context.
const MOST_TOKENS: u64 = 100_000_000;

/// A token count; an implausible count is absent and will be estimated.
#[derive(Debug, Default, Clone, Copy, Deserialize)]
#[serde(from = "Count")]
pub struct Tokens(pub Option<u64>);

impl Tokens {
    /// Reads it with a [`Scan`].
    pub(crate) fn scan(scan: &mut Scan<'_>) -> Option<Self> {
        scan.maybe(Scan::count).map(|count| Count(count).into())
    }

    /// This count, or else `other`.
    pub fn or(self, other: Self) -> Self {
        Self(self.0.or(other.0))
    }
}

impl From<Count> for Tokens {
    fn from(Count(count): Count) -> Self {
        Self(count.filter(|count| *count <= MOST_TOKENS))
    }
}

/// Reads an object; any other or unreadable value is `None`. Usage never fails a response.
pub fn maybe<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    let raw = <&RawValue>::deserialize(deserializer)?;
    // Rejects a list, which serde would read as fields in order.
    let object = raw.get().starts_with('{').then_some(raw.get());
    Ok(object.and_then(|object| json::read(object).ok()))
}

/// Reads only the `usage` of a response.
pub fn usage_in<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Option<T> {
    #[derive(Deserialize)]
    struct Only<'a> {
        #[serde(borrow, default)]
        usage: Option<&'a RawValue>,
    }
    maybe(json::from_slice::<Only<'a>>(body).ok()?.usage?).ok()?
}

/// The length of a string in bytes, or 1 for any other visible value; 0 for `null`, `false`, `0`, `""` and `[]`.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Filled(pub usize);

impl Filled {
    /// Reads it with a [`Scan`].
    pub fn scan(scan: &mut Scan<'_>) -> Option<Self> {
        scan.filled().map(Self)
    }
}

/// Consumes a sequence that a visitor ignores. Returns whether it had elements.
pub(crate) fn skip_seq<'de, A: SeqAccess<'de>>(mut seq: A) -> Result<bool, A::Error> {
    let mut any = false;
    while seq.next_element::<IgnoredAny>()?.is_some() {
        any = true;
    }
    Ok(any)
}

pub(crate) fn skip_map<'de, A: MapAccess<'de>>(mut map: A) -> Result<(), A::Error> {
    while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
    Ok(())
}

/// Implements `Deserialize` with a visitor that accepts anything; cases not in the body yield the default.
macro_rules! lenient {
    ($type:ty, $($life:lifetime)?, { $($body:tt)* }) => {
        impl<'de $(: $life, $life)?> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                struct Any<T>(PhantomData<T>);
                impl<'de $(: $life, $life)?> Visitor<'de> for Any<$type> {
                    type Value = $type;
                    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                        f.write_str("any value")
                    }
                    fn visit_unit<E>(self) -> Result<Self::Value, E> {
                        Ok(<$type>::default())
                    }
                    $($body)*
                }
                deserializer.deserialize_any(Any::<$type>(PhantomData))
            }
        }
    };
}

pub(crate) use lenient;

lenient!(Text<'a>, 'a, {
    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Text(Cow::Borrowed(text)))
    }
    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Text(Cow::Owned(text.to_owned())))
    }
    fn visit_bool<E>(self, _: bool) -> Result<Self::Value, E> {
        Ok(Text::default())
    }
    fn visit_u64<E>(self, _: u64) -> Result<Self::Value, E> {
        Ok(Text::default())
    }
    fn visit_i64<E>(self, _: i64) -> Result<Self::Value, E> {
        Ok(Text::default())
    }
    fn visit_f64<E>(self, _: f64) -> Result<Self::Value, E> {
        Ok(Text::default())
    }
    fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<Self::Value, A::Error> {
        skip_seq(seq).map(|_| Text::default())
    }
    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
        skip_map(map).map(|()| Text::default())
    }
});

lenient!(Count, , {
    fn visit_bool<E>(self, _: bool) -> Result<Self::Value, E> {
        Ok(Count::default())
    }
    fn visit_u64<E>(self, count: u64) -> Result<Self::Value, E> {
        Ok(Count(Some(count)))
    }
    fn visit_i64<E>(self, count: i64) -> Result<Self::Value, E> {
        Ok(Count(u64::try_from(count).ok()))
    }
    fn visit_f64<E>(self, count: f64) -> Result<Self::Value, E> {
        // The cast from float to integer saturates.
        Ok(Count((count >= 0.0).then_some(count as u64)))
    }
    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Count(text.parse().ok()))
    }
    fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<Self::Value, A::Error> {
        skip_seq(seq).map(|_| Count::default())
    }
    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
        skip_map(map).map(|()| Count::default())
    }
});

lenient!(Filled, , {
    fn visit_bool<E>(self, filled: bool) -> Result<Self::Value, E> {
        Ok(Filled(usize::from(filled)))
    }
    fn visit_u64<E>(self, count: u64) -> Result<Self::Value, E> {
        Ok(Filled(usize::from(count != 0)))
    }
    fn visit_i64<E>(self, _: i64) -> Result<Self::Value, E> {
        Ok(Filled(1))
    }
    fn visit_f64<E>(self, _: f64) -> Result<Self::Value, E> {
        Ok(Filled(1))
    }
    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Filled(text.len()))
    }
    fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<Self::Value, A::Error> {
        skip_seq(seq).map(|any| Filled(usize::from(any)))
    }
    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
        skip_map(map).map(|()| Filled(1))
    }
});
