//! Translates from one format to another, through the shared model.

use crate::content_filter::FilterResults;
use crate::conversation::{self, FinishReasons, Response, Usage};
use crate::embedding::Encoding;
use crate::error::{ApiError, ErrorKind};
use crate::footprint;

use super::aliases::{self, Names};
use super::{
    Asks, ChatClient, ChatProvider, Client, Opening, Provider, Serves, StreamReader, field_paths, mended, recast,
};

/// A request in the provider's format.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Translated {
    /// The JSON body.
    pub body: Vec<u8>,
    /// Fields dropped because the provider has no equivalent, by their names in the client's dialect.
    pub dropped: Vec<String>,
    /// The names by which to translate tool calls in the response.
    pub names: Names,
    /// The number of cache marks that the gateway added.
    pub marks: usize,
}

/// A response in the client's format.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TranslatedResponse {
    /// The body in the client's format.
    pub body: Vec<u8>,
    /// Token usage, if the provider reported it.
    pub usage: Option<Usage>,
    /// The finish reasons.
    pub reasons: FinishReasons,
}

/// Facts about the request that a response writer needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ResponseContext<'a> {
    /// The model's name to use if the provider gives none.
    pub model: &'a str,
    /// The response id to use if the provider gives none.
    pub id: &'a str,
    /// Unix seconds, for formats with a creation time.
    pub now: u64,
    /// The client's encoding for vectors.
    pub encoding: Encoding,
    /// The estimated prompt tokens, for formats that must report a count even if the provider gave none.
    pub estimate: u64,
    /// The names by which to translate tool calls.
    pub names: &'a Names,
}

/// Counts the requests that a thread parses and writes in translation. For tests only.
#[cfg(debug_assertions)]
pub mod counted {
    use std::cell::Cell;

    thread_local! {
        static COUNTS: Cell<Counts> = const { Cell::new(Counts { read: 0, written: 0 }) };
    }

    /// Numbers of requests parsed and written.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
    pub struct Counts {
        /// Requests parsed.
        pub read: u32,
        /// Requests written.
        pub written: u32,
    }

    pub(super) fn read() {
        COUNTS.set(Counts { read: COUNTS.get().read.saturating_add(1), ..COUNTS.get() });
    }

    pub(super) fn written() {
        COUNTS.set(Counts { written: COUNTS.get().written.saturating_add(1), ..COUNTS.get() });
    }

    /// Returns and resets the counts.
    pub fn taken() -> Counts {
        COUNTS.take()
    }
}

/// A parsed chat request, stored so that the body for a second provider can be written without parsing the client's body again. Embeddings
/// requests are not stored: their parsed form borrows from the body.
#[derive(Debug, Default)]
pub struct ParsedRequest(Option<conversation::Request>);

/// Translates a request from the format of `client` to that of `provider`, for that provider's `model`.
pub fn request(client: &Client, provider: &Provider, body: &[u8], model: &str) -> Result<Translated, ApiError> {
    request_again(client, provider, (body, &mut ParsedRequest::default()), model)
}

/// Like [`request`], for a body that may have been parsed for another provider: `reading` must come from the same body. It stays filled
/// unless this provider needs other tool names or call ids than the client's.
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
            let written = written.map_err(|error| field_paths::blaming(client, body, &request, error));
            reading.0 = Some(request).filter(|_| !aliases.any);
            let written = written?;
            let dropped = by_own_names(client, written.dropped);
            Ok(Translated { body: written.body, dropped, names: aliases.names, marks: 0 })
        }
        (Asks::Embeddings(embeddings), Serves::Embeddings(provider)) => {
            #[cfg(debug_assertions)]
            counted::read();
            let request = (embeddings.read_request)(body)?;
            let written =
                (provider.write_request)(&request, model).map_err(|error| field_paths::by_name(client, error))?;
            let dropped = by_own_names(client, written.dropped);
            Ok(Translated { body: written.body, dropped, ..Translated::default() })
        }
        _ => Err(unrelated()),
    }
}

