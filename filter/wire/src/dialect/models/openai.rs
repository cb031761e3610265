//! The reasoning of OpenAI's models.
//!
//! | models | efforts | by default |
//! |---|---|---|
//! | GPT-3.5, 4, 4.1, 4o, 4.5; `gpt-5-chat` | no reasoning: an effort is a 400 | |
//! | `o1-mini`, `o1-preview` | none can be chosen | reasons |
//! | `o1`, `o3`, `o4-mini` and their kind | `low` to `high` | reasons |
//! | `gpt-5`, `-mini`, `-nano` | `minimal` to `high` | reasons |
//! | `gpt-5-codex`, `gpt-5.1-codex` | `low` to `high` | reasons |
//! | `gpt-5-pro` | `high` | reasons |
//! | `gpt-5.1` | `none`, `low` to `high` | does not reason |
//! | `gpt-5.1-codex-max`, and `-codex` from 5.2 on | `low` to `xhigh` | reasons |
//! | `gpt-5.2` to `5.4` | `none`, `low` to `xhigh` | does not reason |
//! | `-chat` from 5.1 on | `medium` | reasons |
//! | `-pro` from 5.2 on | `medium` to `xhigh` | reasons |
//! | `gpt-5.5` | `none`, `low` to `xhigh` | reasons |
//! | `gpt-5.6` | `none`, `low` to `max` | reasons |
//! | `gpt-6` | `low` to `max` | reasons |
//! | `gpt-oss` | `low` to `high` | reasons |
//!
//! While a model reasons, OpenAI rejects a `temperature` and a `top_p` other than 1, and penalties other than 0. The models from `o3` on in
//! the table take no `stop`. More tokens than a model can produce are a 400 too: 16,384 for 4o, 4.5 and the `-chat` models, 32,768 for 4.1,
//! 100,000 for the `o` series, 128,000 from GPT-5 on. From GPT-5.4 on only the Responses API combines reasoning and functions: in chat
//! completions that is a 400.
//!
//! Sources: OpenAI's page "Reasoning models" and its pages of models; `ReasoningEffort` in its Python SDK; `pydantic_ai/profiles/openai.py`
//! (pydantic/pydantic-ai), whose entries were tested on the service; anomalyco/opencode issues 4451 and 36141, which quote the service's
//! 400s; "Unsupported parameter: 'stop' is not supported with this model"; "Function tools with reasoning_effort are not supported for
//! gpt-5.6-sol in /v1/chat/completions"; "max_tokens is too large: 32000. This model supports at most 16384 completion tokens".

use super::{Version, number, words};

/// The parameters that a model takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OpenAi {
    /// The efforts it takes, in ascending order; empty if none can be chosen.
    pub efforts: &'static [&'static str],
    /// Whether it reasons by default.
    pub by_itself: bool,
    /// Whether it rejects sampling parameters while it reasons.
    pub strict: bool,
    /// Whether it takes `stop`.
    pub stops: bool,
    /// Whether it takes `verbosity`.
    pub verbosity: bool,
    /// The largest token limit that it takes.
    pub most_tokens: Option<u64>,
    /// Whether it calls functions in chat completions while it reasons.
    pub calls_in_chat: bool,
}

const PLAIN: OpenAi = OpenAi {
    efforts: &[],
    by_itself: false,
    strict: false,
    stops: true,
    verbosity: false,
    most_tokens: None,
    calls_in_chat: true,
};
const GPT_4O: OpenAi = OpenAi { most_tokens: Some(16_384), ..PLAIN };
const GPT_4_1: OpenAi = OpenAi { most_tokens: Some(32_768), ..PLAIN };
const O1_MINI: OpenAi = OpenAi { by_itself: true, strict: true, stops: false, ..PLAIN };
const O1: OpenAi = OpenAi { efforts: &["low", "medium", "high"], stops: true, most_tokens: Some(100_000), ..O1_MINI };
const O3: OpenAi = OpenAi { stops: false, ..O1 };
const GPT_OSS: OpenAi = OpenAi { strict: false, most_tokens: None, ..O1 };
const GPT_5: OpenAi =
    OpenAi { efforts: &["minimal", "low", "medium", "high"], verbosity: true, most_tokens: Some(128_000), ..O3 };
