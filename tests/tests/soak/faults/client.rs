//! Clients that send one request after another, some of them malformed, and sometimes disconnect. They judge every response.
//!
//! Each response must be complete and as requested, an error in our format, or a stream with a visible error. Anything else is a fault of
//! the gateway.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use sluice_tests::chance::Chance;
use sluice_tests::client::{Answer, Client, Failure, Open};
use sluice_tests::gateway::Gateway;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::site::{KEYS, MODELS, QUALIFIED, STEERING, secret};
use crate::CHAT;

/// The text that the simulator repeats in a huge response.
const HUGE: &str = "0123456789abcdef";
const TOOL: &str = "get_weather";

/// The result of a request for its client.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Outcome {
    /// A complete response as requested.
    Whole,
    /// A complete stream as requested, with its terminator.
    Streamed,
    /// A stream that ended with an error.
    BrokenOff,
    /// A stream whose connection was cut.
    Cut,
    /// The client disconnected during a stream.
    LeftMidway,
    /// The client disconnected before a response.
    LeftEarly,
    /// An error with this status and code.
    Refused(u16, String),
    /// A forbidden result.
    Wrong(String),
}

/// A request and its result.
#[derive(Debug)]
pub struct Done {
    pub outcome: Outcome,
    /// From sending to the end of the response.
    pub took: Duration,
    /// The gateway's request id, if it responded.
    pub id: Option<String>,
}

/// One client: a sequence of requests.
pub struct Visitor {
    chance: Chance,
    client: Client,
    /// Makes each text unique, so that a response fits only its own request.
    sent: u64,
    number: u64,
}

/// A valid request.
struct Asked {
    client: Client,
    body: Value,
    stream: bool,
    /// The text that the model must write; `None` if it must call a tool.
    text: Option<String>,
}

impl Visitor {
    pub fn new(gateway: &Gateway, seed: u64, number: u64) -> Self {
        Self { chance: Chance::of(seed, number), client: gateway.anonymous(), sent: 0, number }
    }

    /// Sends one request.
    pub async fn visit(&mut self) -> Done {
        self.sent += 1;
        let started = Instant::now();
        let (outcome, id) = match self.chance.below(100) {
            0 => self.odd().await,
            1..=3 => (self.leave_early().await, None),
            _ => self.ask().await,
        };
        Done { outcome, took: started.elapsed(), id }
    }

