//! Endpoints of OpenAI's that are passed to providers which have them, and never translated: images, sound, moderations,
//! ranking, and what a provider keeps for its clients.
//!
//! What they are asked and answer is their provider's business. The gateway knows where the model's name stands, and reads
//! the usage of an answer that is JSON.

use serde::Deserialize;

use crate::conversation::Usage;
use crate::error::ApiError;
use crate::json;
use crate::lenient::{Tokens, maybe};

use super::client::{Asks, Client, PeekSpec};
use super::openai::{self, error};
use super::provider::Provider;
use super::{Id, ResponseSummary};

/// Endpoints that ask a model: by POST, with its name in the body, which is JSON or a form.
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

/// What a provider keeps: files, batches, stored responses. Nothing in such a request names a model.
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

/// Whether a client asks for what a provider keeps: its own words, whatever they are.
pub fn is_stored(client: &Client) -> bool {
    client.id() == Id::Stored
}

const fn client(provider: &'static Provider, asked: &'static str) -> Client {
    Client {
        provider,
        // None of them has a field that bounds its answer.
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

/// The usage of an answer that is JSON, or the error that it is.
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

/// Newer endpoints count as the Responses API does, older ones as chat completions.
fn usage_of(body: &[u8]) -> Option<Usage> {
    #[derive(Deserialize)]
    struct Only {
        #[serde(default, deserialize_with = "maybe")]
        usage: Option<Counted>,
    }
    object::<Only>(body)?.usage?.read()
}

/// `usage` as it came.
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

/// The usage in the last bytes of a stream of events that passes. In OpenAI's streams of images and of transcripts it stands at
/// the end of the last event, behind what may be megabytes. A text that speaks of usage has its quotes escaped.
pub fn usage_at_end(tail: &[u8]) -> Option<Usage> {
    const NAME: &[u8] = b"\"usage\":";
    let at = memchr::memmem::rfind(tail, NAME)?;
    let value = tail.get(at + NAME.len()..)?;
    let value = value.trim_ascii_start().starts_with(b"{").then_some(value)?;
    serde_json::Deserializer::from_slice(value).into_iter::<Counted>().next()?.ok()?.read()
}

/// Reads an object; a list is none, though its items could be taken for fields.
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
