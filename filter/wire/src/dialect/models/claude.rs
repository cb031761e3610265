//! Anthropic's models.
//!
//! | models | thinking | efforts | sampling | a call can be required |
//! |---|---|---|---|---|
//! | before 3.7 | none | none | all | yes |
//! | 3.7, 4 | budgets | none | all | without thinking |
//! | Opus 4.1, Sonnet and Haiku 4.5 | budgets | none | `temperature` or `top_p` | without thinking |
//! | Opus 4.5 | budgets | `low` to `high` | `temperature` or `top_p` | without thinking |
//! | Opus and Sonnet 4.6 | budgets, adaptive | `low` to `high`, `max` | `temperature` or `top_p` | without thinking |
//! | 4.7 | adaptive | `low` to `max` | none | without thinking |
//! | 4.8 | adaptive | `low` to `max` | none | yes |
//! | Sonnet 5, Opus 5 | adaptive, unless it is disabled | `low` to `max` | none | yes |
//! | Fable 5, Mythos 5 | adaptive, always | `low` to `max` | none | yes |
//! | Mythos Preview | budgets, adaptive, always | `low` to `high`, `max` | none | yes |
//! | Haiku 5.5 | adaptive, always | `low` to `max` | none | yes |
//! | Fable and Mythos 5.1, all of 5.5 and later | adaptive, always | `low` to `max` | none | no |
//!
//! The shortest prompt that is cached has 1,024 tokens for Sonnet from 3.7 to 5, Opus 4, 4.1 and 4.8; 2,048 for Opus 4.7 and Mythos Preview;
//! 4,096 for Opus 4.5 and 4.6 and Haiku 4.5; 512 for Opus, Fable and Mythos from 5 on (Anthropic's page "Prompt caching").
//!
//! More tokens than a model can produce are a 400: 4,096 before 3.5, 8,192 for 3.5, 32,000 for Opus 4 and 4.1, 64,000 for the others before
//! 4.6, 128,000 from then on. From 4.5 on AWS also offers a cache lifetime of an hour. From 4.6 on the last message cannot be the
//! assistant's.
//!
//! Sources: Anthropic's pages "Adaptive thinking", "Effort", "Troubleshoot thinking" (the configurations that each model rejects),
//! "Migration guide" and "Errors"; AWS's user guide, "Adaptive thinking"; results of live requests: `pydantic_ai/profiles/anthropic.py`
//! (pydantic/pydantic-ai), `core/providers/anthropic/adaptivethinkingstrip_test.go` (maximhq/bifrost), langchain-ai/langchain-aws pull
//! requests 1141 and 1151 (required calls), and the service's own "`temperature` and `top_p` cannot both be specified for this model".

use super::{NEWEST, Version, number, words};

/// How a model's thinking is controlled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Thinks {
    /// It does not think.
    Never,
    /// By a budget in tokens.
    Budget,
    /// By a budget in tokens, or adaptively.
    Both,
    /// Adaptively only: a budget is a 400.
    Adaptive,
}

/// The sampling parameters that a model takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Chance {
    /// All of them.
    All,
    /// All, but not both `temperature` and `top_p`.
    OneOfTwo,
    /// Only the defaults: other values are a 400.
    Defaults,
}

/// Whether a request may require a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Calls {
    /// Only without thinking.
    WithoutThinking,
    /// Also with adaptive thinking.
    Always,
    /// Never: it is a 400.
    Never,
}

/// The parameters that a model takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Claude {
    /// How its thinking is controlled.
    pub thinks: Thinks,
    /// Whether it thinks by default.
    pub by_itself: bool,
    /// Whether its thinking can be disabled.
    pub can_be_off: bool,
    /// The efforts it takes, in ascending order; empty if it has no such parameter.
    pub efforts: &'static [&'static str],
    /// The sampling parameters that it takes.
    pub chance: Chance,
    /// Whether a request may require a call.
    pub calls: Calls,
    /// Whether it continues a partial assistant message (prefill).
    pub prefill: bool,
    /// Whether AWS can cache its prompts for an hour.
    pub hour: bool,
    /// The largest token limit that it takes.
    pub most_tokens: Option<u64>,
    /// The shortest prompt that it caches, in tokens. A shorter one with a cache mark is not an error. `None`: not every host caches its
    /// prompts, or its name is unknown.
    pub least_cached: Option<u64>,
}

const UP_TO_HIGH: &[&str] = &["low", "medium", "high"];
const HIGH_AND_MAX: &[&str] = &["low", "medium", "high", "max"];
const ALL: &[&str] = &["low", "medium", "high", "xhigh", "max"];

/// A model with an unknown name: the parameters that all of Anthropic's models took at first.
const UNKNOWN: Claude = Claude {
    thinks: Thinks::Both,
    by_itself: false,
    can_be_off: true,
    efforts: &[],
    chance: Chance::All,
    calls: Calls::WithoutThinking,
    prefill: true,
    hour: true,
    most_tokens: None,
    least_cached: None,
};

