//! The top-level fields of a request that the gateway reads. All other fields are skipped.

use std::borrow::Cow;

use serde::Deserialize;
use serde::de::{Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;
use sluice_wire::embedding::Encoding;
use sluice_wire::error::ApiError;
use sluice_wire::json;

use super::request_features::same;

/// The fields that the gateway reads. Fields that are replaced or decide the route must not occur twice.
pub(super) struct Top<'a> {
    pub model: Option<&'a RawValue>,
    messages: Option<&'a RawValue>,
    input: Option<&'a RawValue>,
    prompt: Option<&'a RawValue>,
    pub stream: Option<bool>,
    /// Present even if its value is `null`: the field must be replaced, not added.
    pub stream_options: Option<&'a RawValue>,
    /// The requested counts, unparsed: the endpoint decides which ones matter.
    pub counts: Vec<(&'static str, &'a RawValue)>,
    pub tools: bool,
    pub structured_output: bool,
    pub user: Option<&'a RawValue>,
    pub encoding: Encoding,
    pub background: bool,
    pub continues: bool,
    /// The id of the response that it continues.
    pub previous: Option<&'a RawValue>,
    /// The conversation that it continues.
    pub conversation: Option<&'a RawValue>,
    /// The field that names further models: OpenRouter's `models`, Anthropic's `fallbacks`.
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
    Count(&'static str),
    Tools,
    ResponseFormat,
    Schema,
    EncodingFormat,
    User,
    Metadata,
    Background,
    Conversation,
    Container,
    Previous,
    Models,
    Fallbacks,
    Other,
}

/// The fields by name.
const NAMES: [(&str, Field); 25] = [
    ("model", Field::Model),
    ("messages", Field::Messages),
    ("input", Field::Input),
    ("prompt", Field::Prompt),
    ("stream", Field::Stream),
    ("stream_options", Field::StreamOptions),
    ("max_tokens", Field::Count("max_tokens")),
    ("max_completion_tokens", Field::Count("max_completion_tokens")),
    ("max_output_tokens", Field::Count("max_output_tokens")),
    ("n", Field::Count("n")),
    ("best_of", Field::Count("best_of")),
    ("tools", Field::Tools),
    ("functions", Field::Tools),
    ("response_format", Field::ResponseFormat),
    ("text", Field::Schema),
    ("output_config", Field::Schema),
    ("encoding_format", Field::EncodingFormat),
    ("user", Field::User),
    ("metadata", Field::Metadata),
    ("background", Field::Background),
    ("conversation", Field::Conversation),
    ("container", Field::Container),
    ("previous_response_id", Field::Previous),
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

            /// Servers written in Go ignore the case of field names and take the last value. A differently written `model` would bypass the
            /// check of the model.
            fn visit_str<E: Error>(self, name: &str) -> Result<Field, E> {
                // A name with non-ASCII letters may be longer than the name that it matches.
                let is_ascii = name.is_ascii();
                let may_be = |known: &str| known.len() == name.len() || !is_ascii;
                match NAMES.iter().find(|(known, _)| may_be(known) && same(name.as_bytes(), known)) {
                    None => Ok(Field::Other),
                    Some((known, field)) if *known == name => Ok(*field),
                    Some((known, _)) => Err(E::custom(format_args!("the field `{known}` must be in lower case"))),
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
                let mut counts = Vec::new();
                let (mut tools, mut structured_output, mut user) = (false, false, None);
                let (mut encoding, mut background, mut continues) = (Encoding::default(), false, false);
                let (mut others, mut previous, mut conversation) = (None, None, None);
                while let Some(field) = map.next_key::<Field>()? {
                    match field {
                        Field::Model => once(&mut map, &mut model, "model")?,
                        Field::Messages => once(&mut map, &mut messages, "messages")?,
                        Field::Input => once(&mut map, &mut input, "input")?,
                        Field::Prompt => once(&mut map, &mut prompt, "prompt")?,
                        Field::Stream => once(&mut map, &mut stream, "stream")?,
                        Field::StreamOptions => once(&mut map, &mut options, "stream_options")?,
                        Field::Count(name) => counts.push((name, map.next_value()?)),
                        Field::Tools => tools |= has_items(map.next_value()?),
                        Field::ResponseFormat => structured_output |= is_schema(map.next_value()?),
                        Field::Schema => structured_output |= has_schema(map.next_value()?),
                        Field::EncodingFormat => encoding = encoding_of(map.next_value()?),
                        Field::User => user = Some(map.next_value::<&RawValue>()?),
                        Field::Metadata => user = user.or(user_id(map.next_value()?)),
                        Field::Background => {
                            // Some servers take other values for `true`.
                            background |= !matches!(map.next_value::<&RawValue>()?.get(), "false" | "null");
                        }
                        Field::Conversation => {
                            conversation =
                                Some(map.next_value::<&RawValue>()?).filter(|value| is_there(value)).or(conversation);
                        }
                        Field::Container => continues |= is_there(map.next_value()?),
                        Field::Previous => {
                            previous = Some(map.next_value::<&RawValue>()?).filter(|value| is_there(value))
                        }
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
                    counts,
                    tools,
                    structured_output,
                    user,
                    encoding,
                    background,
                    continues: continues || conversation.is_some(),
                    previous,
                    conversation,
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

/// Parses a count, also in forms such as `1e3`. `null` and negative numbers count as absent; larger numbers saturate.
fn count(name: &'static str, value: &RawValue) -> Result<Option<u64>, ApiError> {
    let text = value.get();
    if text == "null" {
        return Ok(None);
    }
    if !text.starts_with(|first: char| first == '-' || first.is_ascii_digit()) {
        return Err(ApiError::invalid(name, format!("Invalid type for '{name}': expected an integer.")));
    }
    let rounded = || match json::number(text) {
        Some(number) => (number >= 0.0).then(|| number.ceil() as u64),
        None => (!text.starts_with('-')).then_some(u64::MAX),
    };
    Ok(text.parse().ok().or_else(rounded))
}

/// The number of items in an array.
struct Items(u64);

impl<'de> Deserialize<'de> for Items {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Counted;
        impl<'de> Visitor<'de> for Counted {
            type Value = Items;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an array")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Items, A::Error> {
                let mut items = 0;
                while seq.next_element::<IgnoredAny>()?.is_some() {
                    items += 1;
                }
                Ok(Items(items))
            }
        }
        deserializer.deserialize_seq(Counted)
    }
}

fn is_there(value: &RawValue) -> bool {
    value.get() != "null"
}

/// Whether it is an array with at least one item.
fn has_items(value: &RawValue) -> bool {
    value.get().strip_prefix('[').is_some_and(|items| !items.trim_ascii_start().starts_with(']'))
}

/// The requested `encoding_format`. The full parser rejects unknown ones.
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
    // Serde would also read the struct from an array.
    value.get().starts_with('{')
        && json::read::<Format<'_>>(value.get()).is_ok_and(|format| format.kind.0 == "json_schema")
}

/// Whether its `format` has a schema: OpenAI's `text` and Anthropic's `output_config`.
fn has_schema(value: &RawValue) -> bool {
    #[derive(Deserialize)]
    struct Wrapped<'a> {
        #[serde(borrow)]
        format: &'a RawValue,
    }
    value.get().starts_with('{')
        && json::read::<Wrapped<'_>>(value.get()).is_ok_and(|wrapped| is_schema(wrapped.format))
}

/// The end user in Anthropic's `metadata`.
fn user_id(value: &RawValue) -> Option<&RawValue> {
    #[derive(Deserialize)]
    struct Metadata<'a> {
        #[serde(borrow)]
        user_id: &'a RawValue,
    }
    let object = value.get().starts_with('{').then_some(value.get())?;
    json::read::<Metadata<'_>>(object).ok().map(|metadata| metadata.user_id)
}

impl<'a> Top<'a> {
    /// The largest of the counts with these names, if any is above zero: some servers take zero for no limit.
    pub fn largest(&self, names: &[&str]) -> Result<Option<u64>, ApiError> {
        let own = self.counts.iter().filter(|(name, _)| names.contains(name));
        own.map(|(name, value)| count(name, value))
            .try_fold(None, |most, count| Ok(most.max(count?.filter(|n| *n > 0))))
    }

    /// The number of prompts in `prompt`: one for each item in an array of texts or of token arrays.
    pub fn prompts(&self) -> u64 {
        let list = self.prompt.map(RawValue::get).filter(|prompt| {
            let first = prompt.strip_prefix('[').map(str::trim_ascii_start).and_then(|items| items.bytes().next());
            matches!(first, Some(b'"' | b'['))
        });
        list.and_then(|list| json::read::<Items>(list).ok()).map_or(1, |items| items.0)
    }

    /// The number of prompt parts that the provider stores: a conversation, and a prompt template named by its id.
    pub fn kept(&self) -> u64 {
        let named = self.prompt.is_some_and(|prompt| prompt.get().starts_with('{'));
        u64::from(self.conversation.is_some()).saturating_add(u64::from(named))
    }

    /// The value of the field with the prompt.
    pub fn asked(&self, name: &str) -> Option<&'a RawValue> {
        match name {
            "input" => self.input,
            "prompt" => self.prompt,
            _ => self.messages,
        }
    }
}