const GPT_5_PRO: OpenAi = OpenAi { efforts: &["high"], ..GPT_5 };
const GPT_5_1: OpenAi = OpenAi { efforts: &["none", "low", "medium", "high"], by_itself: false, ..GPT_5 };
const CODEX: OpenAi = OpenAi { efforts: &["low", "medium", "high", "xhigh"], ..GPT_5 };
const CHAT: OpenAi = OpenAi { efforts: &["medium"], most_tokens: Some(16_384), ..O3 };
const PRO: OpenAi = OpenAi { efforts: &["medium", "high", "xhigh"], calls_in_chat: false, ..GPT_5 };
const GPT_5_2: OpenAi = OpenAi { efforts: &["none", "low", "medium", "high", "xhigh"], ..GPT_5_1 };
const GPT_5_4: OpenAi = OpenAi { calls_in_chat: false, ..GPT_5_2 };
const GPT_5_5: OpenAi = OpenAi { by_itself: true, ..GPT_5_4 };
const GPT_5_6: OpenAi = OpenAi { efforts: &["none", "low", "medium", "high", "xhigh", "max"], ..GPT_5_5 };
const GPT_6: OpenAi = OpenAi { efforts: &["low", "medium", "high", "xhigh", "max"], ..GPT_5_6 };

/// A variant of GPT, its first generation, and its parameters. The last matching row applies; a variant without a row is like the plain
/// model.
const GPT: &[(&str, Version, OpenAi)] = &[
    ("", (0, 0), PLAIN),
    ("4o", (0, 0), GPT_4O),
    ("", (4, 1), GPT_4_1),
    ("", (4, 5), GPT_4O),
    ("", (5, 0), GPT_5),
    ("", (5, 1), GPT_5_1),
    ("", (5, 2), GPT_5_2),
    ("", (5, 4), GPT_5_4),
    ("", (5, 5), GPT_5_5),
    ("", (5, 6), GPT_5_6),
    ("", (6, 0), GPT_6),
    ("chat", (5, 0), GPT_4O),
    ("chat", (5, 1), CHAT),
    ("codex", (5, 0), OpenAi { most_tokens: Some(128_000), ..O3 }),
    ("codex-max", (5, 1), CODEX),
    ("codex", (5, 2), CODEX),
    ("pro", (5, 0), GPT_5_PRO),
    ("pro", (5, 2), PRO),
];

impl OpenAi {
    /// Finds a model by name; `None` for a name that is not OpenAI's.
    pub fn of(model: &str) -> Option<&'static Self> {
        let name = model.to_ascii_lowercase();
        let name = name.rsplit('/').next().unwrap_or(&name);
        let name = ["ft:", "openai."].iter().find_map(|before| name.strip_prefix(before)).unwrap_or(name);
        if name.starts_with("gpt-oss") {
            return Some(&GPT_OSS);
        }
        match name.strip_prefix("gpt-").or_else(|| name.strip_prefix("chatgpt-")) {
            Some(behind) => Self::gpt(behind),
            None => Self::o(name),
        }
    }

    fn gpt(behind: &str) -> Option<&'static Self> {
        let version = match words(behind).next()? {
            // Azure's names have no dot.
            "35" | "4o" => (4, 0),
            major => {
                (number(major)?, behind.strip_prefix(major)?.strip_prefix('.').and_then(minor).unwrap_or_default())
            }
        };
        let has = |variant: &str| words(behind).any(|word| word == variant);
        let variant = match () {
            () if has("codex") && has("max") => "codex-max",
            () if has("codex") => "codex",
            () if has("4o") => "4o",
            () if has("chat") => "chat",
            () if has("pro") => "pro",
            () => "",
        };
        let row = |variant: &str| GPT.iter().rev().find(|(of, from, _)| *of == variant && version >= *from);
        let codex = (variant == "codex-max").then(|| row("codex")).flatten();
        row(variant).or(codex).or_else(|| row("")).map(|(_, _, model)| model)
    }

    fn o(name: &str) -> Option<&'static Self> {
        let mut words = words(name);
        let first = words.next()?;
        let generation = first.strip_prefix('o').and_then(number)?;
        match (generation, words.next()) {
            (1, Some("mini" | "preview")) => Some(&O1_MINI),
            (1, _) => Some(&O1),
            _ => Some(&O3),
        }
    }

    /// Whether it reasons with this effort, or by default.
    pub fn reasons(&self, effort: Option<&str>) -> bool {
        match effort {
            Some(effort) => effort != "none",
            None => self.by_itself,
        }
    }
}

/// Parses the number behind the dot.
fn minor(behind: &str) -> Option<u32> {
    words(behind).next().and_then(number)
}
