//! How known services differ from OpenAI, according to their documentation. Fields that a service accepts and ignores are not listed.

use crate::dialect::aliases;
use crate::dialect::bounds;
use crate::dialect::quirk::{Becomes, Quirk};

use super::Variation;

/// Since its reasoning models, OpenAI has a separate role for instructions; other services only know the older one.
const DEVELOPER_IS_SYSTEM: Quirk =
    Quirk { field: "messages[].role", becomes: Becomes::Replaced(r#""developer""#, r#""system""#) };

/// `max_tokens` is the older name; only OpenAI has deprecated it.
const OLD_MAX_TOKENS: Quirk = Quirk { field: "max_completion_tokens", becomes: Becomes::Renamed("max_tokens") };

/// Usage cannot be requested; the server decides whether a stream reports it.
pub const NO_STREAM_OPTIONS: Quirk = Quirk { field: "stream_options", becomes: Becomes::Omitted };

/// OpenAI itself.
pub const OPENAI: Variation =
    Variation { extensions: false, thinks: false, rules: aliases::OPENAI, quirks: &[], bounds: bounds::OPENAI };

/// Servers that support OpenAI's chat from before its reasoning models. Their ranges of numbers differ and are left to them.
pub const OLDER: Variation = Variation { quirks: &[OLD_MAX_TOKENS, DEVELOPER_IS_SYSTEM], bounds: &[], ..OPENAI };

/// DeepSeek: responds with 400 to an assistant message without `reasoning_content`, also to one that another provider wrote.
/// <https://api-docs.deepseek.com/guides/thinking_mode>
pub const DEEPSEEK: Variation = Variation {
    thinks: true,
    quirks: &[
        OLD_MAX_TOKENS,
        DEVELOPER_IS_SYSTEM,
        Quirk { field: "messages[].reasoning_content", becomes: Becomes::Present },
    ],
    ..OLDER
};

/// Servers that pass messages to the model's own chat template, which does not know the role `developer`.
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
        // "property 'reasoning_content' is unsupported". Other providers' responses have it, so it comes back with the conversation.
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

/// Mistral: responds with 422 to every unknown field, and always reports usage. <https://docs.mistral.ai/api>
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
        // Other providers' responses have these fields, so they come back with the conversation.
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

/// xAI: OpenAI's format with narrower integer ranges. <https://docs.x.ai/docs/api-reference>
pub const XAI: Variation = Variation { bounds: bounds::XAI, ..OPENAI };

/// OpenRouter: supports `cache_control`. <https://openrouter.ai/docs/features/prompt-caching>
pub const OPENROUTER: Variation = Variation { extensions: true, bounds: &[], ..OPENAI };
