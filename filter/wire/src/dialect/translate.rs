//! From one format to another, by way of what both are about.

use crate::conversation::{self, Response, Usage};
use crate::embedding::Encoding;
use crate::error::{ApiError, ErrorKind};
use crate::footprint;

use super::aliases::{self, Names};
use super::{Asks, ChatClient, ChatProvider, Client, Opening, Provider, Serves, StreamReader, mended, places, recast};

/// A request as its provider wants it.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Translated {
    /// The JSON body.
    pub body: Vec<u8>,
    /// Hints that the provider has no words for, by the names the client's dialect gives them.
    pub dropped: Vec<String>,
    /// How its tools come back.
    pub names: Names,
}

/// An answer as its client wants it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TranslatedResponse {
    /// Its body.
    pub body: Vec<u8>,
    /// Tokens, when the provider said.
    pub usage: Option<Usage>,
}

/// What an answer's writer must know of what was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Asked<'a> {
    /// Stands in where the provider names no model.
    pub model: &'a str,
    /// Stands in where the provider gives its answer no name.
    pub id: &'a str,
    /// Unix seconds, for formats that date their answers.
    pub now: u64,
    /// How the client wants vectors written.
    pub encoding: Encoding,
    /// The prompt's tokens by estimate, for formats that owe their clients a count where the provider gave none.
    pub estimate: u64,
    /// How the request's tools come back.
    pub names: &'a Names,
}

/// How often a thread read and wrote requests to translate them, for tests that count it. No release has it.
#[cfg(debug_assertions)]
pub mod counted {
    use std::cell::Cell;

    thread_local! {
        static COUNTS: Cell<Counts> = const { Cell::new(Counts { read: 0, written: 0 }) };
    }

    /// How often requests were read, and written.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
    pub struct Counts {
        /// Read.
        pub read: u32,
        /// Written.
        pub written: u32,
    }

    pub(super) fn read() {
        COUNTS.set(Counts { read: COUNTS.get().read.saturating_add(1), ..COUNTS.get() });
    }

    pub(super) fn written() {
        COUNTS.set(Counts { written: COUNTS.get().written.saturating_add(1), ..COUNTS.get() });
    }

    /// The counts since this was last called.
    pub fn taken() -> Counts {
        COUNTS.take()
    }
}

/// A parsed chat request, kept so that the body for a second provider can be written without parsing the client's body again. A request
/// for embeddings is not kept: its parsed form borrows from the body.
#[derive(Debug, Default)]
pub struct ParsedRequest(Option<conversation::Request>);

/// What a client of `client` sent, as a provider of `provider` wants it, for that provider's `model`.
pub fn request(client: &Client, provider: &Provider, body: &[u8], model: &str) -> Result<Translated, ApiError> {
    request_again(client, provider, (body, &mut ParsedRequest::default()), model)
}

/// Like [`request`], for a body that may have been parsed for another provider: `reading` must come from the same body. It stays filled
/// unless this provider needs other tool names or call identifiers than the client's.
pub fn request_again(
    client: &Client,
    provider: &Provider,
    (body, reading): (&[u8], &mut ParsedRequest),
    model: &str,
) -> Result<Translated, ApiError> {
    #[cfg(debug_assertions)]
    counted::written();
    match (&client.asks, &provider.serves) {
        (Asks::Chat(chat), Serves::Chat(provider)) => {
            let mut request = match reading.0.take() {
                Some(request) => request,
                None => {
                    #[cfg(debug_assertions)]
                    counted::read();
                    (chat.read_request)(body)?
                }
            };
            let aliases = aliases::apply(&mut request, &provider.rules);
            let written = (provider.write_request)(&request, model);
            let written = written.map_err(|error| places::blaming(client, body, &request, error));
            reading.0 = Some(request).filter(|_| !aliases.any);
            let written = written?;
            Ok(Translated { body: written.body, dropped: by_own_names(client, written.dropped), names: aliases.names })
        }
        (Asks::Embeddings(embeddings), Serves::Embeddings(provider)) => {
            #[cfg(debug_assertions)]
            counted::read();
            let request = (embeddings.read_request)(body)?;
            let written = (provider.write_request)(&request, model).map_err(|error| places::by_name(client, error))?;
            Ok(Translated {
                dropped: by_own_names(client, written.dropped),
                body: written.body,
                names: Names::default(),
            })
        }
        _ => Err(unrelated()),
    }
}

/// What was left out, by the names that clients of this format have for it.
pub fn by_own_names(client: &Client, dropped: Vec<String>) -> Vec<String> {
    dropped.into_iter().map(|name| places::own_name(client, &name).unwrap_or(name)).collect()
}

