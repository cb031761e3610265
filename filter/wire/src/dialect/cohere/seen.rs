//! The shapes of Cohere's answers, whole and streamed, as they are read: borrowed, and patient with what is missing.
//!
//! In a stream `content` and `tool_calls` are one object where a whole answer has an array of them; the first event has
//! empty arrays in their places, which say nothing.

use std::fmt;
use std::marker::PhantomData;

use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserializer, MapAccess, SeqAccess, Visitor};

use crate::dialect::few::Few;
use crate::lenient::{Count, Text, maybe, skip_seq};

use super::usage;

/// The most pieces of content, or calls, that an answer holds.
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
    /// The words of an error that stands there instead of an event.
    #[serde(borrow, default)]
    pub message: Text<'a>,
}

/// What an event adds.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Delta<'a> {
    #[serde(borrow, default)]
    pub message: Option<Said<'a>>,
    #[serde(borrow, default)]
    pub finish_reason: Text<'a>,
    #[serde(default, deserialize_with = "maybe")]
    pub usage: Option<usage::Seen>,
    #[serde(borrow, default)]
    pub error: Text<'a>,
}

/// The piece of the message.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Said<'a> {
    #[serde(borrow, default)]
    pub content: One<Piece<'a>>,
    #[serde(borrow, default)]
    pub tool_plan: Text<'a>,
    #[serde(borrow, default)]
    pub tool_calls: One<Call<'a>>,
}

/// A text or a thought, or more of one.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Piece<'a> {
    #[serde(borrow, default)]
    pub text: Text<'a>,
    #[serde(borrow, default)]
    pub thinking: Text<'a>,
}

/// A call, or more of one.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Call<'a> {
    #[serde(borrow, default)]
    pub id: Text<'a>,
    #[serde(borrow, default)]
    pub function: Function<'a>,
}

/// The function of a call.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Function<'a> {
    #[serde(borrow, default)]
    pub name: Text<'a>,
    #[serde(borrow, default)]
    pub arguments: Text<'a>,
}

/// One object; anything else is nothing.
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

/// The message of a whole answer.
#[derive(Debug, Deserialize)]
pub(super) struct Message<'a> {
    #[serde(borrow, default)]
    pub content: Option<Few<Piece<'a>, MOST_PIECES>>,
    #[serde(borrow, default)]
    pub tool_plan: Text<'a>,
    #[serde(borrow, default)]
    pub tool_calls: Option<Few<Call<'a>, MOST_PIECES>>,
}
