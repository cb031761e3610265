//! Limits and budgets: of keys, teams, apps, models and providers, and of combinations.

use serde::{Deserialize, Serialize};
use sluice_core::matching::Match;
use sluice_core::store::dimension::Dimension;

use super::{is_default, is_false};

/// What may be used; what is left out is not limited. Minutes slide; days are calendar days in UTC.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Requests in any minute.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub requests_per_minute: Option<u64>,
    /// Tokens in any minute, of prompts and answers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tokens_per_minute: Option<u64>,
    /// Tokens of prompts in any minute.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub input_tokens_per_minute: Option<u64>,
    /// Tokens of answers in any minute.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub output_tokens_per_minute: Option<u64>,
    /// Tokens in a day, of prompts and answers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tokens_per_day: Option<u64>,
    /// Requests at the same time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub concurrent_requests: Option<u64>,
    /// Tokens of one request: its prompt, by estimate, and the answer it asks for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_request_tokens: Option<u64>,
}

/// What may be spent, in US dollars: `0.5`, `20`; what is left out is not limited. Days and months are the calendar's, in UTC.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct Budget {
    /// In a day.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub daily: Option<f64>,
    /// In a month.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub monthly: Option<f64>,
    /// In all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub total: Option<f64>,
    /// Only warn, never refuse: in the header `x-sluice-budget`, in the log, and in a metric, at 80% and at 100%.
    #[serde(skip_serializing_if = "is_false")]
    pub soft: bool,
    /// When it is used up, serve this model instead of refusing; what that one costs counts, and is not stopped by this budget.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub then_model: Option<String>,
}

/// Limits on the requests that match, counted together or for each of something.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct LimitRule {
    /// Whose requests; everybody's when left out.
    #[serde(default, rename = "match", skip_serializing_if = "is_default")]
    pub matches: Match,
    /// Counted separately for each of these, such as `[key]`; all together when left out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub per: Vec<Dimension>,
    /// The limits.
    pub limits: Limits,
}

/// A budget for the requests that match, counted together or for each of something.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct BudgetRule {
    /// Whose requests; everybody's when left out.
    #[serde(default, rename = "match", skip_serializing_if = "is_default")]
    pub matches: Match,
    /// Counted separately for each of these, such as `[team, model]`; all together when left out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub per: Vec<Dimension>,
    /// The budget.
    pub budget: Budget,
}