    fn asked(&mut self) -> Asked {
        let key = *self.chance.weighted(&KEYS);
        let mut client = self.client.clone().bearer(&secret(key));
        let mut model = self.chance.pick(&MODELS);
        if key == STEERING {
            client = match self.chance.below(8) {
                0 => client.header("x-sluice-fallback", "off"),
                1 => client.header("x-sluice-timeout", "900ms"),
                2 => {
                    client.header("x-sluice-route", self.chance.pick(&["fastest", "least_busy", "cheapest", "pinned"]))
                }
                3 if model != "tiers" => client.header("x-sluice-route", self.chance.pick(&QUALIFIED)),
                4 => {
                    model = self.chance.pick(&QUALIFIED);
                    client
                }
                _ => client,
            };
        }
        let stream = self.chance.percent(60);
        let words: Vec<String> = (0..self.chance.below(20) + 8).map(|word| format!("w{word:02}")).collect();
        let text = format!("client {} request {} {}", self.number, self.sent, words.join(" "));
        let user = format!("user-{}", self.chance.below(50));
        let mut body = json!({"model": model, "stream": stream, "user": user});
        let tool = self.chance.percent(12);
        if tool {
            body["messages"] = json!([{"role": "user", "content": "the weather, please"}]);
            let parameters =
                json!({"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]});
            body["tools"] = json!([{"type": "function", "function": {"name": TOOL, "parameters": parameters}}]);
        } else {
            body["messages"] = json!([{"role": "user", "content": format!("say {text}")}]);
        }
        if stream && self.chance.percent(50) {
            body["stream_options"] = json!({"include_usage": true});
        }
        if self.chance.percent(30) {
            body["max_tokens"] = json!(300 + self.chance.below(300));
        }
        Asked { client, body, stream, text: (!tool).then_some(text) }
    }

    async fn ask(&mut self) -> (Outcome, Option<String>) {
        let asked = self.asked();
        let leaves = (asked.stream && self.chance.percent(10)).then(|| 1 + self.chance.below(6));
        let mut open = match asked.client.open("POST", CHAT, asked.body.to_string()).await {
            Ok(open) => open,
            Err(failure) => return (failure.into(), None),
        };
        let id = id(&open);
        if let Some(reads) = leaves.filter(|_| open.status() == 200) {
            for _ in 0..reads {
                if !matches!(open.next().await, Ok(Some(_))) {
                    break;
                }
            }
            return (Outcome::LeftMidway, id);
        }
        (asked.judge(&open.finish().await), id)
    }

    /// Disconnects before the response, while sending or waiting.
    async fn leave_early(&mut self) -> Outcome {
        let asked = self.asked();
        let body = asked.body.to_string();
        if self.chance.percent(30) {
            let sent = self.half(&asked, &body).await;
            return sent
                .map_or_else(|error| Outcome::Wrong(format!("no connection: {error}")), |()| Outcome::LeftEarly);
        }
        let patience = Duration::from_millis(self.chance.below(40));
        match timeout(patience, asked.client.open("POST", CHAT, body)).await {
            Err(_) => Outcome::LeftEarly,
            Ok(Err(failure)) => failure.into(),
            Ok(Ok(open)) => asked.judge(&open.finish().await),
        }
    }

    /// Sends half of a request, and disconnects.
    async fn half(&mut self, asked: &Asked, body: &str) -> std::io::Result<()> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.client.port())).await?;
        let headers = asked.client.headers().iter().map(|(name, value)| format!("{name}: {value}\r\n"));
        let head = format!("POST {CHAT} HTTP/1.1\r\nhost: x\r\ncontent-length: {}\r\n", body.len());
        let head: String = [head].into_iter().chain(headers).chain(["\r\n".to_owned()]).collect();
        stream.write_all(head.as_bytes()).await?;
        stream.write_all(&body.as_bytes()[..body.len() / 2]).await
    }

    /// Sends an invalid request, which must be rejected with the matching error.
    async fn odd(&mut self) -> (Outcome, Option<String>) {
        let client = self.client.clone().bearer(&secret("wide"));
        let valid = json!({"model": "fallback", "messages": [{"role": "user", "content": "hi"}]}).to_string();
        let many = r#"{"model":"claude/claude-c","n":2,"messages":[{"role":"user","content":"hi"}]}"#;
        let (client, path, body, expected) = match self.chance.below(8) {
            0 => (client, CHAT, valid[..valid.len() / 2].to_owned(), 400),
            1 => (client, CHAT, valid.replace("fallback", "nothing"), 404),
            2 => (self.client.clone(), CHAT, valid, 401),
            3 => (self.client.clone().bearer("sk-wrong"), CHAT, valid, 401),
            4 => (client, "/v1/nothing", valid, 404),
            5 => (client.header("x-sluice-route", "fastest"), CHAT, valid, 403),
            6 => (self.client.clone().bearer(&secret(STEERING)), CHAT, many.to_owned(), 400),
            _ => (client, CHAT, r#"{"model":"fallback","messages":[]}"#.to_owned(), 400),
        };
        match client.open("POST", path, body).await {
            Ok(open) => {
                let id = id(&open);
                let outcome = match error(&open.finish().await) {
                    Outcome::Refused(status, code) if ![expected, 429].contains(&status) => {
                        Outcome::Wrong(format!("{status} {code} in place of {expected}"))
                    }
                    outcome => outcome,
                };
                (outcome, id)
            }
            Err(failure) => (failure.into(), None),
        }
    }
}

impl From<Failure> for Outcome {
    fn from(failure: Failure) -> Self {
        Self::Wrong(format!("no answer: {failure:?}"))
    }
}

fn id(open: &Open) -> Option<String> {
    open.headers().get("x-request-id")?.to_str().ok().map(str::to_owned)
}

/// The response must be a complete error in OpenAI's format. It must have a code, unless it is a provider's own error without one.
fn error(answer: &Answer) -> Outcome {
    let wrong = |why: &str| Outcome::Wrong(format!("{why}: {} {:?} {}", answer.status, answer.headers, answer.text()));
    let json = answer.json();
    let field = |name: &str| json["error"][name].as_str().filter(|text| !text.is_empty());
    match (answer.status, field("code")) {
        (..400, _) => wrong("not an error"),
        _ if !answer.complete => wrong("an error that is cut"),
        _ if field("message").is_none() || field("type").is_none() => wrong("an error of another shape"),
        (_, Some(code)) => Outcome::Refused(answer.status, code.to_owned()),
        (status, None) if status == 400 || answer.header("x-sluice-attempts").is_some() => {
            Outcome::Refused(status, "-".to_owned())
        }
        (_, None) => wrong("an error without a code"),
    }
}

