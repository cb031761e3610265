//! Guardrails: the contents that prompts and responses must not have.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use sluice_core::guard::spec::{Action, Detector, GuardDelivery, MaskStyle, Side};

use super::GuardJudge;

/// A guardrail: what it detects, in which requests, and what it does on a match.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Guard {
    /// The requests to inspect. Default: all.
    #[serde(rename = "match", default, skip_serializing_if = "super::is_default")]
    pub matches: GuardMatch,
    /// The texts to inspect. Default: `prompts` and `answers`.
    #[serde(default = "everywhere", skip_serializing_if = "is_everywhere")]
    pub on: Vec<Side>,
    /// Built-in detectors.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub detect: Vec<Detector>,
    /// Regular expressions in the syntax of Rust's `regex`, each under a name of your choice.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub patterns: BTreeMap<String, String>,
    /// Words and phrases to detect, in any case.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub words: Vec<String>,
    /// A service that judges the texts, instead of `detect`, `patterns` and `words`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub judge: Option<GuardJudge>,
    /// The action for a text that matches. With a judge: only for finds of Presidio, `block` or `mask`. Default: `block`.
    #[serde(default, skip_serializing_if = "super::is_default")]
    pub action: Action,
    /// How streams are delivered: `windows`, as they arrive, without text that may still become a match; or `whole`, once they are complete,
    /// so that a blocked response is retried. Default: `windows`.
    #[serde(default, skip_serializing_if = "super::is_default")]
    pub delivery: GuardDelivery,
    /// The placeholder of a masked text: `label`, `numbered`, `last_four`, `hash` or `{ text: "..." }`. Default: `label`.
    #[serde(default, skip_serializing_if = "super::is_default")]
    pub style: MaskStyle,
    /// Whether the client gets the masked texts of its prompt back where the response has their placeholders. Requires `style: numbered`.
    #[serde(default, skip_serializing_if = "super::is_default")]
    pub restore: bool,
}

fn everywhere() -> Vec<Side> {
    vec![Side::Prompts, Side::Answers]
}

fn is_everywhere(on: &Vec<Side>) -> bool {
    *on == everywhere()
}

/// The requests that a guardrail inspects. All fields that are set must match. An omitted field matches everything.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct GuardMatch {
    /// A key's id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// A team.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub team: Option<String>,
    /// An application.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub app: Option<String>,
    /// A model, by the name that clients request.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
}
