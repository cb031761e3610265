//! Selects the operation of a request, and parses its query.

use super::metrics_text::Format;
use sluice_config::is_public_name;
use sluice_wire::percent;

use super::answer::AdminError;

/// The prefix of all paths.
pub const BASE: &str = "/admin/v1/";

/// An operation of the API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Operation {
    /// `GET /keys`
    ListKeys,
    /// `POST /keys`
    CreateKey,
    /// `GET /keys/{id}`
    ReadKey(String),
    /// `PATCH /keys/{id}`
    UpdateKey(String),
    /// `POST /keys/{id}/revoke`
    RevokeKey(String),
    /// `POST /keys/{id}/rotate`
    RotateKey(String),
    /// `GET /usage`
    Usage,
    /// `GET /usage/top`
    TopUsage,
    /// `POST /cache/purge`
    PurgeCache,
    /// `GET /limits`
    Limits,
    /// `GET /prices`
    Prices,
    /// `GET /config`
    Config,
    /// `GET /health`
    Health,
    /// `GET /openapi.json`
    OpenApi,
    /// `GET /metrics`, outside of [`BASE`]: where Prometheus looks for it.
    Metrics(Format),
}

impl Operation {
    /// Matches a method and a path without its query.
    pub fn find(method: &str, path: &str) -> Result<Self, AdminError> {
        let rest = path.strip_prefix(BASE).unwrap_or_default();
        let segments: Vec<&str> = rest.split('/').collect();
        let (reads, writes) = match segments.as_slice() {
            ["keys"] => (Some(Self::ListKeys), Some(("POST", Self::CreateKey))),
            ["keys", id] => (Some(Self::ReadKey(key_id(id)?)), Some(("PATCH", Self::UpdateKey(key_id(id)?)))),
            ["keys", id, "revoke"] => (None, Some(("POST", Self::RevokeKey(key_id(id)?)))),
            ["keys", id, "rotate"] => (None, Some(("POST", Self::RotateKey(key_id(id)?)))),
            ["usage"] => (Some(Self::Usage), None),
            ["usage", "top"] => (Some(Self::TopUsage), None),
            ["cache", "purge"] => (None, Some(("POST", Self::PurgeCache))),
            ["limits"] => (Some(Self::Limits), None),
            ["prices"] => (Some(Self::Prices), None),
            ["config"] => (Some(Self::Config), None),
            ["health"] => (Some(Self::Health), None),
            ["openapi.json"] => (Some(Self::OpenApi), None),
            _ if path == "/metrics" => (Some(Self::Metrics(Format::Prometheus)), None),
            _ => {
                let message = "This path does not exist. GET /admin/v1/openapi.json lists all paths.";
                return Err(AdminError::not_found("unknown_url", message));
            }
        };
        let allow = match (&reads, &writes) {
            (Some(_), None) => "GET, HEAD",
            (Some(_), Some(("PATCH", _))) => "GET, HEAD, PATCH",
            (Some(_), Some(_)) => "GET, HEAD, POST",
            (None, _) => "POST",
        };
        match (method, reads, writes) {
            ("GET" | "HEAD", Some(reads), _) => Ok(reads),
            (_, _, Some((known, writes))) if known == method => Ok(writes),
            _ => Err(AdminError {
                allow: Some(allow),
                ..AdminError::new(405, "method_not_allowed", format!("This path supports only {allow}."))
            }),
        }
    }

    /// Whether the operation reads a body.
    pub fn has_body(&self) -> bool {
        use Operation::{CreateKey, PurgeCache, RevokeKey, RotateKey, UpdateKey};
        matches!(self, CreateKey | UpdateKey(_) | RevokeKey(_) | RotateKey(_) | PurgeCache)
    }

    /// The operation's name in the access log.
    pub fn name(&self) -> &'static str {
        match self {
            Self::ListKeys => "keys.list",
            Self::CreateKey => "keys.create",
            Self::ReadKey(_) => "keys.read",
            Self::UpdateKey(_) => "keys.update",
            Self::RevokeKey(_) => "keys.revoke",
            Self::RotateKey(_) => "keys.rotate",
            Self::Usage => "usage",
            Self::TopUsage => "usage.top",
            Self::PurgeCache => "cache.purge",
            Self::Limits => "limits",
            Self::Prices => "prices",
            Self::Config => "config",
            Self::Health => "health",
            Self::OpenApi => "openapi",
            Self::Metrics(_) => "metrics",
        }
    }

    /// The key that the operation concerns.
    pub fn key(&self) -> Option<&str> {
        match self {
            Self::ReadKey(id) | Self::UpdateKey(id) | Self::RevokeKey(id) | Self::RotateKey(id) => Some(id),
            _ => None,
        }
    }
}

/// Decodes a key id. An id that no key can have is reported as unknown.
fn key_id(segment: &str) -> Result<String, AdminError> {
    decode(segment).filter(|id| is_public_name(id)).ok_or_else(no_such_key)
}

/// The error for an unknown key.
pub fn no_such_key() -> AdminError {
    AdminError::not_found("key_not_found", "No key has this id. GET /admin/v1/keys lists all keys.")
}

/// A query: each parameter at most once, and no unknown ones.
#[derive(Debug)]
pub struct Query(Vec<(String, String)>);

impl Query {
    /// An empty query, for operations whose parameters are in the body.
    pub fn none() -> Self {
        Self(Vec::new())
    }

