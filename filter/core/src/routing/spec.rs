//! The gateway file's options for routing.

use serde::{Deserialize, Serialize};

/// How a model's targets are ordered. With every strategy, targets that keep failing come last, and so do targets whose provider sent
/// `retry-after`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Strategy {
    /// In the order in which they are listed.
    #[default]
    Fallback,
    /// By weight: each target is tried first as often as its `weight` says.
    Weighted,
    /// By the estimated cost of the request.
    Cheapest,
    /// By the expected response time of the request, from recent measurements of the time to the first token and the token rate after it.
    Fastest,
    /// By the number of requests in flight at each target.
    LeastBusy,
    /// Only the first target, without a fallback.
    Pinned,
}

impl Strategy {
    /// All strategies.
    pub const ALL: [Self; 6] =
        [Self::Fallback, Self::Weighted, Self::Cheapest, Self::Fastest, Self::LeastBusy, Self::Pinned];

    /// The strategy with this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|strategy| strategy.name() == name)
    }

    /// The strategy's name in the gateway file.
    pub fn name(self) -> &'static str {
        match self {
            Self::Fallback => "fallback",
            Self::Weighted => "weighted",
            Self::Cheapest => "cheapest",
            Self::Fastest => "fastest",
            Self::LeastBusy => "least_busy",
            Self::Pinned => "pinned",
        }
    }
}

/// Keeps requests on the same target while it works: with `weighted`, the target that the value hashes to; with `cheapest`, `fastest` and
/// `least_busy`, the target that was chosen first. With `conversation` the hash decides under these strategies too, so that several Envoys
/// agree. Strategies with a fixed order do not need it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Sticky {
    /// The key's id.
    Key,
    /// The `user` field of the request body; the key's id if it is absent.
    User,
    /// The value of a header; the key's id if it is absent.
    Header(String),
    /// The conversation: its team, system prompt and first turn, or the `prompt_cache_key` of the request. The provider that answered the
    /// turns before has them in its prompt cache. For requests other than chats, the key's id.
    Conversation,
}

/// Use of the provider's prompt cache.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum PromptCache {
    /// As the client requests it.
    #[default]
    Off,
    /// Once a prompt's beginning repeats within five minutes, the gateway marks it for the cache of Anthropic's models and of Bedrock's
    /// Converse, unless the client has set marks itself. OpenAI and Azure get a `prompt_cache_key`, unless the client has sent one.
    Auto,
}

/// How much of a streamed response must arrive before the client receives any of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Delivery {
    /// The first piece of content: until then another target can take over. After it, the client receives the stream as it arrives.
    #[default]
    Stream,
    /// All of it, up to 8 MiB. A stream that breaks off or stalls is retried at another target, so the client never receives a broken one.
    /// The response arrives late, and all at once.
    Whole,
}

/// A capability that a request needs besides text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Need {
    /// The request offers tools.
    Tools,
    /// The request contains images.
    Images,
    /// The request contains audio.
    Audio,
    /// The request contains documents.
    Documents,
    /// The request asks for JSON by a schema.
    StructuredOutput,
}

/// A failure that is retried.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Trigger {
    /// The connection failed, or was lost before the response began.
    Unreachable,
    /// No response, or no first token, in time.
    Timeout,
    /// A stream that is delivered whole stalled.
    Stalled,
    /// A stream that is delivered whole broke off.
    Truncated,
    /// Status 408.
    RequestTimeout,
    /// Status 409: retried once, at the same target.
    Conflict,
    /// Status 429.
    RateLimited,
    /// Status 500 and above, including 529. After a 500 the same target is retried once first. A model's only target is retried once after
    /// a 502, 503 or 529.
    ServerError,
    /// Status 401, 402 or 403: the provider rejects the gateway's credential, or demands payment.
    RefusedCredential,
    /// The response is not in the provider's format.
    BadAnswer,
    /// An error under a success status, instead of a response or before a stream's first content.
    ErrorInAnswer,
    /// A response without content.
    EmptyAnswer,
    /// The prompt is too long for the model: a target that is known to accept more is tried.
    ContextLength,
    /// The provider does not have the model: it was retired, or never deployed.
    ModelNotFound,
    /// A guardrail blocked the response.
    Guardrail,
    /// The response is not the requested JSON, with `check_structured_output`.
    InvalidStructuredOutput,
}

impl Trigger {
    /// All triggers.
    pub const ALL: [Self; 16] = [
        Self::Unreachable,
        Self::Timeout,
        Self::Stalled,
        Self::Truncated,
        Self::RequestTimeout,
        Self::Conflict,
        Self::RateLimited,
        Self::ServerError,
        Self::RefusedCredential,
        Self::BadAnswer,
        Self::ErrorInAnswer,
        Self::EmptyAnswer,
        Self::ContextLength,
        Self::ModelNotFound,
        Self::Guardrail,
        Self::InvalidStructuredOutput,
    ];
}

/// The task of a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum ModelKind {
    /// Chat completions.
    Chat,
    /// Text completions of a prompt.
    Completion,
    /// Embedding vectors of texts.
    Embedding,
    /// Image generation.
    Image,
    /// Text to speech.
    Speech,
    /// Speech to text.
    Transcription,
    /// Detection of harmful texts.
    Moderation,
    /// Ranking of texts by their relevance to a query.
    Rerank,
}

impl ModelKind {
    /// Guesses the kind of a model from its name, for models without a known kind.
    pub fn likely(name: &str) -> Self {
        const MARKS: [(&str, ModelKind); 12] = [
            ("embed", ModelKind::Embedding),
            ("rerank", ModelKind::Rerank),
            ("moderation", ModelKind::Moderation),
            ("whisper", ModelKind::Transcription),
            ("transcribe", ModelKind::Transcription),
            ("tts", ModelKind::Speech),
            ("dall-e", ModelKind::Image),
            ("gpt-image", ModelKind::Image),
            ("imagen", ModelKind::Image),
            ("davinci-002", ModelKind::Completion),
            ("babbage-002", ModelKind::Completion),
            ("turbo-instruct", ModelKind::Completion),
        ];
        let name = name.to_ascii_lowercase();
        MARKS.into_iter().find_map(|(mark, kind)| name.contains(mark).then_some(kind)).unwrap_or(Self::Chat)
    }
}
