//! A request as the wires read it: the path matched against patterns, the query, the headers, the body.

use bytes::Bytes;
use hyper::Method;
use hyper::header::HeaderMap;
use hyper::http::request::Parts;
use serde_json::Value;

use super::memory::Memory;
use super::reply::Refusal;

/// A complete request.
#[derive(Debug)]
pub struct Call<'a> {
    pub method: &'a Method,
    /// The path as sent, still percent-encoded.
    pub path: &'a str,
    /// The query as sent; empty if absent.
    pub query: &'a str,
    pub headers: &'a HeaderMap,
    pub body: &'a Bytes,
    /// The state that earlier requests left.
    pub memory: &'a Memory,
}

impl<'a> Call<'a> {
    /// A request from hyper's parts.
    pub fn new(parts: &'a Parts, body: &'a Bytes, memory: &'a Memory) -> Self {
        let (path, query) = (parts.uri.path(), parts.uri.query().unwrap_or(""));
        Self { method: &parts.method, path, query, headers: &parts.headers, body, memory }
    }

    /// Whether the request is a POST to a path of this pattern.
    pub fn posts(&self, pattern: &str) -> bool {
        self.method == Method::POST && self.captures(pattern).is_some()
    }

    /// The unescaped path segments for the pattern's placeholders; `None` if the path does not match.
    pub fn captures(&self, pattern: &str) -> Option<Vec<String>> {
        captures(pattern, self.path)
    }

    /// A header's text; empty if absent.
    pub fn header(&self, name: &str) -> &'a str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or("")
    }

    /// The token of `Authorization: Bearer …`; empty if absent.
    pub fn bearer(&self) -> &'a str {
        self.header("authorization").strip_prefix("Bearer ").unwrap_or("")
    }

    /// An unescaped query parameter.
    pub fn parameter(&self, name: &str) -> Option<String> {
        let mut pairs = self.query.split('&').filter_map(|pair| pair.split_once('='));
        pairs.find(|(known, _)| *known == name).map(|(_, value)| unescape(value))
    }

    pub fn json(&self) -> Result<Value, Refusal> {
        serde_json::from_slice(self.body)
            .map_err(|_| Refusal::invalid("We could not parse the JSON body of your request."))
    }
}

/// Each segment of a pattern is literal, or has one placeholder in literal text, such as `{model}:generateContent`.
fn captures(pattern: &str, path: &str) -> Option<Vec<String>> {
    let (mut wanted, mut given) = (pattern.split('/'), path.split('/'));
    let mut found = Vec::new();
    loop {
        match (wanted.next(), given.next()) {
            (None, None) => return Some(found),
            (Some(wanted), Some(given)) => match wanted.split_once('{') {
                None if wanted == given => {}
                None => return None,
                Some((before, rest)) => {
                    let after = rest.split_once('}')?.1;
                    let value = given.strip_prefix(before)?.strip_suffix(after)?;
                    found.push(unescape(Some(value).filter(|value| !value.is_empty())?));
                }
            },
            _ => return None,
        }
    }
}

/// Decodes percent escapes; invalid escapes stay as they are.
fn unescape(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut plain = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let escaped = bytes.get(at + 1..at + 3).and_then(|digits| std::str::from_utf8(digits).ok());
        match escaped.filter(|_| bytes[at] == b'%').and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(byte) => (plain.push(byte), at += 3),
            None => (plain.push(bytes[at]), at += 1),
        };
    }
    String::from_utf8_lossy(&plain).into_owned()
}

#[cfg(test)]
mod tests {
    use super::captures;

    #[test]
    fn a_pattern_takes_whole_segments_unescaped() {
        let of = |pattern, path| captures(pattern, path).map(|found| found.join(","));
        assert_eq!(of("/v1/messages", "/v1/messages"), Some(String::new()));
        assert_eq!(of("/model/{id}/converse", "/model/a%3A0%2fb/converse"), Some("a:0/b".into()));
        assert_eq!(
            of("/v1beta/models/{m}:embed", "/v1beta/models/gemini+status=500:embed"),
            Some("gemini+status=500".into())
        );
        for path in ["/model//converse", "/model/a/b/converse", "/model/a/converse/", "/model/a"] {
            assert_eq!(of("/model/{id}/converse", path), None, "{path}");
        }
    }
}