    /// Parses the text after the `?`.
    pub fn read(text: &str) -> Result<Self, AdminError> {
        let mut pairs: Vec<(String, String)> = Vec::new();
        for part in text.split('&').filter(|part| !part.is_empty()) {
            let (name, value) = part.split_once('=').unwrap_or((part, ""));
            let form = |text: &str| decode(&text.replace('+', " "));
            let (Some(name), Some(value)) = (form(name), form(value)) else {
                return Err(AdminError::new(400, "invalid_request", "The query is not valid percent-encoded UTF-8."));
            };
            if pairs.iter().any(|(known, _)| *known == name) {
                return Err(AdminError::invalid(name, "The query contains this parameter twice. Send it once."));
            }
            pairs.push((name, value));
        }
        Ok(Self(pairs))
    }

    /// Sets a parameter that the query does not contain.
    pub fn default(&mut self, name: &str, value: &str) {
        if !self.0.iter().any(|(known, _)| known == name) {
            self.0.push((name.to_owned(), value.to_owned()));
        }
    }

    /// Takes the value of a parameter.
    pub fn take(&mut self, name: &str) -> Option<String> {
        let at = self.0.iter().position(|(known, _)| known == name)?;
        Some(self.0.swap_remove(at).1)
    }

    /// Takes a parameter with a fixed set of values.
    pub fn choice<T: Copy>(&mut self, name: &'static str, words: &[(&str, T)]) -> Result<Option<T>, AdminError> {
        let Some(value) = self.take(name) else { return Ok(None) };
        match words.iter().find(|(word, _)| *word == value) {
            Some((_, meaning)) => Ok(Some(*meaning)),
            None => {
                let words: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
                Err(AdminError::invalid(name, format!("Expected one of: {}.", words.join(", "))))
            }
        }
    }

    /// Takes a parameter that is a number from 1 to `most`.
    pub fn count(&mut self, name: &'static str, default: usize, most: usize) -> Result<usize, AdminError> {
        let Some(value) = self.take(name) else { return Ok(default) };
        let number = value.bytes().all(|b| b.is_ascii_digit()).then(|| value.parse::<usize>().ok()).flatten();
        let in_range = number.filter(|number| (1..=most).contains(number));
        in_range.ok_or_else(|| AdminError::invalid(name, format!("Expected a whole number from 1 to {most}.")))
    }

    /// Rejects the remaining parameters.
    pub fn finish(self) -> Result<(), AdminError> {
        match self.0.into_iter().next() {
            None => Ok(()),
            Some((name, _)) => Err(AdminError::invalid(name, "This path does not support this parameter.")),
        }
    }
}

/// Decodes percent-encoded text.
fn decode(text: &str) -> Option<String> {
    percent::is_well_encoded(text).then(|| String::from_utf8(percent::decoded(text)).ok())?
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn paths_and_methods_name_operations() {
        for (method, path, operation) in [
            ("GET", "/admin/v1/keys", Operation::ListKeys),
            ("HEAD", "/admin/v1/keys", Operation::ListKeys),
            ("POST", "/admin/v1/keys", Operation::CreateKey),
            ("GET", "/admin/v1/keys/revoke", Operation::ReadKey("revoke".into())),
            ("PATCH", "/admin/v1/keys/a%40b", Operation::UpdateKey("a@b".into())),
            ("POST", "/admin/v1/keys/a/rotate", Operation::RotateKey("a".into())),
            ("GET", "/admin/v1/usage/top", Operation::TopUsage),
            ("GET", "/admin/v1/openapi.json", Operation::OpenApi),
        ] {
            assert_eq!(Operation::find(method, path), Ok(operation), "{method} {path}");
        }
    }

    #[test]
    fn what_is_not_there_is_a_404_and_what_cannot_be_done_a_405_that_says_what_can() {
        for path in ["", "/", "/admin/v1", "/admin/v1/", "/admin/v1/keys/", "/admin/v1/keys//revoke", "/admin/v2/keys"]
        {
            assert_eq!(Operation::find("GET", path).unwrap_err().status, 404, "{path}");
        }
        for id in ["%", "%2", "%zz", "%ff", "a%2Fb", "a%00", "%20", "ü", &"a".repeat(65)] {
            let refused = Operation::find("GET", &format!("/admin/v1/keys/{id}")).unwrap_err();
            assert_eq!((refused.status, refused.code), (404, "key_not_found"), "{id}");
        }
        for (method, path, allow) in [
            ("PUT", "/admin/v1/keys", "GET, HEAD, POST"),
            ("DELETE", "/admin/v1/keys/a", "GET, HEAD, PATCH"),
            ("GET", "/admin/v1/keys/a/revoke", "POST"),
            ("POST", "/admin/v1/usage", "GET, HEAD"),
            ("get", "/admin/v1/usage", "GET, HEAD"),
        ] {
            let refused = Operation::find(method, path).unwrap_err();
            assert_eq!((refused.status, refused.allow), (405, Some(allow)), "{method} {path}");
        }
    }

    #[test]
    fn a_query_says_each_thing_once_and_nothing_unknown() {
        let mut query = Query::read("team=a+b%26c&limit=7&&flag").unwrap();
        assert_eq!(query.take("team").as_deref(), Some("a b&c"));
        assert_eq!(query.count("limit", 100, 1000), Ok(7));
        assert_eq!(query.finish().unwrap_err().param.as_deref(), Some("flag"));
        assert_eq!(Query::read("a=1&a=2").unwrap_err().param.as_deref(), Some("a"));
        assert_eq!(Query::read("a=%f").unwrap_err().status, 400);
        for wrong in ["0", "1001", "-1", "+1", "1.0", "", "99999999999999999999"] {
            let mut query = Query(vec![("limit".to_owned(), wrong.to_owned())]);
            assert_eq!(query.count("limit", 100, 1000).unwrap_err().param.as_deref(), Some("limit"), "{wrong}");
        }
    }
}
