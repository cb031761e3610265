//! OpenAI's endpoints that are forwarded untranslated to providers which have them: images, audio, moderations, ranking, and objects that a
//! provider stores for clients.
//!
//! The gateway does not interpret their bodies. It only finds the model's name, and reads the usage of a JSON response.

use serde::Deserialize;

use crate::conversation::Usage;
use crate::error::ApiError;
use crate::json;
use crate::lenient::{Tokens, maybe};

use super::client::{Asks, Client, PeekSpec};
use super::openai::{self, error};
use super::provider::Provider;
use super::{Id, ResponseSummary};

/// Endpoints that call a model: POST with the model's name in a JSON or form body.
pub static ENDPOINTS: [&Client; 8] =
    [&IMAGES, &IMAGE_EDITS, &IMAGE_VARIATIONS, &SPEECH, &TRANSCRIPTIONS, &AUDIO_TRANSLATIONS, &MODERATIONS, &RERANK];

static IMAGES: Client = makes_images(client(&IMAGES_AT, "prompt"));
static IMAGE_EDITS: Client = makes_images(client(&IMAGE_EDITS_AT, ""));
static IMAGE_VARIATIONS: Client = makes_images(client(&IMAGE_VARIATIONS_AT, ""));
static SPEECH: Client = client(&SPEECH_AT, "input");
static TRANSCRIPTIONS: Client = client(&TRANSCRIPTIONS_AT, "");
static AUDIO_TRANSLATIONS: Client = client(&AUDIO_TRANSLATIONS_AT, "");
static MODERATIONS: Client = client(&MODERATIONS_AT, "input");
static RERANK: Client = client(&RERANK_AT, "");

/// Objects that a provider stores: files, batches, responses. Such a request names no model.
pub static STORED: Client = {
    let client = client(&STORED_AT, "");
    Client { shape: PeekSpec { free: true, ..client.shape }, ..client }
};

static IMAGES_AT: Provider = provider(Id::Images, |_, _| "/images/generations".to_owned());
static IMAGE_EDITS_AT: Provider = provider(Id::ImageEdits, |_, _| "/images/edits".to_owned());
static IMAGE_VARIATIONS_AT: Provider = provider(Id::ImageVariations, |_, _| "/images/variations".to_owned());
static SPEECH_AT: Provider = provider(Id::Speech, |_, _| "/audio/speech".to_owned());
static TRANSCRIPTIONS_AT: Provider = provider(Id::Transcriptions, |_, _| "/audio/transcriptions".to_owned());
static AUDIO_TRANSLATIONS_AT: Provider = provider(Id::AudioTranslations, |_, _| "/audio/translations".to_owned());
static MODERATIONS_AT: Provider = provider(Id::Moderations, |_, _| "/moderations".to_owned());
static RERANK_AT: Provider = provider(Id::Rerank, |_, _| "/rerank".to_owned());
static STORED_AT: Provider = provider(Id::Stored, |_, _| String::new());

/// Whether the client asks for a stored object.
pub fn is_stored(client: &Client) -> bool {
    client.id() == Id::Stored
}

const fn client(provider: &'static Provider, asked: &'static str) -> Client {
    Client {
        provider,
        // None of these endpoints has a field that limits its output.
        shape: PeekSpec { asked, limits: &[], ..PeekSpec::CHAT },
        own_names: &[],
        runs_tool: |_| false,
        manner: &openai::MANNER,
        asks: Asks::PassedThrough,
    }
}

const fn makes_images(client: Client) -> Client {
    Client { shape: PeekSpec { makes_images: true, ..client.shape }, ..client }
}

const fn provider(id: Id, path: fn(&str, bool) -> String) -> Provider {
    Provider { id, path, peek_response: Some(peek), usage_of, ..openai::PROVIDER }
}

