//! What clients may call: for each path, what is wanted there and in which format.

use serde::Serialize;
use sluice_wire::dialect::count::{COUNT_TOKENS, INPUT_TOKENS};
use sluice_wire::dialect::pass_through::{ENDPOINTS, STORED};
use sluice_wire::dialect::{Client, Id, anthropic, completions, openai_chat, openai_embeddings, responses};
use sluice_wire::error::{ApiError, ErrorKind};
use sluice_wire::percent;

use super::{Refused, path};

/// What is wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum EndpointKind {
    /// A model is asked something.
    Ask,
    /// The list of models.
    Models,
    /// One of them, by its name.
    Model(String),
    /// What a provider keeps for clients.
    Stored,
    /// What this is: for people who try the address.
    About,
    /// Whether it is alive.
    Alive,
    /// Whether it should be sent requests.
    Ready,
}

/// One of the gateway's endpoints.
#[derive(Debug, Clone)]
pub(super) struct Endpoint {
    /// What is wanted.
    pub purpose: EndpointKind,
    /// The format that its client speaks.
    pub client: &'static Client,
}

/// Where models are asked: by POST.
const ASKED: &[(&str, &Client)] = &[
    ("/v1/chat/completions", &openai_chat::CLIENT),
    ("/v1/responses", &responses::CLIENT),
    ("/v1/responses/input_tokens", &INPUT_TOKENS),
    ("/v1/completions", &completions::CLIENT),
    ("/v1/embeddings", &openai_embeddings::CLIENT),
    (MESSAGES, &anthropic::CLIENT),
    ("/v1/messages/count_tokens", &COUNT_TOKENS),
];

/// Below it there is nothing but Anthropic's.
pub const MESSAGES: &str = "/v1/messages";

const MODELS: &str = "/v1/models";

/// What all paths begin with; a provider's base URL has its own.
pub(super) const VERSION: &str = "/v1";

/// Whether the gateway is alive: 200 as long as it answers at all.
pub const ALIVE: &str = "/health";

/// Whether the gateway should be sent requests: no more once it drains.
pub const READY: &str = "/ready";

/// For people who try the gateway's address.
const ABOUT: [&str; 2] = ["/", VERSION];

/// Methods of an endpoint that is only read.
const READ: &str = "GET, HEAD";

/// Why nothing is at a path for a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unserved {
    /// It has other methods.
    Method(&'static str),
    /// There is nothing.
    Path,
}

impl Endpoint {
    /// The endpoint at `path`, which is canonical and has no query. Lists of models come in Anthropic's form for clients that are
    /// Anthropic's.
    pub(super) fn at(method: &str, path: &str, is_anthropics: bool) -> Result<Self, Unserved> {
        let client: &'static Client = if is_anthropics { &anthropic::CLIENT } else { &openai_chat::CLIENT };
        let (methods, purpose, client) = match format_at(path) {
            Some(format) => ("POST", EndpointKind::Ask, format),
            None if is_stored(path) => ("GET, HEAD, POST, DELETE", EndpointKind::Stored, &STORED),
            None if path == ALIVE => (READ, EndpointKind::Alive, client),
            None if path == READY => (READ, EndpointKind::Ready, client),
            None if ABOUT.contains(&path) => (READ, EndpointKind::About, client),
            None => match path.strip_prefix(MODELS) {
                Some("") => (READ, EndpointKind::Models, client),
                Some(rest) if rest.len() > 1 && rest.starts_with('/') => {
                    (READ, EndpointKind::Model(percent_decoded(rest.get(1..).unwrap_or_default())), client)
                }
                _ => return Err(Unserved::Path),
            },
        };
        if methods.split(", ").any(|known| known == method) {
            Ok(Self { purpose, client })
        } else {
            Err(Unserved::Method(methods))
        }
    }
}

/// Whether there is an endpoint at `path`, for whichever method.
pub(super) fn is_served(path: &str) -> bool {
    !matches!(Endpoint::at("", path, false), Err(Unserved::Path))
}

