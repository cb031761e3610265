//! The typed model of a chat that every dialect reads into and writes from.
//!
//! It covers what at least two dialects support, in OpenAI's terms, plus three things that OpenAI lacks: thinking with signatures, cache
//! marks, and inclusive usage. It is independent of any wire format.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::content_filter::FilterResults;
use crate::error::ApiError;
use crate::json;

mod guise;

pub use guise::{Form, Guise, Guises, called, writable};

/// JSON text carried without interpretation: a tool's schema, a metadata object. Valid by construction.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Json(pub Box<RawValue>);

impl Json {
    /// The JSON text.
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

/// A client's request.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Request {
    /// The model's name in the request.
    pub model: String,
    /// The messages, oldest first; system messages are where the client put them.
    pub messages: Vec<Message>,
    /// Functions the model may call.
    pub tools: Vec<Tool>,
    /// Whether the model must call a function, and which.
    pub tool_choice: Option<ToolChoice>,
    /// Whether the model may call several functions at once.
    pub parallel_tool_calls: Option<bool>,
    /// The required output format; `None` is free text.
    pub output: Option<OutputFormat>,
    /// The maximum of output tokens, thinking included.
    pub max_tokens: Option<u64>,
    /// 0 to 2, in OpenAI's range.
    pub temperature: Option<f64>,
    /// Nucleus sampling.
    pub top_p: Option<f64>,
    /// Sampling from the k likeliest tokens.
    pub top_k: Option<u64>,
    /// Stop sequences.
    pub stop: Vec<String>,
    /// For repeatable sampling.
    pub seed: Option<i64>,
    /// -2 to 2.
    pub frequency_penalty: Option<f64>,
    /// -2 to 2.
    pub presence_penalty: Option<f64>,
    /// The number of choices; `None` is one.
    pub n: Option<u64>,
    /// The reasoning effort or budget.
    pub reasoning: Option<Reasoning>,
    /// The end user, for the provider's abuse detection.
    pub user: Option<String>,
    /// The requested service tier, in OpenAI's terms.
    pub service_tier: Option<String>,
    /// Whether the response is streamed.
    pub stream: bool,
    /// Whether the client asked for usage at the end of the stream.
    pub include_usage: bool,
    /// Tools that the client declared in a form other than functions.
    pub guises: Guises,
    /// Parameters that only OpenAI's formats have, under the client's names. They are listed in `dropped` until a writer writes them.
    pub carried: Vec<(&'static str, Json)>,
    /// Fields that do not change the response's meaning and that this model does not carry: dropped in translation, and counted.
    pub dropped: Vec<String>,
}

/// The author of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// The application's instructions.
    System,
    /// The same under OpenAI's newer name.
    Developer,
    /// The user.
    User,
    /// The model.
    Assistant,
    /// The result of a tool call: a message of one [`Part::ToolResult`].
    Tool,
}

/// One message.
#[derive(Debug, Clone, PartialEq)]
pub struct Message {
    /// The author.
    pub role: Role,
    /// The content, in order.
    pub parts: Vec<Part>,
    /// The participant's name.
    pub name: Option<String>,
}

/// One part of a message's content.
#[derive(Debug, Clone, PartialEq)]
pub enum Part {
    /// Text.
    Text {
        /// The text.
        text: String,
        /// Marks the end of a prompt prefix that the provider may cache.
        cache: Option<CacheMark>,
    },
    /// An image.
    Image {
        /// The image's URL or data.
        source: Source,
        /// OpenAI's `detail`: `low`, `high` or `auto`.
        detail: Option<String>,
        /// Marks the end of a prompt prefix that the provider may cache.
        cache: Option<CacheMark>,
    },
    /// A document, a PDF for example.
    Document {
        /// The document's URL or data.
        source: Source,
        /// Its file name.
        name: Option<String>,
        /// Marks the end of a prompt prefix that the provider may cache.
        cache: Option<CacheMark>,
    },
    /// A function call by the model.
    ToolCall {
        /// Links the result to the call.
        id: String,
        /// The function's name.
        name: String,
        /// A JSON object as text, exactly as the model produced it; empty means `{}`.
        arguments: String,
    },
    /// A function's result.
    ToolResult {
        /// The id of its call.
        call: String,
        /// Text, images and documents.
        content: Vec<Part>,
        /// Whether the call failed.
        is_error: bool,
        /// Marks the end of a prompt prefix that the provider may cache.
        cache: Option<CacheMark>,
    },
    /// The model's reasoning. Some providers require it back unchanged.
    Thinking {
        /// The readable text.
        text: String,
        /// The provider's signature on it.
        signature: Option<String>,
    },
    /// Reasoning that the provider encrypted.
    RedactedThinking {
        /// Opaque data.
        data: String,
    },
    /// The model's refusal.
    Refusal {
        /// The model's explanation.
        text: String,
    },
}

