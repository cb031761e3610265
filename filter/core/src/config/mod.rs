//! The gateway's configuration in two stages: [`file`] is what a person wrote, [`Gateway`] is what runs.
//!
//! There is one validator, [`Gateway::compile`]; the `sluice` command and the filter both go through it, so what `sluice
//! check` accepts is what the filter loads. It reports every mistake, not the first.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use crate::dialect::Dialect;
use crate::limits::Rule;
use crate::usage::price::Price;

mod check;
pub mod file;
pub mod mistake;
pub mod plugin;
pub mod suggest;
pub mod time;
pub mod url;

pub use check::is_public_name;
pub use mistake::Mistake;

/// A checked configuration, made once per worker; exchanges hold parts of it by reference count, so that a changed
/// configuration never touches a request under way.
#[derive(Debug)]
pub struct Gateway {
    /// Who may call, by the hash of their key.
    pub keys: BTreeMap<KeyHash, Rc<Caller>>,
    /// What they may ask for.
    pub models: BTreeMap<String, Rc<Model>>,
    /// Limits and budgets of teams, apps, models, providers and combinations; those of a single key are its caller's.
    pub rules: Vec<Rc<Rule>>,
    /// How much is reserved before the answer is known.
    pub reservation: file::Reservation,
    /// Where counters and keys are kept besides Envoy's memory.
    pub redis: Option<Redis>,
    /// The hash of the administrator's key.
    pub admin: Option<KeyHash>,
    /// How long to wait.
    pub timeouts: Timeouts,
}

impl Gateway {
    /// Checks a gateway file and compiles it; every mistake is reported, in the order of the file's sections.
    pub fn compile(file: &file::File) -> Result<Self, Vec<Mistake>> {
        check::compile(file)
    }

    /// Reads and compiles a gateway file as JSON, the form in which the filter receives it. A file of the wrong shape
    /// is one mistake here; `sluice check` finds all of those too.
    pub fn from_json(json: &[u8]) -> Result<Self, Vec<Mistake>> {
        let file: file::File = serde_json::from_slice(json).map_err(|error| {
            vec![Mistake { path: String::new(), found: error.to_string(), expected: "a gateway file".to_owned() }]
        })?;
        Self::compile(&file)
    }
}

/// The dialect that a provider of this kind speaks.
fn dialect(kind: file::Kind) -> &'static dyn Dialect {
    match kind {
        file::Kind::Openai => &crate::dialect::openai_chat::OpenAiChat,
        file::Kind::Anthropic => &crate::dialect::anthropic::Anthropic,
    }
}

/// Redis over HTTP, as the filter needs to know it: its credential is Envoy's business.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Redis {
    /// What it speaks.
    pub protocol: file::Protocol,
    /// Host, with the port unless it is the scheme's own: the `:authority` of requests.
    pub authority: String,
    /// Whether it is reached over TLS.
    pub tls: bool,
    /// Base path without a slash at the end; often empty.
    pub base_path: String,
    /// How exact.
    pub mode: file::Mode,
    /// When it does not answer.
    pub when_down: file::WhenDown,
    /// How long to wait for it.
    pub timeout: Duration,
    /// How often counters are exchanged in `relaxed` mode.
    pub sync: Duration,
    /// How long a key's record, or that there is none, is remembered.
    pub key_cache: Duration,
    /// What the names of all its entries begin with.
    pub prefix: String,
}

/// How long to wait; none is zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeouts {
    /// For the whole request, all attempts together.
    pub total: Duration,
    /// For one attempt at an answer that is not streamed.
    pub answer: Duration,
    /// For one attempt's first token, when streamed.
    pub first_token: Duration,
    /// Between two pieces of a stream.
    pub idle: Duration,
}

/// SHA-256 of a virtual key: all that is ever kept of one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyHash(pub [u8; 32]);

impl KeyHash {
    /// Reads 64 hexadecimal digits.
    pub fn from_hex(text: &str) -> Option<Self> {
        let (pairs, []) = text.as_bytes().as_chunks::<2>() else { return None };
        let mut hash = [0; 32];
        if pairs.len() != hash.len() {
            return None;
        }
        for (byte, [high, low]) in hash.iter_mut().zip(pairs) {
            let digit = |c: u8| char::from(c).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
            *byte = digit(*high)? * 16 + digit(*low)?;
        }
        Some(Self(hash))
    }
}

/// One virtual key's holder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// The key's public name.
    pub key_id: String,
    /// The team that answers for it.
    pub team: String,
    /// Unix seconds after which the key is no longer valid.
    pub expires: Option<u64>,
    /// The models it may ask for; `None` is all.
    pub models: Option<Vec<String>>,
}

/// A name that clients ask for.
#[derive(Debug)]
pub struct Model {
    /// The name.
    pub name: String,
    /// Where it is served, in the order in which targets are tried. Never empty.
    pub targets: Vec<Rc<Target>>,
}

/// One provider's model.
#[derive(Debug)]
pub struct Target {
    /// Who serves.
    pub provider: Rc<Provider>,
    /// The provider's own name for the model.
    pub model: String,
    /// What it costs, by its own price or by the one for all that have none. Without either a request that a budget counts
    /// must not go there.
    pub price: Option<Price>,
}

/// A provider, as the filter needs to know it: its credential is Envoy's business.
#[derive(Debug)]
pub struct Provider {
    /// Its name in the gateway file, and in `x-sluice-provider`.
    pub name: String,
    /// The Envoy cluster that reaches it.
    pub cluster: String,
    /// The wire format it speaks.
    pub dialect: &'static dyn Dialect,
    /// Host, with the port unless it is the scheme's own: the `:authority` of requests.
    pub authority: String,
    /// Whether it is reached over TLS: the `:scheme` of requests.
    pub tls: bool,
    /// Base path without a slash at the end: `/v1`, or empty.
    pub base_path: String,
    /// Whether it accepts `stream_options.include_usage`; some OpenAI-compatible servers refuse it.
    pub stream_usage: bool,
}
