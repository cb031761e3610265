//! Whether an error says that a provider has no such model: that it was retired, is not deployed, or was never there. The gateway
//! file names the models that providers are asked for, so it is a reason to ask another target. That something else is not there,
//! a file say, is the request's own mistake.
//!
//! | who | how it is said |
//! |---|---|
//! | OpenAI | 404, code `model_not_found` (platform.openai.com/docs/guides/error-codes) |
//! | Azure | 404, code `DeploymentNotFound` |
//! | Groq | 400, code `model_decommissioned` (console.groq.com/docs/deprecations) |
//! | Anthropic, Gemini, Bedrock, Cohere | 404; their formats make `model_not_found` of it where it is of a model |
//! | vLLM, Ollama and others | 404, and a text about a model |

use sluice_wire::error::{ApiError, ErrorKind};

/// Codes that say nothing else.
const CODES: [&str; 4] = ["model_not_found", "DeploymentNotFound", "model_decommissioned", "model_not_available"];

/// Words that a 404 without such a code says it with, in small letters.
const WORDS: [&str; 2] = ["model", "deployment"];

/// So much of a message is looked at.
const LONGEST_LOOK: usize = 256;

/// Whether it is a model that the provider does not have.
pub fn is_model(error: &ApiError) -> bool {
    if error.code.as_deref().is_some_and(|code| CODES.contains(&code)) {
        return (400..500).contains(&error.status);
    }
    let says = || {
        let end = error.message.floor_char_boundary(LONGEST_LOOK);
        let message = error.message.get(..end).unwrap_or_default().to_ascii_lowercase();
        WORDS.iter().any(|word| message.contains(word))
    };
    error.kind == ErrorKind::NotFound
        && error.status == 404
        && error.param.as_deref().is_none_or(|at| at == "model")
        && says()
}
