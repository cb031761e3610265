//! The fields of responses that survive a conversion. A field without content (`null`, `0`, an empty list) need not.

use serde_json::Value;
use sluice_wire::dialect::Id;

/// The fields and values of one format that survive a conversion.
#[derive(Debug)]
pub(super) struct Survives {
    /// Names of fields, at any depth.
    names: &'static [&'static str],
    /// Fields that survive with these values only.
    values: &'static [(&'static str, &'static [&'static str])],
    /// Fields whose content the model chooses.
    free: &'static [&'static str],
}

/// The fields of chunks and whole responses.
const CHAT: Survives = Survives {
    names: &[
        "id",
        "object",
        "created",
        "model",
        "choices",
        "index",
        "message",
        "delta",
        "role",
        "content",
        "refusal",
        "reasoning_content",
        "thinking_blocks",
        "thinking",
        "signature",
        "data",
        "tool_calls",
        "type",
        "function",
        "name",
        "arguments",
        "finish_reason",
        "usage",
        "prompt_tokens",
        "completion_tokens",
        "total_tokens",
        "prompt_tokens_details",
        "cached_tokens",
        "completion_tokens_details",
        "reasoning_tokens",
        "system_fingerprint",
        "service_tier",
        "obfuscation",
    ],
    values: &[
        ("role", &["assistant"]),
        ("finish_reason", &["stop", "length", "tool_calls"]),
        ("type", &["function", "thinking", "redacted_thinking"]),
    ],
    free: &[],
};

const COMPLETIONS: Survives = Survives {
    names: &[
        "id",
        "object",
        "created",
        "model",
        "choices",
        "index",
        "text",
        "finish_reason",
        "usage",
        "prompt_tokens",
        "completion_tokens",
        "total_tokens",
        "system_fingerprint",
        "service_tier",
    ],
    values: &[("finish_reason", &["stop", "length"])],
    free: &[],
};

const ANTHROPIC: Survives = Survives {
    names: &[
        "id",
        "type",
        "role",
        "model",
        "message",
        "index",
        "content",
        "content_block",
        "delta",
        "text",
        "thinking",
        "signature",
        "data",
        "name",
        "input",
        "partial_json",
        "stop_reason",
        "usage",
        "input_tokens",
        "output_tokens",
        "cache_read_input_tokens",
        "cache_creation_input_tokens",
        "service_tier",
    ],
    values: &[
        ("role", &["assistant"]),
        ("stop_reason", &["end_turn", "max_tokens", "tool_use"]),
        (
            "type",
            &[
                "message",
                "text",
                "thinking",
                "redacted_thinking",
                "tool_use",
                "ping",
                "message_start",
                "content_block_start",
                "content_block_delta",
                "content_block_stop",
                "message_delta",
                "message_stop",
                "text_delta",
                "thinking_delta",
                "signature_delta",
                "input_json_delta",
            ],
        ),
    ],
    free: &["input"],
};

/// The fields and values of this format that survive; `None` if its responses are never converted.
pub(super) fn of(id: Id) -> Option<&'static Survives> {
    match id {
        Id::OpenAiChat => Some(&CHAT),
        Id::Completions => Some(&COMPLETIONS),
        Id::Anthropic => Some(&ANTHROPIC),
        _ => None,
    }
}

impl Survives {
    /// Whether all of a document survives.
    pub(super) fn all(&self, document: &Value) -> bool {
        match document {
            Value::Object(fields) => fields.iter().all(|(name, value)| is_nothing(value) || self.field(name, value)),
            Value::Array(items) => items.iter().all(|item| self.all(item)),
            _ => true,
        }
    }

    fn field(&self, name: &str, value: &Value) -> bool {
        let known = self.values.iter().find(|(known, _)| *known == name);
        let survives = known.is_none_or(|(_, values)| value.as_str().is_some_and(|value| values.contains(&value)));
        survives && self.names.contains(&name) && (self.free.contains(&name) || self.all(value))
    }
}

/// Whether a field has no content.
fn is_nothing(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Bool(value) => !value,
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.iter().all(is_nothing),
        Value::Object(fields) => fields.values().all(is_nothing),
    }
}