/// What a provider of `provider` answered, as a client of `client` reads it.
pub fn answer(
    client: &Client,
    provider: &Provider,
    body: &[u8],
    asked: &Asked<'_>,
) -> Result<TranslatedResponse, ApiError> {
    footprint::check_answer(body)?;
    match (&client.asks, &provider.serves) {
        (Asks::Chat(client), Serves::Chat(provider)) => {
            let response = read(client, provider, body, asked)?;
            Ok(TranslatedResponse { body: (client.write_response)(&response, asked.now), usage: response.usage })
        }
        (Asks::Embeddings(client), Serves::Embeddings(provider)) => {
            let mut response = (provider.read_response)(body)?;
            if response.model.is_empty() {
                response.model = asked.model.into();
            }
            let usage = response.usage;
            response.usage = usage.or(Some(Usage { input: asked.estimate, ..Usage::default() }));
            Ok(TranslatedResponse { body: (client.write_response)(&response, asked.encoding)?, usage })
        }
        _ => Err(unrelated()),
    }
}

/// Whether a provider of `provider` sent `body` as a stream, whatever its headers say.
pub fn is_stream(provider: &Provider, body: &[u8]) -> bool {
    recast::is_stream(body, provider.stream_type)
}

/// What a provider answered, in one piece or as a stream that is all here: `streamed`.
pub fn answer_in_any_form(
    client: &ChatClient,
    provider: &ChatProvider,
    (body, streamed): (&[u8], bool),
    asked: &Asked<'_>,
) -> Result<Response, ApiError> {
    if streamed {
        let mut response = recast::collected(&mut *stream(client, provider, asked.names), body)?;
        asked.name(&mut response);
        return Ok(response);
    }
    footprint::check_answer(body)?;
    read(client, provider, body, asked)
}

/// A whole answer as the stream that a client of `client` asked for.
pub fn streamed(client: &ChatClient, response: Response, opening: Opening) -> Vec<u8> {
    let (mut writer, mut out) = ((client.stream_writer)(opening), Vec::new());
    recast::events(response).iter().for_each(|event| writer.write(event, &mut out));
    out
}

fn read(client: &ChatClient, provider: &ChatProvider, body: &[u8], asked: &Asked<'_>) -> Result<Response, ApiError> {
    let mut response = (provider.read_response)(body)?;
    asked.name(&mut response);
    mended::whole(&mut response, client.ids, asked.names);
    Ok(response)
}

impl Asked<'_> {
    /// An answer without a name gets the request's, and the target's model; each gets what its writer must know of the tools.
    fn name(&self, response: &mut Response) {
        if response.model.is_empty() {
            self.model.clone_into(&mut response.model);
        }
        if response.id.is_empty() {
            self.id.clone_into(&mut response.id);
        }
        response.guises.clone_from(&self.names.guises);
    }
}

/// Reads a provider's stream, for a client of another format; `names` had been changed in the request.
pub fn stream(client: &ChatClient, provider: &ChatProvider, names: &Names) -> Box<dyn StreamReader> {
    Box::new(mended::Reader::new((provider.stream_reader)(), client.ids, names.clone()))
}

/// The two formats are about different things.
fn unrelated() -> ApiError {
    ApiError::new(400, ErrorKind::InvalidRequest, "The provider does not offer this endpoint.")
        .with_code("endpoint_not_available")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dialect::{anthropic, cohere, openai_chat, responses};
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn errors_and_drops_have_the_clients_own_names_of_fields() {
        let chat = r#"{"model":"m","messages":[{"role":"user","content":"x"}],"reasoning_effort":"odd"}"#;
        let responses = r#"{"model":"m","input":"x","reasoning":{"effort":"odd"}}"#;
        for (client, body, field) in
            [(&openai_chat::CLIENT, chat, "reasoning_effort"), (&responses::CLIENT, responses, "reasoning.effort")]
        {
            let error = request(client, &cohere::PROVIDER, body.as_bytes(), "command-a-reasoning").unwrap_err();
            assert_eq!(error.param.as_deref(), Some(field));
            assert!(error.message.contains(&format!("'{field}'")), "{}", error.message);
        }
        let message = r#"{"model":"m","max_tokens":9,"messages":[{"role":"user","content":"x"}],"output_config":{"effort":"high"}}"#;
        let written = request(&anthropic::CLIENT, &openai_chat::PROVIDER, message.as_bytes(), "gpt-4o").unwrap();
        assert_eq!(written.dropped, ["output_config.effort"]);
    }
}
