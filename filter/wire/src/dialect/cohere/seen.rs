//! Cohere's responses as received, whole and streamed: borrowed, and tolerant of missing fields.
//!
//! In a stream `content` and `tool_calls` are one object each, where a whole response has arrays; the first event has empty arrays, which
//! are ignored.

use std::fmt;
use std::marker::PhantomData;

use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserializer, MapAccess, SeqAccess, Visitor};

use crate::dialect::few::Few;
use crate::lenient::{Count, Text, maybe, skip_seq};

use super::usage;

/// The most pieces of content, or calls, in a response.
const MOST_PIECES: usize = 1024;

/// One event of a stream.
#[derive(Debug, Deserialize)]
pub(super) struct Event<'a> {
    #[serde(borrow, default)]
    pub r#type: Text<'a>,
    #[serde(borrow, default)]
    pub id: Text<'a>,
    #[serde(default)]
    pub index: Count,
    #[serde(borrow, default)]
    pub delta: Option<Delta<'a>>,
    /// The message of an error in place of an event.
    #[serde(borrow, default)]
    pub message: Text<'a>,
}

/// The delta of an event.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Delta<'a> {
    #[serde(borrow, default)]
    pub message: Option<MessageIn<'a>>,
    #[serde(borrow, default)]
    pub finish_reason: Text<'a>,
    #[serde(default, deserialize_with = "maybe")]
    pub usage: Option<usage::UsageIn>,
    #[serde(borrow, default)]
    pub error: Text<'a>,
}

/// The delta of the message.
#[derive(Debug, Default, Deserialize)]
pub(super) struct MessageIn<'a> {
    #[serde(borrow, default)]
    pub content: One<Piece<'a>>,
    #[serde(borrow, default)]
    pub tool_plan: Text<'a>,
    #[serde(borrow, default)]
    pub tool_calls: One<Call<'a>>,
}

/// A text or a thought, or a delta of one.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Piece<'a> {
    #[serde(borrow, default)]
    pub text: Text<'a>,
    #[serde(borrow, default)]
    pub thinking: Text<'a>,
}

/// A call, or a delta of one.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Call<'a> {
    #[serde(borrow, default)]
    pub id: Text<'a>,
    #[serde(borrow, default)]
    pub function: Function<'a>,
}

#[derive(Debug, Default, Deserialize)]
pub(super) struct Function<'a> {
    #[serde(borrow, default)]
    pub name: Text<'a>,
    #[serde(borrow, default)]
    pub arguments: Text<'a>,
}

/// One object; any other value is `None`.
#[derive(Debug)]
pub(super) struct One<T>(pub Option<T>);

impl<T> Default for One<T> {
    fn default() -> Self {
        Self(None)
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for One<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Any<T>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for Any<T> {
            type Value = One<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object, or an empty array")
            }

            fn visit_unit<E>(self) -> Result<One<T>, E> {
                Ok(One(None))
            }

            fn visit_str<E>(self, _: &str) -> Result<One<T>, E> {
                Ok(One(None))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<One<T>, A::Error> {
                skip_seq(seq).map(|_| One(None))
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<One<T>, A::Error> {
                T::deserialize(MapAccessDeserializer::new(map)).map(|one| One(Some(one)))
            }
        }
        deserializer.deserialize_any(Any(PhantomData))
    }
}

/// The message of a whole response.
#[derive(Debug, Deserialize)]
pub(super) struct Message<'a> {
    #[serde(borrow, default)]
    pub content: Option<Few<Piece<'a>, MOST_PIECES>>,
    #[serde(borrow, default)]
    pub tool_plan: Text<'a>,
    #[serde(borrow, default)]
    pub tool_calls: Option<Few<Call<'a>, MOST_PIECES>>,
}