/// Signatures on reasoning as clients carry them. A signature is prefixed with its owner, since other providers would reject it. A
/// signature without an owner is Anthropic's: its clients know it in that form.
pub mod signature {
    /// Separates the owner from the signature; it does not occur in base64.
    const MARK: char = '#';

    /// Whether a piece begins a new signature, that is, names an owner. Later pieces of a signature name none, nor do Anthropic's
    /// signatures, but those never directly follow each other.
    pub fn begins(piece: &str) -> bool {
        piece.contains(MARK)
    }

    /// Prefixes a signature with its owner, for the client.
    pub fn mark(owner: &str, signature: &str) -> String {
        format!("{owner}{MARK}{signature}")
    }

    /// Returns the original signature if it is `owner`'s.
    pub fn of<'a>(owner: &str, marked: &'a str) -> Option<&'a str> {
        marked.strip_prefix(owner)?.strip_prefix(MARK)
    }

    /// Returns the original signature if it is Anthropic's.
    pub fn anthropics(marked: &str) -> Option<&str> {
        (!marked.is_empty() && !marked.contains(MARK)).then_some(marked)
    }
}

/// Asks the provider to cache the prompt up to this point.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CacheMark {
    /// Time to live, `5m` or `1h`, in Anthropic's terms.
    pub ttl: Option<String>,
}

/// The source of an image or document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// A URL for the provider to fetch.
    Url(String),
    /// Inline data.
    Base64 {
        /// The media type, such as `image/png`.
        media_type: String,
        /// Standard base64 without line ends.
        data: String,
    },
}

/// A function the model may call.
#[derive(Debug, Clone, PartialEq)]
pub struct Tool {
    /// The function's name.
    pub name: String,
    /// Describes the function to the model.
    pub description: Option<String>,
    /// JSON Schema of its arguments, carried unchanged.
    pub parameters: Option<Json>,
    /// Whether arguments must match the schema exactly.
    pub strict: Option<bool>,
    /// Marks the end of a prompt prefix that the provider may cache.
    pub cache: Option<CacheMark>,
}

/// Whether the model must call a function, and which.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ToolChoice {
    /// The model decides.
    Auto,
    /// No call.
    None,
    /// At least one call.
    Required,
    /// This function.
    Named(String),
}

/// The required output format.
#[derive(Debug, Clone, PartialEq)]
pub enum OutputFormat {
    /// Any JSON object.
    JsonObject,
    /// JSON that matches a schema.
    JsonSchema {
        /// The schema's name.
        name: String,
        /// Describes the schema's purpose to the model.
        description: Option<String>,
        /// The schema, carried unchanged.
        schema: Json,
        /// Whether the output must match exactly.
        strict: Option<bool>,
    },
}

/// The reasoning effort or budget.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reasoning {
    /// OpenAI's levels: `none`, `minimal`, `low`, `medium`, `high`, `xhigh`, `max`. Requests reasoning.
    Effort(String),
    /// The same levels, from `low` on, for the effort of the response as a whole: Anthropic's effort without a thinking parameter. Formats
    /// that do not distinguish the two treat it as [`Reasoning::Effort`].
    Work(String),
    /// A maximum of this many reasoning tokens.
    Budget(u64),
    /// No reasoning.
    Disabled,
    /// The model decides.
    Adaptive,
}

/// A whole response.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Response {
    /// The provider's id for the response.
    pub id: String,
    /// The model named in the response, under the provider's name.
    pub model: String,
    /// Unix seconds, if the provider gives them.
    pub created: Option<u64>,
    /// The choices; more than one only if the client requested more.
    pub choices: Vec<Choice>,
    /// Token usage, if the provider reported it.
    pub usage: Option<Usage>,
    /// The service tier that the provider used.
    pub service_tier: Option<String>,
    /// Tools that the client declared in a form other than functions.
    pub guises: Guises,
}

/// One choice.
#[derive(Debug, Clone, PartialEq)]
pub struct Choice {
    /// The assistant's content.
    pub parts: Vec<Part>,
    /// The finish reason.
    pub finish: Finish,
}

/// A finish reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Finish {
    /// Complete, or ended at a stop sequence.
    #[default]
    Stop,
    /// Ended at the token limit or the end of the context.
    Length,
    /// The model waits for tool results.
    ToolCalls,
    /// The provider's filter, or the model, refused to continue.
    ContentFilter,
}

