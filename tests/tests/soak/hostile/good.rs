//! Well-behaved clients that read streams during the attack. Each stream must be complete, and as its provider sent it.
//!
//! A twin of the providers gets the same requests directly. If client and provider use the same format, both streams have the same bytes.
//! Otherwise they have the same text and the same counts.

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use sluice_tests::chance::Chance;
use sluice_tests::client::{Answer, Client};
use sluice_tests::simulator::Simulator;

use super::site::{GOOD, MODELS, secret};
use crate::CHAT;

const MESSAGES: &str = "/v1/messages";

/// One client: a sequence of streams.
pub struct Reader {
    chance: Chance,
    client: Client,
    twin: Arc<Simulator>,
    number: u64,
    read: u64,
}

/// The result of a stream.
pub type Read = Result<Good, String>;

/// A stream with all that its provider sent.
#[derive(Debug, Clone, Copy)]
pub struct Good {
    /// Its longest silence.
    pub silence: Duration,
    /// Whether its connection was reset after its last event: its provider, which shares two processors with the attack, took more than the
    /// two seconds that the gateway waits for the end of a complete stream.
    pub reset_after_end: bool,
}

impl Reader {
    pub fn new(port: u16, twin: Arc<Simulator>, seed: u64, number: u64) -> Self {
        let key = GOOD[number as usize % GOOD.len()];
        let client = Client::new(port).header("anthropic-version", "2023-06-01").bearer(&secret(key));
        Self { chance: Chance::of(seed, number), client, twin, number, read: 0 }
    }

    /// Reads one stream to its end.
    pub async fn read(&mut self) -> Read {
        self.read += 1;
        let (ours, provider, theirs, ..) = self.chance.pick(&MODELS);
        let path = if self.chance.percent(50) { CHAT } else { MESSAGES };
        let same = (path == MESSAGES) == (provider == "good-claude");
        let words: Vec<String> = (0..10 + self.chance.below(40)).map(|word| format!("w{word:02}")).collect();
        let text = format!("reader {} stream {} {}", self.number, self.read, words.join(" "));
        let body = ask(path, ours, &text);
        // The twin gets the request in its provider's format.
        let told = if provider == "good-claude" { MESSAGES } else { CHAT };
        let (twin, asked) = (Client::new(self.twin.port()), ask(told, theirs, &text));
        let twin = if told == MESSAGES { twin.anthropic("sk-twin") } else { twin.bearer("sk-twin") };
        let (heard, sent) = tokio::join!(self.listen(path, &body), twin.post(told, &asked));
        let (answer, silence) = heard?;
        let wrong = |what: &str| {
            let same = answer.body.iter().zip(&sent.body).take_while(|(one, other)| one == other).count();
            let [read, sent] = [&answer, &sent].map(|answer| excerpt(&answer.body, same));
            format!("{what}: {path} of {ours}: {} {:?}\n  read …{read}\n  sent …{sent}", answer.status, answer.headers)
        };
        match () {
            () if answer.status != 200 || !(answer.complete || Said::of(&answer).ended) => {
                Err(wrong("a good stream that is not complete"))
            }
            () if same && answer.body != sent.body => Err(wrong("a good stream that is not what was sent")),
            () if !same && Said::of(&answer) != Said::of(&sent) => Err(wrong("a good stream that says something else")),
            () if !answer.streamed_text().contains(&text) => Err(wrong("a good stream that says something else")),
            () => Ok(Good { silence, reset_after_end: !answer.complete }),
        }
    }

    async fn listen(&self, path: &str, body: &Value) -> Result<(Answer, Duration), String> {
        let open = self.client.open("POST", path, body.to_string()).await;
        let mut open = open.map_err(|failure| format!("a good stream without an answer: {failure:?}"))?;
        let (mut silence, mut last, mut all) = (Duration::ZERO, Instant::now(), Vec::new());
        let complete = loop {
            let next = open.next().await;
            silence = silence.max(last.elapsed());
            last = Instant::now();
            match next {
                Ok(Some(bytes)) => all.extend_from_slice(&bytes),
                Ok(None) => break true,
                Err(_) => break false,
            }
        };
        let answer = Answer { status: open.status(), headers: open.headers().clone(), body: all.into(), complete };
        Ok((answer, silence))
    }
}

/// The text around this position.
fn excerpt(body: &[u8], place: usize) -> String {
    let end = body.len().min(place + 400);
    String::from_utf8_lossy(&body[place.saturating_sub(200).min(end)..end]).escape_debug().to_string()
}

fn ask(path: &str, model: &str, text: &str) -> Value {
    let messages = json!([{"role": "user", "content": format!("say {text}")}]);
    if path == MESSAGES {
        return json!({"model": model, "max_tokens": 900, "stream": true, "messages": messages});
    }
    let options = json!({"include_usage": true});
    json!({"model": model, "max_tokens": 900, "stream": true, "stream_options": options, "messages": messages})
}

/// The content of a stream, in any format.
#[derive(Debug, PartialEq, Eq)]
struct Said {
    text: String,
    /// Tokens of the prompt and of the response.
    counted: (u64, u64),
    /// Whether it is complete.
    ended: bool,
}

impl Said {
    fn of(answer: &Answer) -> Self {
        let events = answer.events();
        let (mut counted, mut ended) = ((0, 0), false);
        for event in &events {
            let data = event.json();
            for usage in [&data["usage"], &data["message"]["usage"]] {
                // The last count is the provider's; an estimate may precede it.
                let count =
                    |names: [&str; 2]| names.iter().find_map(|name| usage[name].as_u64()).filter(|count| *count > 0);
                counted.0 = count(["prompt_tokens", "input_tokens"]).unwrap_or(counted.0);
                counted.1 = count(["completion_tokens", "output_tokens"]).unwrap_or(counted.1);
            }
            ended |= event.data == "[DONE]" || data["type"] == "message_stop";
        }
        Self { text: answer.streamed_text(), counted, ended }
    }
}