const FIRST: Claude = Claude { thinks: Thinks::Never, hour: false, most_tokens: Some(4096), ..UNKNOWN };
const C3_5: Claude = Claude { most_tokens: Some(8192), ..FIRST };
const BUDGETS: Claude = Claude { thinks: Thinks::Budget, most_tokens: Some(64_000), least_cached: Some(1024), ..FIRST };
const OPUS_4: Claude = Claude { most_tokens: Some(32_000), ..BUDGETS };
const ONE_OF_TWO: Claude = Claude { chance: Chance::OneOfTwo, ..BUDGETS };
const OPUS_4_1: Claude = Claude { most_tokens: Some(32_000), ..ONE_OF_TWO };
const C4_5: Claude = Claude { hour: true, ..ONE_OF_TWO };
const HAIKU_4_5: Claude = Claude { least_cached: Some(4096), ..C4_5 };
const OPUS_4_5: Claude = Claude { efforts: UP_TO_HIGH, ..HAIKU_4_5 };
const C4_6: Claude =
    Claude { thinks: Thinks::Both, efforts: HIGH_AND_MAX, prefill: false, most_tokens: Some(128_000), ..C4_5 };
const OPUS_4_6: Claude = Claude { least_cached: Some(4096), ..C4_6 };
const C4_7: Claude =
    Claude { thinks: Thinks::Adaptive, efforts: ALL, chance: Chance::Defaults, least_cached: Some(2048), ..C4_6 };
const C4_8: Claude = Claude { calls: Calls::Always, least_cached: Some(1024), ..C4_7 };
const C5: Claude = Claude { by_itself: true, ..C4_8 };
const OPUS_5: Claude = Claude { least_cached: Some(512), ..C5 };
const ALWAYS: Claude = Claude { can_be_off: false, ..OPUS_5 };
const PREVIEW: Claude = Claude { thinks: Thinks::Both, efforts: HIGH_AND_MAX, least_cached: Some(2048), ..ALWAYS };
const NO_CALLS: Claude = Claude { calls: Calls::Never, ..ALWAYS };

/// Families, the first generation, and the parameters. The last matching row applies; an empty list means all families.
const ROWS: &[(&[&str], Version, Claude)] = &[
    (&[], (0, 0), FIRST),
    (&[], (3, 5), C3_5),
    (&[], (3, 7), BUDGETS),
    (&["opus"], (4, 0), OPUS_4),
    (&["opus"], (4, 1), OPUS_4_1),
    (&[], (4, 5), C4_5),
    (&["haiku"], (4, 5), HAIKU_4_5),
    (&["opus"], (4, 5), OPUS_4_5),
    (&[], (4, 6), C4_6),
    (&["opus"], (4, 6), OPUS_4_6),
    (&[], (4, 7), C4_7),
    (&[], (4, 8), C4_8),
    (&[], (5, 0), C5),
    (&["opus"], (5, 0), OPUS_5),
    (&["fable", "mythos"], (5, 0), ALWAYS),
    (&["fable", "mythos"], (5, 1), NO_CALLS),
    (&[], (5, 5), NO_CALLS),
    (&["haiku"], (5, 5), ALWAYS),
];

/// The families of a generation.
const FAMILIES: &[&str] = &["opus", "sonnet", "haiku", "fable", "mythos"];

impl Claude {
    /// Finds a model by name.
    pub fn of(model: &str) -> &'static Self {
        let name = model.to_ascii_lowercase();
        let Some((_, behind)) = name.rsplit_once("claude") else { return &UNKNOWN };
        let family = words(behind).find(|word| FAMILIES.contains(word));
        if family == Some("mythos") && behind.contains("preview") {
            return &PREVIEW;
        }
        // A single number in an operator's own name, such as `claude-prod-2`, is not a generation.
        let is_plain = words(behind).next().is_some_and(|word| {
            word.starts_with(|letter: char| letter.is_ascii_digit() || letter == 'v') || word == "instant"
        });
        let Some(version) =
            version(behind).filter(|(_, minor)| is_plain || family.is_some() || *minor > 0).or(family.map(|_| NEWEST))
        else {
            return &UNKNOWN;
        };
        let fits = |(families, from, _): &&(&[&str], Version, Self)| {
            version >= *from && (families.is_empty() || family.is_some_and(|family| families.contains(&family)))
        };
        ROWS.iter().rev().find(fits).map_or(&UNKNOWN, |(_, _, claude)| claude)
    }

    /// The parameters of a model with an unknown name.
    pub fn unknown() -> &'static Self {
        &UNKNOWN
    }

    /// Whether it can think adaptively.
    pub fn adapts(&self) -> bool {
        matches!(self.thinks, Thinks::Both | Thinks::Adaptive)
    }
}

/// Parses the generation behind `claude`: the first numbers that are not a date. The oldest names, `claude-v2:1`, look like the revisions
/// that hosts append, `-v1:0`.
fn version(behind: &str) -> Option<Version> {
    let is_revision = |word: &&str| word.strip_prefix('v').and_then(number).is_some();
    if words(behind).next().as_ref().is_some_and(is_revision) {
        return Some((2, 0));
    }
    let words = words(behind).take_while(|word| !is_revision(word));
    let mut numbers = words.map(number).skip_while(Option::is_none).take_while(Option::is_some).flatten();
    Some((numbers.next()?, numbers.next().unwrap_or_default()))
}
