//! The routing keywords of a gateway file.

use serde::{Deserialize, Serialize};

/// How a model's targets are ordered. With every strategy, targets that keep failing or whose provider has asked to wait come last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Strategy {
    /// In the listed order.
    #[default]
    Fallback,
    /// Each target first in proportion to its `weight`.
    Weighted,
    /// By the estimated cost of this request.
    Cheapest,
    /// By the expected time of this request's response, from recent measurements: the time to the first token and the rate after it.
    Fastest,
    /// By the number of requests in flight.
    LeastBusy,
    /// The first target only.
    Pinned,
}

impl Strategy {
    /// The keyword in the gateway file.
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

/// Keeps requests with the same value at the same target while it works. With `weighted`, a hash of the value selects the target; with
/// `cheapest`, `fastest` and `least_busy`, the first choice stays. Strategies with a fixed order do not need it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Sticky {
    /// By the key's id.
    Key,
    /// By the `user` of the request body; by the key's id if it is missing.
    User,
    /// By a header's value; by the key's id if it is missing.
    Header(String),
}

/// How much of a streamed response must have arrived before the client receives any of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Delivery {
    /// The first chunk with content. Until then another target can take over; from then on the client receives the stream as it comes.
    #[default]
    Stream,
    /// All of it, up to 8 MiB. If the stream breaks off or stalls, the request is sent to another target, and the client never receives a
    /// broken stream. The response comes late, and all at once.
    Whole,
}

/// A capability that a request may need.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Need {
    /// Offers tools.
    Tools,
    /// Contains images.
    Images,
    /// Contains audio.
    Audio,
    /// Contains documents.
    Documents,
    /// Asks for JSON that follows a schema.
    StructuredOutput,
}

/// A reason to retry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Trigger {
    /// The connection failed, or was lost before a response began.
    Unreachable,
    /// The response or its first token did not arrive in time.
    Timeout,
    /// A stream that is delivered whole stalled.
    Stalled,
    /// A stream that is delivered whole broke off.
    Truncated,
    /// Status 408.
    RequestTimeout,
    /// Status 409: one retry, at the same target.
    Conflict,
    /// Status 429.
    RateLimited,
    /// Status 500 and above, including 529. After a 500, the same target gets one retry first. A model's only target also gets one retry
    /// after a 502, 503 or 529.
    ServerError,
    /// Status 401, 402 or 403: the provider rejects the gateway's own credential, or its account has no funds.
    RefusedCredential,
    /// The response is invalid in the provider's own format.
    BadAnswer,
    /// An error under a success status: in place of a response, or before a stream's first content.
    ErrorInAnswer,
    /// The response has no content.
    EmptyAnswer,
    /// The prompt is too long for the model. The next target must be known to accept longer prompts.
    ContextLength,
    /// The provider does not have the model: it was retired, or never deployed.
    ModelNotFound,
    /// A guardrail blocks the response.
    Guardrail,
    /// The response is not the JSON that the request asked for, and `check_structured_output` is on.
    InvalidStructuredOutput,
}

impl Trigger {
    /// Every trigger.
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
    /// Text completions.
    Completion,
    /// Embeddings.
    Embedding,
    /// Image generation.
    Image,
    /// Text to speech.
    Speech,
    /// Speech to text.
    Transcription,
    /// Content moderation.
    Moderation,
    /// Ranks texts by relevance to a query.
    Rerank,
}

impl ModelKind {
    /// Guesses a model's kind from its name, if the configuration states none.
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