/// Reads the usage of a JSON response, or its error.
fn peek(body: &[u8]) -> Result<ResponseSummary, ApiError> {
    #[derive(Deserialize)]
    struct Failed {
        #[serde(default)]
        error: Option<serde::de::IgnoredAny>,
    }
    match object(body) {
        Some(Failed { error: Some(_) }) => Err(error::read(500, body)),
        _ => Ok(ResponseSummary { usage: usage_of(body), finished: true, ..ResponseSummary::default() }),
    }
}

/// Newer endpoints report usage like the Responses API, older ones like chat completions.
fn usage_of(body: &[u8]) -> Option<Usage> {
    #[derive(Deserialize)]
    struct Only {
        #[serde(default, deserialize_with = "maybe")]
        usage: Option<Counted>,
    }
    object::<Only>(body)?.usage?.read()
}

/// `usage` as received.
#[derive(Deserialize)]
struct Counted {
    #[serde(alias = "prompt_tokens", default)]
    input_tokens: Tokens,
    #[serde(alias = "completion_tokens", default)]
    output_tokens: Tokens,
}

impl Counted {
    fn read(self) -> Option<Usage> {
        Some(Usage {
            input: self.input_tokens.0?,
            output: self.output_tokens.0.unwrap_or_default(),
            ..Usage::default()
        })
    }
}

/// Reads the usage in the last bytes of an event stream. OpenAI's image and transcription streams have it at the end of the last event,
/// after possibly megabytes of data. Text that mentions `"usage"` has its quotes escaped, so it cannot match.
pub fn usage_at_end(tail: &[u8]) -> Option<Usage> {
    const NAME: &[u8] = b"\"usage\":";
    let at = memchr::memmem::rfind(tail, NAME)?;
    let value = tail.get(at + NAME.len()..)?;
    let value = value.trim_ascii_start().starts_with(b"{").then_some(value)?;
    serde_json::Deserializer::from_slice(value).into_iter::<Counted>().next()?.ok()?.read()
}

/// Reads an object. Rejects a list, which serde would read as fields in order.
fn object<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Option<T> {
    let object = body.trim_ascii_start().starts_with(b"{").then_some(body)?;
    json::from_slice(object).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn usage_is_read_where_there_is_any() {
        for (body, expected) in [
            (r#"{"usage":{"input_tokens":3,"output_tokens":4,"total_tokens":7}}"#, Some((3, 4))),
            (r#"{"usage":{"prompt_tokens":3,"total_tokens":3}}"#, Some((3, 0))),
            (r#"{"usage":{"type":"duration","seconds":3}}"#, None),
            (r#"{"data":[]}"#, None),
            (r#"[{"usage":{"input_tokens":3}}]"#, None),
            ("no json", None),
        ] {
            let summary = peek(body.as_bytes()).unwrap();
            assert_eq!(summary.usage.map(|usage| (usage.input, usage.output)), expected, "{body}");
        }
    }

    #[test]
    fn usage_at_the_end_of_a_stream_is_read_and_not_what_a_text_says_of_it() {
        let done = r#"data: {"type":"image_generation.completed","b64_json":"AAAA","usage":{"input_tokens":3,"output_tokens":4}}"#;
        let said = r#"{"text":"\"usage\":{\"input_tokens\":1}","x":1}"#;
        for (tail, expected) in [
            (format!("{done}\n\ndata: [DONE]\n\n"), Some((3, 4))),
            (format!("{done}\n\ndata: {said}\n\n"), Some((3, 4))),
            (said.to_owned(), None),
            (r#""usage":null}"#.to_owned(), None),
            (r#""usage":[1,2]}"#.to_owned(), None),
            (r#""usage":{"input_tok"#.to_owned(), None),
        ] {
            assert_eq!(usage_at_end(tail.as_bytes()).map(|usage| (usage.input, usage.output)), expected, "{tail}");
        }
    }

    #[test]
    fn an_error_in_a_200_is_one() {
        let error = peek(br#"{"error":{"message":"no","type":"server_error"}}"#).unwrap_err();
        assert_eq!((error.status, error.message.as_str()), (500, "no"));
    }
}
