//! Wire formats. Each dialect converts between its wire format and a shared model: a [`conversation`](crate::conversation) or an
//! [`embedding`](crate::embedding). So N client formats and M provider formats need N + M pieces of code.
//!
//! A dialect knows no other dialect, no route and no key. Its [`Provider`] half writes requests and reads responses. A dialect that clients
//! speak also has a [`Client`] half, which reads requests and writes responses. If a dialect cannot express a field, it rejects the request
//! with a 400 that names the field, or drops the field and reports it: see each dialect's `FIELDS`.

use std::fmt;
use std::ops::AddAssign;

use crate::content_filter::FilterResults;
use crate::conversation::{FinishReasons, StreamEvent, Usage};
use crate::error::ApiError;
use crate::extras::Extras;
use crate::framing::sse;

pub use buffered::Buffered;
pub use client::{Asks, ChatClient, Client, Opening, PeekSpec};
pub use format::{FORMATS, Format};
pub use id::Id;
pub use provider::{ChatProvider, Provider, Serves};

pub mod aliases;
pub mod anthropic;
mod at;
mod aws;
pub mod bare;
pub mod bedrock;
pub mod bounds;
mod buffered;
pub mod cache_marks;
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
pub mod field_paths;
pub mod fields;
pub mod foreign_reasoning;
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
mod sse_reader;
mod text_argument;
mod tiers;
pub mod translate;
mod turns;

/// How a request field is handled if the provider speaks another dialect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FieldPolicy {
    /// The conversation model carries it.
    Mapped,
    /// It would change the response and cannot be carried: 400.
    Refused,
    /// It does not change the response's meaning: dropped and counted.
    Dropped,
}

/// A field's name as clients write it, its policy, and a note for the documentation.
pub type Field = (&'static str, FieldPolicy, &'static str);

/// Strips the notes from `fields`; the gateway does not need them at run time.
const fn policies<const N: usize>(fields: &[Field; N]) -> [(&'static str, FieldPolicy); N] {
    let mut out = [("", FieldPolicy::Mapped); N];
    let (mut fields, mut rest): (&[Field], &mut [_]) = (fields, &mut out);
    while let ([(name, policy, _), more @ ..], [first, others @ ..]) = (fields, rest) {
        *first = (name, *policy);
        (fields, rest) = (more, others);
    }
    out
}

/// A request in the provider's format.
#[derive(Debug, Clone, PartialEq)]
pub struct WrittenRequest {
    /// The JSON body.
    pub body: Vec<u8>,
    /// Fields dropped because the provider has no equivalent, by their names in the client's dialect.
    pub dropped: Vec<String>,
}

/// Decodes a provider's byte stream, chunked in any way, into events.
pub trait StreamReader {
    /// Reads one chunk and appends the events that it completes. Do not read on after an error.
    fn read(&mut self, portion: &[u8], events: &mut Vec<StreamEvent>) -> Result<(), ApiError>;

    /// The amount of state held until the next chunk. Cheap: it only reads counters.
    fn buffered(&self) -> Buffered;
}

/// Unwraps a provider's byte stream, chunked in any way, into server-sent events.
pub trait StreamOpener {
    /// Reads one chunk and appends the events that it completes. Do not read on after an error.
    fn open(&mut self, portion: &[u8], out: &mut Vec<u8>) -> Result<(), ApiError>;

    /// The amount of state held until the next chunk. Cheap: it only reads counters.
    fn buffered(&self) -> Buffered;
}

/// Encodes events as bytes for the client.
pub trait StreamWriter {
    /// Appends the encoding of `event`: often one wire event, sometimes several or none. Writes nothing after [`StreamEvent::Error`] or
    /// [`StreamEvent::End`]; only `End` writes the format's terminator.
    fn write(&mut self, event: &StreamEvent, out: &mut Vec<u8>);

    /// The amount of state held until the next event. Cheap: it only reads counters.
    fn buffered(&self) -> Buffered;
}

// Prints the name only: printing the contents would link formatting code for every format, and nothing logs them.
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

/// The gateway's view of an event in a stream that passes unchanged.
#[derive(Debug, Clone, PartialEq)]
pub enum EventClass {
    /// Output visible to a person or program.
    Content,
    /// Any other part of the response.
    Other,
    /// An event with usage only; withheld from clients that did not request usage.
    UsageAlone,
    /// The provider reported an error in the stream.
    Failed(ApiError),
    /// The terminator.
    End,
}

/// Inspects the events of a stream that passes unchanged.
pub trait StreamPeeker {
    /// Classifies an event; a malformed one is [`EventClass::Failed`].
    fn peek(&mut self, event: &sse::Event<'_>) -> EventClass;

    /// The summary of the events so far.
    fn summary(&self) -> &ResponseSummary;
}

/// The facts that the gateway accounts for, from a response that passes unchanged.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ResponseSummary {
    /// The model named in the response, under the provider's name.
    pub model: Option<String>,
    /// The response's id, if the provider may store the response for later requests.
    pub id: Option<String>,
    /// Token usage, if the provider reported it.
    pub usage: Option<Usage>,
    /// Other billable usage, if the provider reported it.
    pub extras: Extras,
    /// Whether the response has given a finish reason.
    pub finished: bool,
    /// The finish reasons.
    pub reasons: FinishReasons,
    /// Results of the provider's content filters.
    pub filters: FilterResults,
    /// Whether the response calls a tool.
    pub called: bool,
    /// The output so far, to estimate tokens if the stream ends before the provider reports usage.
    pub said: OutputSoFar,
}

/// The amount of output a stream has carried, for streams without reported usage.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct OutputSoFar {
    /// Pieces of text, reasoning, or tool calls.
    pub pieces: u64,
    /// Their approximate size in bytes.
    pub bytes: u64,
}

impl ResponseSummary {
    /// Whether a stream that reaches its terminator now is complete. Some providers give no finish reason after tool calls; if they have
    /// reported usage, the response was complete.
    pub fn is_whole(&self) -> bool {
        self.finished || self.called || self.usage.is_some()
    }

    /// Sets the model's name once. Ignores empty and implausibly long names.
    pub(crate) fn name(&mut self, model: &str) {
        const LONGEST: usize = 1024;
        if self.model.is_none() && (1..=LONGEST).contains(&model.len()) {
            self.model = Some(model.to_owned());
        }
    }
}

impl OutputSoFar {
    /// One piece of `bytes` bytes; zero if empty.
    pub fn of(bytes: usize) -> Self {
        Self { pieces: u64::from(bytes > 0), bytes: u64::try_from(bytes).unwrap_or(u64::MAX) }
    }

    /// The output in `event`.
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
