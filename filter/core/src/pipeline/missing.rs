//! Recognizes the error of a provider that does not have the requested model: retired, not deployed, or never there. The gateway file names
//! the providers' models, so this is a reason to try another target. If something else is missing (a file, say), that is the client's
//! mistake.
//!
//! | provider | error |
//! |---|---|
//! | OpenAI | 404, code `model_not_found` (platform.openai.com/docs/guides/error-codes) |
//! | Azure | 404, code `DeploymentNotFound` |
//! | Groq | 400, code `model_decommissioned` (console.groq.com/docs/deprecations) |
//! | Anthropic, Gemini, Bedrock, Cohere | 404; their formats map it to `model_not_found` if it concerns a model |
//! | vLLM, Ollama and others | 404, and a message about a model |

use sluice_wire::error::{ApiError, ErrorKind};

/// Codes that always mean a missing model.
const CODES: [&str; 4] = ["model_not_found", "DeploymentNotFound", "model_decommissioned", "model_not_available"];

/// Lower-case words that mark a missing model in a 404 without such a code.
const WORDS: [&str; 2] = ["model", "deployment"];

/// How much of a message is searched, in bytes.
const LONGEST_LOOK: usize = 256;

/// Whether the error means that the provider does not have the model.
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
