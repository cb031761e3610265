//! Requests tokens over HTTP.

use std::path::Path;
use std::time::Duration;

use serde::Deserialize;
use ureq::Agent;
use ureq::http::Request;

use crate::locate;

const PATIENCE: Duration = Duration::from_secs(10);
const LARGEST_ANSWER: u64 = 64 << 10;
/// An upper bound for the lifetime in a response.
const LONGEST_LIFE: u64 = 24 * 3600;

/// A token and its lifetime.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Token {
    pub text: String,
    pub lifetime: Duration,
}

/// The kind of request.
pub enum Question {
    /// A POST request with a form.
    Form(String),
    /// A GET request to the metadata server, with the header that browsers cannot send.
    Metadata,
}

/// A client of token endpoints.
#[derive(Debug, Clone)]
pub struct Endpoint(Agent);

/// The fields of a success (RFC 6749, 5.1) and of an error (5.2).
#[derive(Deserialize)]
struct Answer {
    access_token: Option<String>,
    expires_in: Option<u64>,
    error: Option<String>,
    error_description: Option<String>,
}

impl Endpoint {
    /// Creates a client with the CA certificates that Envoy trusts.
    pub fn new(authorities: &Path) -> Result<Self, String> {
        let tls = locate::tls(authorities)?;
        let config = Agent::config_builder().timeout_global(Some(PATIENCE)).http_status_as_error(false).tls_config(tls);
        // Like Envoy: no proxy and no redirects.
        Ok(Self(config.proxy(None).max_redirects(0).build().into()))
    }

    /// Requests a token. Errors never contain the request or a token.
    pub fn ask(&self, uri: &str, question: Question) -> Result<Token, String> {
        let request = match question {
            Question::Form(form) => {
                let request = Request::post(uri).header("content-type", "application/x-www-form-urlencoded");
                request.body(form)
            }
            Question::Metadata => Request::get(uri).header("metadata-flavor", "Google").body(String::new()),
        };
        let request = request.map_err(|_| format!("{uri} is not a URL"))?;
        let cannot = |error: ureq::Error| format!("{uri} does not answer: {error}");
        let mut answer = self.0.run(request).map_err(cannot)?;
        let status = answer.status().as_u16();
        let text = answer.body_mut().with_config().limit(LARGEST_ANSWER).read_to_string().map_err(cannot)?;
        read(status, &text).map_err(|problem| format!("{uri} {problem}"))
    }
}

fn read(status: u16, text: &str) -> Result<Token, String> {
    let Ok(answer) = serde_json::from_str::<Answer>(text) else {
        return Err(format!("answers with status {status} and an unreadable body"));
    };
    if status != 200 {
        let said: Vec<String> = [answer.error, answer.error_description].into_iter().flatten().collect();
        return Err(format!(
            "answers with status {status}: {}",
            if said.is_empty() { "no reason given".into() } else { said.join(": ") }
        ));
    }
    match (answer.access_token, answer.expires_in) {
        (Some(text), Some(seconds)) if !text.is_empty() && text.bytes().all(|b| b.is_ascii_graphic()) => {
            Ok(Token { text, lifetime: Duration::from_secs(seconds.min(LONGEST_LIFE)) })
        }
        _ => Err("answers with status 200, but without access_token and expires_in".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_or_the_reason_why_there_is_none() {
        let good = read(200, r#"{"access_token":"ya29.x...","expires_in":3599,"token_type":"Bearer"}"#);
        assert_eq!(good, Ok(Token { text: "ya29.x...".to_owned(), lifetime: Duration::from_secs(3599) }));
        for (status, text, expected) in [
            (
                400,
                r#"{"error":"invalid_grant","error_description":"Invalid JWT Signature."}"#,
                "invalid_grant: Invalid",
            ),
            (503, "{}", "answers with status 503: no reason"),
            (502, "<html>", "answers with status 502 and an unreadable body"),
            (200, r#"{"access_token":"a"}"#, "answers with status 200, but without"),
            (200, r#"{"access_token":"a b","expires_in":1}"#, "answers with status 200, but without"),
        ] {
            let problem = read(status, text).unwrap_err();
            assert!(problem.contains(expected), "{problem}");
        }
    }
}
