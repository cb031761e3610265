//! The table of what is hostile: each row is a kind of request, of answer, or of scene with many of them, that has ended, stalled
//! or filled a gateway somewhere.

mod answers;
mod bodies;
mod endless;
mod heads;
mod scenes;
mod wire;

use std::pin::Pin;

use serde_json::{Value, json};
use sluice_tests::chance::Chance;

use super::attack::{Ask, Seen, Visit};
use super::provider::Reply;
use crate::CHAT;

/// What many or odd requests do.
pub type Act = fn(Visit) -> Pin<Box<dyn Future<Output = Vec<Seen>> + Send>>;

/// A row.
#[derive(Clone, Copy)]
pub struct Row {
    pub name: &'static str,
    /// Who has to come; anybody with a key, when that does not matter.
    pub key: Option<&'static str>,
    /// Where it only means something.
    pub only: Option<Store>,
    pub what: What,
}

/// Where a gateway keeps its counters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Store {
    Memory,
    Redis,
}

impl Store {
    /// How many workers its gateway has.
    pub fn workers(self) -> u32 {
        if self == Self::Memory { 2 } else { 1 }
    }

    /// What ends the name of its access log.
    pub fn ending(self) -> &'static str {
        if self == Self::Memory { ".memory" } else { ".redis" }
    }
}

/// What is hostile about it.
#[derive(Clone, Copy)]
pub enum What {
    /// One request.
    Body(Body),
    /// The answer to a request that is none the worse for it.
    Answer(Hostile),
    /// More than that.
    Scene(Act),
}

/// A request with a hostile body.
#[derive(Clone, Copy)]
pub struct Body {
    pub path: &'static str,
    pub make: fn(&mut Chance) -> Vec<u8>,
    /// The statuses that its answer may have.
    pub expected: &'static [u16],
}

/// A hostile answer of the provider `bad-KIND`, whose model has the row's name.
#[derive(Clone, Copy)]
pub struct Hostile {
    pub kind: &'static str,
    /// Where the client asks.
    pub path: &'static str,
    pub stream: bool,
    /// What the client asks besides the usual.
    pub more: fn() -> Value,
    pub reply: fn() -> Reply,
    pub expected: &'static [u16],
}

impl Row {
    const fn body(
        name: &'static str,
        path: &'static str,
        make: fn(&mut Chance) -> Vec<u8>,
        expected: &'static [u16],
    ) -> Self {
        Self { name, key: None, only: None, what: What::Body(Body { path, make, expected }) }
    }

    const fn whole(
        name: &'static str,
        kind: &'static str,
        path: &'static str,
        reply: fn() -> Reply,
        expected: &'static [u16],
    ) -> Self {
        let what = Hostile { kind, path, stream: false, more: nothing, reply, expected };
        Self { name, key: None, only: None, what: What::Answer(what) }
    }

    /// A stream: what was refused before its first content is a 502, what broke off behind it a 200.
    const fn stream(name: &'static str, kind: &'static str, path: &'static str, reply: fn() -> Reply) -> Self {
        let what = Hostile { kind, path, stream: true, more: nothing, reply, expected: &[200, 502, 503, 504] };
        Self { name, key: None, only: None, what: What::Answer(what) }
    }

    const fn scene(name: &'static str, act: Act) -> Self {
        Self { name, key: None, only: None, what: What::Scene(act) }
    }

    const fn by(self, key: &'static str) -> Self {
        Self { key: Some(key), ..self }
    }

    const fn only(self, store: Store) -> Self {
        Self { only: Some(store), ..self }
    }

    const fn asking(self, more: fn() -> Value) -> Self {
        match self.what {
            What::Answer(answer) => Self { what: What::Answer(Hostile { more, ..answer }), ..self },
            _ => self,
        }
    }

    /// Comes, and looks at what is answered.
    pub async fn run(&self, mut visit: Visit) -> Vec<Seen> {
        match self.what {
            What::Body(Body { path, make, expected }) => {
                let body = make(&mut visit.chance);
                vec![visit.send(&kind_of(visit.ask(path, body)), expected).await]
            }
            What::Answer(hostile) => vec![visit.send(&hostile.ask(self.name, &visit), hostile.expected).await],
            What::Scene(act) => act(visit).await,
        }
    }
}

