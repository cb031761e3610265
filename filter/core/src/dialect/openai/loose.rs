//! Values as compatible servers really send them: `null` for a text, a float for a count, an array of parts for a
//! content. Borrowed from the input wherever it holds no escapes.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

/// A text; anything else, `null` too, is empty.
#[derive(Debug, Default, Clone)]
pub(in crate::dialect) struct Text<'a>(pub Cow<'a, str>);

impl Text<'_> {
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// A count; anything that is not a number, and what is below 0, counts as absent.
#[derive(Debug, Default, Clone, Copy)]
pub(in crate::dialect) struct Count(pub Option<u64>);

/// Bytes of a text, or 1 for anything else that a person or program would see; 0 for `null`, `false`, `0`, `""` and `[]`.
#[derive(Debug, Default, Clone, Copy)]
pub(in crate::dialect) struct Filled(pub usize);

/// What is said: a text, or an array of parts.
#[derive(Debug, Default)]
pub(in crate::dialect) enum Content<'a> {
    #[default]
    Nothing,
    Text(Cow<'a, str>),
    Parts(Vec<ContentPart<'a>>),
}

/// One part: `text`, `refusal`, or Mistral's `thinking`, which holds a content of its own.
#[derive(Debug, Deserialize)]
pub(in crate::dialect) struct ContentPart<'a> {
    #[serde(borrow, default)]
    text: Text<'a>,
    #[serde(borrow, default)]
    refusal: Text<'a>,
    #[serde(borrow, default)]
    thinking: Content<'a>,
}

/// What a piece of content is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::dialect) enum Sort {
    Text,
    Thinking,
    Refusal,
}

impl<'a> Content<'a> {
    /// Hands every piece that is not empty to `each`, in order.
    pub fn pieces(self, each: &mut dyn FnMut(Sort, Cow<'a, str>)) {
        self.pieces_as(Sort::Text, each);
    }

    fn pieces_as(self, sort: Sort, each: &mut dyn FnMut(Sort, Cow<'a, str>)) {
        match self {
            Self::Text(text) if !text.is_empty() => each(sort, text),
            Self::Nothing | Self::Text(_) => {}
            Self::Parts(parts) => {
                for part in parts {
                    part.thinking.pieces_as(Sort::Thinking, each);
                    if !part.text.is_empty() {
                        each(sort, part.text.0);
                    }
                    if !part.refusal.is_empty() {
                        each(Sort::Refusal, part.refusal.0);
                    }
                }
            }
        }
    }
}

/// A message, or the part of one that a stream's event adds.
#[derive(Debug, Default, Deserialize)]
pub(in crate::dialect) struct Said<'a> {
    #[serde(borrow, default)]
    pub content: Content<'a>,
    #[serde(borrow, default)]
    pub refusal: Text<'a>,
    #[serde(borrow, default)]
    reasoning_content: Text<'a>,
    #[serde(borrow, default)]
    reasoning: Text<'a>,
    #[serde(borrow, default)]
    pub thinking_blocks: Option<Vec<Block<'a>>>,
    #[serde(borrow, default)]
    pub tool_calls: Option<Vec<Call<'a>>>,
}

impl<'a> Said<'a> {
    /// The reasoning, by DeepSeek's name or by vLLM's; a server that sends both sends the same twice.
    pub fn reasoning(&mut self) -> Cow<'a, str> {
        let old = std::mem::take(&mut self.reasoning_content.0);
        if old.is_empty() { std::mem::take(&mut self.reasoning.0) } else { old }
    }
}

/// One of `thinking_blocks`.
#[derive(Debug, Deserialize)]
pub(in crate::dialect) struct Block<'a> {
    #[serde(borrow, default)]
    pub thinking: Text<'a>,
    #[serde(borrow, default)]
    pub signature: Text<'a>,
    #[serde(borrow, default)]
    pub data: Text<'a>,
}

/// A tool call, or a piece of one.
#[derive(Debug, Deserialize)]
pub(in crate::dialect) struct Call<'a> {
    #[serde(default)]
    pub index: Count,
    #[serde(borrow, default)]
    pub id: Text<'a>,
    #[serde(borrow, default)]
    pub function: Option<Function<'a>>,
}

/// The function of a call.
#[derive(Debug, Default, Deserialize)]
pub(in crate::dialect) struct Function<'a> {
    #[serde(borrow, default)]
    pub name: Text<'a>,
    #[serde(borrow, default)]
    arguments: Option<&'a RawValue>,
}

impl<'a> Function<'a> {
    /// The arguments as text: what OpenAI sends as a string, and some servers as an object.
    pub fn arguments(&self) -> Cow<'a, str> {
        let Some(raw) = self.arguments else { return Cow::default() };
        match serde_json::from_str::<Text<'a>>(raw.get()) {
            Ok(text) if raw.get().starts_with('"') => text.0,
            _ => Cow::Borrowed(raw.get()),
        }
    }
}

/// An identifier for a call that came without one, so that its result can be tied to it.
pub(in crate::dialect) fn call_id(answer: &str, choice: u32, call: usize) -> String {
    let answer: String = answer.chars().filter(char::is_ascii_alphanumeric).take(40).collect();
    format!("call_{answer}_{choice}_{call}")
}

/// Consumes what a visitor has no use for.
fn skip_seq<'de, A: SeqAccess<'de>>(mut seq: A) -> Result<bool, A::Error> {
    let mut any = false;
    while seq.next_element::<IgnoredAny>()?.is_some() {
        any = true;
    }
    Ok(any)
}

fn skip_map<'de, A: MapAccess<'de>>(mut map: A) -> Result<(), A::Error> {
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

lenient!(Content<'a>, 'a, {
    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Content::Text(Cow::Borrowed(text)))
    }
    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Content::Text(Cow::Owned(text.to_owned())))
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        let mut parts = Vec::new();
        while let Some(part) = seq.next_element()? {
            parts.push(part);
        }
        Ok(Content::Parts(parts))
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
