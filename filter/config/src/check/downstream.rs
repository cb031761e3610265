//! Checks how clients reach the gateway.

#[cfg(not(target_arch = "wasm32"))]
use sluice_core::provider::url::Url;

use super::super::file;
use super::Check;
use super::place::{Path, quoted};

impl Check<'_> {
    /// Checks the CORS origins. Envoy compares them, so they are not compiled.
    #[cfg(not(target_arch = "wasm32"))]
    pub(super) fn cors(&mut self) {
        let Some(cors) = &self.file.cors else { return };
        let path = Path::section("cors").key("origins");
        if cors.origins.is_empty() {
            self.diagnostic(&path, "an empty list", "at least one origin, such as https://chat.example.com");
        }
        for (index, origin) in cors.origins.iter().enumerate().filter(|(_, origin)| !is_origin(origin)) {
            let expected = "a scheme and a host, without a path or a slash at the end: https://chat.example.com, \
                            http://localhost:3000, https://*.example.com, or *";
            self.diagnostic(&path.index(index), quoted(origin), expected);
        }
    }

    /// Whether an instance is only ready while Redis responds.
    pub(super) fn ready(&mut self) -> bool {
        let required = self.file.ready.redis == file::ReadyRedis::Required;
        if required && self.file.redis.is_none() {
            let expected = "optional, or add `redis`: without it there is no Redis to wait for";
            self.diagnostic(&Path::section("ready").key("redis"), quoted("required"), expected);
        }
        required
    }

    /// Checks the TLS sections of both listeners.
    #[cfg(not(target_arch = "wasm32"))]
    pub(super) fn tls(&mut self) {
        let admin = self.file.admin.as_ref().and_then(|admin| admin.tls.as_ref());
        for (tls, path) in [(self.file.tls.as_ref(), Path::root()), (admin, Path::section("admin"))] {
            if let Some(tls) = tls {
                self.certificate(tls, &path.key("tls"));
            }
        }
    }

    #[cfg(not(target_arch = "wasm32"))]
    fn certificate(&mut self, tls: &file::Tls, path: &Path) {
        let (found, expected) = match (&tls.certificate, &tls.key, &tls.sds) {
            (Some(_), Some(_), None) | (None, None, Some(_)) => ("", ""),
            (Some(_), None, None) => ("a certificate without a key", "`key`, the file with its private key"),
            (None, Some(_), None) => ("a key without a certificate", "`certificate`, the file with its certificate"),
            (None, None, None) => ("no certificate", "`certificate` and `key`, two PEM files, or `sds`"),
            (_, _, Some(_)) => ("files and `sds`", "either `certificate` and `key`, or `sds`"),
        };
        if !found.is_empty() {
            self.diagnostic(path, found, expected);
        }
    }
}

/// Whether a text is a valid `origin` header of a browser, or a pattern of one.
#[cfg(not(target_arch = "wasm32"))]
fn is_origin(text: &str) -> bool {
    if text == "*" {
        return true;
    }
    let plain = text.replacen("://*.", "://", 1);
    let (scheme, host) = plain.split_once("://").unwrap_or_default();
    // Browsers omit the scheme's default port.
    let own_port = if scheme == "https" { ":443" } else { ":80" };
    !host.ends_with(own_port)
        && Url::parse(&plain).is_ok_and(|url| url.base_path.is_empty())
        && !host.ends_with('/')
        && !text.bytes().any(|byte| byte.is_ascii_uppercase())
        && !plain.contains('*')
}

#[cfg(test)]
#[cfg(not(target_arch = "wasm32"))]
mod tests {
    use super::*;

    fn diagnostics(more: &str) -> Vec<String> {
        let text = format!(
            r#"{{"providers":{{"p":{{"kind":"openai"}}}},"models":{{"m":{{"targets":[{{"provider":"p","model":"m"}}]}}}},
                "teams":{{"t":{{}}}},"keys":[],{more}}}"#
        );
        let diagnostics = crate::from_json(text.as_bytes()).err().unwrap_or_default();
        diagnostics.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn origins_are_what_browsers_send() {
        for good in
            ["*", "https://chat.example.com", "http://localhost:3000", "https://*.example.com", "http://[::1]:8080"]
        {
            assert!(is_origin(good), "{good}");
        }
        for wrong in [
            "",
            "example.com",
            "https://x.test/",
            "https://x.test/app",
            "HTTPS://X.test",
            "https://*",
            "https://a.*.b",
            "null",
            "https://x.test:443",
            "http://x.test:80",
        ] {
            let found = diagnostics(&format!(r#""cors":{{"origins":["{wrong}"]}}"#));
            assert!(found.len() == 1 && found[0].contains("cors.origins[0]"), "{wrong}: {found:?}");
        }
        assert_eq!(diagnostics(r#""cors":{"origins":[]}"#).len(), 1);
    }

    #[test]
    fn a_certificate_is_whole() {
        for good in [
            r#"{"certificate":"a","key":"b"}"#,
            r#"{"certificate":"a","key":"b","client_ca":"c"}"#,
            r#"{"sds":{"file":"a","name":"b"}}"#,
        ] {
            assert_eq!(diagnostics(&format!(r#""tls":{good}"#)), [""; 0]);
        }
        for wrong in ["{}", r#"{"certificate":"a"}"#, r#"{"key":"a"}"#, r#"{"key":"a","sds":{"file":"a","name":"b"}}"#]
        {
            let found = diagnostics(&format!(r#""tls":{wrong}"#));
            assert!(found.len() == 1 && found[0].starts_with("tls"), "{wrong}: {found:?}");
        }
    }

    #[test]
    fn redis_is_required_only_where_there_is_one() {
        let redis = r#","redis":{"url":"http://x"}"#;
        assert_eq!(diagnostics(r#""ready":{"redis":"required"}"#).len(), 1);
        assert_eq!(diagnostics(&format!(r#""ready":{{"redis":"required"}}{redis}"#)), [""; 0]);
    }
}
