//! The policy for each field of a request on the way to a provider of another format.

use crate::dialect::openai::table::Table;

use super::super::FieldPolicy::{Dropped, Mapped, Refused};
use super::super::{Field, policies};

/// OpenAI's default for `max_tokens`.
pub(super) const DEFAULT_MAX_TOKENS: u64 = 16;

/// Fields by path. Other fields are rejected as unknown. A rejected field passes if its value is the default and has no effect.
pub const FIELDS: &[Field; 20] = &[
    ("model", Mapped, "the target's model"),
    ("prompt", Mapped, "one string, as a user message; several, or tokens: 400"),
    ("max_tokens", Mapped, "`max_completion_tokens`; if absent 16, OpenAI's default"),
    ("temperature", Mapped, ""),
    ("top_p", Mapped, ""),
    ("n", Mapped, ""),
    ("stop", Mapped, ""),
    ("seed", Mapped, ""),
    ("frequency_penalty", Mapped, ""),
    ("presence_penalty", Mapped, ""),
    ("user", Mapped, ""),
    ("stream", Mapped, ""),
    ("stream_options", Mapped, "see `include_usage`"),
    ("stream_options.include_usage", Mapped, "decides whether the client's stream ends with a usage chunk"),
    ("stream_options.include_obfuscation", Dropped, ""),
    ("best_of", Refused, "passes when 1"),
    ("echo", Refused, "passes when `false`"),
    ("logit_bias", Refused, "passes when `{}`"),
    ("logprobs", Refused, "0 also requests them"),
    ("suffix", Refused, "passes when `\"\"`"),
];

/// The table for reading.
pub(super) const TABLE: Table = Table { policies: &policies(FIELDS), changes_nothing };

fn changes_nothing(path: &str, value: &str) -> bool {
    match path {
        "best_of" => value == "1",
        "echo" => value == "false",
        "logit_bias" => value == "{}",
        "suffix" => value == r#""""#,
        _ => false,
    }
}
