//! The simulated provider services. Each has its paths, authentication, request reader, and writers of answers and
//! errors.
//!
//! To add a service, write a file beside these and list it in [`WIRES`]. A chat service reads a [`Prompt`] and names
//! the [`Chat`] that writes the answer. A host of other vendors' models (Azure, Vertex, Bedrock) therefore has its own
//! paths, keys and errors, and reuses their format.

pub mod anthropic;
mod audio;
mod azure;
mod batches;
mod bedrock;
mod bounds;
mod cohere;
mod families;
mod files;
pub mod gemini;
mod generation;
mod images;
pub mod models;
mod moderations;
mod multipart;
pub mod openai;
mod rerank;
mod vertex;

pub use batches::EACH as BATCHED;
use serde_json::Value;

use super::call::Call;
use super::control::Control;
use super::fault::Faults;
use super::fixed;
use super::prompt::{Answer, Prompt, Usage};
use super::reply::{Event, Framing, Refusal, Reply};

/// All services; the first match answers.
static WIRES: &[&dyn Wire] = &[
    &openai::chat::Completions,
    &anthropic::Messages,
    &anthropic::count::Count,
    &openai::responses::count::COUNT,
    &openai::responses::Responses,
    &openai::responses::kept::GET,
    &openai::responses::kept::DELETE,
    &openai::completions::Completions,
    &gemini::EVENTS,
    &gemini::ARRAY,
    &gemini::embeddings::Batch,
    &vertex::Google,
    &vertex::Anthropic,
    &azure::Azure,
    &bedrock::converse::Converse,
    &bedrock::invoke::Invoke,
    &cohere::Conversation,
    &cohere::embed::Embed,
    &openai::embeddings::EMBEDDINGS,
    &images::GENERATIONS,
    &images::EDITS,
    &audio::SPEECH,
    &audio::TRANSCRIPTIONS,
    &audio::TRANSLATIONS,
    &moderations::MODERATIONS,
    &rerank::RERANK,
    &files::UPLOAD,
    &files::LIST,
    &files::GET,
    &files::DELETE,
    &files::CONTENT,
    &batches::CREATE,
    &batches::LIST,
    &batches::GET,
    &batches::CANCEL,
    &families::GROQ,
    &families::MISTRAL,
    &families::DEEPSEEK,
    &families::VLLM,
    &families::PLAIN,
    &models::OpenAi,
    &models::Anthropic,
];

/// A provider's service.
pub trait Wire: Sync {
    /// Whether the service handles this method and path.
    fn serves(&self, call: &Call<'_>) -> bool;

    /// Checks the key and the service's other requirements for every request.
    fn authenticate(&self, call: &Call<'_>, control: &Control) -> Result<(), Refusal>;

    /// Reads a request, and rejects it if the service would.
    fn read(&self, call: &Call<'_>) -> Result<Asked, Refusal>;

    /// Writes an error in the service's format.
    fn refuse(&self, refusal: &Refusal) -> Reply;

    /// The service's error for a valid request that it cannot answer.
    fn trouble(&self, trouble: Trouble) -> Refusal {
        openai::trouble(trouble)
    }

    /// The rate limit headers, and other headers of the service.
    fn limits(&self) -> &'static [(&'static str, &'static str)] {
        &openai::LIMITS
    }

    /// The headers of every reply.
    fn headers(&self) -> &'static [(&'static str, &'static str)] {
        &[]
    }

    /// Whether errors give the retry delay in the body instead of a header.
    fn hints_in_bodies(&self) -> bool {
        false
    }

    /// The format of prepared benchmark answers, if the service supports benchmarks.
    fn prepared(&self) -> Option<fixed::Format> {
        None
    }
}

/// Writes chat answers in one format.
pub trait Chat: Sync {
    /// Writes a whole answer.
    fn whole(&self, prompt: &Prompt, answer: &Answer, faults: &Faults) -> Reply;

    /// Writes a streamed answer, including its terminator.
    fn stream(&self, prompt: &Prompt, answer: &Answer, faults: &Faults) -> Vec<Event>;

    /// The framing of the stream's events.
    fn framing(&self) -> Framing {
        Framing::Lines
    }

    /// An error as a stream event.
    fn error_event(&self, refusal: &Refusal) -> Event;

    /// The answer to a blocked prompt, if the service does not treat it as an error.
    fn blocked(&self, _prompt: &Prompt) -> Option<Value> {
        None
    }

    /// The status that corresponds to an error inside a 200 response.
    fn late_status(&self) -> u16 {
        500
    }
}

/// The meaning of a request.
pub enum Asked {
    /// A chat prompt and the writer of its answer.
    Chat(Prompt, &'static dyn Chat),
    /// A request answered while it was read.
    Ready {
        reply: Reply,
        /// The model whose faults apply; `None` means no faults.
        model: Option<String>,
        /// The usage of the reply.
        used: Usage,
    },
}

/// A reason to reject a valid request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trouble {
    /// The prompt is longer than the model's context.
    Context,
    /// A content filter refused the prompt.
    Filter,
    /// The account has no money left.
    Quota,
}

/// The service that handles a request.
pub fn of(call: &Call<'_>) -> Option<&'static dyn Wire> {
    WIRES.iter().copied().find(|wire| wire.serves(call))
}

/// The reply for a path that no service handles.
pub fn nowhere(refusal: &Refusal) -> (&'static dyn Wire, Reply) {
    let wire: &dyn Wire = &openai::chat::Completions;
    (wire, wire.refuse(refusal))
}

impl Asked {
    /// A reply without usage that ignores faults.
    pub fn ready(reply: Reply) -> Self {
        Self::Ready { reply, model: None, used: Usage::default() }
    }

    /// The requested model.
    pub fn model(&self) -> Option<&str> {
        match self {
            Self::Chat(prompt, _) => Some(&prompt.model),
            Self::Ready { model, .. } => model.as_deref(),
        }
    }
}
