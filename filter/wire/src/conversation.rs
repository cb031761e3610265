//! The one typed model of a chat: what every dialect reads into and writes from.
//!
//! It holds what at least two dialects can say, in OpenAI's terms, with three things OpenAI lacks: thinking with its
//! signature, prompt-caching marks, and usage as one inclusive contract. It knows no wire format.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::error::ApiError;
use crate::json;

mod guise;

pub use guise::{Form, Guise, Guises};

/// JSON text that is carried and not looked into: a tool's schema, a metadata object. Valid by construction.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Json(pub Box<RawValue>);

impl Json {
    /// The text.
    pub fn text(&self) -> &str {
        self.0.get()
    }

    /// Checks that `text` is JSON.
    pub fn parse(text: &str) -> Result<Self, serde_json::Error> {
        json::read(text)
    }
}

impl PartialEq for Json {
    fn eq(&self, other: &Self) -> bool {
        self.text() == other.text()
    }
}

/// What a client asks for.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Request {
    /// The name the client asked for.
    pub model: String,
    /// The turns, oldest first; system messages stand where the client put them.
    pub messages: Vec<Message>,
    /// Functions the model may call.
    pub tools: Vec<Tool>,
    /// Whether, or which of them, it must call.
    pub tool_choice: Option<ToolChoice>,
    /// Whether it may call several at once.
    pub parallel_tool_calls: Option<bool>,
    /// What the answer must look like; `None` is free text.
    pub output: Option<OutputFormat>,
    /// The most tokens to produce, thinking included.
    pub max_tokens: Option<u64>,
    /// 0 to 2, as OpenAI counts.
    pub temperature: Option<f64>,
    /// Nucleus sampling.
    pub top_p: Option<f64>,
    /// Sampling from the k likeliest.
    pub top_k: Option<u64>,
    /// Texts that end the answer.
    pub stop: Vec<String>,
    /// For repeatable sampling.
    pub seed: Option<i64>,
    /// -2 to 2.
    pub frequency_penalty: Option<f64>,
    /// -2 to 2.
    pub presence_penalty: Option<f64>,
    /// How many answers; `None` is one.
    pub n: Option<u64>,
    /// How hard to think.
    pub reasoning: Option<Reasoning>,
    /// The end user, for the provider's abuse detection.
    pub user: Option<String>,
    /// The wished class of service, in OpenAI's words.
    pub service_tier: Option<String>,
    /// Whether the answer is streamed.
    pub stream: bool,
    /// Whether the client asked for usage at the end of the stream.
    pub include_usage: bool,
    /// Which of the tools the client knows in another form.
    pub guises: Guises,
    /// Wishes that only OpenAI's formats have, by the client's names for them. Who writes one takes it from `dropped`.
    pub carried: Vec<(&'static str, Json)>,
    /// Fields that the dialect read, that change nothing in the answer's meaning, and that this model does not carry.
    /// Dropped when translated, and counted.
    pub dropped: Vec<String>,
}

/// Who speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// The application.
    System,
    /// The application, by OpenAI's newer name.
    Developer,
    /// The person.
    User,
    /// The model.
    Assistant,
    /// The result of a tool call: a message of one [`Part::ToolResult`].
    Tool,
}

/// One turn.
#[derive(Debug, Clone, PartialEq)]
pub struct Message {
    /// Who speaks.
    pub role: Role,
    /// What is said, in order.
    pub parts: Vec<Part>,
    /// The participant's name.
    pub name: Option<String>,
}

