//! The names of the wire formats in the gateway file's `speaks`.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error};
use serde::ser::{Serialize, Serializer};
use sluice_wire::dialect::anthropic::hosted;
use sluice_wire::dialect::count::{COUNT_TOKENS, INPUT_TOKENS};
use sluice_wire::dialect::{
    Provider, anthropic, bedrock, cohere, completions, gemini, gemini_embed, openai_chat, openai_embeddings, responses,
};

use crate::suggest::one_of;

/// The name, the format, and a description.
type Row = (&'static str, &'static Provider, &'static str);

static ROWS: &[Row] = &[
    ("chat", &openai_chat::PROVIDER, "OpenAI's chat completions."),
    ("responses", &responses::PROVIDER, "OpenAI's Responses API."),
    ("input_tokens", INPUT_TOKENS.provider, "OpenAI's count of a prompt's tokens."),
    ("completions", &completions::PROVIDER, "OpenAI's legacy completions."),
    ("embeddings", &openai_embeddings::PROVIDER, "OpenAI's embeddings."),
    ("messages", &anthropic::PROVIDER, "Anthropic's messages."),
    ("count_tokens", COUNT_TOKENS.provider, "Anthropic's count of a prompt's tokens."),
    ("vertex_messages", &hosted::VERTEX, "Anthropic's messages as Vertex AI takes them."),
    ("bedrock_messages", &hosted::BEDROCK, "Anthropic's messages as AWS Bedrock takes them."),
    ("gemini", &gemini::PROVIDER, "Google's generateContent."),
    ("gemini_embeddings", &gemini_embed::PROVIDER, "Google's batchEmbedContents."),
    ("converse", &bedrock::PROVIDER, "AWS Bedrock's Converse."),
    ("cohere", &cohere::PROVIDER, "Cohere's chat."),
    ("cohere_embeddings", &cohere::embed::PROVIDER, "Cohere's embeddings."),
];

/// A wire format that a server may speak.
#[derive(Clone, Copy)]
pub struct Format(&'static Row);

impl Format {
    /// All named formats.
    pub fn all() -> impl ExactSizeIterator<Item = Self> {
        ROWS.iter().map(Self)
    }

    /// The name in the gateway file.
    pub fn name(self) -> &'static str {
        self.0.0
    }

    /// The variant of this format in `own` if there is one; else the standard format.
    pub fn among(self, own: &[&'static Provider]) -> &'static Provider {
        let plain = self.0.1;
        own.iter().find(|format| format.id == plain.id).copied().unwrap_or(plain)
    }
}

impl PartialEq for Format {
    fn eq(&self, other: &Self) -> bool {
        self.name() == other.name()
    }
}

impl Eq for Format {}

impl fmt::Debug for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl Serialize for Format {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

impl<'de> Deserialize<'de> for Format {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = String::deserialize(deserializer)?;
        let expected = || one_of(&name, Self::all().map(Self::name));
        let found = Self::all().find(|format| format.name() == name);
        found.ok_or_else(|| D::Error::custom(format!("unknown format {name:?}, expected {}", expected())))
    }
}

#[cfg(feature = "schema")]
impl schemars::JsonSchema for Format {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Format".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        super::named_choice("A wire format.", Self::all().map(|format| (format.name(), format.0.2)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn every_format_of_every_kind_has_a_name_and_is_found_by_it() {
        for kind in super::super::kind::Kind::all() {
            for own in kind.row().formats {
                let named = Format::all().find(|format| format.0.1.id == own.id);
                let named = named.unwrap_or_else(|| panic!("{} has no name", own.id.name()));
                let json = serde_json::to_string(&named).unwrap();
                assert_eq!(serde_json::from_str::<Format>(&json).unwrap(), named);
                assert_eq!(named.among(kind.row().formats).departs.quirks, own.departs.quirks, "{json}");
            }
        }
        let error = serde_json::from_str::<Format>(r#""mesages""#).unwrap_err().to_string();
        assert!(error.contains("did you mean \"messages\"?"), "{error}");
    }
}
