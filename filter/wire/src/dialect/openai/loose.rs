//! Values as compatible servers really send them: `null` for a string, a float for a count, an array of parts for content. Strings without
//! escapes are borrowed from the input.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use serde::Deserialize;
use serde::de::{Deserializer, Error, SeqAccess, Visitor};
use serde_json::value::RawValue;

use crate::dialect::few::Few;
use crate::json;
pub(in crate::dialect) use crate::lenient::{Count, Filled, Text};
use crate::lenient::{lenient, maybe};

use super::details;

/// The maximum number of pieces in a content.
const MOST_PIECES: usize = 1024;

/// The maximum number of calls, or reasoning blocks, in a message.
pub(in crate::dialect) const MOST_CALLS: usize = 1024;

/// The maximum number of reasoning details in a message.
pub(in crate::dialect) const MOST_DETAILS: usize = 4096;

/// Content: a text, or an array of parts. Parts without text are skipped.
#[derive(Debug, Default)]
pub(in crate::dialect) enum Content<'a> {
    #[default]
    Nothing,
    Text(Cow<'a, str>),
    Pieces(Vec<(Sort, Cow<'a, str>)>),
}

/// One part: `text`, `refusal`, or Mistral's `thinking`, which has nested content.
#[derive(Debug, Deserialize)]
struct ContentPart<'a> {
    #[serde(borrow, default)]
    text: Text<'a>,
    #[serde(borrow, default)]
    refusal: Text<'a>,
    #[serde(borrow, default)]
    thinking: Content<'a>,
}

/// The kind of a piece.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::dialect) enum Sort {
    Text,
    Thinking,
    Refusal,
}

impl<'a> Content<'a> {
    /// Passes every non-empty piece to `each`, in order.
    pub fn pieces(self, each: &mut dyn FnMut(Sort, Cow<'a, str>)) {
        match self {
            Self::Text(text) if !text.is_empty() => each(Sort::Text, text),
            Self::Nothing | Self::Text(_) => {}
            Self::Pieces(pieces) => pieces.into_iter().for_each(|(sort, text)| each(sort, text)),
        }
    }
}

impl<'a> ContentPart<'a> {
    /// Passes its pieces to `each`; text inside thinking counts as thinking.
    fn pieces(self, each: &mut dyn FnMut(Sort, Cow<'a, str>)) {
        self.thinking.pieces(&mut |sort, text| each(if sort == Sort::Text { Sort::Thinking } else { sort }, text));
        for (sort, text) in [(Sort::Text, self.text), (Sort::Refusal, self.refusal)] {
            if !text.is_empty() {
                each(sort, text.0);
            }
        }
    }
}

/// A message, or the delta of one in a stream.
#[derive(Debug, Default, Deserialize)]
pub(in crate::dialect) struct MessageIn<'a> {
    #[serde(borrow, default)]
    pub content: Content<'a>,
    #[serde(borrow, default)]
    pub refusal: Text<'a>,
    #[serde(borrow, default)]
    reasoning_content: Text<'a>,
    #[serde(borrow, default)]
    reasoning: Text<'a>,
    #[serde(borrow, default)]
    thinking_blocks: Option<Few<Block<'a>, MOST_CALLS>>,
    #[serde(borrow, default)]
    reasoning_details: Option<&'a RawValue>,
    #[serde(borrow, default)]
    tool_calls: Option<Few<Call<'a>, MOST_CALLS>>,
    /// A call in the older form, before there could be several.
    #[serde(borrow, default, deserialize_with = "maybe")]
    function_call: Option<Function<'a>>,
}

impl<'a> MessageIn<'a> {
    /// The reasoning, under DeepSeek's or vLLM's name; a server that sends both sends the same text twice.
    pub fn reasoning(&mut self) -> Cow<'a, str> {
        let old = std::mem::take(&mut self.reasoning_content.0);
        if old.is_empty() { std::mem::take(&mut self.reasoning.0) } else { old }
    }

    /// Its reasoning with signatures.
    pub fn blocks(&mut self) -> impl Iterator<Item = Block<'a>> + use<'a> {
        let details = self.reasoning_details.take().and_then(|details| json::read(details.get()).ok());
        let details: Few<&RawValue, MOST_DETAILS> = details.unwrap_or_default();
        let blocks = self.thinking_blocks.take().unwrap_or_default();
        blocks.into_iter().chain(details.into_iter().filter_map(details::block))
    }

    /// Whether it has a piece of a call.
    pub fn has_calls(&self) -> bool {
        let old = self.function_call.as_ref().is_some_and(|function| !function.is_empty());
        old || self.tool_calls.as_ref().is_some_and(|calls| !calls.is_empty())
    }

    /// The calls; the older form only if there are no others.
    pub fn calls(&mut self) -> impl Iterator<Item = Call<'a>> + use<'a> {
        let calls = self.tool_calls.take().unwrap_or_default();
        let old = self.function_call.take().filter(|function| calls.is_empty() && !function.is_empty());
        let old = old.map(|function| Call {
            index: Count(Some(0)),
            id: Text::default(),
            function: Some(function),
            custom: None,
        });
        calls.into_iter().chain(old)
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
    /// Instead of a function: a tool with a text input.
    #[serde(borrow, default, deserialize_with = "maybe")]
    pub custom: Option<Function<'a>>,
}

/// A call's function, or a tool with a text input.
#[derive(Debug, Default, Deserialize)]
pub(in crate::dialect) struct Function<'a> {
    #[serde(borrow, default)]
    pub name: Text<'a>,
    #[serde(borrow, default)]
    arguments: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub input: Text<'a>,
}

impl<'a> Function<'a> {
    fn is_empty(&self) -> bool {
        self.name.is_empty() && self.arguments.is_none()
    }

    /// The arguments as text.
    pub fn arguments(&self) -> Cow<'a, str> {
        arguments(self.arguments)
    }
}

/// Arguments as text. OpenAI sends a string, some servers an object.
pub(in crate::dialect) fn arguments(raw: Option<&RawValue>) -> Cow<'_, str> {
    let Some(raw) = raw else { return Cow::default() };
    match json::read::<Text<'_>>(raw.get()) {
        Ok(text) if raw.get().starts_with('"') => text.0,
        _ => Cow::Borrowed(raw.get()),
    }
}

lenient!(Content<'a>, 'a, {
    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Content::Text(Cow::Borrowed(text)))
    }
    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Content::Text(Cow::Owned(text.to_owned())))
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        let mut pieces = Vec::new();
        while let Some(part) = seq.next_element::<ContentPart<'a>>()? {
            part.pieces(&mut |sort, text| pieces.push((sort, text)));
            if pieces.len() > MOST_PIECES {
                return Err(A::Error::custom("too many pieces"));
            }
        }
        Ok(Content::Pieces(pieces))
    }
});
