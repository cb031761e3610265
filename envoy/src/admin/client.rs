//! The client of a running gateway's administration API.

use std::path::Path;
use std::time::Duration;

use serde_json::Value;
use sluice_wire::percent;
use ureq::Agent;
use ureq::http::{Request, Response};

use crate::cli::Failure;
use crate::locate;

const PATIENCE: Duration = Duration::from_secs(15);
const LARGEST_ANSWER: u64 = 64 << 20;

/// A client of one administration API.
pub struct Client {
    agent: Agent,
    base: String,
    key: String,
}

impl Client {
    /// Connects to the API at `url`, such as `http://127.0.0.1:8081`, with the administrator's key. With `https://`, the files are the CA
    /// certificates to trust, and a client certificate.
    pub fn new(url: &str, key: String, ca: &Path, identity: Option<&Path>) -> Result<Self, Failure> {
        let mut config = Agent::config_builder().timeout_global(Some(PATIENCE)).http_status_as_error(false);
        if url.starts_with("https://") {
            config = config.tls_config(locate::tls_as(ca, identity).map_err(Failure::new)?);
        } else if !url.starts_with("http://") {
            return Err(Failure::new(format!("--admin-url {url:?}: it must begin with http:// or https://")));
        }
        // A proxy could read the administrator's key.
        let agent = config.proxy(None).max_redirects(0).build().into();
        Ok(Self { agent, base: format!("{}/admin/v1", url.trim_end_matches('/')), key })
    }

    /// Sends a request and returns the JSON of its response, or the API's error message.
    pub fn send(&self, method: &str, path: &str, body: Option<&Value>) -> Result<Value, Failure> {
        let answer = self.exchange(method, path, body)?;
        let value = self.json(&answer)?;
        if answer.status().is_success() { Ok(value) } else { Err(refusal(&value)) }
    }

    /// Reads CSV, or returns the API's error message.
    pub fn csv(&self, path: &str) -> Result<Csv, Failure> {
        let answer = self.exchange("GET", path, None)?;
        if !answer.status().is_success() {
            return Err(refusal(&self.json(&answer)?));
        }
        let header = |name: &str| Some(answer.headers().get(name)?.to_str().ok()?.to_owned());
        if !header("content-type").is_some_and(|found| found.starts_with("text/csv")) {
            return Err(self.cannot(&"the server answers without CSV, so it is not the admin API"));
        }
        let complete = header("x-sluice-complete").is_none_or(|complete| complete == "true");
        Ok(Csv { next: header("x-sluice-next"), complete, text: answer.into_body() })
    }

    fn exchange(&self, method: &str, path: &str, body: Option<&Value>) -> Result<Response<String>, Failure> {
        let request = Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.base))
            .header("authorization", format!("Bearer {}", self.key))
            .header("content-type", "application/json")
            .body(body.map(Value::to_string).unwrap_or_default())
            .map_err(|error| self.cannot(&error))?;
        let (head, mut body) = self.agent.run(request).map_err(|error| self.cannot(&error))?.into_parts();
        let text = body.with_config().limit(LARGEST_ANSWER).read_to_string();
        Ok(Response::from_parts(head, text.map_err(|error| self.cannot(&error))?))
    }

    fn json(&self, answer: &Response<String>) -> Result<Value, Failure> {
        serde_json::from_str(answer.body()).map_err(|_| {
            let status = answer.status();
            self.cannot(&format!("the server answers with status {status} and no JSON, so it is not the admin API"))
        })
    }

    fn cannot(&self, what: &dyn std::fmt::Display) -> Failure {
        Failure::new(format!(
            "cannot reach the admin API at {}: {what}. Check that the gateway is running and that its file contains \
             `admin`",
            self.base
        ))
    }
}

/// A response in CSV, or one page of it.
pub struct Csv {
    /// The header row and the rows.
    pub text: String,
    /// The first day of the next page.
    pub next: Option<String>,
    /// Whether the gateway has every requested day.
    pub complete: bool,
}

fn refusal(value: &Value) -> Failure {
    let said = value["error"]["message"].as_str().unwrap_or("it gives no reason").to_owned();
    Failure::new(match value["error"]["param"].as_str() {
        Some(param) => format!("{param}: {said}"),
        None => said,
    })
}

/// Builds a query string from the parameters that are set.
pub fn query<'a>(pairs: impl IntoIterator<Item = (&'a str, Option<&'a str>)>) -> String {
    let given = pairs.into_iter().filter_map(|(name, value)| Some(format!("{name}={}", encode(value?))));
    let joined = given.collect::<Vec<_>>().join("&");
    if joined.is_empty() { joined } else { format!("?{joined}") }
}

/// Percent-encodes a value for a path or a query.
pub fn encode(text: &str) -> String {
    percent::encoded(text, &percent::RESERVED)
}
