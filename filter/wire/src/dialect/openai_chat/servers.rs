//! Chat completions for providers: OpenAI, and servers with [`variations`].

use crate::conversation::Request;
use crate::dialect::models::openai::OpenAi;
use crate::dialect::openai::{self, chunks, peek, usage};
use crate::dialect::provider::{ChatProvider, Departures, Passing, Provider, Serves};
use crate::dialect::{Id, WrittenRequest};
use crate::error::ApiError;

use super::variations;
use super::write::write;
use super::{Variation, response};

/// OpenAI itself.
pub static PROVIDER: Provider =
    server(&variations::OPENAI, |request, model| write(request, model, &variations::OPENAI));

/// Servers that support OpenAI's chat from before its reasoning models.
pub static OLDER: Provider = server(&variations::OLDER, |request, model| write(request, model, &variations::OLDER));

/// DeepSeek.
pub static DEEPSEEK: Provider =
    server(&variations::DEEPSEEK, |request, model| write(request, model, &variations::DEEPSEEK));

/// Servers that pass messages to the model's own chat template.
pub static TEMPLATED: Provider =
    server(&variations::TEMPLATED, |request, model| write(request, model, &variations::TEMPLATED));

/// Groq.
pub static GROQ: Provider = server(&variations::GROQ, |request, model| write(request, model, &variations::GROQ));

/// Mistral.
pub static MISTRAL: Provider =
    server(&variations::MISTRAL, |request, model| write(request, model, &variations::MISTRAL));

/// xAI.
pub static XAI: Provider = server(&variations::XAI, |request, model| write(request, model, &variations::XAI));

/// OpenRouter.
pub static OPENROUTER: Provider =
    server(&variations::OPENROUTER, |request, model| write(request, model, &variations::OPENROUTER));

/// Creates the provider half for a variation.
const fn server(
    variation: &Variation,
    write_request: fn(&Request, &str) -> Result<WrittenRequest, ApiError>,
) -> Provider {
    Provider {
        id: Id::OpenAiChat,
        path: |_, _| "/chat/completions".to_owned(),
        departs: Departures {
            quirks: variation.quirks,
            bounds: variation.bounds,
            suits: |model| OpenAi::of(model).is_none_or(|model| model.calls_in_chat),
        },
        peek_response: Some(peek::response),
        usage_of: usage::of,
        serves: Serves::Chat(ChatProvider {
            rules: variation.rules,
            write_request,
            read_response: response::read,
            stream_reader: || Box::<chunks::Reader>::default(),
            passing: Some(Passing { peeker: || Box::<peek::Peeker>::default(), opener: None }),
        }),
        ..openai::PROVIDER
    }
}