/// One piece of a turn.
#[derive(Debug, Clone, PartialEq)]
pub enum Part {
    /// Text.
    Text {
        /// The text.
        text: String,
        /// Whether the prompt up to here may be cached by the provider.
        cache: Option<CacheMark>,
    },
    /// A picture.
    Image {
        /// Where it is.
        source: Source,
        /// OpenAI's `detail`: `low`, `high` or `auto`.
        detail: Option<String>,
        /// Whether the prompt up to here may be cached by the provider.
        cache: Option<CacheMark>,
    },
    /// A document, a PDF for example.
    Document {
        /// Where it is.
        source: Source,
        /// Its file name.
        name: Option<String>,
        /// Whether the prompt up to here may be cached by the provider.
        cache: Option<CacheMark>,
    },
    /// The model calls a function.
    ToolCall {
        /// Ties the result to the call.
        id: String,
        /// The function.
        name: String,
        /// A JSON object as text, exactly as the model produced it; empty means `{}`.
        arguments: String,
    },
    /// What a function returned.
    ToolResult {
        /// The call it answers.
        call: String,
        /// Text, images and documents.
        content: Vec<Part>,
        /// Whether the call failed.
        is_error: bool,
        /// Whether the prompt up to here may be cached by the provider.
        cache: Option<CacheMark>,
    },
    /// The model's reasoning, which some providers want back unchanged.
    Thinking {
        /// The text shown.
        text: String,
        /// The provider's seal on it.
        signature: Option<String>,
    },
    /// Reasoning that the provider encrypted.
    RedactedThinking {
        /// Opaque.
        data: String,
    },
    /// The model declined, and says why.
    Refusal {
        /// Its words.
        text: String,
    },
}

/// Seals on reasoning, as they travel through clients: whose a seal is stands before it, so that no provider is sent
/// another's, which it would refuse. A seal without an owner is Anthropic's: its clients know it as it is.
pub mod seal {
    /// Between the owner and the seal; base64 has none.
    const MARK: char = '#';

    /// Whether a piece begins a seal: it names an owner. Pieces of one that was begun do not, nor do Anthropic's, of which none
    /// follows another directly.
    pub fn begins(piece: &str) -> bool {
        piece.contains(MARK)
    }

    /// The seal as a client gets it.
    pub fn mark(owner: &str, seal: &str) -> String {
        format!("{owner}{MARK}{seal}")
    }

    /// The seal as its owner made it, if it is `owner`'s.
    pub fn of<'a>(owner: &str, marked: &'a str) -> Option<&'a str> {
        marked.strip_prefix(owner)?.strip_prefix(MARK)
    }

    /// The seal as Anthropic made it, if it is Anthropic's.
    pub fn anthropics(marked: &str) -> Option<&str> {
        (!marked.is_empty() && !marked.contains(MARK)).then_some(marked)
    }
}

/// A mark that asks the provider to cache the prompt up to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CacheMark {
    /// Time to live, `5m` or `1h` (Anthropic's words).
    pub ttl: Option<String>,
}

/// Where the bytes of an image or a document are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// The provider fetches them.
    Url(String),
    /// They are here, in base64.
    Base64 {
        /// Such as `image/png`.
        media_type: String,
        /// Standard base64 without line ends.
        data: String,
    },
}

/// A function the model may call.
#[derive(Debug, Clone, PartialEq)]
pub struct Tool {
    /// Its name.
    pub name: String,
    /// What it does.
    pub description: Option<String>,
    /// JSON Schema of its arguments, carried whole.
    pub parameters: Option<Json>,
    /// Whether arguments must match the schema exactly.
    pub strict: Option<bool>,
    /// Whether the prompt up to here may be cached by the provider.
    pub cache: Option<CacheMark>,
}

/// Whether, or what, the model must call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ToolChoice {
    /// As it likes.
    Auto,
    /// Nothing.
    None,
    /// At least one.
    Required,
    /// This one.
    Named(String),
}

/// What the answer must look like.
#[derive(Debug, Clone, PartialEq)]
pub enum OutputFormat {
    /// Any JSON object.
    JsonObject,
    /// JSON of this schema.
    JsonSchema {
        /// The schema's name.
        name: String,
        /// What it is for.
        description: Option<String>,
        /// The schema, carried whole.
        schema: Json,
        /// Whether it must match exactly.
        strict: Option<bool>,
    },
}

/// How hard to think.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reasoning {
    /// OpenAI's words: `none`, `minimal`, `low`, `medium`, `high`, `xhigh`, `max`. It is a wish for thinking.
    Effort(String),
    /// The same words, from `low` on, of how much work the answer is worth: Anthropic's effort without a word on thinking. Where
    /// the two are one, it is an effort.
    Work(String),
    /// At most this many tokens.
    Budget(u64),
    /// Not at all.
    Disabled,
    /// As the model sees fit.
    Adaptive,
}

