//! The names of a span's attributes, in each convention.
//!
//! Sources: <https://github.com/open-telemetry/semantic-conventions-genai/blob/002c8a6ea1c8a42b14a4527db83b3cabcded610a/model/gen-ai/registry.yaml>
//! and <https://github.com/Arize-ai/openinference/blob/00e2b51591f324f020677beba37b14a8fd4e517f/spec/semantic_conventions.md>.

use super::TraceNames;

/// The names of one convention; an attribute without a name is omitted.
#[derive(Debug)]
pub struct Names {
    /// OpenInference's kind of span.
    pub kind: &'static str,
    /// The kind of operation.
    pub operation: &'static str,
    /// The provider.
    pub provider: &'static str,
    /// The requested model.
    pub asked_model: &'static str,
    /// The model that served.
    pub served_model: &'static str,
    /// The model, whichever is known.
    pub model: &'static str,
    /// The client's bound on output tokens.
    pub max_tokens: &'static str,
    /// The number of choices.
    pub choices: &'static str,
    /// Whether the client requested a stream.
    pub stream: &'static str,
    /// The conversation that the request continues.
    pub conversation: &'static str,
    /// The response's id.
    pub response_id: &'static str,
    /// Why the model stopped: a list.
    pub finish_reasons: &'static str,
    /// Why the model stopped: one text.
    pub finish_reason: &'static str,
    /// The time until the first portion of a stream, in seconds.
    pub first_chunk: &'static str,
    /// Tokens of the prompt.
    pub input: &'static str,
    /// Tokens of the response.
    pub output: &'static str,
    /// The sum of both.
    pub total: &'static str,
    /// Of the prompt, read from the provider's cache.
    pub cached: &'static str,
    /// Of the prompt, written to the provider's cache.
    pub cache_write: &'static str,
    /// Of the response, reasoning.
    pub reasoning: &'static str,
    /// The prompt, if content is recorded.
    pub prompt: &'static str,
    /// The media type of the prompt.
    pub prompt_type: &'static str,
    /// The response, if content is recorded.
    pub response: &'static str,
    /// The media type of the response.
    pub response_type: &'static str,
    /// Whether the request's span has the tokens too. OpenInference's tools add up the tokens of all spans.
    pub request_has_tokens: bool,
}

/// OpenTelemetry's.
const OPENTELEMETRY: Names = Names {
    kind: "",
    operation: "gen_ai.operation.name",
    provider: "gen_ai.provider.name",
    asked_model: "gen_ai.request.model",
    served_model: "gen_ai.response.model",
    model: "",
    max_tokens: "gen_ai.request.max_tokens",
    choices: "gen_ai.request.choice.count",
    stream: "gen_ai.request.stream",
    conversation: "gen_ai.conversation.id",
    response_id: "gen_ai.response.id",
    finish_reasons: "gen_ai.response.finish_reasons",
    finish_reason: "",
    first_chunk: "gen_ai.response.time_to_first_chunk",
    input: "gen_ai.usage.input_tokens",
    output: "gen_ai.usage.output_tokens",
    total: "",
    cached: "gen_ai.usage.cache_read.input_tokens",
    cache_write: "gen_ai.usage.cache_creation.input_tokens",
    reasoning: "gen_ai.usage.reasoning.output_tokens",
    prompt: "gen_ai.input.messages",
    prompt_type: "",
    response: "gen_ai.output.messages",
    response_type: "",
    request_has_tokens: true,
};

/// OpenInference's.
const OPENINFERENCE: Names = Names {
    kind: "openinference.span.kind",
    operation: "",
    provider: "llm.provider",
    asked_model: "llm.request.model_name",
    served_model: "llm.response.model_name",
    model: "llm.model_name",
    max_tokens: "",
    choices: "",
    stream: "",
    conversation: "session.id",
    response_id: "",
    finish_reasons: "",
    finish_reason: "llm.finish_reason",
    first_chunk: "",
    input: "llm.token_count.prompt",
    output: "llm.token_count.completion",
    total: "llm.token_count.total",
    cached: "llm.token_count.prompt_details.cache_read",
    cache_write: "llm.token_count.prompt_details.cache_write",
    reasoning: "llm.token_count.completion_details.reasoning",
    prompt: "input.value",
    prompt_type: "input.mime_type",
    response: "output.value",
    response_type: "output.mime_type",
    request_has_tokens: false,
};

impl TraceNames {
    /// The names.
    pub fn all(self) -> &'static Names {
        match self {
            Self::OpenTelemetry => &OPENTELEMETRY,
            Self::OpenInference => &OPENINFERENCE,
        }
    }
}
