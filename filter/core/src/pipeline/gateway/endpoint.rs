//! The gateway's endpoints: the kind and the format of each path.

use serde::Serialize;
use sluice_wire::dialect::count::{COUNT_TOKENS, INPUT_TOKENS};
use sluice_wire::dialect::pass_through::{ENDPOINTS, STORED};
use sluice_wire::dialect::{Client, Id, anthropic, completions, openai_chat, openai_embeddings, responses};
use sluice_wire::error::{ApiError, ErrorKind};
use sluice_wire::percent;

use super::{Refused, path};

/// The kind of an endpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum EndpointKind {
    /// Sends a request to a model.
    Ask,
    /// Lists the models.
    Models,
    /// Returns one model.
    Model(String),
    /// Accesses objects that a provider stores for clients.
    Stored,
    /// Describes the gateway, for people who open its address.
    About,
    /// The liveness check.
    Alive,
    /// The readiness check.
    Ready,
}

/// One of the gateway's endpoints.
#[derive(Debug, Clone)]
pub(super) struct Endpoint {
    pub purpose: EndpointKind,
    /// The client's format.
    pub client: &'static Client,
}

/// The endpoints of models: by POST.
const ASKED: &[(&str, &Client)] = &[
    ("/v1/chat/completions", &openai_chat::CLIENT),
    ("/v1/responses", &responses::CLIENT),
    ("/v1/responses/input_tokens", &INPUT_TOKENS),
    ("/v1/completions", &completions::CLIENT),
    ("/v1/embeddings", &openai_embeddings::CLIENT),
    (MESSAGES, &anthropic::CLIENT),
    ("/v1/messages/count_tokens", &COUNT_TOKENS),
];

/// All paths below it are Anthropic's.
pub const MESSAGES: &str = "/v1/messages";

const MODELS: &str = "/v1/models";

/// The prefix of all paths; a provider's base URL has its own.
pub(super) const VERSION: &str = "/v1";

/// The liveness path: 200 as long as the gateway responds at all.
pub const ALIVE: &str = "/health";

/// The readiness path: not ready while the gateway drains.
pub const READY: &str = "/ready";

/// For people who open the gateway's address.
const ABOUT: [&str; 2] = ["/", VERSION];

/// Methods of a read-only endpoint.
const READ: &str = "GET, HEAD";

/// Why no endpoint matches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unserved {
    /// The path has only these methods.
    Method(&'static str),
    /// The path is unknown.
    Path,
}

impl Endpoint {
    /// The endpoint at `path`, which is canonical and has no query. Anthropic's clients get model lists in Anthropic's format.
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

/// Whether `path` has an endpoint, for any method.
pub(super) fn is_served(path: &str) -> bool {
    !matches!(Endpoint::at("", path, false), Err(Unserved::Path))
}

impl Unserved {
    /// The client's error, for a request to `origin`.
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

/// Describes the gateway at `origin`.
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
    // Serializing text into a `Vec` cannot fail.
    sluice_wire::json::written(&about)
}

/// The format of the model endpoint at `path`.
pub(super) fn format_at(path: &str) -> Option<&'static Client> {
    let asked = ASKED.iter().find_map(|(known, format)| (*known == path).then_some(*format));
    asked.or_else(|| {
        let below = path.strip_prefix(VERSION)?;
        ENDPOINTS.iter().find(|endpoint| path_of(endpoint) == below).copied()
    })
}

/// Whether the client expects errors in Anthropic's format; all others expect OpenAI's.
pub(super) fn reads_anthropics_errors(client: &Client) -> bool {
    matches!(client.id(), Id::Anthropic | Id::CountTokens)
}

/// The paths with errors in OpenAI's format, independent of the request's headers.
pub fn with_openais_errors() -> impl Iterator<Item = String> {
    asked_at().filter(|path| format_at(path).is_some_and(|format| !reads_anthropics_errors(format)))
}

/// The path of a passed-through endpoint, which contains no model.
fn path_of(endpoint: &Client) -> String {
    (endpoint.provider.path)("", false)
}

/// All paths of model endpoints.
pub(super) fn asked_at() -> impl Iterator<Item = String> {
    let passed = ENDPOINTS.iter().map(|endpoint| format!("{VERSION}{}", path_of(endpoint)));
    ASKED.iter().map(|(path, _)| (*path).to_owned()).chain(passed)
}

/// Whether `path` belongs to stored objects. Only plain segments: a dot segment that the provider resolves could lead to an endpoint with
/// limits and costs.
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

/// The error format of a client at `path`, even an unknown path.
pub(super) fn speaker_at(path: &str, is_anthropics: bool) -> &'static Client {
    let below = |root: &str| path.strip_prefix(root).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
    match format_at(path) {
        Some(format) => format,
        None if is_anthropics || below(MESSAGES) => &anthropic::CLIENT,
        None => &openai_chat::CLIENT,
    }
}

/// Decodes a name in a path. Invalid encoding is left as it is: no model has such a name.
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
