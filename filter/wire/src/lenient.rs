//! Values as servers really send them: `null` for a text, a float for a count. What cannot be read is as good as absent, and
//! never fails the rest of an answer. Borrowed from the input wherever it holds no escapes.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use crate::json;
use crate::json::scan::Scan;

/// A text; anything else, `null` too, is empty.
#[derive(Debug, Default, Clone)]
pub(crate) struct Text<'a>(pub Cow<'a, str>);

impl<'a> Text<'a> {
    /// The same as a [`Scan`] has it.
    pub fn scan(scan: &mut Scan<'a>) -> Option<Self> {
        scan.maybe(Scan::text).map(|text| Self(text.unwrap_or_default().into()))
    }
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// A count; anything that is not a number, and what is below 0, counts as absent.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Count(pub Option<u64>);

/// The most tokens that anybody counts for one answer: a hundred times the longest context there is.
const MOST_TOKENS: u64 = 100_000_000;

/// A count of tokens; what no answer can have used counts as absent, and is estimated.
#[derive(Debug, Default, Clone, Copy, Deserialize)]
#[serde(from = "Count")]
pub struct Tokens(pub Option<u64>);

impl Tokens {
    /// The same as a [`Scan`] has it.
    pub(crate) fn scan(scan: &mut Scan<'_>) -> Option<Self> {
        scan.maybe(Scan::count).map(|count| Count(count).into())
    }

    /// This count, or the other one where it is absent.
    pub fn or(self, other: Self) -> Self {
        Self(self.0.or(other.0))
    }
}

impl From<Count> for Tokens {
    fn from(Count(count): Count) -> Self {
        Self(count.filter(|count| *count <= MOST_TOKENS))
    }
}

/// An object; anything else, and one that cannot be read, is absent. Nothing that says how much was used fails an answer.
pub fn maybe<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    let raw = <&RawValue>::deserialize(deserializer)?;
    // A list's items could be taken for fields.
    let object = raw.get().starts_with('{').then_some(raw.get());
    Ok(object.and_then(|object| json::read(object).ok()))
}

/// The `usage` of an answer, and nothing else of it.
pub fn usage_in<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Option<T> {
    #[derive(Deserialize)]
    struct Only<'a> {
        #[serde(borrow, default)]
        usage: Option<&'a RawValue>,
    }
    maybe(json::from_slice::<Only<'a>>(body).ok()?.usage?).ok()?
}

/// Bytes of a text, or 1 for anything else that a person or program would see; 0 for `null`, `false`, `0`, `""` and `[]`.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Filled(pub usize);

impl Filled {
    /// The same as a [`Scan`] has it.
    pub fn scan(scan: &mut Scan<'_>) -> Option<Self> {
        scan.filled().map(Self)
    }
}

/// Consumes what a visitor has no use for.
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

/// Implements `Deserialize` with a visitor that accepts anything; what the body does not name is the default.
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
        // A cast from float to integer saturates.
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
