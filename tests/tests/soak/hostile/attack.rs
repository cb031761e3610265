//! One hostile visit: its key, its gateway, and the judgment of the response.
//!
//! For all input from a client and a provider, the client gets one of these: an error that its row of the table expects, in JSON of its own
//! format; a response; or a stream with a visible error. Anything else is a fault of the gateway.

use std::time::Duration;

use bytes::Bytes;
use serde_json::Value;
use sluice_tests::chance::Chance;
use sluice_tests::client::Answer;

use super::place::Place;
use super::site::{LARGE, secret};
use super::talk::{Heard, Manner, answer, head, talk};

/// A short description of the result, or of the violation.
pub type Seen = Result<String, String>;

/// A visit to a gateway.
#[derive(Debug, Clone)]
pub struct Visit {
    pub place: Place,
    pub chance: Chance,
    /// The name of its key.
    pub key: &'static str,
}

/// A request.
#[derive(Debug, Clone)]
pub struct Ask {
    pub method: &'static str,
    pub path: String,
    pub headers: Vec<(String, String)>,
    pub body: Bytes,
}

impl Ask {
    /// A JSON request without a key.
    pub fn post(path: &str, body: impl Into<Bytes>) -> Self {
        let headers = vec![("content-type".to_owned(), "application/json".to_owned())];
        Self { method: "POST", path: path.to_owned(), headers, body: body.into() }
    }

    /// Adds a header.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.retain(|(known, _)| known != name);
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Sets the secret.
    pub fn secret(self, secret: &str) -> Self {
        self.header("authorization", &format!("Bearer {secret}"))
    }

    /// The head of the request.
    pub fn head(&self) -> String {
        head(self.method, &self.path, &self.headers, self.body.len())
    }
}

impl Visit {
    /// A request with the visit's key.
    pub fn ask(&self, path: &str, body: impl Into<Bytes>) -> Ask {
        Ask::post(path, body).secret(&secret(self.key))
    }

    /// A visit with another key.
    pub fn of(&self, key: &'static str) -> Self {
        Self { key, ..self.clone() }
    }

    /// Sends a request, reads the whole response, and judges it by the `expected` statuses.
    pub async fn send(&self, ask: &Ask, expected: &[u16]) -> Seen {
        self.sends(ask, Manner::default(), expected).await
    }

    /// Sends a request in this manner, and judges the response.
    pub async fn sends(&self, ask: &Ask, manner: Manner, expected: &[u16]) -> Seen {
        let heard = talk(self.place.port, ask.head().as_bytes(), &ask.body, manner).await;
        if manner.writes.is_some() || manner.reads.is_some() {
            return Ok("left".to_owned());
        }
        let Heard::Bytes(heard, broken) = heard else {
            return Err(format!("{} of {} was never answered", ask.path, self.key));
        };
        match answer(&heard) {
            Some(answer) => judge(&ask.path, &answer, expected),
            None => {
                let (end, key) = (heard.len().min(200), self.key);
                let heard = String::from_utf8_lossy(&heard[..end]);
                Err(format!("no answer to {} of {key} ({} bytes): {heard:?} {broken:?}", ask.path, ask.body.len()))
            }
        }
    }
}

/// The error codes that are always a valid response to a hostile request: limits of the key, and memory pressure.
const REFUSED: [&str; 4] =
    ["rate_limit_exceeded", "concurrency_limit_exceeded", "insufficient_quota", "gateway_overloaded"];

/// Judges a response on this path.
pub fn judge(path: &str, answer: &Answer, expected: &[u16]) -> Seen {
    let is_stream = answer.header("content-type").is_some_and(|kind| kind.starts_with("text/event-stream"));
    let wrong = |why: &str| {
        let text: String = answer.text().chars().take(600).collect();
        Err(format!("{why} at {path}: {} {:?} {text}", answer.status, answer.headers))
    };
    match answer.status {
        ..300 if !expected.contains(&answer.status) => wrong("an answer that was not expected"),
        ..300 if is_stream => stream(answer).or_else(wrong),
        ..300 if answer.complete => Ok(answer.status.to_string()),
        ..300 => wrong("an answer that is cut"),
        status => match refusal(path, answer) {
            Err(why) => wrong(why),
            Ok(code) if expected.contains(&status) || REFUSED.contains(&code.as_str()) => {
                Ok(format!("{status} {code}"))
            }
            Ok(_) => wrong("an error that was not expected"),
        },
    }
}

/// The code of an error, which must be complete and in the format of its path.
fn refusal(path: &str, answer: &Answer) -> Result<String, &'static str> {
    if !answer.complete {
        return Err("an error that is cut");
    }
    let json = answer.json();
    let text = |name: &str| json["error"][name].as_str().filter(|text| !text.is_empty());
    let is_anthropics = path.starts_with("/v1/messages");
    if text("message").is_none() || text("type").is_none() || (is_anthropics && json["type"] != "error") {
        return Err("an error of another shape");
    }
    Ok(text("code").or_else(|| text("type")).unwrap_or_default().to_owned())
}

/// The end of a stream.
fn stream(answer: &Answer) -> Result<String, &'static str> {
    let (mut ended, mut failed) = (false, false);
    for event in answer.events() {
        let data = event.json();
        // An error in OpenAI's Responses has two events.
        if (ended || failed) && !(failed && is_error(&data)) {
            return Err("something behind the end of a stream");
        }
        failed |= is_error(&data);
        ended |= is_end(&event.data, &data);
    }
    match (failed, ended, answer.complete) {
        (true, ..) => Ok("broken off, and said so".to_owned()),
        (_, true, true) => Ok("streamed".to_owned()),
        (_, _, false) => Ok("cut".to_owned()),
        (_, false, true) => Err("a stream without a terminator that ends as if all were well"),
    }
}

fn is_error(data: &Value) -> bool {
    data["error"].is_object() || data["type"] == "response.failed" || data["type"] == "error"
}

fn is_end(text: &str, data: &Value) -> bool {
    const ENDS: [&str; 3] = ["message_stop", "response.completed", "response.incomplete"];
    text == "[DONE]" || data["type"].as_str().is_some_and(|kind| ENDS.contains(&kind))
}

/// The name of a random hostile key.
pub fn somebody(chance: &mut Chance) -> &'static str {
    chance.pick(&LARGE)
}

/// A pause of a slow client.
pub const PAUSE: Duration = Duration::from_millis(40);
