//! Base URLs of providers: the subset of RFC 3986 that a gateway file needs, limited to characters that are safe in headers and paths.

use std::net::{Ipv4Addr, Ipv6Addr};

/// A parsed base URL such as `https://api.openai.com/v1`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Url {
    /// Whether the scheme is `https`.
    pub tls: bool,
    /// A host name in lower case, an IPv4 address, or an IPv6 address without brackets.
    pub host: String,
    /// The port; the scheme's default if the URL has none.
    pub port: u16,
    /// The path, such as `/v1`, without a slash at the end. May be empty.
    pub base_path: String,
}

impl Url {
    /// Parses a base URL. The error names the problem, and never contains a user name or password.
    pub fn parse(text: &str) -> Result<Self, String> {
        let (tls, rest) = match text.split_once("://") {
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case("https") => (true, rest),
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case("http") => (false, rest),
            _ => return Err("no http:// or https:// at its start".to_owned()),
        };
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (authority, path) = rest.split_at_checked(end).unwrap_or((rest, ""));
        if authority.contains('@') {
            return Err("a user or password in the URL".to_owned());
        }
        if path.contains(['?', '#']) {
            return Err("a query or fragment in the URL".to_owned());
        }
        if let Some(bad) = path.chars().find(|c| !is_path_char(*c)) {
            return Err(format!("the character {bad:?} in the URL's path"));
        }
        let (host, port) = split_port(authority)?;
        Ok(Self {
            tls,
            host: read_host(host)?,
            port: port.unwrap_or(if tls { 443 } else { 80 }),
            base_path: path.trim_end_matches('/').to_owned(),
        })
    }

    /// The `:authority` of requests: the host, and the port unless it is the scheme's default.
    pub fn authority(&self) -> String {
        let host = if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() };
        match (self.tls, self.port) {
            (true, 443) | (false, 80) => host,
            (_, port) => format!("{host}:{port}"),
        }
    }
}

fn is_path_char(c: char) -> bool {
    c.is_ascii_alphanumeric() || "/-._~!$&'()*+,;=:@%".contains(c)
}

fn split_port(authority: &str) -> Result<(&str, Option<u16>), String> {
    let (host, port) = match authority.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((host, "")) => return Ok((host, None)).and_then(require_v6),
        Some((host, rest)) => {
            require_v6((host, None))?;
            (host, rest.strip_prefix(':').ok_or("text after the address's bracket")?)
        }
        None => match authority.split_once(':') {
            None => return Ok((authority, None)),
            Some(parts) => parts,
        },
    };
    match port.parse::<u16>() {
        Ok(number) if number > 0 && port.bytes().all(|b| b.is_ascii_digit()) => Ok((host, Some(number))),
        _ => Err(format!("the port {port:?}")),
    }
}

fn require_v6(parts: (&str, Option<u16>)) -> Result<(&str, Option<u16>), String> {
    if parts.0.parse::<Ipv6Addr>().is_ok() { Ok(parts) } else { Err("brackets without an IPv6 address".to_owned()) }
}

fn read_host(host: &str) -> Result<String, String> {
    if host.is_empty() {
        return Err("no host in the URL".to_owned());
    }
    if let Ok(address) = host.parse::<Ipv6Addr>() {
        return Ok(address.to_string());
    }
    let numeric = host.bytes().all(|b| b.is_ascii_digit() || b == b'.');
    let good_label = |label: &str| {
        !label.is_empty()
            && label.len() <= 63
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
    };
    let good = if numeric { host.parse::<Ipv4Addr>().is_ok() } else { host.split('.').all(good_label) };
    if good && host.len() <= 253 { Ok(host.to_ascii_lowercase()) } else { Err(format!("the host {host:?}")) }
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn urls_of_providers() {
        for (text, tls, authority, port, base_path) in [
            ("https://api.openai.com/v1", true, "api.openai.com", 443, "/v1"),
            ("https://API.openai.com:443/v1/", true, "api.openai.com", 443, "/v1"),
            ("http://127.0.0.1:9001", false, "127.0.0.1:9001", 9001, ""),
            ("http://vllm:80/", false, "vllm", 80, ""),
            ("https://vllm.internal:80/a/b", true, "vllm.internal:80", 80, "/a/b"),
            ("HTTPS://[2001:DB8::1]:8443/v1", true, "[2001:db8::1]:8443", 8443, "/v1"),
            ("http://[::1]", false, "[::1]", 80, ""),
        ] {
            let url = Url::parse(text).unwrap();
            assert_eq!((url.tls, url.authority().as_str(), url.port), (tls, authority, port), "{text}");
            assert_eq!(url.base_path, base_path, "{text}");
        }
    }

    #[test]
    fn what_is_refused() {
        for text in [
            "",
            "api.openai.com",
            "ftp://host",
            "https://",
            "https:///v1",
            "https://user:secret@host/v1",
            "https://host/v1?key=secret",
            "https://host/v1#top",
            "https://host/a b",
            "https://host/a\r\nx: y",
            "https://ho st/",
            "https://host:0",
            "https://host:65536",
            "https://host:+80",
            "https://host:",
            "https://1.2.3",
            "https://1.2.3.256",
            "https://[host]/",
            "https://[::1]x",
            "https://::1/",
            "https://-a.b",
            "https://a..b",
            "https://hö.example",
        ] {
            let refused = Url::parse(text).unwrap_err();
            assert!(!refused.contains("secret"), "{text}: {refused}");
        }
    }
}
