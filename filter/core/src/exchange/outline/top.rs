//! The top level of a chat request: the fields that are looked at, and nothing of the others.

use std::borrow::Cow;

use serde::Deserialize;
use serde::de::{Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use crate::embedding::Encoding;

/// The fields of a request that are looked at. Those that are spliced or decide the route must not stand there twice.
pub(super) struct Top<'a> {
    pub model: Option<&'a RawValue>,
    pub messages: Option<Messages>,
    pub stream: Option<bool>,
    /// A field that stands there with `null` in it is one: it must be replaced, not added.
    pub stream_options: Option<&'a RawValue>,
    pub max_tokens: Option<u64>,
    pub n: Option<u64>,
    pub tools: bool,
    pub structured_output: bool,
    pub user: Option<&'a RawValue>,
    pub encoding: Encoding,
}

#[derive(Deserialize)]
#[serde(field_identifier, rename_all = "snake_case")]
enum Field {
    Model,
    Messages,
    Stream,
    StreamOptions,
    MaxTokens,
    MaxCompletionTokens,
    N,
    Tools,
    Functions,
    ResponseFormat,
    EncodingFormat,
    User,
    #[serde(other)]
    Other,
}

impl<'de: 'a, 'a> Deserialize<'de> for Top<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Entries;
        impl<'de> Visitor<'de> for Entries {
            type Value = Top<'de>;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Top<'de>, A::Error> {
                let (mut model, mut messages, mut stream, mut options) = (None, None, None, None);
                let (mut max_tokens, mut n) = (None, None);
                let (mut tools, mut structured_output, mut user) = (false, false, None);
                let mut encoding = Encoding::default();
                while let Some(field) = map.next_key::<Field>()? {
                    match field {
                        Field::Model => once(&mut map, &mut model, "model")?,
                        Field::Messages => once(&mut map, &mut messages, "messages")?,
                        Field::Stream => once(&mut map, &mut stream, "stream")?,
                        Field::StreamOptions => once(&mut map, &mut options, "stream_options")?,
                        Field::MaxTokens | Field::MaxCompletionTokens => max_tokens = max_tokens.max(count(&mut map)?),
                        Field::N => n = n.max(count(&mut map)?),
                        Field::Tools | Field::Functions => tools |= has_items(map.next_value()?),
                        Field::ResponseFormat => structured_output |= is_schema(map.next_value()?),
                        Field::EncodingFormat => encoding = encoding_of(map.next_value()?),
                        Field::User => user = Some(map.next_value::<&RawValue>()?),
                        Field::Other => {
                            map.next_value::<IgnoredAny>()?;
                        }
                    }
                }
                let (model, messages, stream) = (model.flatten(), messages.flatten(), stream.flatten());
                Ok(Top {
                    model,
                    messages,
                    stream,
                    stream_options: options,
                    max_tokens,
                    n,
                    tools,
                    structured_output,
                    user,
                    encoding,
                })
            }
        }
        deserializer.deserialize_map(Entries)
    }
}

fn once<'de, A: MapAccess<'de>, T: Deserialize<'de>>(
    map: &mut A,
    slot: &mut Option<T>,
    name: &'static str,
) -> Result<(), A::Error> {
    match slot.replace(map.next_value()?) {
        None => Ok(()),
        Some(_) => Err(A::Error::duplicate_field(name)),
    }
}

/// A count, a whole one or what a patient reader would make of `1e3`; nothing for anything else.
fn count<'de, A: MapAccess<'de>>(map: &mut A) -> Result<Option<u64>, A::Error> {
    let text = map.next_value::<&RawValue>()?.get();
    let float = || text.parse::<f64>().ok().filter(|number| *number >= 0.0);
    // Beyond what is counted is the most that is.
    Ok(text.parse().ok().or_else(|| float().map(|number| number.ceil() as u64)))
}

/// Whether it is an array with something in it.
fn has_items(value: &RawValue) -> bool {
    value.get().strip_prefix('[').is_some_and(|items| !items.trim_ascii_start().starts_with(']'))
}

/// The `encoding_format` that it names; any other is refused by whoever reads the body properly.
fn encoding_of(value: &RawValue) -> Encoding {
    if value.get() == "\"base64\"" { Encoding::Base64 } else { Encoding::Float }
}

/// Whether it is a `response_format` with a schema.
fn is_schema(value: &RawValue) -> bool {
    #[derive(Deserialize)]
    struct Format<'a> {
        #[serde(borrow, rename = "type")]
        kind: Kind<'a>,
    }
    #[derive(Deserialize)]
    #[serde(transparent)]
    struct Kind<'a>(#[serde(borrow)] Cow<'a, str>);
    // From an array too, the type could be read.
    value.get().starts_with('{')
        && serde_json::from_str::<Format<'_>>(value.get()).is_ok_and(|format| format.kind.0 == "json_schema")
}

/// Whether there is any message: which they are is not looked at.
pub(super) struct Messages {
    pub any: bool,
}

impl<'de> Deserialize<'de> for Messages {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Items;
        impl<'de> Visitor<'de> for Items {
            type Value = Messages;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an array of messages")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Messages, A::Error> {
                let mut any = false;
                while items.next_element::<IgnoredAny>()?.is_some() {
                    any = true;
                }
                Ok(Messages { any })
            }
        }
        deserializer.deserialize_seq(Items)
    }
}
