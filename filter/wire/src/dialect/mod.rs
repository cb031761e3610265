//! Wire formats: each dialect reads and writes the one model of what it is about, a [`conversation`](crate::conversation) or
//! [`embedding`](crate::embedding), so that N client formats and M provider formats need N + M pieces of code.
//!
//! A dialect knows no other dialect, no route and no key. It has a [`Provider`] half, which writes requests and reads answers. If
//! clients speak it, it has a [`Client`] half too, which reads requests and writes answers. Where it cannot express something it
//! refuses with a 400 that names the field, or drops a hint and says so: see each dialect's `FIELDS`.

use std::fmt;
use std::ops::AddAssign;

use crate::conversation::{StreamEvent, Usage};
use crate::error::ApiError;
use crate::extras::Extras;
use crate::framing::sse;

pub use client::{Asks, ChatClient, Client, Opening, PeekSpec};
pub use format::{FORMATS, Format};
pub use id::Id;
pub use kept::Kept;
pub use provider::{ChatProvider, Provider, Serves};

pub mod aliases;
pub mod anthropic;
mod at;
mod aws;
pub mod bare;
pub mod bedrock;
pub mod bounds;
mod calls;
mod claude;
pub mod client;
pub mod cohere;
pub mod completions;
pub mod count;
mod data_uri;
mod effort;
#[cfg(test)]
mod embeddings;
mod few;
pub mod fields;
mod format;
mod functions;
pub mod gemini;
pub mod gemini_embed;
#[cfg(test)]
pub(crate) mod halves;
mod hints;
mod id;
mod in_turn;
mod json_end;
mod kept;
#[cfg(test)]
#[cfg(not(target_arch = "wasm32"))]
mod laws;
mod mended;
mod models;
mod openai;
pub mod openai_chat;
pub mod openai_embeddings;
mod out;
pub mod pass_through;
pub mod places;
#[cfg(test)]
mod policies;
pub mod provider;
pub mod quirk;
mod rate_limits;
mod recast;
mod recurring;
pub mod responses;
#[cfg(test)]
#[cfg(not(target_arch = "wasm32"))]
mod robustness;
mod said;
mod schema;
pub mod sealed;
mod sse_reader;
mod text_argument;
mod tiers;
pub mod translate;
mod turns;

/// What becomes of one field of a client's request when the provider speaks another dialect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FieldPolicy {
    /// The conversation model carries it.
    Mapped,
    /// It would change the answer and cannot be carried: 400.
    Refused,
    /// It changes nothing in the answer's meaning: left out, and counted.
    Dropped,
}

/// A field's name as clients write it, its fate, and a note for the documentation.
pub type Field = (&'static str, FieldPolicy, &'static str);

/// The fates of `fields` without the notes, which a gateway does not read.
const fn policies<const N: usize>(fields: &[Field; N]) -> [(&'static str, FieldPolicy); N] {
    let mut out = [("", FieldPolicy::Mapped); N];
    let (mut fields, mut rest): (&[Field], &mut [_]) = (fields, &mut out);
    while let ([(name, policy, _), more @ ..], [first, others @ ..]) = (fields, rest) {
        *first = (name, *policy);
        (fields, rest) = (more, others);
    }
    out
}

/// A request as a provider wants it.
#[derive(Debug, Clone, PartialEq)]
pub struct WrittenRequest {
    /// The JSON body.
    pub body: Vec<u8>,
    /// Hints that the provider has no words for, by the names the client's dialect gives them.
    pub dropped: Vec<String>,
}

/// Turns a provider's bytes, in any portions, into events.
pub trait StreamReader {
    /// Reads one portion and appends the events it completes. A stream that cannot be read is an error, and is not read on.
    fn read(&mut self, portion: &[u8], events: &mut Vec<StreamEvent>) -> Result<(), ApiError>;

    /// What it keeps until the next portion. It costs no more than a look at counters.
    fn kept(&self) -> Kept;
}

/// Takes a provider's bytes, in any portions, out of an envelope: what is left are server-sent events.
pub trait StreamOpener {
    /// Reads one portion and appends the events it completes. A stream that cannot be read is an error, and is not read on.
    fn open(&mut self, portion: &[u8], out: &mut Vec<u8>) -> Result<(), ApiError>;

    /// What it keeps until the next portion. It costs no more than a look at counters.
    fn kept(&self) -> Kept;
}

/// Turns events into a client's bytes.
pub trait StreamWriter {
    /// Appends what `event` is on the wire: often one event, sometimes several or none. After [`StreamEvent::Error`] and
    /// [`StreamEvent::End`] nothing more is written; only `End` writes the format's terminator.
    fn write(&mut self, event: &StreamEvent, out: &mut Vec<u8>);

    /// What it keeps until the next event. It costs no more than a look at counters.
    fn kept(&self) -> Kept;
}

// By name only: what they hold would be printed by code that every format brings, and is printed nowhere.
impl fmt::Debug for dyn StreamReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("StreamReader")
    }
}

