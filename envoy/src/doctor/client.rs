//! Requests to the servers that the gateway file names, as Envoy would reach them: with the same CA certificates and the same proxy. Each
//! step has a timeout.

use std::io;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use sluice_core::provider::url::Url;
use sluice_wire::calendar::http_date;
use ureq::http::Request;
use ureq::tls::TlsConfig;
use ureq::{Agent, Error};

use crate::locate;
use crate::proxy::Proxy;

const LARGEST_ANSWER: u64 = 1 << 20;

#[derive(Debug, Clone)]
pub struct Client {
    tls: Result<TlsConfig, String>,
    proxy: Option<Proxy>,
    patience: Duration,
}

/// A server's response.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub body: String,
    /// How far this machine's clock is ahead of the server's, in milliseconds, if the server gave its time.
    pub ahead: Option<i64>,
}

/// Why there is no response, and what to do.
#[derive(Debug)]
pub struct Problem {
    pub text: String,
    pub action: String,
}

impl Client {
    pub fn new(authorities: &Path, proxy: Option<Proxy>, patience: Duration) -> Self {
        Self { tls: locate::tls(authorities), proxy, patience }
    }

    /// The longest time that a request may take.
    pub fn longest(&self) -> Duration {
        self.patience * 4
    }

    /// The proxy that a URL is reached through.
    pub fn proxy_for(&self, url: &Url) -> Option<&str> {
        self.proxy.as_ref().filter(|proxy| proxy.covers(url)).map(|proxy| proxy.url.as_str())
    }

    /// Sends a request. Errors contain neither headers nor a password of the proxy.
    pub fn ask(&self, method: &str, url: &Url, path: &str, headers: &[(&str, &str)]) -> Result<Answer, Problem> {
        let other = |text: String| Problem { text, action: String::new() };
        let without = |text: &String| Problem {
            text: text.clone(),
            action: "Name a file with CA certificates: --ca PATH, or the variable SSL_CERT_FILE".to_owned(),
        };
        let tls = if url.tls { self.tls.as_ref().map_err(without)?.clone() } else { TlsConfig::default() };
        let covering = self.proxy.as_ref().filter(|proxy| proxy.covers(url));
        let proxy = covering.map(Proxy::for_requests).transpose().map_err(other)?;
        let step = Some(self.patience);
        let config = Agent::config_builder().http_status_as_error(false).max_redirects(0).proxy(proxy).tls_config(tls);
        let config = config.timeout_resolve(step).timeout_connect(step).timeout_recv_response(step);
        let agent: Agent = config.timeout_recv_body(step).build().into();
        let scheme = if url.tls { "https" } else { "http" };
        let mut request = Request::builder().method(method).uri(format!("{scheme}://{}{path}", url.authority()));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(()).map_err(|error| other(error.to_string()))?;
        let sent = milliseconds();
        let mut response = agent.run(request).map_err(|error| self.problem(url, error))?;
        // The server's clock was read in between, and has no fractions of a second.
        let here = i64::midpoint(sent, milliseconds());
        let date = response.headers().get("date").and_then(|value| http_date(value.to_str().ok()?));
        let ahead = date.and_then(|date| Some(here - i64::try_from(date).ok()?.checked_mul(1000)? - 500));
        let status = response.status().as_u16();
        let body = response.body_mut().with_config().limit(LARGEST_ANSWER).read_to_string().unwrap_or_default();
        Ok(Answer { status, body, ahead })
    }

    fn problem(&self, url: &Url, error: Error) -> Problem {
        let authority = url.authority();
        // The system's resolver reports with this text only.
        let is_unknown = |error: &io::Error| error.to_string().contains("failed to lookup address");
        let (text, action) = match error {
            Error::Io(error) if is_unknown(&error) => (
                format!("{} has no address: {error}", url.host),
                "Correct the host in the gateway file, or this machine's DNS. Behind a proxy, set HTTPS_PROXY",
            ),
            Error::Timeout(_) => (
                format!("{authority} does not answer within {:?}", self.patience),
                "A firewall may drop the connection. Behind a proxy, set HTTPS_PROXY",
            ),
            error => {
                let text = error.to_string();
                let action = advice(&text);
                (format!("{authority} cannot be reached: {}", text.trim_start_matches("io: ")), action)
            }
        };
        let through = self.proxy_for(url).map(|proxy| format!(" through the proxy {proxy}")).unwrap_or_default();
        Problem { text: format!("{text}{through}"), action: action.to_owned() }
    }
}

/// The advice about a failed connection, from the message of the TLS library or of the system.
fn advice(text: &str) -> &'static str {
    const ADVICE: &[(&str, &str)] = &[
        (
            "UnknownIssuer",
            "Name a file with the certificate's authority: --ca PATH, or SSL_CERT_FILE; `sluice run` needs the same",
        ),
        (
            "BadSignature",
            "Name a file with the certificate's authority: --ca PATH, or SSL_CERT_FILE; `sluice run` needs the same",
        ),
        ("not valid for name", "Correct the host in `url`, or the server's certificate"),
        ("NotValidForName", "Correct the host in `url`, or the server's certificate"),
        ("expired", "Renew the server's certificate, or correct this machine's clock"),
        ("Expired", "Renew the server's certificate, or correct this machine's clock"),
        ("not valid yet", "Correct this machine's clock"),
        ("NotValidYet", "Correct this machine's clock"),
        ("refused", "Start the server, or correct the port in the gateway file"),
        ("roxy", "Correct the variables HTTPS_PROXY and NO_PROXY, or ask the proxy's operator to allow this host"),
        ("InvalidContentType", "The server does not speak TLS at this port: try http:// in `url`"),
    ];
    ADVICE.iter().find(|(words, _)| text.contains(words)).map_or("", |(_, action)| action)
}

/// The time in Unix milliseconds.
pub fn milliseconds() -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(now.as_millis()).unwrap_or(i64::MAX)
}
