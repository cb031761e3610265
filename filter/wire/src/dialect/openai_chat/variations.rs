//! How known services depart from OpenAI. Each is what a service documents; what it takes and ignores is not here.

use crate::dialect::aliases;
use crate::dialect::bounds;
use crate::dialect::quirk::{Becomes, Quirk};

use super::Variation;

/// OpenAI's instructions have a role of their own since its reasoning models; others know the older word for it.
const DEVELOPER_IS_SYSTEM: Quirk =
    Quirk { field: "messages[].role", becomes: Becomes::Replaced(r#""developer""#, r#""system""#) };

/// `max_tokens` was there first, and OpenAI alone has given it up.
const OLD_MAX_TOKENS: Quirk = Quirk { field: "max_completion_tokens", becomes: Becomes::Renamed("max_tokens") };

/// Usage cannot be asked for; the stream holds what the server likes to tell.
pub const NO_STREAM_OPTIONS: Quirk = Quirk { field: "stream_options", becomes: Becomes::Omitted };

/// OpenAI itself.
pub const OPENAI: Variation =
    Variation { extensions: false, rules: aliases::OPENAI, quirks: &[], bounds: bounds::OPENAI };

/// Servers that know OpenAI's chat as it was before its reasoning models. Each has numbers of its own, which it knows best.
pub const OLDER: Variation = Variation { quirks: &[OLD_MAX_TOKENS, DEVELOPER_IS_SYSTEM], bounds: &[], ..OPENAI };

/// Servers that hand messages to the model's own template, which knows no developer.
pub const TEMPLATED: Variation = Variation { quirks: &[DEVELOPER_IS_SYSTEM], bounds: &[], ..OPENAI };

/// Groq: "not supported and will result in a 400 error if they are supplied".
/// <https://console.groq.com/docs/openai>
pub const GROQ: Variation = Variation {
    quirks: &[
        Quirk { field: "logprobs", becomes: Becomes::Refused(&["false"]) },
        Quirk { field: "top_logprobs", becomes: Becomes::Refused(&["0"]) },
        Quirk { field: "logit_bias", becomes: Becomes::Refused(&["{}"]) },
        Quirk { field: "n", becomes: Becomes::Only(&["1"]) },
        Quirk { field: "messages[].name", becomes: Becomes::Dropped },
        // "property 'reasoning_content' is unsupported": what other providers' answers have, and comes back with the conversation.
        Quirk { field: "messages[].reasoning_content", becomes: Becomes::Dropped },
        Quirk { field: "messages[].reasoning_details", becomes: Becomes::Dropped },
        Quirk { field: "messages[].thinking_blocks", becomes: Becomes::Dropped },
        Quirk { field: "messages[].provider_specific_fields", becomes: Becomes::Omitted },
        Quirk { field: "messages[].extra_content", becomes: Becomes::Omitted },
        Quirk { field: "messages[].annotations", becomes: Becomes::Omitted },
        Quirk { field: "messages[].tool_calls[].provider_specific_fields", becomes: Becomes::Omitted },
        Quirk { field: "messages[].tool_calls[].extra_content", becomes: Becomes::Omitted },
    ],
    bounds: bounds::GROQ,
    ..OPENAI
};

/// Mistral: answers 422 to every field it does not know, and always tells usage. <https://docs.mistral.ai/api>
pub const MISTRAL: Variation = Variation {
    rules: aliases::MISTRAL,
    quirks: &[
        Quirk { field: "seed", becomes: Becomes::Renamed("random_seed") },
        Quirk { field: "tool_choice", becomes: Becomes::Replaced(r#""required""#, r#""any""#) },
        OLD_MAX_TOKENS,
        DEVELOPER_IS_SYSTEM,
        NO_STREAM_OPTIONS,
        Quirk { field: "user", becomes: Becomes::Dropped },
        Quirk { field: "service_tier", becomes: Becomes::Dropped },
        Quirk { field: "store", becomes: Becomes::Dropped },
        Quirk { field: "messages[].name", becomes: Becomes::Dropped },
        Quirk { field: "messages[].reasoning_content", becomes: Becomes::Dropped },
        Quirk { field: "messages[].reasoning", becomes: Becomes::Dropped },
        Quirk { field: "messages[].thinking_blocks", becomes: Becomes::Dropped },
        // What other providers' answers have, and comes back with the conversation.
        Quirk { field: "messages[].refusal", becomes: Becomes::Dropped },
        Quirk { field: "messages[].annotations", becomes: Becomes::Omitted },
        Quirk { field: "messages[].audio", becomes: Becomes::Refused(&[]) },
        Quirk { field: "messages[].function_call", becomes: Becomes::Refused(&[]) },
        Quirk { field: "messages[].reasoning_details", becomes: Becomes::Dropped },
        Quirk { field: "messages[].provider_specific_fields", becomes: Becomes::Omitted },
        Quirk { field: "messages[].extra_content", becomes: Becomes::Omitted },
        Quirk { field: "messages[].tool_calls[].provider_specific_fields", becomes: Becomes::Omitted },
        Quirk { field: "messages[].tool_calls[].extra_content", becomes: Becomes::Omitted },
        Quirk { field: "messages[].tool_calls[].id", becomes: Becomes::CallId(aliases::MISTRAL.ids) },
        Quirk { field: "messages[].tool_call_id", becomes: Becomes::CallId(aliases::MISTRAL.ids) },
    ],
    bounds: bounds::MISTRAL,
    ..OPENAI
};

/// xAI: OpenAI's format, whole numbers smaller. <https://docs.x.ai/docs/api-reference>
pub const XAI: Variation = Variation { bounds: bounds::XAI, ..OPENAI };

/// OpenRouter: takes `cache_control`. <https://openrouter.ai/docs/features/prompt-caching>
pub const OPENROUTER: Variation = Variation { extensions: true, bounds: &[], ..OPENAI };
