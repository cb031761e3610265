//! A list of all formats with both halves and the notes on their fields, for documentation and tests. The gateway refers to the halves
//! directly and does not link this list.

use super::{
    Client, Field, Id, Provider, anthropic, bedrock, cohere, completions, count, gemini, gemini_embed, openai_chat,
    openai_embeddings, responses,
};

/// One format.
#[derive(Debug, Clone, Copy)]
pub struct Format {
    /// The provider half.
    pub provider: &'static Provider,
    /// The client half, if clients speak the format.
    pub client: Option<&'static Client>,
    /// Every field of a client's request, or every conversation parameter by OpenAI's name, with its policy. Empty if nothing is
    /// translated.
    pub fields: &'static [Field],
}

/// Every format except those that are only passed through.
pub static FORMATS: &[Format] = &[
    both(&openai_chat::CLIENT, openai_chat::FIELDS),
    both(&responses::CLIENT, responses::FIELDS),
    both(&completions::CLIENT, completions::FIELDS),
    both(&anthropic::CLIENT, anthropic::FIELDS),
    both(&count::COUNT_TOKENS, &[]),
    both(&count::INPUT_TOKENS, &[]),
    served(&anthropic::hosted::VERTEX, anthropic::hosted::FIELDS),
    served(&anthropic::hosted::BEDROCK, anthropic::hosted::FIELDS),
    served(&gemini::PROVIDER, gemini::FIELDS),
    served(&bedrock::PROVIDER, bedrock::FIELDS),
    served(&cohere::PROVIDER, cohere::FIELDS),
    both(&openai_embeddings::CLIENT, openai_embeddings::FIELDS),
    served(&cohere::embed::PROVIDER, cohere::embed::FIELDS),
    served(&gemini_embed::PROVIDER, gemini_embed::FIELDS),
];

const fn both(client: &'static Client, fields: &'static [Field]) -> Format {
    Format { provider: client.provider, client: Some(client), fields }
}

const fn served(provider: &'static Provider, fields: &'static [Field]) -> Format {
    Format { provider, client: None, fields }
}

impl Format {
    /// Finds a format by its id.
    pub fn of(id: Id) -> Option<Self> {
        FORMATS.iter().find(|format| format.provider.id == id).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn each_format_stands_once_and_its_halves_agree() {
        for (place, format) in FORMATS.iter().enumerate() {
            let id = format.provider.id;
            assert!(FORMATS.iter().skip(place + 1).all(|other| other.provider.id != id), "{id:?} again");
            let Some(client) = format.client else { continue };
            assert_eq!(client.id(), id);
            assert_eq!(client.shape.stream_options, id.takes_stream_options(), "{id:?}");
            assert!(format.provider.peek_response.is_some(), "{id:?}: an answer of it may pass unchanged");
            let passes = format.provider.chat().is_none_or(|chat| chat.passing.is_some());
            assert!(passes, "{id:?}: a stream of it may pass unchanged");
            let ids =
                client.chat().zip(format.provider.chat()).map(|(client, provider)| (client.ids, provider.rules.ids));
            assert!(ids.is_none_or(|(client, provider)| client == provider), "{id:?}");
        }
        for provider in FORMATS.iter().map(|format| format.provider) {
            let Some(envelope) = &provider.envelope else { continue };
            assert!(Format::of(envelope.of).unwrap().client.is_some(), "{:?}", provider.id);
            assert!(provider.peek_response.is_some(), "{:?}", provider.id);
        }
    }
}