/// The content of a stream.
#[derive(Debug, Default)]
struct Said {
    text: String,
    tool: String,
    arguments: String,
    finish: Vec<String>,
    errors: usize,
    /// Whether the last event has arrived.
    done: bool,
}

impl Said {
    fn of(answer: &Answer) -> Result<Self, &'static str> {
        let mut said = Self::default();
        for event in answer.events() {
            if said.done || said.errors > 0 {
                return Err("something behind the end");
            }
            said.add(&event.data)?;
        }
        Ok(said)
    }

    fn add(&mut self, data: &str) -> Result<(), &'static str> {
        if data == "[DONE]" {
            self.done = true;
            return Ok(());
        }
        let chunk: Value = serde_json::from_str(data).map_err(|_| "an event that is not JSON")?;
        if chunk["error"].is_object() {
            self.errors += 1;
            return Ok(());
        }
        let choice = &chunk["choices"][0];
        self.take(&choice["delta"]);
        self.finish.extend(choice["finish_reason"].as_str().map(str::to_owned));
        Ok(())
    }

    fn take(&mut self, message: &Value) {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        self.text += &text(&message["content"]);
        let call = &message["tool_calls"][0]["function"];
        self.tool += &text(&call["name"]);
        self.arguments += &text(&call["arguments"]);
    }
}

impl Asked {
    fn judge(&self, answer: &Answer) -> Outcome {
        if answer.status != 200 {
            return error(answer);
        }
        let judged = if self.stream { self.stream(answer) } else { self.whole(answer) };
        judged.unwrap_or_else(|why| {
            let text: Vec<char> = answer.text().chars().collect();
            let end: String = text[text.len().saturating_sub(1_500)..].iter().collect();
            Outcome::Wrong(format!("{why}: asked {} read {:?} … {end:?}", self.body, answer.headers))
        })
    }

    fn whole(&self, answer: &Answer) -> Result<Outcome, &'static str> {
        if !answer.complete {
            return Err("an answer that is cut");
        }
        let mut said = Said::default();
        let choice = answer.json()["choices"][0].take();
        said.take(&choice["message"]);
        said.finish.extend(choice["finish_reason"].as_str().map(str::to_owned));
        if self.is_complete(&said) { Ok(Outcome::Whole) } else { Err("not what was asked for") }
    }

    fn stream(&self, answer: &Answer) -> Result<Outcome, &'static str> {
        let said = Said::of(answer)?;
        match (answer.complete, said.done, said.errors) {
            (true, true, 0) if self.is_complete(&said) => Ok(Outcome::Streamed),
            (true, true, 0) => Err("a clean end of something else than was asked for"),
            (true, false, 0) => Err("a stream without a terminator that ends as if all were well"),
            (_, false, 1) if self.is_begun(&said) => Ok(Outcome::BrokenOff),
            (false, false, 0) if self.is_begun(&said) => Ok(Outcome::Cut),
            (false, false, _) | (_, false, 1) => Err("a broken stream of something else than was asked for"),
            _ => Err("a stream with two ends"),
        }
    }

    fn is_complete(&self, said: &Said) -> bool {
        let Said { text, tool, arguments, finish, .. } = said;
        let [finish] = &finish[..] else { return false };
        match &self.text {
            Some(expected) => match finish.as_str() {
                "stop" => text == expected || is_huge(text),
                // Only a huge response is longer than requested.
                "length" => HUGE.starts_with(text.as_str()),
                _ => false,
            },
            None => {
                let arguments = serde_json::from_str::<Value>(arguments).unwrap_or_default();
                // A huge response is too long, and still calls the tool.
                ["tool_calls", "length"].contains(&finish.as_str())
                    && tool == TOOL
                    && arguments == json!({"city": "Oslo"})
            }
        }
    }

    fn is_begun(&self, said: &Said) -> bool {
        match &self.text {
            Some(expected) => expected.starts_with(&said.text) || said.text.starts_with(HUGE),
            None => r#"{"city":"Oslo"}"#.starts_with(&said.arguments),
        }
    }
}

fn is_huge(text: &str) -> bool {
    text.len() == 1 << 20 && text.as_bytes().chunks(HUGE.len()).all(|chunk| chunk == HUGE.as_bytes())
}
