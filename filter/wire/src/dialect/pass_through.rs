//! Endpoints of OpenAI's that are passed to providers which have them, and never translated: images, sound, moderations,
//! ranking, and what a provider keeps for its clients.
//!
//! What they are asked and answer is their provider's business. The gateway knows where the model's name stands, and reads
//! the usage of an answer that is JSON.

use serde::Deserialize;

use crate::conversation::Usage;
use crate::error::ApiError;
use crate::lenient::{Tokens, maybe};

use super::openai_chat::OpenAiChat;
use super::{Content, Dialect, Field, Glance, Shape};

/// One such endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PassThrough {
    name: &'static str,
    path: &'static str,
    asked: &'static str,
}

/// Those that ask a model: by POST, with its name in the body, which is JSON or a form.
pub static ENDPOINTS: [PassThrough; 8] = [
    PassThrough { name: "images", path: "/images/generations", asked: "prompt" },
    PassThrough { name: "image_edits", path: "/images/edits", asked: "" },
    PassThrough { name: "image_variations", path: "/images/variations", asked: "" },
    PassThrough { name: "speech", path: "/audio/speech", asked: "input" },
    PassThrough { name: "transcriptions", path: "/audio/transcriptions", asked: "" },
    PassThrough { name: "audio_translations", path: "/audio/translations", asked: "" },
    PassThrough { name: "moderations", path: "/moderations", asked: "input" },
    PassThrough { name: "rerank", path: "/rerank", asked: "" },
];

/// What a provider keeps: files, batches, stored responses. Nothing in such a request names a model.
pub static STORED: PassThrough = PassThrough { name: "stored", path: "", asked: "" };

/// Whether a client asks for what a provider keeps: its own words, whatever they are.
pub fn is_stored(client: &dyn Dialect) -> bool {
    client.name() == STORED.name
}

impl PassThrough {
    /// Below the version's path.
    pub fn path(&self) -> &'static str {
        self.path
    }
}

impl Dialect for PassThrough {
    fn name(&self) -> &'static str {
        self.name
    }

    fn content(&'static self) -> Content {
        Content::PassedThrough
    }

    /// Nothing is looked at, so nothing is lost.
    fn fields(&self) -> &'static [Field] {
        &[]
    }

    fn shape(&self) -> Shape {
        // None of them has a field that bounds its answer.
        let makes_images = self.path.starts_with("/images/");
        Shape { asked: self.asked, limits: &[], free: is_stored(self), makes_images, ..Shape::default() }
    }

    fn path(&self, _model: &str, _stream: bool) -> String {
        self.path.to_owned()
    }

    fn read_error(&self, status: u16, hint: Option<&str>, body: &[u8]) -> ApiError {
        OpenAiChat.read_error(status, hint, body)
    }

    fn status(&self, error: &ApiError) -> u16 {
        OpenAiChat.status(error)
    }

    fn write_error(&self, error: &ApiError) -> Vec<u8> {
        OpenAiChat.write_error(error)
    }

    fn peek_response(&self, body: &[u8]) -> Result<Glance, ApiError> {
        #[derive(Deserialize)]
        struct Failed {
            #[serde(default)]
            error: Option<serde::de::IgnoredAny>,
        }
        match object(body) {
            Some(Failed { error: Some(_) }) => Err(OpenAiChat.read_error(500, None, body)),
            _ => Ok(Glance { usage: self.usage_of(body), finished: true, ..Glance::default() }),
        }
    }

    /// Newer endpoints count as the Responses API does, older ones as chat completions.
    fn usage_of(&self, body: &[u8]) -> Option<Usage> {
        #[derive(Deserialize)]
        struct Only {
            #[serde(default, deserialize_with = "maybe")]
            usage: Option<Counted>,
        }
        object::<Only>(body)?.usage?.read()
    }
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
    serde_json::from_slice(object).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn usage_is_read_where_there_is_any() {
        let [images, ..] = &ENDPOINTS;
        for (body, expected) in [
            (r#"{"usage":{"input_tokens":3,"output_tokens":4,"total_tokens":7}}"#, Some((3, 4))),
            (r#"{"usage":{"prompt_tokens":3,"total_tokens":3}}"#, Some((3, 0))),
            (r#"{"usage":{"type":"duration","seconds":3}}"#, None),
            (r#"{"data":[]}"#, None),
            (r#"[{"usage":{"input_tokens":3}}]"#, None),
            ("no json", None),
        ] {
            let glance = images.peek_response(body.as_bytes()).unwrap();
            assert_eq!(glance.usage.map(|usage| (usage.input, usage.output)), expected, "{body}");
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
        let [images, ..] = &ENDPOINTS;
        let error = images.peek_response(br#"{"error":{"message":"no","type":"server_error"}}"#).unwrap_err();
        assert_eq!((error.status, error.message.as_str()), (500, "no"));
    }
}