impl Unserved {
    /// What the client reads that has sent this to `origin`.
    pub(super) fn refused(self, method: &str, path: &str, origin: &str) -> Refused {
        let path: String = path.chars().filter(|character| !character.is_control()).take(200).collect();
        let bases = format!("base_url to {origin}{VERSION} (for Anthropic's clients: {origin})");
        match self {
            Self::Method(methods) => {
                let message = format!("{path} does not support {method}. Use {methods}.");
                let error = ApiError::new(405, ErrorKind::InvalidRequest, message).with_code("method_not_allowed");
                Refused { error: error.into(), headers: vec![("allow", methods.to_owned())] }
            }
            Self::Path if path::is_azures(&path) => not_found(format!(
                "{path} is an Azure OpenAI path. Use the OpenAI client instead of the Azure client: set its {bases}, \
                 and name the model in the body."
            )),
            Self::Path => not_found(format!("Unknown request URL: {method} {path}. Set {bases}.")),
        }
    }
}

fn not_found(message: String) -> Refused {
    ApiError::new(404, ErrorKind::NotFound, message).with_code("unknown_url").into()
}

/// What the gateway is, for somebody who asks at `origin`.
pub(super) fn about(origin: &str) -> Vec<u8> {
    #[derive(Serialize)]
    struct About<'a> {
        name: &'static str,
        description: &'static str,
        base_url: String,
        anthropic_base_url: &'a str,
        endpoints: Vec<String>,
    }
    let asked = asked_at().map(|path| format!("POST {path}"));
    let read = [MODELS, ALIVE, READY].map(|path| format!("GET {path}"));
    let about = About {
        name: "Sluice",
        description: "An LLM gateway that speaks the APIs of OpenAI and Anthropic.",
        base_url: format!("{origin}{VERSION}"),
        anthropic_base_url: origin,
        endpoints: asked.chain(read).collect(),
    };
    // Texts into a `Vec` cannot fail.
    serde_json::to_vec(&about).unwrap_or_default()
}

/// The format in which models are asked at `path`.
pub(super) fn format_at(path: &str) -> Option<&'static Client> {
    let asked = ASKED.iter().find_map(|(known, format)| (*known == path).then_some(*format));
    asked.or_else(|| {
        let below = path.strip_prefix(VERSION)?;
        ENDPOINTS.iter().find(|endpoint| path_of(endpoint) == below).copied()
    })
}

/// Whether a client that speaks so reads errors in Anthropic's format; every other one reads OpenAI's.
pub(super) fn reads_anthropics_errors(client: &Client) -> bool {
    matches!(client.id(), Id::Anthropic | Id::CountTokens)
}

/// The paths at which errors have OpenAI's format, whatever else a request says of its client.
pub fn with_openais_errors() -> impl Iterator<Item = String> {
    asked_at().filter(|path| format_at(path).is_some_and(|format| !reads_anthropics_errors(format)))
}

/// Where an endpoint is that is passed through: no model stands in its path.
fn path_of(endpoint: &Client) -> String {
    (endpoint.provider.path)("", false)
}

/// Every path at which models are asked.
pub(super) fn asked_at() -> impl Iterator<Item = String> {
    let passed = ENDPOINTS.iter().map(|endpoint| format!("{VERSION}{}", path_of(endpoint)));
    ASKED.iter().map(|(path, _)| (*path).to_owned()).chain(passed)
}

/// Whether `path` is of what a provider keeps. Only plain segments: what a provider takes for a way up could lead to an
/// endpoint that is limited and charged.
fn is_stored(path: &str) -> bool {
    let is_plain = |segment: &str| {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte);
        segment.bytes().all(plain) && segment.bytes().any(|byte| byte != b'.')
    };
    let Some(below) = path.strip_prefix(VERSION).and_then(|below| below.strip_prefix('/')) else { return false };
    let mut segments = below.split('/');
    let kept = match segments.next() {
        Some("files" | "batches") => true,
        Some("responses") => segments.clone().next().is_some_and(|id| id.starts_with("resp_")),
        _ => false,
    };
    kept && segments.all(is_plain)
}

/// The format in which a client at `path` expects to read errors: at a path that is unknown, too.
pub(super) fn speaker_at(path: &str, is_anthropics: bool) -> &'static Client {
    let below = |root: &str| path.strip_prefix(root).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
    match format_at(path) {
        Some(format) => format,
        None if is_anthropics || below(MESSAGES) => &anthropic::CLIENT,
        None => &openai_chat::CLIENT,
    }
}