/// A whole answer.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Response {
    /// The provider's name for the answer.
    pub id: String,
    /// The model that answered, as the provider calls it.
    pub model: String,
    /// Unix seconds, when the provider says.
    pub created: Option<u64>,
    /// The answers; more than one only when more were asked for.
    pub choices: Vec<Choice>,
    /// Tokens used, when the provider said.
    pub usage: Option<Usage>,
    /// The class of service that was given.
    pub service_tier: Option<String>,
    /// The tools that its client knows in another form than functions.
    pub guises: Guises,
}

/// One answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Choice {
    /// What the assistant says.
    pub parts: Vec<Part>,
    /// Why it ended.
    pub finish: Finish,
}

/// Why an answer ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Finish {
    /// It was complete, or met a stop text.
    #[default]
    Stop,
    /// It met the token limit or the end of the context.
    Length,
    /// The model waits for the results of tools.
    ToolCalls,
    /// The provider's filter, or the model, refused to go on.
    ContentFilter,
}

/// Tokens, as one inclusive contract: `input` includes what was read from and written to a cache, `output` includes
/// reasoning. Dialects whose wire format excludes them convert at their edge.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Usage {
    /// All tokens of the prompt.
    pub input: u64,
    /// Of these, read from the provider's cache.
    pub cached: u64,
    /// Of these, written to the provider's cache.
    pub cache_write: u64,
    /// All tokens produced.
    pub output: u64,
    /// Of these, reasoning.
    pub reasoning: u64,
}

/// One step of a streamed answer. Tool calls are numbered by themselves, from 0, whatever the wire format numbers.
#[derive(Debug, Clone, PartialEq)]
pub enum StreamEvent {
    /// The first event: who answers.
    Start {
        /// The provider's name for the answer.
        id: String,
        /// The model, as the provider calls it; empty when the wire format does not say.
        model: String,
    },
    /// More text.
    Text {
        /// Which answer; 0 unless several were asked for.
        choice: u32,
        /// The piece.
        text: String,
    },
    /// More reasoning.
    Thinking {
        /// Which answer.
        choice: u32,
        /// The piece.
        text: String,
    },
    /// The seal of the reasoning before it.
    Signature {
        /// Which answer.
        choice: u32,
        /// The piece.
        signature: String,
    },
    /// Reasoning that the provider encrypted.
    RedactedThinking {
        /// Which answer.
        choice: u32,
        /// Opaque.
        data: String,
    },
    /// More of a refusal's words.
    Refusal {
        /// Which answer.
        choice: u32,
        /// The piece.
        text: String,
    },
    /// A tool call begins.
    ToolCall {
        /// Which answer.
        choice: u32,
        /// Which call of that answer, from 0.
        call: u32,
        /// Ties the result to the call.
        id: String,
        /// The function.
        name: String,
    },
    /// More of a call's arguments.
    Arguments {
        /// Which answer.
        choice: u32,
        /// Which call of that answer.
        call: u32,
        /// The piece of JSON text.
        json: String,
    },
    /// An answer ended.
    Finish {
        /// Which answer.
        choice: u32,
        /// Why.
        finish: Finish,
    },
    /// Tokens so far: a snapshot that replaces the one before.
    Usage(Usage),
    /// The provider keeps the connection alive.
    Ping,
    /// The provider failed after it had begun. Nothing follows.
    Error(ApiError),
    /// The answer is complete. Nothing follows.
    End,
}

impl StreamEvent {
    /// Whether a person or a program would see something of the answer: the point after which a fallback to another
    /// provider can no longer be silent.
    pub fn is_content(&self) -> bool {
        match self {
            Self::Text { text, .. } | Self::Thinking { text, .. } | Self::Refusal { text, .. } => !text.is_empty(),
            Self::RedactedThinking { .. } | Self::ToolCall { .. } | Self::Arguments { .. } | Self::Finish { .. } => {
                true
            }
            Self::Start { .. } | Self::Signature { .. } | Self::Usage(_) | Self::Ping | Self::Error(_) | Self::End => {
                false
            }
        }
    }
}
