//! Converts reasoning to Google's `thinkingConfig`, which differs by generation. A model's name tells its generation.
//!
//! | effort | Gemini 2.5: `thinkingBudget` | Gemini 3: `thinkingLevel` |
//! |---|---|---|
//! | `none` | 0; on Pro, which always thinks, 128 | `MINIMAL`; on Pro, which has no such level, `LOW` |
//! | `minimal` | 1024 | `MINIMAL`; on Pro `LOW` |
//! | `low` | 1024 | `LOW` |
//! | `medium` | 8192 | `MEDIUM`; on 3.0 Pro, which has no such level, `HIGH` |
//! | `high` | 24576 | `HIGH` |
//! | `xhigh`, `max` | 32768, or the model's maximum | `HIGH` |
//!
//! A budget in tokens is a `thinkingBudget` in both; for Gemini 2.5 it is clamped to the model's bounds. Adaptive thinking is a budget of
//! -1, and for Gemini 3 the absence of both fields. Thinking that cannot be disabled is reported as dropped. So is an effort or a budget
//! for a model before 2.5, which does not think. A model whose name tells no generation gets Gemini 2.5's budgets, which Gemini 3 takes
//! too. Clients that ask for thinking also get the thoughts. Sources: Google's pages "Gemini thinking" and "OpenAI compatibility".

use serde::Serialize;

use crate::conversation::Reasoning;
use crate::dialect::bounds::{self, Bounds};
use crate::dialect::effort;
use crate::error::ApiError;

/// Google's `thinkingConfig`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ThinkingConfig {
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    include_thoughts: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    thinking_budget: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    thinking_level: Option<&'static str>,
}

/// The decision about thinking.
#[derive(Debug, PartialEq, Eq, Default)]
pub(super) struct Plan {
    pub(super) config: Option<ThinkingConfig>,
    /// The name of the parameter that was dropped or changed.
    pub(super) dropped: Option<&'static str>,
}

/// How a model's thinking is controlled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Control {
    /// Not at all: it does not think.
    Nothing,
    /// By a budget within these bounds; `always` if thinking cannot be disabled.
    Budget { least: u64, most: u64, always: bool },
    /// By levels: the names of the lowest and of a middle one.
    Level { least: &'static str, middle: &'static str },
}

/// Whether `model` requires a signature on the first call of each step.
pub(super) fn needs_signatures(model: &str) -> bool {
    matches!(control(model), Control::Level { .. })
}

/// The bounds of `model`.
pub(super) fn bounds(model: &str) -> Bounds {
    match generation(model) {
        Some((0..=1, _)) => bounds::GEMINI_1,
        None | Some((2, 0..=4)) => bounds::GEMINI_2_0,
        Some((3.., _)) if model.contains("preview") => bounds::GEMINI_PREVIEW,
        Some(_) => bounds::GEMINI,
    }
}

fn control(model: &str) -> Control {
    let pro = model.contains("-pro");
    match generation(model) {
        Some((0..=1, _) | (2, 0..=4)) => Control::Nothing,
        Some((2, _)) if pro => Control::Budget { least: 128, most: 32768, always: true },
        Some((2, _)) if model.contains("-lite") => Control::Budget { least: 512, most: 24576, always: false },
        Some((2, _)) => Control::Budget { least: 1, most: 24576, always: false },
        Some((3, 0)) if pro => Control::Level { least: "LOW", middle: "HIGH" },
        Some(_) if pro => Control::Level { least: "LOW", middle: "MEDIUM" },
        Some(_) => Control::Level { least: "MINIMAL", middle: "MEDIUM" },
        None => Control::Budget { least: 1, most: 24576, always: false },
    }
}

/// Parses the generation in a name: `gemini-2.5-flash`, `gemini-3-pro-preview`. Names that end in `-latest` without one are the newest.
fn generation(model: &str) -> Option<(u32, u32)> {
    let (_, rest) = model.rsplit_once("gemini-")?;
    let version = rest.split('-').next().unwrap_or(rest);
    let (major, minor) = version.split_once('.').unwrap_or((version, "0"));
    match (major.parse(), minor.parse()) {
        (Ok(major), Ok(minor)) => Some((major, minor)),
        _ => rest.ends_with("-latest").then_some((u32::MAX, 0)),
    }
}

impl Plan {
    /// Decides about thinking. The only error is an unknown effort.
    pub(super) fn of(wish: Option<&Reasoning>, model: &str) -> Result<Self, ApiError> {
        let control = control(model);
        match wish {
            None => Ok(Self::default()),
            Some(Reasoning::Effort(word) | Reasoning::Work(word)) => Self::effort(word, control),
            Some(Reasoning::Disabled | Reasoning::Budget(0)) => Ok(Self::off("thinking", control)),
            Some(Reasoning::Budget(budget)) => Ok(Self::budget(*budget, control)),
            Some(Reasoning::Adaptive) => Ok(match control {
                Control::Nothing => Self::default(),
                Control::Budget { .. } => Self::thinks(Some(-1), None),
                Control::Level { .. } => Self::thinks(None, None),
            }),
        }
    }

    fn thinks(thinking_budget: Option<i64>, thinking_level: Option<&'static str>) -> Self {
        let config = ThinkingConfig { include_thoughts: true, thinking_budget, thinking_level };
        Self { config: Some(config), dropped: None }
    }

    fn effort(word: &str, control: Control) -> Result<Self, ApiError> {
        let (budget, level): (u64, fn(&'static str, &'static str) -> &'static str) = match word {
            "none" => return Ok(Self::off("reasoning_effort", control)),
            "minimal" => (1024, |least, _| least),
            "low" => (1024, |_, _| "LOW"),
            "medium" => (8192, |_, middle| middle),
            "high" => (24576, |_, _| "HIGH"),
            "xhigh" | "max" => (32768, |_, _| "HIGH"),
            _ => return Err(effort::unknown()),
        };
        Ok(match control {
            Control::Nothing => Self { config: None, dropped: Some("reasoning_effort") },
            Control::Budget { most, .. } => Self::thinks(i64::try_from(budget.min(most)).ok(), None),
            Control::Level { least, middle } => Self::thinks(None, Some(level(least, middle))),
        })
    }

    fn budget(budget: u64, control: Control) -> Self {
        match control {
            Control::Nothing => Self { config: None, dropped: Some("thinking") },
            Control::Budget { least, most, .. } => {
                let given = budget.clamp(least, most);
                let dropped = (given != budget).then_some("thinking");
                Self { dropped, ..Self::thinks(i64::try_from(given).ok(), None) }
            }
            Control::Level { .. } => Self::thinks(Some(i64::try_from(budget).unwrap_or(i64::MAX)), None),
        }
    }

    /// The least thinking that the model can do.
    fn off(name: &'static str, control: Control) -> Self {
        let (thinking_budget, thinking_level, met) = match control {
            Control::Nothing => return Self::default(),
            Control::Budget { always: false, .. } => (Some(0), None, true),
            Control::Budget { least, .. } => (i64::try_from(least).ok(), None, false),
            Control::Level { least, .. } => (None, Some(least), false),
        };
        let config = ThinkingConfig { include_thoughts: false, thinking_budget, thinking_level };
        Self { config: Some(config), dropped: (!met).then_some(name) }
    }
}