impl Finish {
    /// OpenAI's word for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Stop => "stop",
            Self::Length => "length",
            Self::ToolCalls => "tool_calls",
            Self::ContentFilter => "content_filter",
        }
    }
}

/// The finish reasons of a response's choices, as they arrived; only the first eight are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct FinishReasons([Option<Finish>; 8]);

impl FinishReasons {
    /// The reason of a response with one choice.
    pub fn of(finish: Finish) -> Self {
        let mut reasons = Self::default();
        reasons.add(finish);
        reasons
    }

    /// Adds the reason of another choice.
    pub fn add(&mut self, finish: Finish) {
        if let Some(free) = self.0.iter_mut().find(|slot| slot.is_none()) {
            *free = Some(finish);
        }
    }

    /// Adds the reasons of further choices.
    pub fn extend(&mut self, others: &Self) {
        others.iter().for_each(|finish| self.add(finish));
    }

    /// The reasons.
    pub fn iter(&self) -> impl Iterator<Item = Finish> {
        self.0.iter().copied().flatten()
    }
}

impl Response {
    /// The finish reasons of its choices.
    pub fn finish_reasons(&self) -> FinishReasons {
        let mut reasons = FinishReasons::default();
        self.choices.iter().for_each(|choice| reasons.add(choice.finish));
        reasons
    }
}

/// Token usage, counted inclusively: `input` includes tokens read from and written to a cache, `output` includes reasoning. Dialects with
/// exclusive counts convert them.
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

/// One event of a streamed response. Tool calls are numbered separately from 0, independent of the wire format's indexes.
#[derive(Debug, Clone, PartialEq)]
pub enum StreamEvent {
    /// The first event.
    Start {
        /// The provider's id for the response.
        id: String,
        /// The model under the provider's name; empty if the wire format does not carry it.
        model: String,
    },
    /// A piece of text.
    Text {
        /// The choice; 0 unless the client requested several.
        choice: u32,
        /// The piece.
        text: String,
    },
    /// A piece of reasoning.
    Thinking {
        /// The choice.
        choice: u32,
        /// The piece.
        text: String,
    },
    /// The signature of the preceding reasoning, or a piece of it.
    Signature {
        /// The choice.
        choice: u32,
        /// The piece.
        signature: String,
    },
    /// Reasoning that the provider encrypted.
    RedactedThinking {
        /// The choice.
        choice: u32,
        /// Opaque data.
        data: String,
    },
    /// A piece of a refusal.
    Refusal {
        /// The choice.
        choice: u32,
        /// The piece.
        text: String,
    },
    /// The start of a tool call.
    ToolCall {
        /// The choice.
        choice: u32,
        /// The call's number in that choice, from 0.
        call: u32,
        /// Links the result to the call.
        id: String,
        /// The function's name.
        name: String,
    },
    /// A tool of another form than a function, before the first call of it.
    Guise {
        /// The tool's namespace; may be empty.
        namespace: String,
        /// The tool's name.
        name: String,
        /// The form of its calls.
        form: Form,
    },
    /// A piece of a call's arguments.
    Arguments {
        /// The choice.
        choice: u32,
        /// The call's number in that choice.
        call: u32,
        /// The piece of JSON text.
        json: String,
    },
    /// The end of a choice.
    Finish {
        /// The choice.
        choice: u32,
        /// The finish reason.
        finish: Finish,
    },
    /// Usage so far: a snapshot that replaces the previous one.
    Usage(Usage),
    /// Results of the provider's content filters. For the gateway only: no format writes them.
    Filtered(FilterResults),
    /// A keep-alive from the provider.
    Ping,
    /// The provider failed after the stream had begun. Always the last event.
    Error(ApiError),
    /// The response is complete. Always the last event.
    End,
}

impl StreamEvent {
    /// Whether this is output visible to a person or program. After it, a silent fallback to another provider is impossible.
    pub fn is_content(&self) -> bool {
        match self {
            Self::Text { text, .. } | Self::Thinking { text, .. } | Self::Refusal { text, .. } => !text.is_empty(),
            Self::RedactedThinking { .. } | Self::ToolCall { .. } | Self::Arguments { .. } | Self::Finish { .. } => {
                true
            }
            Self::Start { .. }
            | Self::Signature { .. }
            | Self::Guise { .. }
            | Self::Usage(_)
            | Self::Filtered(_)
            | Self::Ping
            | Self::Error(_)
            | Self::End => false,
        }
    }
}
