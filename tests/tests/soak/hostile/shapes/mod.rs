//! The table of attacks: each row is a kind of request, of response, or of scene with many of them, that has crashed, stalled or filled
//! some gateway.

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

/// The actions of many or malformed requests.
pub type Act = fn(Visit) -> Pin<Box<dyn Future<Output = Vec<Seen>> + Send>>;

/// A row.
#[derive(Clone, Copy)]
pub struct Row {
    pub name: &'static str,
    /// The key that the row needs; `None` for any.
    pub key: Option<&'static str>,
    /// The only store for which the row is meaningful.
    pub only: Option<Store>,
    pub what: What,
}

/// The store of a gateway's counters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Store {
    Memory,
    Redis,
}

impl Store {
    /// The number of its gateway's workers.
    pub fn workers(self) -> u32 {
        if self == Self::Memory { 2 } else { 1 }
    }

    /// The suffix of its access log's name.
    pub fn ending(self) -> &'static str {
        if self == Self::Memory { ".memory" } else { ".redis" }
    }
}

/// The hostile part.
#[derive(Clone, Copy)]
pub enum What {
    /// One request.
    Body(Body),
    /// The response to a valid request.
    Answer(Hostile),
    /// More than one exchange.
    Scene(Act),
}

/// A request with a hostile body.
#[derive(Clone, Copy)]
pub struct Body {
    pub path: &'static str,
    pub make: fn(&mut Chance) -> Vec<u8>,
    /// The allowed statuses of the response.
    pub expected: &'static [u16],
}

/// A hostile response of the provider `bad-KIND`, whose model has the row's name.
#[derive(Clone, Copy)]
pub struct Hostile {
    pub kind: &'static str,
    /// The client's path.
    pub path: &'static str,
    pub stream: bool,
    /// Additional fields of the request.
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

    /// A stream: a failure before its first content is a 502, a later one a 200.
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

    /// Makes the visit, and judges the responses.
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

/// Adds a form's content type.
fn kind_of(ask: Ask) -> Ask {
    let is_form = ask.body.starts_with(b"--");
    if is_form { ask.header("content-type", &format!("multipart/form-data; boundary={BOUNDARY}")) } else { ask }
}

const BOUNDARY: &str = "boundary";

fn nothing() -> Value {
    json!({})
}

impl Hostile {
    /// The request for this response.
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

/// A small request in the format of the path.
pub fn plain(path: &str, model: &str) -> Value {
    let messages = json!([{"role": "user", "content": "say hi"}]);
    match path {
        "/v1/embeddings" => json!({"model": model, "input": "hi", "encoding_format": "base64"}),
        "/v1/responses" => json!({"model": model, "input": "say hi"}),
        "/v1/messages" => json!({"model": model, "max_tokens": 64, "messages": messages}),
        _ => json!({"model": model, "messages": messages}),
    }
}

/// All rows.
pub fn all() -> Vec<Row> {
    [answers::ROWS, endless::ROWS, heads::ROWS, bodies::ROWS, scenes::ROWS, wire::ROWS].concat()
}

/// A model of the hostile provider: its name, the kind of the provider, and its response.
type Model = (&'static str, &'static str, fn() -> Reply);

/// Other responses of the hostile provider: valid ones for hostile requests, and large ones that are harmless alone.
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

/// The hostile provider's response to a request, by the model's name anywhere in it.
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

/// The models of the hostile provider: the name, and the kind of the provider.
pub fn models() -> Vec<(&'static str, &'static str)> {
    let rows = all().into_iter().filter_map(|row| match row.what {
        What::Answer(hostile) => Some((row.name, hostile.kind)),
        _ => None,
    });
    rows.chain(BESIDES.map(|(name, kind, _)| (name, kind))).collect()
}

/// Replaces `ITEMS` by enough of `item`, separated by commas, for this many bytes.
fn listed(body: &str, item: &str, bytes: usize) -> Vec<u8> {
    let count = bytes / (item.len() + 1);
    body.replace("ITEMS", &vec![item; count].join(",")).into_bytes()
}

const MIB: usize = 1 << 20;
const RESPONSES: &str = "/v1/responses";
const MESSAGES: &str = "/v1/messages";
const EMBEDDINGS: &str = "/v1/embeddings";
