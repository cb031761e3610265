//! A client of an OpenAI-compatible embeddings API.

use std::path::Path;
use std::thread;
use std::time::Duration;

use serde_json::json;
use sluice_core::cache::semantic::vector::{MOST_DIMENSIONS, Vector};
use sluice_wire::dialect::openai_embeddings::PROVIDER;
use sluice_wire::dialect::provider::Serves;
use ureq::Agent;

use crate::cli::{Failure, count};
use crate::locate;

const PATIENCE: Duration = Duration::from_secs(120);
const LARGEST_ANSWER: u64 = 64 << 20;
/// Texts per request: below the limits of all known servers.
const BATCH: usize = 64;
const ATTEMPTS: u32 = 5;
const LONGEST_WAIT: Duration = Duration::from_secs(60);

/// A server with one model.
pub struct Server<'a> {
    agent: Agent,
    url: String,
    model: &'a str,
    key: Option<String>,
}

impl<'a> Server<'a> {
    /// Connects to the API below `base`.
    pub fn new(base: &str, model: &'a str, key: Option<String>, authorities: &Path) -> Result<Self, Failure> {
        let base = base.trim_end_matches('/').trim_end_matches("/embeddings");
        if !["http://", "https://"].iter().any(|scheme| base.starts_with(scheme)) {
            return Err(Failure::new(format!("--url {base:?}: expected a URL such as https://api.openai.com/v1")));
        }
        // A redirect could lead the key elsewhere.
        let config =
            Agent::config_builder().timeout_global(Some(PATIENCE)).http_status_as_error(false).max_redirects(0);
        let secure = base.starts_with("https://").then(|| locate::tls(authorities)).transpose();
        let config = config.tls_config(secure.map_err(Failure::new)?.unwrap_or_default());
        Ok(Self { agent: config.build().into(), url: format!("{base}/embeddings"), model, key })
    }

    /// Embeds the texts, in order.
    pub fn embed(&self, texts: &[&str]) -> Result<Vec<Vector>, Failure> {
        let mut vectors = Vec::with_capacity(texts.len());
        for batch in texts.chunks(BATCH) {
            vectors.extend(self.batch(batch)?);
        }
        let dimensions = |vector: &Vector| vector.dimensions();
        match vectors.iter().find(|vector| vectors.first().map(dimensions) != Some(dimensions(vector))) {
            None => Ok(vectors),
            Some(_) => Err(self.cannot("it answers with embeddings of different lengths")),
        }
    }

    fn batch(&self, texts: &[&str]) -> Result<Vec<Vector>, Failure> {
        let body = json!({"model": self.model, "input": texts, "encoding_format": "float"}).to_string();
        let answer = self.ask(&body)?;
        let Serves::Embeddings(format) = &PROVIDER.serves else { return Err(self.cannot("it has no embeddings")) };
        let response = (format.read_response)(&answer).map_err(|error| self.cannot(&error.message))?;
        if response.vectors.len() != texts.len() {
            let (found, asked) = (count(response.vectors.len(), "embedding"), count(texts.len(), "text"));
            return Err(self.cannot(&format!("it answers with {found} for {asked}")));
        }
        let vectors = response.vectors.iter().map(|vector| {
            let numbers = vector.floats().map_err(|error| self.cannot(&error.message))?;
            Vector::of(&numbers).ok_or_else(|| {
                self.cannot(&format!(
                    "it answers with an embedding without a direction, or of more than {MOST_DIMENSIONS} numbers"
                ))
            })
        });
        vectors.collect()
    }

    /// The body of a success. An overloaded server is asked again.
    fn ask(&self, body: &str) -> Result<Vec<u8>, Failure> {
        let (mut attempts, mut wait) = (1, Duration::from_secs(1));
        loop {
            let mut request = self.agent.post(&self.url).header("content-type", "application/json");
            if let Some(key) = &self.key {
                request = request.header("authorization", &format!("Bearer {}", key.trim()));
            }
            let mut answer = request.send(body).map_err(|error| self.cannot(&error.to_string()))?;
            let status = answer.status().as_u16();
            let header = answer.headers().get("retry-after").and_then(|value| value.to_str().ok()?.parse().ok());
            let text = answer.body_mut().with_config().limit(LARGEST_ANSWER).read_to_vec();
            let text = text.map_err(|error| self.cannot(&error.to_string()))?;
            match status {
                200 => return Ok(text),
                429 | 500 | 502..=504 if attempts < ATTEMPTS => {
                    attempts += 1;
                    thread::sleep(header.map_or(wait, Duration::from_secs).min(LONGEST_WAIT));
                    wait *= 2;
                }
                _ => {
                    let error = (PROVIDER.read_error)(status, None, &text);
                    return Err(self.cannot(&format!("it answers with status {status}: {}", error.message)));
                }
            }
        }
    }

    fn cannot(&self, problem: &str) -> Failure {
        Failure::new(format!("cannot get embeddings from {}: {problem}", self.url))
    }
}
