//! The top level of a chat request: the fields that are looked at, and nothing of the others.

use std::borrow::Cow;

use serde::Deserialize;
use serde::de::{Deserializer, Error, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::embedding::Encoding;

/// The fields of a request that are looked at. Those that are spliced or decide the route must not stand there twice.
pub(super) struct Top<'a> {
    pub model: Option<&'a RawValue>,
    messages: Option<&'a RawValue>,
    input: Option<&'a RawValue>,
    prompt: Option<&'a RawValue>,
    pub stream: Option<bool>,
    /// A field that stands there with `null` in it is one: it must be replaced, not added.
    pub stream_options: Option<&'a RawValue>,
    pub max_tokens: Option<u64>,
    pub n: Option<u64>,
    pub tools: bool,
    pub structured_output: bool,
    pub user: Option<&'a RawValue>,
    pub encoding: Encoding,
    pub background: bool,
    pub continues: bool,
    /// The field that names other models than the one asked for: OpenRouter's `models`, Anthropic's `fallbacks`.
    pub others: Option<&'static str>,
}

#[derive(Clone, Copy)]
enum Field {
    Model,
    Messages,
    Input,
    Prompt,
    Stream,
    StreamOptions,
    MaxTokens,
    N,
    Tools,
    ResponseFormat,
    Schema,
    EncodingFormat,
    User,
    Metadata,
    Background,
    Continued,
    Models,
    Fallbacks,
    Other,
}

/// The fields by their names.
const NAMES: [(&str, Field); 23] = [
    ("model", Field::Model),
    ("messages", Field::Messages),
    ("input", Field::Input),
    ("prompt", Field::Prompt),
    ("stream", Field::Stream),
    ("stream_options", Field::StreamOptions),
    ("max_tokens", Field::MaxTokens),
    ("max_completion_tokens", Field::MaxTokens),
    ("max_output_tokens", Field::MaxTokens),
    ("n", Field::N),
    ("tools", Field::Tools),
    ("functions", Field::Tools),
    ("response_format", Field::ResponseFormat),
    ("text", Field::Schema),
    ("output_config", Field::Schema),
    ("encoding_format", Field::EncodingFormat),
    ("user", Field::User),
    ("metadata", Field::Metadata),
    ("background", Field::Background),
    ("conversation", Field::Continued),
    ("container", Field::Continued),
    ("models", Field::Models),
    ("fallbacks", Field::Fallbacks),
];

impl<'de> Deserialize<'de> for Field {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Name;
        impl Visitor<'_> for Name {
            type Value = Field;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a field's name")
            }

            /// Servers written in Go take a name in any case for the same field, the last of several for its value: the model
            /// that they saw would not be the one that was looked at here.
            fn visit_str<E: Error>(self, name: &str) -> Result<Field, E> {
                match NAMES.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)) {
                    None => Ok(Field::Other),
                    Some((known, field)) if *known == name => Ok(*field),
                    Some((known, _)) => {
                        Err(E::custom(format_args!("the name of `{known}` is written in small letters")))
                    }
                }
            }
        }
        deserializer.deserialize_identifier(Name)
    }
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
                let (mut model, mut stream, mut options) = (None, None, None);
                let (mut messages, mut input, mut prompt) = (None, None, None);
                let (mut max_tokens, mut n) = (None, None);
                let (mut tools, mut structured_output, mut user) = (false, false, None);
                let (mut encoding, mut background, mut continues) = (Encoding::default(), false, false);
                let mut others = None;
                while let Some(field) = map.next_key::<Field>()? {
                    match field {
                        Field::Model => once(&mut map, &mut model, "model")?,
                        Field::Messages => once(&mut map, &mut messages, "messages")?,
                        Field::Input => once(&mut map, &mut input, "input")?,
                        Field::Prompt => once(&mut map, &mut prompt, "prompt")?,
                        Field::Stream => once(&mut map, &mut stream, "stream")?,
                        Field::StreamOptions => once(&mut map, &mut options, "stream_options")?,
                        Field::MaxTokens => max_tokens = max_tokens.max(count(&mut map)?),
                        Field::N => n = n.max(count(&mut map)?),
                        Field::Tools => tools |= has_items(map.next_value()?),
                        Field::ResponseFormat => structured_output |= is_schema(map.next_value()?),
                        Field::Schema => structured_output |= has_schema(map.next_value()?),
                        Field::EncodingFormat => encoding = encoding_of(map.next_value()?),
                        Field::User => user = Some(map.next_value::<&RawValue>()?),
                        Field::Metadata => user = user.or(user_id(map.next_value()?)),
                        Field::Background => background |= map.next_value::<&RawValue>()?.get() == "true",
                        Field::Continued => continues |= map.next_value::<&RawValue>()?.get() != "null",
                        Field::Models => others = others.or(has_items(map.next_value()?).then_some("models")),
                        Field::Fallbacks => others = others.or(has_items(map.next_value()?).then_some("fallbacks")),
                        Field::Other => {
                            map.next_value::<IgnoredAny>()?;
                        }
                    }
                }
                let (model, stream) = (model.flatten(), stream.flatten());
                let (messages, input, prompt) = (messages.flatten(), input.flatten(), prompt.flatten());
                Ok(Top {
                    model,
                    messages,
                    input,
                    prompt,
                    stream,
                    stream_options: options,
                    max_tokens,
                    n,
                    tools,
                    structured_output,
                    user,
                    encoding,
                    background,
                    continues,
                    others,
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

/// Whether it has a `format` with a schema: OpenAI's `text` and Anthropic's `output_config`.
fn has_schema(value: &RawValue) -> bool {
    #[derive(Deserialize)]
    struct Wrapped<'a> {
        #[serde(borrow)]
        format: &'a RawValue,
    }
    value.get().starts_with('{')
        && serde_json::from_str::<Wrapped<'_>>(value.get()).is_ok_and(|wrapped| is_schema(wrapped.format))
}

/// The end user in Anthropic's `metadata`.
fn user_id(value: &RawValue) -> Option<&RawValue> {
    #[derive(Deserialize)]
    struct Metadata<'a> {
        #[serde(borrow)]
        user_id: &'a RawValue,
    }
    let object = value.get().starts_with('{').then_some(value.get())?;
    serde_json::from_str::<Metadata<'_>>(object).ok().map(|metadata| metadata.user_id)
}

impl<'a> Top<'a> {
    /// What stands in the field that holds what is asked.
    pub fn asked(&self, name: &str) -> Option<&'a RawValue> {
        match name {
            "input" => self.input,
            "prompt" => self.prompt,
            _ => self.messages,
        }
    }
}