/// A form says that it is one.
fn kind_of(ask: Ask) -> Ask {
    let is_form = ask.body.starts_with(b"--");
    if is_form { ask.header("content-type", &format!("multipart/form-data; boundary={BOUNDARY}")) } else { ask }
}

const BOUNDARY: &str = "boundary";

fn nothing() -> Value {
    json!({})
}

impl Hostile {
    /// The request that is answered so.
    pub fn ask(&self, model: &str, visit: &Visit) -> Ask {
        let mut body = plain(self.path, model);
        if self.stream {
            body["stream"] = json!(true);
        }
        for (name, value) in (self.more)().as_object().into_iter().flatten() {
            body[name] = value.clone();
        }
        visit.ask(self.path, body.to_string())
    }
}

/// A small request in the format that is spoken there.
pub fn plain(path: &str, model: &str) -> Value {
    let messages = json!([{"role": "user", "content": "say hi"}]);
    match path {
        "/v1/embeddings" => json!({"model": model, "input": "hi", "encoding_format": "base64"}),
        "/v1/responses" => json!({"model": model, "input": "say hi"}),
        "/v1/messages" => json!({"model": model, "max_tokens": 64, "messages": messages}),
        _ => json!({"model": model, "messages": messages}),
    }
}

/// All of them.
pub fn all() -> Vec<Row> {
    [answers::ROWS, endless::ROWS, heads::ROWS, bodies::ROWS, scenes::ROWS, wire::ROWS].concat()
}

/// A model of the hostile provider's: its name, the kind of the provider, and what it answers.
type Model = (&'static str, &'static str, fn() -> Reply);

/// What else the hostile provider answers: well, to requests that are hostile by themselves, or with much, which is no harm
/// when it comes alone.
const BESIDES: [Model; 8] = [
    ("small", "openai", || Reply::json().then(answers::CHAT_ANSWER)),
    ("small-claude", "anthropic", || Reply::json().then(answers::MESSAGE)),
    ("small-masked", "openai", || Reply::json().then(answers::CHAT_ANSWER)),
    ("small-list", "openai", || Reply::json().then(answers::LIST)),
    ("small-vector", "gemini", || Reply::json().then(r#"{"embeddings":[{"values":[0.5]}]}"#)),
    ("held-flood", "openai", endless::flood),
    ("large-answer", "openai", || answers::long(20 * MIB)),
    ("kept", "openai", || answers::long(7 * MIB)),
];

/// What the hostile provider answers to whoever asks for this: by the model's name, wherever it stands.
pub fn reply(asked: &str) -> Reply {
    let is_of = |name: &str| {
        [format!("\"{name}\""), format!("/{name}:"), format!("/{name}/")].iter().any(|part| asked.contains(part))
    };
    let hostile = all().into_iter().find_map(|row| match row.what {
        What::Answer(hostile) if is_of(row.name) => Some(hostile.reply),
        _ => None,
    });
    let besides = || BESIDES.iter().find(|(name, ..)| is_of(name)).map(|(.., reply)| *reply);
    hostile
        .or_else(besides)
        .map_or_else(|| Reply::raw("HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n"), |reply| reply())
}

/// Its providers' kinds and its models: the name, and the kind of the provider.
pub fn models() -> Vec<(&'static str, &'static str)> {
    let rows = all().into_iter().filter_map(|row| match row.what {
        What::Answer(hostile) => Some((row.name, hostile.kind)),
        _ => None,
    });
    rows.chain(BESIDES.map(|(name, kind, _)| (name, kind))).collect()
}

/// So many of `item`, separated by commas, as make so many bytes, in place of `ITEMS`.
fn listed(body: &str, item: &str, bytes: usize) -> Vec<u8> {
    let count = bytes / (item.len() + 1);
    body.replace("ITEMS", &vec![item; count].join(",")).into_bytes()
}

const MIB: usize = 1 << 20;
const RESPONSES: &str = "/v1/responses";
const MESSAGES: &str = "/v1/messages";
const EMBEDDINGS: &str = "/v1/embeddings";
