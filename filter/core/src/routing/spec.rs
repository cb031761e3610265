//! The words of a gateway file for how requests find their targets.

use serde::{Deserialize, Serialize};

/// How a model's targets are put in order. Those that keep failing, or whose provider has said when to come back, come last,
/// whatever the strategy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Strategy {
    /// As they are listed.
    #[default]
    Fallback,
    /// Each first as often as its `weight` says.
    Weighted,
    /// By what this very request will cost, by estimate.
    Cheapest,
    /// By how soon this very request will be answered, as measured of late: the time to the first token, and the rate after it.
    Fastest,
    /// By the requests that each is answering now.
    LeastBusy,
    /// The first one only, and none after it.
    Pinned,
}

impl Strategy {
    /// Its word in the gateway file.
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

/// What keeps requests with the same target while it works: of `weighted` targets, the one that a value leads to; with `cheapest`,
/// `fastest` and `least_busy`, the one that was chosen first. Targets in a fixed order need nothing for that.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Sticky {
    /// The key's id.
    Key,
    /// The `user` of the request's body; the key's id where there is none.
    User,
    /// A header's value; the key's id where there is none.
    Header(String),
}

/// How much of a streamed answer must be there before the client sees any of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Delivery {
    /// Its first piece of content: until then another target may take over. Afterwards the client reads it as it comes.
    #[default]
    Stream,
    /// All of it, up to 8 MiB: a stream that breaks off or falls silent is asked for again elsewhere, and the client never sees a
    /// broken one. It comes late, and all at once.
    Whole,
}

/// What a request may ask of a model besides text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Need {
    /// It offers tools.
    Tools,
    /// It has images in it.
    Images,
    /// It has sound in it.
    Audio,
    /// It has documents in it.
    Documents,
    /// It wants JSON by a schema.
    StructuredOutput,
}

/// A reason to try again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Trigger {
    /// No connection, or it was lost before an answer began.
    Unreachable,
    /// No answer, or no first token, in time.
    Timeout,
    /// A stream that is delivered whole fell silent.
    Stalled,
    /// A stream that is delivered whole broke off.
    Truncated,
    /// Status 408.
    RequestTimeout,
    /// Status 409: once, at the same target.
    Conflict,
    /// Status 429.
    RateLimited,
    /// Status 500 and above, 529 too. After a 500 the same target is asked once more first; a model's only target is asked once more
    /// after a 502, 503 or 529.
    ServerError,
    /// Status 401, 402 or 403: the provider refuses the gateway's own credential, or wants money for it.
    RefusedCredential,
    /// What came is no answer in the provider's own format.
    BadAnswer,
    /// An error in place of an answer, or before a stream's first content, under a status of success.
    ErrorInAnswer,
    /// An answer without content.
    EmptyAnswer,
    /// The prompt is too long for the model: a target that is known to take more is asked.
    ContextLength,
    /// The provider has no such model: it was retired, or never deployed.
    ModelNotFound,
    /// A guardrail blocks the answer.
    Guardrail,
    /// The answer is not the JSON that was asked for, and `check_structured_output` holds.
    InvalidStructuredOutput,
}

impl Trigger {
    /// All of them.
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
    /// Answers to messages.
    Chat,
    /// Texts that continue a prompt.
    Completion,
    /// Vectors of texts.
    Embedding,
    /// Images.
    Image,
    /// Spoken words of a text.
    Speech,
    /// The text of spoken words.
    Transcription,
    /// Whether a text is harmful.
    Moderation,
    /// The order of several texts by how well they fit a question.
    Rerank,
}

impl ModelKind {
    /// The likeliest kind of a model with this name, for a model whose kind nobody stated.
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