impl fmt::Debug for dyn StreamOpener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("StreamOpener")
    }
}

impl fmt::Debug for dyn StreamWriter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("StreamWriter")
    }
}

impl fmt::Debug for dyn StreamPeeker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("StreamPeeker")
    }
}

/// What an event of a stream that passes unchanged is to the gateway.
#[derive(Debug, Clone, PartialEq)]
pub enum EventClass {
    /// Something of the answer that a person or program would see.
    Content,
    /// Anything else that belongs to the answer.
    Other,
    /// Usage that stands alone, and that a client which did not ask for it must not see.
    UsageAlone,
    /// The provider failed inside its stream.
    Failed(ApiError),
    /// The terminator.
    End,
}

/// Looks at the events of a stream that passes unchanged.
pub trait StreamPeeker {
    /// Tells what an event is; malformed ones are [`EventClass::Failed`].
    fn peek(&mut self, event: &sse::Event<'_>) -> EventClass;

    /// What was learned so far.
    fn summary(&self) -> &ResponseSummary;
}

/// What the gateway accounts for, read from an answer that passes unchanged.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ResponseSummary {
    /// The model that answered, as the provider calls it.
    pub model: Option<String>,
    /// The answer's id, where its provider may keep it for requests to come.
    pub id: Option<String>,
    /// Tokens, when the provider said.
    pub usage: Option<Usage>,
    /// What it cost besides, as far as the provider said.
    pub extras: Extras,
    /// Whether the answer has said why it ended.
    pub finished: bool,
    /// Whether it calls a tool.
    pub called: bool,
    /// What was said, for a stream that ends before its provider counts the tokens.
    pub said: OutputSoFar,
}

/// How much of an answer a stream has brought, where nobody has counted tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct OutputSoFar {
    /// Pieces of text, reasoning, or tool calls.
    pub pieces: u64,
    /// About how many bytes are in them.
    pub bytes: u64,
}

impl ResponseSummary {
    /// Whether a stream whose terminator comes now is all there. Some providers give no reason behind their calls; those that have
    /// counted the tokens were done.
    pub fn is_whole(&self) -> bool {
        self.finished || self.called || self.usage.is_some()
    }

    /// The model names itself, if it has not yet. A name that is longer than any is none.
    pub(crate) fn name(&mut self, model: &str) {
        const LONGEST: usize = 1024;
        if self.model.is_none() && (1..=LONGEST).contains(&model.len()) {
            self.model = Some(model.to_owned());
        }
    }
}

impl OutputSoFar {
    /// One piece of so many bytes; nothing, when it is empty.
    pub fn of(bytes: usize) -> Self {
        Self { pieces: u64::from(bytes > 0), bytes: u64::try_from(bytes).unwrap_or(u64::MAX) }
    }

    /// A piece of an answer that was read.
    pub fn in_event(event: &StreamEvent) -> Self {
        match event {
            StreamEvent::Text { text, .. } | StreamEvent::Thinking { text, .. } | StreamEvent::Refusal { text, .. } => {
                Self::of(text.len())
            }
            StreamEvent::Arguments { json, .. } => Self::of(json.len()),
            StreamEvent::RedactedThinking { data, .. } => Self::of(data.len()),
            StreamEvent::ToolCall { .. } => Self::of(1),
            _ => Self::default(),
        }
    }
}

impl AddAssign for OutputSoFar {
    fn add_assign(&mut self, more: Self) {
        self.pieces = self.pieces.saturating_add(more.pieces);
        self.bytes = self.bytes.saturating_add(more.bytes);
    }
}
