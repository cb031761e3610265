//! The providers' services that the simulator is: for each, the paths it serves, who may ask, how a request is read, how
//! an answer or an error is written.
//!
//! To add one is to write a file beside these, and to name it in [`WIRES`]. A service on which models talk reads a
//! [`Prompt`] and names the [`Chat`] that writes the answer, so that a host of others' models (Azure, Vertex, Bedrock)
//! has its own paths, keys and errors, and their format.

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

/// All of them; the first that serves a path answers.
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
    /// Whether it is what a request's method and path name.
    fn serves(&self, call: &Call<'_>) -> bool;

    /// Checks the key, and what else the service wants of every request.
    fn authenticate(&self, call: &Call<'_>, control: &Control) -> Result<(), Refusal>;

    /// Reads a request, and refuses what the service would refuse.
    fn read(&self, call: &Call<'_>) -> Result<Asked, Refusal>;

    /// An error, in the service's shape.
    fn refuse(&self, refusal: &Refusal) -> Reply;

    /// Why this service does not answer a request that is not wrong.
    fn trouble(&self, trouble: Trouble) -> Refusal {
        openai::trouble(trouble)
    }

    /// The headers that tell of its rate limits, and others that are its own.
    fn limits(&self) -> &'static [(&'static str, &'static str)] {
        &openai::LIMITS
    }

    /// Headers of every reply.
    fn headers(&self) -> &'static [(&'static str, &'static str)] {
        &[]
    }

    /// Whether its errors say when to try again in their bodies, not in headers.
    fn hints_in_bodies(&self) -> bool {
        false
    }

    /// Of a service that benchmarks may ask: the format of their prepared answers.
    fn prepared(&self) -> Option<fixed::Format> {
        None
    }
}

/// How answers of models are written.
pub trait Chat: Sync {
    /// An answer in one piece.
    fn whole(&self, prompt: &Prompt, answer: &Answer, faults: &Faults) -> Reply;

    /// An answer as a stream, its terminator included.
    fn stream(&self, prompt: &Prompt, answer: &Answer, faults: &Faults) -> Vec<Event>;

    /// How a stream's events are put on the wire.
    fn framing(&self) -> Framing {
        Framing::Lines
    }

    /// An error where a stream's event would be.
    fn error_event(&self, refusal: &Refusal) -> Event;

    /// What is answered when the prompt was blocked, of services for which that is no error.
    fn blocked(&self, _prompt: &Prompt) -> Option<Value> {
        None
    }

    /// The status that an error stands for that comes with, or after, a status of 200.
    fn late_status(&self) -> u16 {
        500
    }
}

/// What a request asks for.
pub enum Asked {
    /// An answer of a model.
    Chat(Prompt, &'static dyn Chat),
    /// Something that was made while it was read.
    Ready {
        /// The reply.
        reply: Reply,
        /// The model named, whose faults apply; without one there are none.
        model: Option<String>,
        /// What it cost.
        used: Usage,
    },
}

/// A reason not to answer that has nothing to do with the request's form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trouble {
    /// The prompt is longer than the model's context.
    Context,
    /// A content filter refused the prompt.
    Filter,
    /// The account has no money left.
    Quota,
}

/// The service that a request is for.
pub fn of(call: &Call<'_>) -> Option<&'static dyn Wire> {
    WIRES.iter().copied().find(|wire| wire.serves(call))
}

/// What is said of a path that no service has.
pub fn nowhere(refusal: &Refusal) -> (&'static dyn Wire, Reply) {
    let wire: &dyn Wire = &openai::chat::Completions;
    (wire, wire.refuse(refusal))
}

impl Asked {
    /// A reply that no fault changes, and that costs nothing.
    pub fn ready(reply: Reply) -> Self {
        Self::Ready { reply, model: None, used: Usage::default() }
    }

    /// The model named.
    pub fn model(&self) -> Option<&str> {
        match self {
            Self::Chat(prompt, _) => Some(&prompt.model),
            Self::Ready { model, .. } => model.as_deref(),
        }
    }
}