/// A name out of a path. What is not well encoded stays as it is: no model is called so.
pub(super) fn percent_decoded(text: &str) -> String {
    String::from_utf8(percent::decoded(text)).unwrap_or_else(|_| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn a_models_name_may_stand_in_the_path_encoded_or_not() {
        for (path, name) in [
            ("/v1/models/gpt-5", "gpt-5"),
            ("/v1/models/openai/gpt-5", "openai/gpt-5"),
            ("/v1/models/openai%2Fgpt-5", "openai/gpt-5"),
            ("/v1/models/%zz%2", "%zz%2"),
            ("/v1/models/%ff", "%ff"),
        ] {
            assert_eq!(Endpoint::at("GET", path, false).unwrap().purpose, EndpointKind::Model(name.to_owned()));
        }
    }

    #[test]
    fn every_path_at_which_models_are_asked_has_its_format() {
        assert!(asked_at().all(|path| format_at(&path).is_some()));
        assert!(["/v1/messages", "/v1/audio/speech"].iter().all(|path| asked_at().any(|asked| asked == *path)));
    }

    #[test]
    fn what_is_kept_is_named_by_plain_segments() {
        for path in ["/v1/files", "/v1/files/file-1/content", "/v1/batches/b_1/cancel", "/v1/responses/resp_1"] {
            assert_eq!(Endpoint::at("GET", path, false).unwrap().purpose, EndpointKind::Stored, "{path}");
        }
        for path in [
            "/v1/files/../chat/completions",
            "/v1/files/%2e%2e/x",
            "/v1/files/",
            "/v1/files//x",
            "/v1/files/.",
            "/v1/responses",
            "/v1/responses/compact",
            "/v1/filesystem",
            "/files",
        ] {
            assert!(Endpoint::at("GET", path, false).is_err(), "{path}");
        }
        assert_eq!(Endpoint::at("PUT", "/v1/files", false).err(), Some(Unserved::Method("GET, HEAD, POST, DELETE")));
    }

    #[test]
    fn each_path_has_its_format_and_other_methods_are_unknown() {
        for (path, name) in ASKED.iter().map(|(path, format)| (path, format.id())) {
            assert_eq!(Endpoint::at("POST", path, false).unwrap().client.id(), name);
            assert_eq!(speaker_at(path, false).id(), name);
            assert_eq!(Endpoint::at("GET", path, false).err(), Some(Unserved::Method("POST")));
        }
        for (path, is_anthropics, name) in [
            ("/v1/messages/batches", false, "anthropic"),
            ("/v1/messages/", false, "anthropic"),
            ("/v1/messagesofmine", false, "openai_chat"),
            ("/v1/files", true, "anthropic"),
            ("/v1/files", false, "openai_chat"),
        ] {
            assert_eq!(speaker_at(path, is_anthropics).id().name(), name, "{path}");
        }
        assert_eq!(Endpoint::at("POST", "/v2/chat", false).err(), Some(Unserved::Path));
    }

    #[test]
    fn what_is_read_may_be_asked_for_without_a_body() {
        for (path, purpose) in [
            ("/", EndpointKind::About),
            ("/v1", EndpointKind::About),
            ("/health", EndpointKind::Alive),
            ("/ready", EndpointKind::Ready),
            ("/v1/models", EndpointKind::Models),
        ] {
            for method in ["GET", "HEAD"] {
                assert_eq!(Endpoint::at(method, path, false).unwrap().purpose, purpose, "{method} {path}");
            }
            assert_eq!(Endpoint::at("POST", path, false).err(), Some(Unserved::Method("GET, HEAD")), "{path}");
        }
        let about: serde_json::Value = serde_json::from_slice(&about("http://x")).unwrap();
        assert_eq!((&about["base_url"], &about["name"]), (&"http://x/v1".into(), &"Sluice".into()));
    }

    #[test]
    fn a_wrong_path_is_told_the_right_base_url_in_one_line() {
        for path in ["/v2/chat", "/openai/deployments/x/chat/completions", "/\u{7}\n"] {
            let Refused { error, .. } = Unserved::Path.refused("POST", path, "http://x:1");
            assert_eq!((error.status, error.code.as_deref()), (404, Some("unknown_url")));
            assert!(error.message.contains("base_url to http://x:1/v1 (for Anthropic's clients: http://x:1)"));
            assert!(!error.message.contains('\n') && error.message.len() < 300, "{}", error.message);
        }
    }
}