/// Converts the names of dropped fields to the client's own names.
pub fn by_own_names(client: &Client, dropped: Vec<String>) -> Vec<String> {
    dropped.into_iter().map(|name| field_paths::own_name(client, &name).unwrap_or(name)).collect()
}

/// Translates a response from the format of `provider` to that of `client`.
pub fn answer(
    client: &Client,
    provider: &Provider,
    body: &[u8],
    context: &ResponseContext<'_>,
) -> Result<TranslatedResponse, ApiError> {
    footprint::check_answer(body)?;
    match (&client.asks, &provider.serves) {
        (Asks::Chat(client), Serves::Chat(provider)) => {
            let response = read(client, provider, body, context)?;
            Ok(TranslatedResponse {
                body: (client.write_response)(&response, context.now),
                usage: response.usage,
                reasons: response.finish_reasons(),
            })
        }
        (Asks::Embeddings(client), Serves::Embeddings(provider)) => {
            let mut response = (provider.read_response)(body)?;
            if response.model.is_empty() {
                response.model = context.model.into();
            }
            let usage = response.usage;
            response.usage = usage.or(Some(Usage { input: context.estimate, ..Usage::default() }));
            let body = (client.write_response)(&response, context.encoding)?;
            Ok(TranslatedResponse { body, usage, reasons: FinishReasons::default() })
        }
        _ => Err(unrelated()),
    }
}

/// Whether `body` is a stream of the provider's format, regardless of its headers.
pub fn is_stream(provider: &Provider, body: &[u8]) -> bool {
    recast::is_stream(body, provider.stream_type)
}

/// Reads a provider's response: whole, or a complete stream if `streamed`. Also returns the results of content filters in a stream.
pub fn answer_in_any_form(
    client: &ChatClient,
    provider: &ChatProvider,
    (body, streamed): (&[u8], bool),
    context: &ResponseContext<'_>,
) -> Result<(Response, FilterResults), ApiError> {
    if streamed {
        let (mut response, filters) = recast::collected(&mut *stream(client, provider, context.names), body)?;
        context.name(&mut response);
        return Ok((response, filters));
    }
    footprint::check_answer(body)?;
    Ok((read(client, provider, body, context)?, FilterResults::default()))
}

/// Encodes a whole response as a stream for `client`.
pub fn streamed(client: &ChatClient, response: Response, opening: Opening) -> Vec<u8> {
    let (mut writer, mut out) = ((client.stream_writer)(opening), Vec::new());
    recast::events(response).iter().for_each(|event| writer.write(event, &mut out));
    out
}

fn read(
    client: &ChatClient,
    provider: &ChatProvider,
    body: &[u8],
    context: &ResponseContext<'_>,
) -> Result<Response, ApiError> {
    let mut response = (provider.read_response)(body)?;
    response.guises.check()?;
    context.name(&mut response);
    mended::whole(&mut response, client.ids, context.names);
    Ok(response)
}

impl ResponseContext<'_> {
    /// Fills in a missing response id and model name, and the details of the tools that the writer needs.
    fn name(&self, response: &mut Response) {
        if response.model.is_empty() {
            self.model.clone_into(&mut response.model);
        }
        if response.id.is_empty() {
            self.id.clone_into(&mut response.id);
        }
        // The request was not translated if the response names some.
        if response.guises.is_empty() {
            response.guises.clone_from(&self.names.guises);
        }
    }
}

/// Reads a provider's stream for a client of another format; `names` are the tool names changed in the request.
pub fn stream(client: &ChatClient, provider: &ChatProvider, names: &Names) -> Box<dyn StreamReader> {
    Box::new(mended::Reader::new((provider.stream_reader)(), client.ids, names.clone()))
}

/// The error for two formats of different kinds.
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
