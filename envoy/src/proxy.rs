//! The proxy for connections to providers, from the usual variables `HTTPS_PROXY` and `NO_PROXY`. Envoy opens a tunnel (HTTP/1.1 CONNECT)
//! and speaks TLS with the provider inside it, so the proxy sees only the provider's name.

use std::net::IpAddr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sluice_core::keys::Cidr;
use sluice_core::provider::url::Url;
use sluice_wire::percent;
use ureq::ProxyProtocol;

use crate::cli::Failure;

/// A proxy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proxy {
    /// Its URL, without a path.
    pub url: String,
    /// The value of `proxy-authorization`.
    pub authorization: Option<String>,
    exceptions: Vec<String>,
}

impl Proxy {
    /// Reads the proxy from the environment. Lower-case variables take precedence, as in curl.
    pub fn of_environment() -> Result<Option<Self>, String> {
        let variable = |names: [&str; 2]| {
            let set = |name: &&str| std::env::var(name).ok().filter(|text| !text.trim().is_empty());
            names.iter().find_map(|name| Some((name.to_string(), set(name)?)))
        };
        let Some((name, url)) = variable(["https_proxy", "HTTPS_PROXY"]) else { return Ok(None) };
        let exceptions = variable(["no_proxy", "NO_PROXY"]).map(|(_, text)| text).unwrap_or_default();
        Self::read(&url, &exceptions).map(Some).map_err(|problem| format!("{name}: {problem}"))
    }

    /// As [`Self::of_environment`], for a configuration that others can read: fails if the proxy's URL has a password.
    pub fn without_password() -> Result<Option<Self>, Failure> {
        let proxy = Self::of_environment().map_err(Failure::new)?;
        if proxy.as_ref().is_some_and(|proxy| proxy.authorization.is_some()) {
            return Err(Failure::new(
                "the proxy in the environment has a password, and other users could read it in Envoy's configuration. \
                 Use `sluice run`, which keeps it private, or a proxy without a password",
            ));
        }
        Ok(proxy)
    }

    fn read(text: &str, exceptions: &str) -> Result<Self, String> {
        let text = text.trim();
        let text = if text.contains("://") { text.to_owned() } else { format!("http://{text}") };
        let (scheme, rest) = text.split_once("://").unwrap_or_default();
        if !["http", "https"].contains(&scheme) {
            return Err(format!("Envoy does not support {scheme} proxies: use http://host:port"));
        }
        let rest = rest.trim_end_matches('/');
        let (user, host) = rest.rsplit_once('@').map_or((None, rest), |(user, host)| (Some(user), host));
        let url = format!("{scheme}://{host}");
        match Url::parse(&url) {
            Ok(parsed) if parsed.base_path.is_empty() => {}
            _ => return Err("the proxy URL must be http://host:port".to_owned()),
        }
        let authorization = user.map(|user| format!("Basic {}", STANDARD.encode(percent::decoded(user))));
        let exceptions = exceptions.split([',', ' ']).map(|name| name.trim().to_lowercase());
        Ok(Self { url, authorization, exceptions: exceptions.filter(|name| !name.is_empty()).collect() })
    }

    /// The proxy for this command's own requests.
    pub fn for_requests(&self) -> Result<ureq::Proxy, String> {
        let url = Url::parse(&self.url)?;
        let protocol = if url.tls { ProxyProtocol::Https } else { ProxyProtocol::Http };
        let mut proxy = ureq::Proxy::builder(protocol).host(&url.host).port(url.port);
        let basic = self.authorization.as_ref().and_then(|value| STANDARD.decode(value.strip_prefix("Basic ")?).ok());
        if let Some(text) = basic.and_then(|text| String::from_utf8(text).ok()) {
            let (user, password) = text.split_once(':').unwrap_or((&text, ""));
            proxy = proxy.username(user).password(password);
        }
        proxy.build().map_err(|error| error.to_string())
    }

    /// Whether connections to this URL use the proxy: over TLS, not to this machine, and not in `NO_PROXY`.
    pub fn covers(&self, url: &Url) -> bool {
        let host = url.host.to_lowercase();
        let address = host.parse::<IpAddr>().ok();
        let here =
            host == "localhost" || host.ends_with(".localhost") || address.is_some_and(|address| address.is_loopback());
        url.tls && !here && !self.exceptions.iter().any(|exception| is_exception(exception, &host, url.port, address))
    }
}

/// Whether an entry of `NO_PROXY` covers a host: by its name, a parent domain, a network, or `*`.
fn is_exception(exception: &str, host: &str, port: u16, address: Option<IpAddr>) -> bool {
    if exception == "*" {
        return true;
    }
    if let Some(address) = address {
        return exception.parse() == Ok(address)
            || Cidr::parse(exception).is_some_and(|network| network.contains(address))
            || *exception == format!("{host}:{port}");
    }
    let (name, of_port) = exception.rsplit_once(':').map_or((exception, None), |(name, port)| (name, Some(port)));
    let domain = name.trim_start_matches("*.").trim_start_matches('.');
    let same = host == domain || host.strip_suffix(domain).is_some_and(|rest| rest.ends_with('.'));
    same && of_port.is_none_or(|text| text.parse() == Ok(port))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn covers(exceptions: &str, url: &str) -> bool {
        Proxy::read("proxy.test:3128", exceptions).unwrap().covers(&Url::parse(url).unwrap())
    }

    #[test]
    fn a_proxy_is_read_as_it_is_written() {
        for (text, url, authorization) in [
            ("proxy.test:3128", "http://proxy.test:3128", None),
            ("http://10.0.0.1:3128/", "http://10.0.0.1:3128", None),
            ("https://proxy.test", "https://proxy.test", None),
            ("http://u:p%40ss@proxy.test:1", "http://proxy.test:1", Some("Basic dTpwQHNz")),
        ] {
            let read = Proxy::read(text, "").unwrap();
            assert_eq!((read.url.as_str(), read.authorization.as_deref()), (url, authorization), "{text}");
        }
        for text in ["socks5://proxy.test:1080", "http://", "http://proxy.test/path", "http://a b"] {
            assert!(Proxy::read(text, "").is_err(), "{text}");
        }
    }

    #[test]
    fn what_is_near_or_an_exception_is_reached_without_it() {
        assert!(covers("", "https://api.openai.com/v1"));
        for url in ["http://api.openai.com", "https://localhost", "https://127.0.0.1:8443", "https://[::1]"] {
            assert!(!covers("", url), "{url}");
        }
        for (exceptions, url, expected) in [
            ("*", "https://api.openai.com", false),
            ("openai.com", "https://api.openai.com", false),
            (".openai.com", "https://api.openai.com", false),
            ("*.openai.com", "https://api.openai.com", false),
            ("API.OpenAI.com", "https://api.openai.com", false),
            ("penai.com", "https://api.openai.com", true),
            ("example.com, openai.com", "https://api.openai.com", false),
            ("openai.com:8443", "https://api.openai.com", true),
            ("openai.com:443", "https://api.openai.com", false),
            ("10.0.0.0/8", "https://10.1.2.3", false),
            ("10.0.0.0/8", "https://11.1.2.3", true),
            ("10.1.2.3", "https://10.1.2.3", false),
        ] {
            assert_eq!(covers(exceptions, url), expected, "{exceptions} {url}");
        }
    }
}
