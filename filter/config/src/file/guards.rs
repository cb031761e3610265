//! What prompts and answers must not have in them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use sluice_core::guard::spec::{Action, Detector, Side};

/// A guardrail: what is looked for, in whose requests, and what becomes of a text that has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Guard {
    /// Whose requests; everybody's when left out.
    #[serde(rename = "match", default, skip_serializing_if = "super::is_default")]
    pub matches: GuardMatch,
    /// Where it is looked for; in both when left out.
    #[serde(default = "everywhere", skip_serializing_if = "is_everywhere")]
    pub on: Vec<Side>,
    /// What Sluice knows how to find.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub detect: Vec<Detector>,
    /// What you describe: regular expressions, in the syntax of Rust's `regex`, by names of your choice.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub patterns: BTreeMap<String, String>,
    /// Words and phrases, in any case.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub words: Vec<String>,
    /// What becomes of a text in which something is found.
    #[serde(default, skip_serializing_if = "super::is_default")]
    pub action: Action,
}

fn everywhere() -> Vec<Side> {
    vec![Side::Prompts, Side::Answers]
}

fn is_everywhere(on: &Vec<Side>) -> bool {
    *on == everywhere()
}

/// Whose requests a guardrail is about: all that are left out match anything. What is listed must hold together.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct GuardMatch {
    /// One key's, by its id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// One team's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub team: Option<String>,
    /// One application's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub app: Option<String>,
    /// Those for one model, by the name clients ask for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
}
